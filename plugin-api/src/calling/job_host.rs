//! What a host offers to a call, as safe Rust: the request and the trait behind the callbacks.

use std::sync::Arc;

use serde_json::Value;

use crate::error::Failure;
use crate::frame::PixelFormat;
use crate::job::{JobMedium, LogLevel};

/// What an instance is asked to judge.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRequest {
    /// The analysis type; empty for `provide`.
    pub analysis: String,
    /// The merged, validated parameters; `null` for `provide`.
    pub params: Value,
    /// The media; `index` of each is its place here.
    pub media: Vec<JobMedium>,
}

/// Pixels that live as long as anybody holds them: an `Arc<Vec<u8>>` is one.
pub type Pixels = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A frame that a host hands to a plugin. The pixels stay shared with the host; nothing is copied.
#[derive(Clone)]
pub struct FrameView {
    /// Index of the medium in [`JobRequest::media`].
    pub medium: u32,
    /// Index of the frame in its medium.
    pub index: u32,
    /// How the pixels are laid out.
    pub format: PixelFormat,
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bytes from one row to the next.
    pub stride: u32,
    /// At least `stride * (height - 1)` + one row of pixels.
    pub pixels: Pixels,
    /// Time in the medium, in microseconds.
    pub pts_us: i64,
    /// Width of the medium's upright pictures before scaling, in pixels.
    pub source_width: u32,
    /// Height of the medium's upright pictures before scaling, in pixels.
    pub source_height: u32,
}

impl FrameView {
    /// Whether the pixels are as many as the size says.
    pub(crate) fn is_whole(&self) -> bool {
        let row = u64::from(self.width) * self.format.bytes_per_pixel() as u64;
        let Some(rows_above) = self.height.checked_sub(1) else {
            return false;
        };
        let needed = u64::from(self.stride) * u64::from(rows_above) + row;
        let pixels: &[u8] = (*self.pixels).as_ref();
        self.width > 0
            && self.source_width > 0
            && self.source_height > 0
            && u64::from(self.stride) >= row
            && pixels.len() as u64 >= needed
    }
}

/// What a host does for a job. Called only on the thread that made the call, and only during it.
pub trait JobHost {
    /// The next frame, medium by medium, in order. A frame that was handed out once in this call is
    /// not asked again: the plugin gets the first one for the same medium and index.
    ///
    /// # Errors
    /// The call ends with this failure, whatever the plugin answers.
    fn next_frame(&mut self) -> Result<Option<FrameView>, Failure>;
    /// Starts the iteration again.
    fn rewind(&mut self);
    /// A feature of a frame, or of a medium as a whole (`frame` is `None`). Asked at most once per
    /// call.
    ///
    /// # Errors
    /// What the provider met; `Unsupported` when nobody provides it to this plugin.
    fn feature(
        &mut self,
        medium: u32,
        frame: Option<u32>,
        name: &str,
    ) -> Result<Arc<[u8]>, Failure>;
    /// Whether the call should stop.
    fn is_cancelled(&self) -> bool;
    /// Time left, in microseconds.
    fn deadline_us(&self) -> u64;
    /// How much is done, 0 to 1; always finite.
    fn progress(&mut self, fraction: f32);
    /// A line for the operator's log, at most [`super::MAX_MESSAGE_BYTES`].
    fn log(&mut self, level: LogLevel, message: &str);
    /// A file to keep with the result; name, type and limits are checked already.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn artifact(&mut self, name: &str, mime: &str, bytes: &[u8]) -> Result<(), Failure>;
    /// A file was refused before it got here, for its name, type or size or for being one too many.
    /// The plugin was told.
    fn artifact_refused(&mut self, refusal: &Failure) {
        let _ = refusal;
    }
}
