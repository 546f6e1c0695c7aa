//! The host's side of a call in safe Rust: the request, and the trait behind the callbacks.

use std::sync::Arc;

use serde_json::Value;

use crate::error::Failure;
use crate::frame::PixelFormat;
use crate::job::{JobMedium, LogLevel};

/// The request to judge a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRequest {
    /// The analysis type; empty for `provide`.
    pub analysis: String,
    /// The merged and validated parameters; `null` for `provide`.
    pub params: Value,
    /// The media; the `index` of each is its position in this list.
    pub media: Vec<JobMedium>,
}

/// Shared pixels: an `Arc<Vec<u8>>`, for example. They live as long as any owner.
pub type Pixels = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A frame that a host passes to a plugin. The pixels are shared with the host, not copied.
#[derive(Clone)]
pub struct FrameView {
    /// Index of the medium in [`JobRequest::media`].
    pub medium: u32,
    /// Index of the frame in its medium.
    pub index: u32,
    /// Layout of the pixels.
    pub format: PixelFormat,
    /// Pixels per row.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
    /// Bytes from the start of one row to the start of the next.
    pub stride: u32,
    /// At least `stride * (height - 1)` bytes plus one row of pixels.
    pub pixels: Pixels,
    /// Presentation time in microseconds.
    pub pts_us: i64,
    /// Width of the medium's upright pictures before scaling, in pixels.
    pub source_width: u32,
    /// Height of the medium's upright pictures before scaling, in pixels.
    pub source_height: u32,
}

impl FrameView {
    /// Whether there are enough pixels for the size.
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

/// The services of a host during a call. Called only on the thread of the call, and only during it.
pub trait JobHost {
    /// The next frame, medium by medium, in order. If the same medium and index is returned again
    /// in a call, the plugin receives the first frame again.
    ///
    /// # Errors
    /// The call ends with this failure, whatever the plugin returns.
    fn next_frame(&mut self) -> Result<Option<FrameView>, Failure>;
    /// Restarts the iteration.
    fn rewind(&mut self);
    /// Frame `index` of a medium's track; `None` past the last one, and in a call whose manifest
    /// asks for no track. Requested at most once per call and frame.
    ///
    /// # Errors
    /// The call ends with this failure, whatever the plugin returns.
    fn track_frame(&mut self, medium: u32, index: u32) -> Result<Option<FrameView>, Failure> {
        let _ = (medium, index);
        Ok(None)
    }
    /// A feature of a frame, or of a medium as a whole (`frame` is `None`). Requested at most once
    /// per call.
    ///
    /// # Errors
    /// The provider's failure; `Unsupported` if no provider is available to this plugin.
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
    /// Reports the fraction done, 0 to 1; always finite.
    fn progress(&mut self, fraction: f32);
    /// Writes a line to the operator's log, at most [`crate::limits::MAX_MESSAGE_BYTES`].
    fn log(&mut self, level: LogLevel, message: &str);
    /// Stores a file with the result; name, type and limits are already checked.
    ///
    /// # Errors
    /// The file cannot be stored.
    fn artifact(&mut self, name: &str, mime: &str, bytes: &[u8]) -> Result<(), Failure>;
    /// Reports a file that was rejected before [`JobHost::artifact`], for its name, type or size,
    /// or because there were too many. The plugin was told.
    fn artifact_refused(&mut self, refusal: &Failure) {
        let _ = refusal;
    }
}
