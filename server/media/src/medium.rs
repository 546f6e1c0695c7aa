//! The results of a probe and of decoding.

use crate::pixels::StoredFrame;
use crate::track::TrackFrame;
use crate::video::ContainerFacts;
use vultus_core::MediaKind;
use vultus_worker_protocol::{FrameReport, ProbeReport};

/// Result of [`crate::probe`].
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Description of the medium; of a shot set, the size is that of its first picture.
    pub report: ProbeReport,
    /// Upright JPEG of the (first) picture, at most 256 pixels on the longer side, without any
    /// metadata.
    pub thumbnail: Vec<u8>,
    /// Of a single picture, the frame that [`crate::decode`] returns, so that it need not be
    /// decoded twice.
    pub frame: Option<StoredFrame>,
}

impl Probe {
    /// Completes a report with the sizes of the thumbnail and of the frame.
    pub(crate) fn new(report: ProbeReport, thumbnail: Vec<u8>, frame: Option<StoredFrame>) -> Self {
        let frame_report = frame.as_ref().map(|frame| FrameReport {
            source_width: report.width,
            source_height: report.height,
            width: frame.width,
            height: frame.height,
        });
        let thumbnail_bytes = thumbnail.len() as u64;
        let report = ProbeReport { thumbnail_bytes, frame: frame_report, ..report };
        Self { report, thumbnail, frame }
    }
}

/// The bounded set of frames of one medium, determined by the medium and the limits alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Frames {
    /// Kind, determined by content.
    pub kind: MediaKind,
    /// MIME type, determined by content, such as `image/jpeg`.
    pub content_type: String,
    /// Width of the source after orientation, in pixels.
    pub width: u32,
    /// Height of the source after orientation, in pixels.
    pub height: u32,
    /// Duration of the presented frames, in microseconds; only for videos.
    pub duration_us: Option<i64>,
    /// Number of presented frames of a video, or of pictures of a shot set.
    pub frame_count: Option<u64>,
    /// The stored frames, in presentation order.
    pub frames: Vec<StoredFrame>,
    /// What a clip's container states and has.
    pub container: Option<ContainerFacts>,
    /// The track of a clip, in presentation order; empty for other media and with
    /// [`crate::Tracking::Off`].
    pub track: Vec<TrackFrame>,
}
