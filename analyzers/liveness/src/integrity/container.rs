//! What a clip's container says about itself, against what is in it.

use serde::{Deserialize, Serialize};
use vultus_plugin_api::JobMedium;

use crate::policy::Finding;

/// The feature `container/1`, which the host provides for clips.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Source {
    /// Codec of the pictures, such as `h264`.
    codec: String,
    /// Bytes of the pictures.
    bytes: u64,
    /// Number of shown pictures.
    frames: u64,
    /// Time from the first to the end of the last picture, in microseconds.
    duration_us: i64,
    /// Duration that the container states, in microseconds.
    stated_duration_us: Option<i64>,
    /// Pictures per second that the container states.
    stated_rate: Option<f64>,
    /// Longest time between two pictures, in microseconds.
    longest_gap_us: i64,
    /// Names of editing programs in its metadata.
    editors: Vec<String>,
    /// Names of virtual cameras in its metadata.
    virtual_cameras: Vec<String>,
}

/// What a result says of the container.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Container {
    pub(crate) codec: Option<String>,
    /// Bits of the encoder per pixel.
    pub(crate) bits_per_pixel: Option<f64>,
    /// Pictures per second that are there.
    pub(crate) frame_rate: Option<f64>,
    /// Pictures per second that the container states.
    pub(crate) stated_frame_rate: Option<f64>,
    /// Length of the pictures over the length that the container states.
    pub(crate) duration_share: Option<f64>,
    /// Longest time without a new picture, in microseconds.
    pub(crate) longest_gap_us: Option<i64>,
    /// Names of editing programs in its metadata.
    pub(crate) editors: Vec<String>,
    /// Names of virtual cameras in its metadata.
    pub(crate) virtual_cameras: Vec<String>,
}

/// Shares of the stated duration between which the pictures may last. Containers count sound, and
/// round.
const DURATION: std::ops::RangeInclusive<f64> = 0.8..=1.25;
/// Shares of the stated rate between which the rate may be. Cameras slow down in the dark, and
/// browsers state the rate that they hope for.
const RATE: std::ops::RangeInclusive<f64> = 0.2..=1.5;
/// Time without a new picture from which something is missing, in microseconds.
const GAP_US: i64 = 1_000_000;

impl Source {
    pub(crate) fn container(self, medium: &JobMedium) -> Container {
        let rounded = super::Integrity::rounded;
        let pixels = self.frames as f64 * f64::from(medium.width) * f64::from(medium.height);
        let seconds = self.duration_us as f64 / 1e6;
        Container {
            codec: Some(self.codec),
            bits_per_pixel: (pixels > 0.0).then(|| rounded(self.bytes as f64 * 8.0 / pixels)),
            frame_rate: (seconds > 0.0).then(|| rounded(self.frames as f64 / seconds)),
            stated_frame_rate: self.stated_rate.map(rounded),
            duration_share: self
                .stated_duration_us
                .filter(|stated| *stated > 0)
                .map(|stated| rounded(self.duration_us as f64 / stated as f64)),
            longest_gap_us: Some(self.longest_gap_us),
            editors: self.editors,
            virtual_cameras: self.virtual_cameras,
        }
    }
}

impl Container {
    pub(super) fn findings(&self) -> Vec<Finding> {
        let floor = self.codec.as_deref().map_or(0.0, least_bits);
        let rate = self.frame_rate.zip(self.stated_frame_rate).map(|(is, said)| is / said);
        let cases = [
            (Finding::TooCompressed, self.bits_per_pixel.is_some_and(|bits| bits < floor)),
            (
                Finding::DurationMismatch,
                self.duration_share.is_some_and(|share| !DURATION.contains(&share)),
            ),
            (
                Finding::RateMismatch,
                rate.is_some_and(|share| share.is_finite() && !RATE.contains(&share)),
            ),
            (Finding::TimeGap, self.longest_gap_us.is_some_and(|gap| gap >= GAP_US)),
            (Finding::EditedClip, !self.editors.is_empty()),
            (Finding::VirtualCamera, !self.virtual_cameras.is_empty()),
        ];
        cases.into_iter().filter(|(_, holds)| *holds).map(|(finding, _)| finding).collect()
    }
}

/// Bits per pixel below which a codec leaves too little of a face's texture. Of the development
/// clips the most compressed has 0.039 (H.264).
fn least_bits(codec: &str) -> f64 {
    match codec {
        "hevc" | "av1" | "vp9" => 0.008,
        "vp8" => 0.02,
        _ => 0.012,
    }
}
