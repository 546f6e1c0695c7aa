//! The callbacks of a job: C functions over a [`JobHost`]. They keep everything that was passed to
//! the plugin alive until its call returns, and limit what a plugin can make the host keep.

use std::any::Any;
use std::collections::HashMap;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use serde_json::Value;

use crate::abi;
use crate::artifact;
use crate::error::{Failure, Status};
use crate::job::LogLevel;
use crate::limits::{MAX_ARTIFACT_BYTES, MAX_ARTIFACTS, MAX_MESSAGE_BYTES, MAX_TRACK_FRAMES};

use super::job_host::{FrameView, JobHost, JobRequest, Pixels};
use super::views::{raw_frame, raw_medium, view};

/// Maximum length of the name of a feature or artifact, in bytes.
const MAX_NAME_BYTES: u64 = 100;

/// The version of the host that a plugin sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostVersion {
    /// This version.
    Own,
    /// A later minor version, which appended fields to job, media and frames.
    Newer,
}

/// A struct with fields that a later minor version could have appended. Their content has no
/// meaning in this version.
#[repr(C)]
struct Longer<T> {
    known: T,
    appended: [u64; 5],
}

impl<T> Longer<T> {
    fn new(known: T) -> Self {
        Self { known, appended: [0xA5A5_A5A5_A5A5_A5A5; 5] }
    }

    /// Size of the struct in bytes, as a host of this version declares it.
    fn size(version: HostVersion) -> u32 {
        match version {
            HostVersion::Own => size_of::<T>() as u32,
            HostVersion::Newer => size_of::<Self>() as u32,
        }
    }
}

/// A frame that was passed to the plugin, with the pixels that it points to.
type HandedOut = (Box<Longer<abi::Frame>>, Pixels);

/// State behind `ctx` during one call.
struct Call<'h> {
    host: &'h mut dyn JobHost,
    version: HostVersion,
    media: usize,
    /// The frames passed so far, by medium and frame. They are boxed, so that pointers to them stay
    /// valid.
    frames: HashMap<(u32, u32), HandedOut>,
    /// The frames of tracks passed so far.
    track: HashMap<(u32, u32), HandedOut>,
    features: HashMap<(u32, u32, String), Arc<[u8]>>,
    /// The message of the latest failure of `feature`; the plugin may read it until the next
    /// callback.
    message: String,
    /// Names of the accepted artifacts.
    artifacts: Vec<String>,
    /// The host's own failure during a callback. It is the result of the call, whatever the plugin
    /// returns.
    failure: Option<Failure>,
    /// A panic of the host. It must not unwind through the plugin's frames, so it is kept here.
    panic: Option<Box<dyn Any + Send>>,
}

/// Builds the job and runs `call` with it. A failure or panic of the host takes precedence.
pub(super) fn with_job<R>(
    host: &mut dyn JobHost,
    request: &JobRequest,
    version: HostVersion,
    call: impl FnOnce(*const abi::Job) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let params = match &request.params {
        Value::Null => Vec::new(),
        params => serde_json::to_vec(params)
            .map_err(|error| Failure::internal(format!("writing the parameters: {error}")))?,
    };
    let tags: Vec<Vec<abi::Bytes>> = request
        .media
        .iter()
        .map(|medium| medium.tags.iter().map(|tag| view(tag)).collect())
        .collect();
    let media: Vec<abi::Medium> =
        request.media.iter().zip(&tags).map(|(medium, tags)| raw_medium(medium, tags)).collect();
    let mut state = Call {
        host,
        version,
        media: media.len(),
        frames: HashMap::new(),
        track: HashMap::new(),
        features: HashMap::new(),
        message: String::new(),
        artifacts: Vec::new(),
        failure: None,
        panic: None,
    };
    // Only one of the two lists is used; the other is empty.
    let longer: Vec<Longer<abi::Medium>> = match version {
        HostVersion::Own => Vec::new(),
        HostVersion::Newer => media.iter().map(|medium| Longer::new(*medium)).collect(),
    };
    let first_medium: *const abi::Medium = match version {
        HostVersion::Own => media.as_ptr(),
        HostVersion::Newer => longer.as_ptr().cast(),
    };
    let job = Longer::new(abi::Job {
        struct_size: Longer::<abi::Job>::size(version),
        medium_size: Longer::<abi::Medium>::size(version),
        ctx: (&raw mut state).cast(),
        analysis: view(&request.analysis),
        params_json: abi::Bytes::of(&params),
        media: first_medium,
        media_count: media.len() as u32,
        reserved0: 0,
        next_frame: Some(next_frame),
        rewind: Some(rewind),
        feature: Some(feature),
        is_cancelled: Some(is_cancelled),
        deadline_us: Some(deadline_us),
        progress: Some(progress),
        log: Some(log),
        artifact: Some(artifact),
        get_extension: None,
        track_frame: Some(track_frame),
        reserved: [None; 3],
    });
    let result = call((&raw const job).cast());
    if let Some(payload) = state.panic {
        resume_unwind(payload);
    }
    state.failure.map_or(result, Err)
}

/// Runs `serve` with the call behind `ctx`. Returns `fallback` if the host panics, and for all
/// callbacks after that.
///
/// # Safety
/// `ctx` must be the `Job::ctx` of a call that has not returned, on its thread.
unsafe fn serve<R>(ctx: *mut c_void, fallback: R, serve: impl FnOnce(&mut Call<'_>) -> R) -> R {
    // SAFETY: `with_job` put a `Call` there, and the plugin runs on our thread, so no other
    // reference is in use.
    let call = unsafe { &mut *ctx.cast::<Call<'_>>() };
    if call.panic.is_some() {
        return fallback;
    }
    match catch_unwind(AssertUnwindSafe(|| serve(call))) {
        Ok(answer) => answer,
        Err(payload) => {
            call.panic = Some(payload);
            fallback
        }
    }
}

/// # Safety
/// As [`serve`].
unsafe extern "C" fn next_frame(ctx: *mut c_void) -> *const abi::Frame {
    // SAFETY: guaranteed by the caller.
    unsafe {
        serve(ctx, std::ptr::null(), |call| {
            if call.failure.is_some() {
                return std::ptr::null();
            }
            match call.host.next_frame() {
                Ok(None) => std::ptr::null(),
                Ok(Some(frame)) => call.hand_out(frame, Series::Frames),
                Err(failure) => {
                    call.failure = Some(failure);
                    std::ptr::null()
                }
            }
        })
    }
}

/// # Safety
/// As [`serve`].
unsafe extern "C" fn track_frame(ctx: *mut c_void, medium: u32, index: u32) -> *const abi::Frame {
    // SAFETY: guaranteed by the caller.
    unsafe { serve(ctx, std::ptr::null(), |call| call.track_frame(medium, index)) }
}

/// The two series of frames of a medium.
#[derive(Debug, Clone, Copy)]
enum Series {
    Frames,
    Track,
}

impl Call<'_> {
    fn track_frame(&mut self, medium: u32, index: u32) -> *const abi::Frame {
        if let Some((known, _)) = self.track.get(&(medium, index)) {
            return (&raw const **known).cast();
        }
        if self.failure.is_some() || medium as usize >= self.media || index >= MAX_TRACK_FRAMES {
            return std::ptr::null();
        }
        match self.host.track_frame(medium, index) {
            Ok(None) => std::ptr::null(),
            Ok(Some(frame)) => self.hand_out(frame, Series::Track),
            Err(failure) => {
                self.failure = Some(failure);
                std::ptr::null()
            }
        }
    }

    fn hand_out(&mut self, frame: FrameView, series: Series) -> *const abi::Frame {
        let key = (frame.medium, frame.index);
        let handed_out = match series {
            Series::Frames => &mut self.frames,
            Series::Track => &mut self.track,
        };
        if let Some((known, _)) = handed_out.get(&key) {
            return (&raw const **known).cast();
        }
        if !frame.is_whole() || frame.medium as usize >= self.media {
            self.failure = Some(Failure::internal(format!(
                "frame {} of medium {} has too few pixels for its size",
                frame.index, frame.medium
            )));
            return std::ptr::null();
        }
        let mut raw = Box::new(Longer::new(raw_frame(&frame)));
        raw.known.struct_size = Longer::<abi::Frame>::size(self.version);
        let pointer = (&raw const *raw).cast();
        handed_out.insert(key, (raw, frame.pixels));
        pointer
    }

    fn feature(&mut self, medium: u32, frame: u32, name: &str) -> Result<abi::Bytes, Failure> {
        let key = (medium, frame, name.to_owned());
        if let Some(known) = self.features.get(&key) {
            return Ok(abi::Bytes::of(known));
        }
        if medium as usize >= self.media {
            return Err(Failure::invalid_input(format!("there is no medium {medium} in this job")));
        }
        let frame = (frame != abi::NO_FRAME).then_some(frame);
        let bytes = self.host.feature(medium, frame, name)?;
        let bytes = self.features.entry(key).or_insert(bytes);
        Ok(abi::Bytes::of(bytes))
    }

    fn artifact(&mut self, name: &str, mime: &str, data: &[u8]) -> Result<(), Failure> {
        if self.artifacts.len() >= MAX_ARTIFACTS {
            return Err(Failure::invalid_input(format!("more than {MAX_ARTIFACTS} artifacts")));
        }
        if !artifact::is_name(name) || !artifact::TYPES.contains(&mime) {
            return Err(Failure::invalid_input("the name or type of an artifact is invalid"));
        }
        if self.artifacts.iter().any(|known| known == name) {
            return Err(Failure::invalid_input("two artifacts have the same name"));
        }
        self.host.artifact(name, mime, data)?;
        self.artifacts.push(name.to_owned());
        Ok(())
    }
}

/// # Safety
/// As [`serve`].
unsafe extern "C" fn rewind(ctx: *mut c_void) {
    // SAFETY: guaranteed by the caller.
    unsafe { serve(ctx, (), |call| call.host.rewind()) }
}

/// # Safety
/// As [`serve`]; `name` must be a valid view, `out` null or valid for writing.
unsafe extern "C" fn feature(
    ctx: *mut c_void,
    medium: u32,
    frame: u32,
    name: abi::Bytes,
    out: *mut abi::Bytes,
) -> u32 {
    // SAFETY: guaranteed by the caller.
    unsafe {
        serve(ctx, Status::Internal.code(), |call| {
            let answer = text(name, MAX_NAME_BYTES)
                .ok_or_else(|| {
                    Failure::invalid_input(
                        "the name of the feature is not valid UTF-8, or is too long",
                    )
                })
                .and_then(|name| call.feature(medium, frame, name));
            let (code, bytes) = match answer {
                Ok(bytes) => (abi::STATUS_OK, bytes),
                Err(failure) => {
                    call.message = failure.message;
                    (failure.status.code(), view(&call.message))
                }
            };
            if !out.is_null() {
                *out = bytes;
            }
            code
        })
    }
}

/// # Safety
/// As [`serve`].
unsafe extern "C" fn is_cancelled(ctx: *mut c_void) -> u32 {
    // SAFETY: guaranteed by the caller.
    unsafe { serve(ctx, 1, |call| u32::from(call.failure.is_some() || call.host.is_cancelled())) }
}

/// # Safety
/// As [`serve`].
unsafe extern "C" fn deadline_us(ctx: *mut c_void) -> u64 {
    // SAFETY: guaranteed by the caller.
    unsafe { serve(ctx, 0, |call| call.host.deadline_us()) }
}

/// # Safety
/// As [`serve`].
unsafe extern "C" fn progress(ctx: *mut c_void, fraction: f32) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        serve(ctx, (), |call| {
            if fraction.is_finite() {
                call.host.progress(fraction.clamp(0.0, 1.0));
            }
        })
    }
}

/// # Safety
/// As [`serve`]; `message` must be a valid view.
unsafe extern "C" fn log(ctx: *mut c_void, level: u32, message: abi::Bytes) {
    // SAFETY: guaranteed by the caller; a shorter view of the same bytes is also valid.
    unsafe {
        serve(ctx, (), |call| {
            let kept = message.len.min(MAX_MESSAGE_BYTES as u64);
            let bytes = abi::Bytes { ptr: message.ptr, len: kept }.get(kept).unwrap_or_default();
            call.host.log(LogLevel::from_code(level), &String::from_utf8_lossy(bytes));
        })
    }
}

/// # Safety
/// As [`serve`]; all three must be valid views.
unsafe extern "C" fn artifact(
    ctx: *mut c_void,
    name: abi::Bytes,
    mime: abi::Bytes,
    data: abi::Bytes,
) -> u32 {
    // SAFETY: guaranteed by the caller.
    unsafe {
        serve(ctx, Status::Internal.code(), |call| {
            let (name, mime) = (text(name, MAX_NAME_BYTES), text(mime, MAX_NAME_BYTES));
            let given = match (name, mime, data.get(MAX_ARTIFACT_BYTES)) {
                (Some(name), Some(mime), Some(data)) => call.artifact(name, mime, data),
                _ => Err(Failure::invalid_input(format!(
                    "an artifact exceeds {MAX_ARTIFACT_BYTES} bytes, or its name or type is not \
                     text of at most {MAX_NAME_BYTES} bytes"
                ))),
            };
            let Err(refusal) = given else { return abi::STATUS_OK };
            call.host.artifact_refused(&refusal);
            refusal.status.code()
        })
    }
}

/// # Safety
/// `bytes` must be a valid view.
unsafe fn text<'a>(bytes: abi::Bytes, limit: u64) -> Option<&'a str> {
    // SAFETY: guaranteed by the caller.
    std::str::from_utf8(unsafe { bytes.get(limit) }?).ok()
}
