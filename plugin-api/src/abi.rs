//! ABI v1: the structs and functions that cross the boundary between a host and a plugin, exactly
//! as in `include/vultus_plugin.h`. The rules are in `ABI.md`. Authors in Rust never need this
//! module.
//!
//! Only `#[repr(C)]`, `extern "C"` and fixed-width integers; lengths are in bytes. For 64-bit
//! little-endian machines.

use std::ffi::c_void;

/// First eight bytes of `VULTUS_PLUGIN`.
pub const MAGIC: [u8; 8] = *b"VULTUSPL";
/// Major version. Must be equal on both sides.
pub const ABI_MAJOR: u16 = 1;
/// Minor version. Increased when something is appended; the sides may differ.
pub const ABI_MINOR: u16 = 1;
/// Name of the only symbol that a plugin exports.
pub const SYMBOL: &str = "VULTUS_PLUGIN";

/// Status of a successful call; the others are [`crate::Status`].
pub const STATUS_OK: u32 = 0;
/// In place of a frame index: the medium as a whole.
pub const NO_FRAME: u32 = u32::MAX;
/// `Medium::duration_us` of a medium with unknown duration.
pub const NO_DURATION: i64 = -1;
/// Bit of `Medium::flags`: the request named the medium.
pub const MEDIUM_NAMED: u32 = 1;
/// Maximum number of planes of a frame.
pub const MAX_PLANES: usize = 4;

/// Kinds of media in `Medium::kind`.
pub mod kind {
    /// One still picture.
    pub const IMAGE: u32 = 1;
    /// A video.
    pub const VIDEO: u32 = 2;
    /// An archive of still pictures in order.
    pub const SHOT_SET: u32 = 3;
}

/// Pixel formats in `Frame::format`.
pub mod format {
    /// Three bytes per pixel: red, green, blue.
    pub const RGB8: u32 = 1;
    /// Three bytes per pixel: blue, green, red.
    pub const BGR8: u32 = 2;
    /// One byte per pixel: luma.
    pub const GRAY8: u32 = 3;
}

/// A borrowed view of bytes. Valid until the call to which it was passed returns.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Bytes {
    /// First byte; may be null when `len` is 0.
    pub ptr: *const u8,
    /// Length in bytes.
    pub len: u64,
}

impl Bytes {
    /// The empty view.
    pub const EMPTY: Self = Self { ptr: std::ptr::null(), len: 0 };

    /// A view of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() as u64 }
    }

    /// The bytes, or `None` if there are more than `limit`, or if a null pointer has a length.
    ///
    /// # Safety
    /// `ptr` must be null, or point to `len` readable bytes that do not change during `'a`.
    pub unsafe fn get<'a>(self, limit: u64) -> Option<&'a [u8]> {
        if self.len == 0 {
            return Some(&[]);
        }
        if self.ptr.is_null() || self.len > limit || self.len > isize::MAX as u64 {
            return None;
        }
        // SAFETY: not null, at most isize::MAX bytes; the caller guarantees the rest.
        Some(unsafe { std::slice::from_raw_parts(self.ptr, self.len as usize) })
    }
}

/// Bytes that the receiver returns through `release`: the side that allocates also frees.
#[repr(C)]
#[derive(Debug)]
pub struct Buf {
    /// First byte; may be null when `len` is 0.
    pub ptr: *mut u8,
    /// Length in bytes.
    pub len: u64,
    /// Allocated bytes; only `release` reads it.
    pub cap: u64,
    /// Called exactly once by the receiver; null if there is nothing to free.
    pub release: Option<unsafe extern "C" fn(buf: *mut Buf)>,
}

impl Buf {
    /// No bytes, and nothing to free.
    pub const EMPTY: Self = Self { ptr: std::ptr::null_mut(), len: 0, cap: 0, release: None };

    /// Transfers `bytes`; `release` frees them with this library's allocator.
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        let mut bytes = std::mem::ManuallyDrop::new(bytes);
        Self {
            ptr: bytes.as_mut_ptr(),
            len: bytes.len() as u64,
            cap: bytes.capacity() as u64,
            release: Some(release_vec),
        }
    }
}

/// Frees the bytes that [`Buf::from_vec`] transferred.
///
/// # Safety
/// `buf` must point to a `Buf` created by [`Buf::from_vec`] that has not been released.
unsafe extern "C" fn release_vec(buf: *mut Buf) {
    // SAFETY: the caller passes a valid pointer; the fields are those that `from_vec` wrote.
    unsafe {
        let buf = &mut *buf;
        if !buf.ptr.is_null() {
            drop(Vec::from_raw_parts(buf.ptr, buf.len as usize, buf.cap as usize));
        }
        *buf = Buf::EMPTY;
    }
}

/// One plane of a frame.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Plane {
    /// First byte of the top row.
    pub data: *const u8,
    /// Readable bytes: at least `stride * (height - 1)` plus the bytes of one row.
    pub len: u64,
    /// Bytes from the start of one row to the start of the next.
    pub stride: u32,
    /// 0.
    pub reserved0: u32,
}

impl Plane {
    /// An absent plane.
    pub const EMPTY: Self = Self { data: std::ptr::null(), len: 0, stride: 0, reserved0: 0 };
}

/// An upright picture. The pointer and the pixels are valid until `analyze` or `provide` returns.
#[repr(C)]
#[derive(Debug)]
pub struct Frame {
    /// Size of this struct in bytes, as the host built it.
    pub struct_size: u32,
    /// Index of the medium in `Job::media`.
    pub medium: u32,
    /// Index of the frame in its medium.
    pub index: u32,
    /// One of [`mod@format`].
    pub format: u32,
    /// Pixels per row.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
    /// Width of the medium's upright pictures before scaling, in pixels.
    pub source_width: u32,
    /// Height of the medium's upright pictures before scaling, in pixels.
    pub source_height: u32,
    /// Presentation time in microseconds; 0 for pictures.
    pub pts_us: i64,
    /// Number of planes in use.
    pub plane_count: u32,
    /// 0.
    pub reserved0: u32,
    /// The planes; interleaved formats use only the first.
    pub planes: [Plane; MAX_PLANES],
}

/// A medium of a job.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Medium {
    /// Index of the medium in reasons, frames and features.
    pub index: u32,
    /// One of [`kind`].
    pub kind: u32,
    /// Name of the medium's slot, UTF-8.
    pub slot: Bytes,
    /// The tags, each UTF-8.
    pub tags: *const Bytes,
    /// Number of tags.
    pub tag_count: u32,
    /// [`MEDIUM_NAMED`] or 0.
    pub flags: u32,
    /// Width of its upright pictures, in pixels.
    pub width: u32,
    /// Height of its upright pictures, in pixels.
    pub height: u32,
    /// Duration in microseconds, or [`NO_DURATION`].
    pub duration_us: i64,
    /// Number of frames in the run.
    pub frame_count: u32,
    /// Since 1.1: number of frames of the track, 0 without a track.
    pub track_count: u32,
}

/// A job with its callbacks. All of it is valid until `analyze` or `provide` returns, and only on
/// the calling thread.
#[repr(C)]
#[derive(Debug)]
pub struct Job {
    /// Size of this struct in bytes, as the host built it.
    pub struct_size: u32,
    /// Bytes from one element of `media` to the next.
    pub medium_size: u32,
    /// First argument of every callback.
    pub ctx: *mut c_void,
    /// Analysis type, UTF-8; empty inside `provide`.
    pub analysis: Bytes,
    /// The merged and validated parameters: a JSON object; empty inside `provide`.
    pub params_json: Bytes,
    /// The media.
    pub media: *const Medium,
    /// Number of media.
    pub media_count: u32,
    /// 0.
    pub reserved0: u32,
    /// Returns the next frame, medium by medium; null after the last.
    pub next_frame: Option<unsafe extern "C" fn(ctx: *mut c_void) -> *const Frame>,
    /// Restarts the iteration.
    pub rewind: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
    /// A feature of a frame, or with [`NO_FRAME`] of a medium. `out` is the value if the status is
    /// 0; otherwise it is a message that is valid until the next callback.
    pub feature: Option<FeatureFn>,
    /// Returns 1 once the analysis should stop, else 0.
    pub is_cancelled: Option<unsafe extern "C" fn(ctx: *mut c_void) -> u32>,
    /// Returns the remaining time in microseconds.
    pub deadline_us: Option<unsafe extern "C" fn(ctx: *mut c_void) -> u64>,
    /// Reports the fraction done, 0 to 1.
    pub progress: Option<unsafe extern "C" fn(ctx: *mut c_void, fraction: f32)>,
    /// Writes a line to the operator's log, UTF-8; the levels are [`crate::LogLevel`].
    pub log: Option<unsafe extern "C" fn(ctx: *mut c_void, level: u32, message: Bytes)>,
    /// Stores a file with the result. Returns a status.
    pub artifact: Option<ArtifactFn>,
    /// Returns a named extension of the host, or null.
    pub get_extension: Option<unsafe extern "C" fn(ctx: *mut c_void, id: Bytes) -> *const c_void>,
    /// Since 1.1: a frame of a medium's track; null if there is none. Null in a host of v1.0.
    pub track_frame: Option<TrackFrameFn>,
    /// Null.
    pub reserved: [Option<unsafe extern "C" fn()>; 3],
}

/// See [`Job::track_frame`].
pub type TrackFrameFn =
    unsafe extern "C" fn(ctx: *mut c_void, medium: u32, index: u32) -> *const Frame;

/// See [`Job::feature`].
pub type FeatureFn = unsafe extern "C" fn(
    ctx: *mut c_void,
    medium: u32,
    frame: u32,
    name: Bytes,
    out: *mut Bytes,
) -> u32;

/// See [`Job::artifact`].
pub type ArtifactFn =
    unsafe extern "C" fn(ctx: *mut c_void, name: Bytes, mime: Bytes, data: Bytes) -> u32;

/// The request of a call of `provide`.
#[repr(C)]
#[derive(Debug)]
pub struct FeatureRequest {
    /// Size of this struct in bytes, as the host built it.
    pub struct_size: u32,
    /// Index of the medium in `Job::media`.
    pub medium: u32,
    /// Index of the frame in its medium, or [`NO_FRAME`].
    pub frame: u32,
    /// 0.
    pub reserved0: u32,
    /// Name and version, such as `faces/1`, UTF-8.
    pub feature: Bytes,
}

/// The part of `VULTUS_PLUGIN` that is the same in every version.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`ABI_MAJOR`] of the header that the plugin was built with.
    pub abi_major: u16,
    /// [`ABI_MINOR`] of the header that the plugin was built with.
    pub abi_minor: u16,
    /// Size of [`Plugin`] in bytes, as the plugin built it.
    pub struct_size: u32,
    /// 0: none defined in v1.
    pub flags: u32,
    /// 0.
    pub reserved0: u32,
}

/// Type of `VULTUS_PLUGIN`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Plugin {
    /// Checked before any function is called.
    pub header: Header,
    /// Writes the manifest, a JSON object; on failure a message.
    pub manifest_json: Option<unsafe extern "C" fn(out: *mut Buf) -> u32>,
    /// Creates an instance from [`crate::Config`] as JSON; on failure writes a message to `error`.
    pub create: Option<CreateFn>,
    /// Destroys an instance.
    pub destroy: Option<unsafe extern "C" fn(instance: *mut c_void)>,
    /// Judges a job: writes an outcome as JSON, on failure a message. Null without analyses.
    pub analyze: Option<AnalyzeFn>,
    /// Computes a feature: writes JSON, on failure a message. Null without features.
    pub provide: Option<ProvideFn>,
    /// Returns a named extension of the plugin, or null. May itself be null.
    pub get_extension: Option<unsafe extern "C" fn(id: Bytes) -> *const c_void>,
    /// Null. Later minor versions use these slots first, then append.
    pub reserved: [Option<unsafe extern "C" fn()>; 8],
}

/// See [`Plugin::create`].
pub type CreateFn =
    unsafe extern "C" fn(config_json: Bytes, instance: *mut *mut c_void, error: *mut Buf) -> u32;

/// See [`Plugin::analyze`].
pub type AnalyzeFn =
    unsafe extern "C" fn(instance: *mut c_void, job: *const Job, out: *mut Buf) -> u32;

/// See [`Plugin::provide`].
pub type ProvideFn = unsafe extern "C" fn(
    instance: *mut c_void,
    job: *const Job,
    request: *const FeatureRequest,
    out: *mut Buf,
) -> u32;
