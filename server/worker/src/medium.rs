//! A medium of a run: its bounded set of frames, decoded once, and the scaled copies that analyses
//! requested.
//!
//! Pixels are shared and never changed: a plugin may read them until its call returns, while other
//! plugins hold the same frame.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use vultus_media::{
    DecodeOptions, Frames, Limits, MediaKind, Refusal, StoredFrame, TrackFrame, Tracking,
};
use vultus_plugin_api::PixelFormat;
use vultus_plugin_api::limits::SLOW_TRACK_RATE;
use vultus_plugin_api::manifest::SlotKind;
use vultus_plugin_host::Pixels;
use vultus_worker_protocol::memfd::{self, MemfdError};
use vultus_worker_protocol::{FrameReport, MAX_FRAME_BYTES, RefusalReport};

use crate::source::MediumSource;

/// A medium of a run.
#[derive(Debug)]
pub(crate) enum Medium {
    /// No analysis of the run takes the medium.
    Unused,
    /// The medium cannot be decoded.
    Refused(RefusalReport),
    /// The frame that a probe decoded did not arrive intact.
    Lost(MemfdError),
    /// The medium is decoded.
    Decoded(Box<Decoded>),
}

/// The frames of a medium.
pub(crate) struct Decoded {
    pub(crate) kind: SlotKind,
    /// Size of its upright pictures, in pixels.
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) duration_us: Option<i64>,
    /// The feature `container/1`, as JSON.
    pub(crate) container: Arc<[u8]>,
    frames: Vec<Arc<StoredFrame>>,
    track: Vec<Arc<TrackFrame>>,
    prepared: HashMap<(u32, u32, PixelFormat), Picture>,
    prepared_track: HashMap<(usize, PixelFormat), Picture>,
}

impl std::fmt::Debug for Decoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} frames of {} × {}", self.frames.len(), self.width, self.height)
    }
}

/// A frame as an analysis receives it.
#[derive(Clone)]
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) stride: u32,
    pub(crate) pixels: Pixels,
    pub(crate) pts_us: i64,
}

/// The pixels of a frame that needs neither scaling nor another format.
struct Shared(Arc<StoredFrame>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0.rgb
    }
}

impl Medium {
    /// A single picture that a probe has decoded.
    pub(crate) fn of_frame(report: FrameReport, frame: OwnedFd) -> Self {
        let rgb = match memfd::read_sealed(frame, report.byte_size(), MAX_FRAME_BYTES) {
            Ok(rgb) => rgb,
            Err(error) => return Self::Lost(error),
        };
        let frame =
            StoredFrame { width: report.width, height: report.height, rgb, pts_us: 0, index: 0 };
        Self::Decoded(Box::new(Decoded {
            kind: SlotKind::Image,
            width: report.source_width,
            height: report.source_height,
            duration_us: None,
            container: Arc::from(&b"null"[..]),
            frames: vec![Arc::new(frame)],
            track: Vec::new(),
            prepared: HashMap::new(),
            prepared_track: HashMap::new(),
        }))
    }

    /// Decodes a medium, or records why it cannot be decoded.
    pub(crate) fn decode(
        descriptor: OwnedFd,
        byte_size: u64,
        limits: &Limits,
        options: DecodeOptions,
    ) -> Self {
        match vultus_media::decode(MediumSource::new(descriptor), byte_size, limits, options) {
            Ok(frames) if frames.frames.is_empty() => {
                Self::Refused(crate::probe::report(&Refusal::NoFrames))
            }
            Ok(frames) => Self::Decoded(Box::new(Decoded::new(frames))),
            Err(refusal) => Self::Refused(crate::probe::report(&refusal)),
        }
    }
}

impl Decoded {
    fn new(frames: Frames) -> Self {
        Self {
            kind: match frames.kind {
                MediaKind::Image => SlotKind::Image,
                MediaKind::Video => SlotKind::Video,
                MediaKind::ShotSet => SlotKind::ShotSet,
            },
            width: frames.width,
            height: frames.height,
            duration_us: frames.duration_us,
            container: serde_json::to_vec(&frames.container).expect("plain data").into(),
            frames: frames.frames.into_iter().map(Arc::new).collect(),
            track: frames.track.into_iter().map(Arc::new).collect(),
            prepared: HashMap::new(),
            prepared_track: HashMap::new(),
        }
    }

    /// Number of frames.
    pub(crate) fn frame_count(&self) -> u32 {
        self.frames.len() as u32
    }

    /// Number of frames of the track.
    pub(crate) fn track_count(&self, view: TrackView) -> u32 {
        self.track_of(view).count() as u32
    }

    /// A frame of the track. `None` past the last frame.
    pub(crate) fn track_picture(&mut self, index: u32, view: TrackView) -> Option<Picture> {
        let (place, frame) = self.track_of(view).nth(index as usize)?;
        let (frame, key) = (Arc::clone(frame), (place, view.format));
        let prepared = self.prepared_track.entry(key);
        Some(prepared.or_insert_with(|| prepare_track(&frame, view.format)).clone())
    }

    /// The frames with their places. A reader of the slow part gets no other frames, even if they
    /// are there.
    fn track_of(&self, view: TrackView) -> impl Iterator<Item = (usize, &Arc<TrackFrame>)> {
        let frames = self.track.iter().enumerate();
        frames.filter(move |(_, frame)| frame.slow || view.tracking == Tracking::Whole)
    }

    /// A frame, scaled to at most `max_side` pixels and converted to a format. `None` past the last
    /// frame.
    pub(crate) fn picture(
        &mut self,
        index: u32,
        max_side: u32,
        format: PixelFormat,
    ) -> Option<Picture> {
        let frame = self.frames.get(index as usize)?;
        // All maximum sides that the frame fits into give the same picture.
        let side = max_side.min(frame.width.max(frame.height));
        let prepared = self
            .prepared
            .entry((index, side, format))
            .or_insert_with(|| prepare(frame, side, format));
        Some(prepared.clone())
    }
}

/// How an analysis or a feature reads tracks, by its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrackView {
    pub(crate) format: PixelFormat,
    /// The part that it reads.
    pub(crate) tracking: Tracking,
}

impl TrackView {
    /// `None` if it reads no tracks.
    pub(crate) fn of(format: Option<&str>, rate: u32) -> Option<Self> {
        let tracking = if rate > SLOW_TRACK_RATE { Tracking::Whole } else { Tracking::Slow };
        Some(Self { format: PixelFormat::from_name(format?)?, tracking })
    }
}

/// The grey picture of a track's frame, which needs no conversion.
struct Luma(Arc<TrackFrame>);

impl AsRef<[u8]> for Luma {
    fn as_ref(&self) -> &[u8] {
        self.0.luma()
    }
}

fn prepare_track(frame: &Arc<TrackFrame>, format: PixelFormat) -> Picture {
    let (width, height, pts_us) = (frame.width, frame.height, frame.pts_us);
    let pixels: Pixels = match format {
        PixelFormat::Gray8 => Arc::new(Luma(Arc::clone(frame))),
        PixelFormat::Rgb8 => Arc::new(frame.rgb()),
        PixelFormat::Bgr8 => {
            let mut pixels = frame.rgb();
            pixels.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.swap(0, 2));
            Arc::new(pixels)
        }
    };
    Picture { width, height, stride: width * format.bytes_per_pixel() as u32, pixels, pts_us }
}

fn prepare(frame: &Arc<StoredFrame>, side: u32, format: PixelFormat) -> Picture {
    let scaled = match vultus_media::scale(frame, side) {
        std::borrow::Cow::Borrowed(_) => Arc::clone(frame),
        std::borrow::Cow::Owned(scaled) => Arc::new(scaled),
    };
    let (width, height, pts_us) = (scaled.width, scaled.height, scaled.pts_us);
    let (bytes, pixels): (u32, Pixels) = match format {
        PixelFormat::Rgb8 => (3, Arc::new(Shared(scaled))),
        PixelFormat::Bgr8 => (
            3,
            Arc::new(
                scaled.rgb.chunks_exact(3).flat_map(|p| [p[2], p[1], p[0]]).collect::<Vec<u8>>(),
            ),
        ),
        PixelFormat::Gray8 => {
            (1, Arc::new(scaled.rgb.chunks_exact(3).map(luma).collect::<Vec<u8>>()))
        }
    };
    Picture { width, height, stride: width * bytes, pixels, pts_us }
}

/// Luma of a pixel by ITU-R BT.601, in 16-bit fixed point.
fn luma(rgb: &[u8]) -> u8 {
    let weighted =
        19_595 * u32::from(rgb[0]) + 38_470 * u32::from(rgb[1]) + 7_471 * u32::from(rgb[2]);
    ((weighted + (1 << 15)) >> 16) as u8
}
