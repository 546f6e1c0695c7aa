//! The limits of a medium, and the operator's choice of decoder. No media limit is defined anywhere
//! else.

use serde::{Deserialize, Serialize};

/// Limits of one medium. The refusal of a medium states the actual value and the limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Maximum size of a medium, in bytes.
    pub max_bytes: u64,
    /// Maximum number of pixels of a picture (width × height), taken from its header.
    pub max_pixels: u64,
    /// Maximum number of pixels of a baseline JPEG, which is decoded at half its size when it is
    /// over [`Limits::max_pixels`].
    pub max_reduced_pixels: u64,
    /// Maximum number of scans of a progressive JPEG. Cameras and encoders write about 10; each
    /// scan costs a pass over all pixels.
    pub max_jpeg_scans: u32,
    /// Maximum number of frames kept per medium.
    pub max_frames_stored: u32,
    /// Maximum duration of a video, in seconds.
    pub max_seconds: f64,
    /// Maximum side of a video, in pixels.
    pub max_video_side: u32,
    /// Maximum mean frame rate of a video, in frames per second.
    pub max_frame_rate: f64,
    /// Maximum number of pixels that decoding the sampled frames of one video may touch (frames to
    /// decode × frame size). This bounds its CPU time: about 3 s per thousand million pixels of
    /// H.264.
    pub max_video_pixels: u64,
    /// Maximum number of entries of a shot set's ZIP.
    pub max_zip_entries: u32,
    /// Maximum size of all entries of a ZIP after inflation, in bytes.
    pub max_inflated_bytes: u64,
    /// Maximum ratio of inflated to compressed size of one ZIP entry.
    pub max_ratio: u32,
    /// Maximum number of pixels of all pictures of a shot set together.
    pub max_set_pixels: u64,
    /// Maximum side of a stored frame, in pixels; larger frames are scaled down.
    pub max_stored_side: u32,
    /// Maximum size of the decoded frames kept per medium, in bytes of packed RGB; frames are
    /// scaled down to fit.
    pub frame_bytes: u64,
    /// Maximum number of frames of a clip's track.
    pub max_track_frames: u32,
    /// Maximum side of a track's frames, in pixels.
    pub max_track_side: u32,
    /// Maximum size of a track, in bytes of 4:2:0; frames are scaled down to fit.
    pub track_bytes: u64,
    /// Maximum number of pixels that decoding a whole clip for its track may touch. The track of a
    /// clip with more is made of the frames that are decoded anyway.
    pub max_track_pixels: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 100 << 20,
            max_pixels: 51_000_000,
            max_reduced_pixels: 110_000_000,
            max_jpeg_scans: 32,
            max_frames_stored: 24,
            max_seconds: 120.0,
            max_video_side: 4096,
            max_frame_rate: 240.0,
            max_video_pixels: 8_000_000_000,
            max_zip_entries: 200,
            max_inflated_bytes: 256 << 20,
            max_ratio: 100,
            max_set_pixels: 150_000_000,
            max_stored_side: 4096,
            frame_bytes: 96 << 20,
            max_track_frames: 256,
            max_track_side: 480,
            track_bytes: 32 << 20,
            max_track_pixels: 2_000_000_000,
        }
    }
}

impl Limits {
    /// Size at which one of `frames` stored frames of `width` × `height` pixels is kept: the same
    /// aspect ratio, scaled down to [`Limits::max_stored_side`] and to an equal share of
    /// [`Limits::frame_bytes`].
    pub(crate) fn stored_size(&self, width: u32, height: u32, frames: usize) -> (u32, u32) {
        let share = self.frame_bytes as f64 / frames.max(1) as f64;
        let pixels = f64::from(width) * f64::from(height);
        let by_bytes = (share / 3.0 / pixels).sqrt();
        let by_side = f64::from(self.max_stored_side) / f64::from(width.max(height));
        let factor = by_bytes.min(by_side);
        if factor >= 1.0 {
            return (width, height);
        }
        let scaled = |side: u32| ((f64::from(side) * factor) as u32).max(1);
        (scaled(width), scaled(height))
    }

    /// Size at which one of `frames` frames of `width` × `height` pixels is kept in a track: at
    /// most [`Limits::max_track_side`] and an equal share of [`Limits::track_bytes`], with even
    /// sides.
    pub(crate) fn track_size(&self, width: u32, height: u32, frames: usize) -> (u32, u32) {
        let share = self.track_bytes as f64 / frames.max(1) as f64;
        let pixels = f64::from(width) * f64::from(height);
        let by_bytes = (share / 1.5 / pixels).sqrt();
        let by_side = f64::from(self.max_track_side) / f64::from(width.max(height));
        let factor = by_bytes.min(by_side).min(1.0);
        let even = |side: u32| ((f64::from(side) * factor / 2.0).round() as u32 * 2).max(2);
        let most = (self.max_track_side & !1).max(2);
        (even(width).min(most), even(height).min(most))
    }
}

/// Options of [`crate::decode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecodeOptions {
    /// Exactness of the video decoder.
    pub decoder: DecoderMode,
    /// Whether the tracks of clips are decoded. Decided by the run, not by the configuration.
    #[serde(skip)]
    pub tracking: Tracking,
}

/// Whether the track of a clip is decoded in the same pass as its frames, which stay the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Tracking {
    /// Frames only.
    #[default]
    Off,
    /// Frames, and the slow part of the track: at most 15 frames per second.
    Slow,
    /// Frames and the whole track: at most 30 frames per second.
    Whole,
}

/// Exactness of the video decoder: set by the operator, never by a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecoderMode {
    /// Sampled frames are bit-exact. Frames that no sampled frame depends on are not decoded.
    #[default]
    Exact,
    /// As `Exact`, without the in-loop deblocking filter: faster, with errors that accumulate until
    /// the next key frame.
    Fast,
}
