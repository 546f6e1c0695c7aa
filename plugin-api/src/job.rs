//! A job as an analyzer sees it: media, parameters, frames, features and callbacks. A safe view of
//! [`abi::Job`]; the host's side is in [`crate::calling`].

use std::cell::RefCell;
use std::ffi::c_void;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::abi;
use crate::error::{Failure, Status};
use crate::frame::Frame;
use crate::manifest::SlotKind;
use crate::table::Table;

/// One medium of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobMedium {
    /// Index of the medium in reasons, frames and features.
    pub index: u32,
    /// Name of the medium's slot; empty inside `provide`.
    pub slot: String,
    /// Kind.
    pub kind: SlotKind,
    /// Tags.
    pub tags: Vec<String>,
    /// Width of its upright pictures, in pixels.
    pub width: u32,
    /// Height of its upright pictures, in pixels.
    pub height: u32,
    /// Duration in microseconds, if known.
    pub duration_us: Option<i64>,
    /// Number of frames in the run.
    pub frame_count: u32,
    /// Number of frames of the track, see [`Job::track_frame`]; 0 without a track.
    pub track_count: u32,
    /// Whether the request named the medium, rather than taking all that fit.
    pub named: bool,
}

/// The request of a call of `provide`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureRequest {
    /// Name and version, such as `faces/1`.
    pub feature: String,
    /// Index of the medium in `job.media()`.
    pub medium: u32,
    /// Index of the frame in its medium; `None` for a feature of medium scope.
    pub frame: Option<u32>,
}

/// Importance of a line in the operator's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum LogLevel {
    /// An error.
    Error = 1,
    /// Something looks wrong.
    Warn = 2,
    /// Information.
    Info = 3,
    /// For the author of the plugin.
    Debug = 4,
}

impl LogLevel {
    /// The level for a number that crossed the ABI; unknown numbers are [`LogLevel::Debug`].
    pub fn from_code(code: u32) -> Self {
        match code {
            1 => Self::Error,
            2 => Self::Warn,
            3 => Self::Info,
            _ => Self::Debug,
        }
    }
}

/// A job: valid during the call, on the calling thread.
///
/// ```
/// use vultus_plugin_api::{Failure, Job, LogLevel};
///
/// /// The structure of most analyses: frame by frame, ready to stop.
/// fn count_frames(job: &Job<'_>) -> Result<u32, Failure> {
///     let all: u32 = job.media().iter().map(|medium| medium.frame_count).sum();
///     let mut seen = 0;
///     while let Some(_frame) = job.next_frame() {
///         if job.is_cancelled() {
///             return Err(Failure::cancelled("between two frames"));
///         }
///         seen += 1;
///         job.progress(seen as f32 / all.max(1) as f32);
///     }
///     job.log(LogLevel::Debug, "all frames seen");
///     Ok(seen)
/// }
/// ```
#[derive(Debug)]
pub struct Job<'a> {
    raw: &'a abi::Job,
    analysis: String,
    params: Value,
    media: Vec<JobMedium>,
    /// The first error of the host; it becomes the result of the call.
    fault: RefCell<Option<Failure>>,
}

impl<'a> Job<'a> {
    /// The analysis type; empty inside `provide`.
    pub fn analysis_type(&self) -> &str {
        &self.analysis
    }

    /// The parameters, merged with the defaults and validated by the node; `null` inside `provide`.
    pub fn params(&self) -> &Value {
        &self.params
    }

    /// The media; inside `provide`, all media of the run.
    pub fn media(&self) -> &[JobMedium] {
        &self.media
    }

    /// The next frame, medium by medium, in order; `None` after the last. Inside `provide`: the
    /// requested frame, or all frames of the requested medium.
    pub fn next_frame(&self) -> Option<Frame<'a>> {
        let next = self.raw.next_frame?;
        // SAFETY: the callback and its ctx are valid during the call, and this is its thread.
        let raw = unsafe { next(self.raw.ctx).as_ref() }?;
        self.checked(raw)
    }

    fn checked(&self, raw: &'a abi::Frame) -> Option<Frame<'a>> {
        // SAFETY: the host keeps the frame and its pixels until the call returns, which is `'a`.
        match unsafe { Frame::from_raw(raw) } {
            Ok(frame) => Some(frame),
            Err(failure) => {
                self.fault.borrow_mut().get_or_insert(failure);
                None
            }
        }
    }

    /// Restarts the iteration.
    pub fn rewind(&self) {
        if let Some(rewind) = self.raw.rewind {
            // SAFETY: as in `next_frame`.
            unsafe { rewind(self.raw.ctx) }
        }
    }

    /// Frame `index` of a medium's track: a clip at low resolution and a high frame rate, for calls
    /// whose manifest asks for it. At most [`crate::limits::MAX_TRACK_SIDE`] pixels and
    /// [`crate::limits::MAX_TRACK_FRAMES`] frames; `None` past the last one, for pictures, and in a
    /// host of version 1.0. Its indices are not those of [`Job::next_frame`]; compare times.
    pub fn track_frame(&self, medium: u32, index: u32) -> Option<Frame<'a>> {
        let get = self.raw.track_frame?;
        // SAFETY: as in `next_frame`.
        let raw = unsafe { get(self.raw.ctx, medium, index).as_ref() }?;
        self.checked(raw)
    }

    /// A feature of one frame, as JSON, such as `faces/1`. Computed once per run and frame.
    ///
    /// # Errors
    /// `Unsupported` if no plugin provides it or if this plugin does not list it; otherwise the
    /// provider's failure.
    pub fn feature(&self, frame: &Frame<'_>, name: &str) -> Result<Vec<u8>, Failure> {
        self.call_feature(frame.medium, frame.index, name)
    }

    /// [`Job::feature`], parsed.
    ///
    /// # Errors
    /// As there, and `Internal` if the JSON has another shape.
    pub fn feature_json<T: DeserializeOwned>(
        &self,
        frame: &Frame<'_>,
        name: &str,
    ) -> Result<T, Failure> {
        parse_feature(name, &self.feature(frame, name)?)
    }

    /// A feature of medium scope, as JSON, such as `face_track/1`.
    ///
    /// # Errors
    /// As [`Job::feature`].
    pub fn medium_feature(&self, medium: u32, name: &str) -> Result<Vec<u8>, Failure> {
        self.call_feature(medium, abi::NO_FRAME, name)
    }

    /// [`Job::medium_feature`], parsed.
    ///
    /// # Errors
    /// As there, and `Internal` if the JSON has another shape.
    pub fn medium_feature_json<T: DeserializeOwned>(
        &self,
        medium: u32,
        name: &str,
    ) -> Result<T, Failure> {
        parse_feature(name, &self.medium_feature(medium, name)?)
    }

    /// A feature of medium scope in binary form; `None` if it is an optional need without a
    /// provider.
    ///
    /// # Errors
    /// As [`Job::feature`], and `Internal` if the bytes are not a table.
    pub fn medium_feature_table(&self, medium: u32, name: &str) -> Result<Option<Table>, Failure> {
        read_table(name, &self.medium_feature(medium, name)?)
    }

    /// As [`Job::medium_feature_table`], of one frame.
    ///
    /// # Errors
    /// As there.
    pub fn feature_table(&self, frame: &Frame<'_>, name: &str) -> Result<Option<Table>, Failure> {
        read_table(name, &self.feature(frame, name)?)
    }

    /// Whether the analysis should stop. Check it between frames, then return `Failure::cancelled`.
    pub fn is_cancelled(&self) -> bool {
        // SAFETY: as in `next_frame`.
        self.raw.is_cancelled.is_some_and(|is_cancelled| unsafe { is_cancelled(self.raw.ctx) } != 0)
    }

    /// Remaining time until the deadline.
    pub fn remaining(&self) -> Duration {
        // SAFETY: as in `next_frame`.
        let us = self.raw.deadline_us.map_or(u64::MAX, |left| unsafe { left(self.raw.ctx) });
        Duration::from_micros(us)
    }

    /// Reports the fraction done, 0 to 1.
    pub fn progress(&self, fraction: f32) {
        if let Some(progress) = self.raw.progress {
            // SAFETY: as in `next_frame`.
            unsafe { progress(self.raw.ctx, fraction) }
        }
    }

    /// Writes a line to the operator's log, without personal or biometric data.
    pub fn log(&self, level: LogLevel, message: &str) {
        if let Some(log) = self.raw.log {
            // SAFETY: as in `next_frame`; the host reads the message only during the call.
            unsafe { log(self.raw.ctx, level as u32, abi::Bytes::of(message.as_bytes())) }
        }
    }

    /// Stores a file with the result, such as the best shot. `name` consists of lower-case letters,
    /// digits, `_`, `-` and `.`. There are at most [`crate::limits::MAX_ARTIFACTS`], of at most
    /// [`crate::limits::MAX_ARTIFACT_BYTES`] each.
    ///
    /// # Errors
    /// `InvalidInput` over the limits or for an invalid name; otherwise the host's failure.
    pub fn artifact(&self, name: &str, mime: &str, bytes: &[u8]) -> Result<(), Failure> {
        let Some(artifact) = self.raw.artifact else {
            return Err(Failure::unsupported("the host stores no artifacts"));
        };
        let [name_bytes, mime, data] =
            [name.as_bytes(), mime.as_bytes(), bytes].map(abi::Bytes::of);
        // SAFETY: as in `next_frame`; the host copies the bytes during the call.
        match unsafe { artifact(self.raw.ctx, name_bytes, mime, data) } {
            abi::STATUS_OK => Ok(()),
            code => Err(Failure::new(
                Status::from_code(code),
                format!("the host refused the artifact {name} of {} bytes", bytes.len()),
            )),
        }
    }

    /// A named extension of the host, or null. Its documentation says what it points to.
    pub fn extension(&self, id: &str) -> *const c_void {
        self.raw.get_extension.map_or(std::ptr::null(), |get| {
            // SAFETY: as in `next_frame`; the host reads the id only during the call.
            unsafe { get(self.raw.ctx, abi::Bytes::of(id.as_bytes())) }
        })
    }

    fn call_feature(&self, medium: u32, frame: u32, name: &str) -> Result<Vec<u8>, Failure> {
        let Some(feature) = self.raw.feature else {
            return Err(Failure::unsupported("the host has no features"));
        };
        let mut out = abi::Bytes::EMPTY;
        let name_bytes = abi::Bytes::of(name.as_bytes());
        // SAFETY: as in `next_frame`; `out` is written during the call.
        let code = unsafe { feature(self.raw.ctx, medium, frame, name_bytes, &mut out) };
        // SAFETY: the host's view is valid until the next callback at least; it is copied here.
        let bytes = unsafe { out.get(u64::MAX) }.unwrap_or_default();
        match code {
            abi::STATUS_OK => Ok(bytes.to_vec()),
            code => Err(Failure::new(
                Status::from_code(code),
                format!("requesting {name}: {}", String::from_utf8_lossy(bytes)),
            )),
        }
    }

    /// The first error of the host during the call, if any.
    pub(crate) fn into_fault(self) -> Option<Failure> {
        self.fault.into_inner()
    }

    /// Checks a job that a host passed.
    ///
    /// # Safety
    /// `raw` must follow `abi::Job` during `'a`.
    pub(crate) unsafe fn from_raw(raw: *const abi::Job) -> Result<Self, Failure> {
        // SAFETY: the caller guarantees the pointer.
        let raw: &'a abi::Job =
            unsafe { raw.as_ref() }.ok_or_else(|| Failure::internal("the host passed no job"))?;
        if (raw.struct_size as usize) < size_of::<abi::Job>()
            || (raw.medium_size as usize) < size_of::<abi::Medium>()
        {
            return Err(Failure::internal("the host's job is smaller than that of v1.0"));
        }
        // SAFETY: the caller guarantees that views are valid during `'a`.
        let params = unsafe { raw.params_json.get(u64::MAX) }.unwrap_or_default();
        let params = match params {
            [] => Value::Null,
            json => serde_json::from_slice(json)
                .map_err(|error| Failure::internal(format!("reading the parameters: {error}")))?,
        };
        let mut media = Vec::with_capacity(raw.media_count as usize);
        for i in 0..raw.media_count as usize {
            // SAFETY: `media_count` elements are `medium_size` bytes apart, each at least as long
            // as in v1.0.
            media.push(unsafe {
                let medium = raw.media.byte_add(i * raw.medium_size as usize);
                medium_from_raw(&*medium)?
            });
        }
        // SAFETY: as above.
        let analysis = unsafe { text(raw.analysis) };
        Ok(Self { raw, analysis, params, media, fault: RefCell::new(None) })
    }
}

fn read_table(name: &str, bytes: &[u8]) -> Result<Option<Table>, Failure> {
    if bytes == b"null" {
        return Ok(None);
    }
    Table::from_bytes(bytes)
        .map(Some)
        .map_err(|problem| Failure::internal(format!("reading the feature {name}: {problem}")))
}

fn parse_feature<T: DeserializeOwned>(name: &str, json: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(json)
        .map_err(|error| Failure::internal(format!("reading the feature {name}: {error}")))
}

/// # Safety
/// `raw` must follow `abi::Medium`.
unsafe fn medium_from_raw(raw: &abi::Medium) -> Result<JobMedium, Failure> {
    let kind = match raw.kind {
        abi::kind::IMAGE => SlotKind::Image,
        abi::kind::VIDEO => SlotKind::Video,
        abi::kind::SHOT_SET => SlotKind::ShotSet,
        other => {
            return Err(Failure::internal(format!(
                "the host's medium has the unknown kind {other}"
            )));
        }
    };
    let mut tags = Vec::with_capacity(raw.tag_count as usize);
    for i in 0..raw.tag_count as usize {
        // SAFETY: there are `tag_count` views at `tags`.
        tags.push(unsafe { text(*raw.tags.add(i)) });
    }
    Ok(JobMedium {
        index: raw.index,
        // SAFETY: a valid view.
        slot: unsafe { text(raw.slot) },
        kind,
        tags,
        width: raw.width,
        height: raw.height,
        duration_us: (raw.duration_us >= 0).then_some(raw.duration_us),
        frame_count: raw.frame_count,
        track_count: raw.track_count,
        named: raw.flags & abi::MEDIUM_NAMED != 0,
    })
}

/// # Safety
/// `bytes` must be a valid view.
unsafe fn text(bytes: abi::Bytes) -> String {
    // SAFETY: the caller guarantees the view.
    let bytes = unsafe { bytes.get(u64::MAX) }.unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}
