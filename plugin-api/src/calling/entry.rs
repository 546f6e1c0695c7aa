//! The checked table of a plugin's functions, and one instance of it.

use std::ffi::c_void;
use std::fmt;

use crate::Config;
use crate::abi;
use crate::error::{Failure, Status};
use crate::job::FeatureRequest;

use super::callbacks::{HostVersion, with_job};
use super::{JobHost, JobRequest, MAX_MESSAGE_BYTES, MAX_RESULT_BYTES};

/// Why a `VULTUS_PLUGIN` cannot be used. Found before any function of the plugin ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderError {
    /// The first bytes are not those of a Vultus plugin.
    BadMagic,
    /// Built for another major version of the ABI.
    OtherMajor {
        /// The plugin's.
        found: u16,
    },
    /// Smaller than v1.0.
    ShortStruct {
        /// Bytes that the plugin says.
        found: u32,
        /// Bytes of v1.0.
        needed: u32,
    },
    /// A function that must be there is null.
    MissingFunction(&'static str),
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadMagic => write!(f, "VULTUS_PLUGIN does not begin with the magic bytes"),
            Self::OtherMajor { found } => write!(
                f,
                "built for ABI major version {found}, this host speaks {}",
                abi::ABI_MAJOR
            ),
            Self::ShortStruct { found, needed } => {
                write!(f, "VULTUS_PLUGIN says {found} bytes, v1.0 has {needed}")
            }
            Self::MissingFunction(name) => write!(f, "the function {name} is null"),
        }
    }
}

impl std::error::Error for HeaderError {}

/// The functions of a plugin whose header was checked.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    abi_minor: u16,
    manifest_json: unsafe extern "C" fn(*mut abi::Buf) -> u32,
    create: abi::CreateFn,
    destroy: unsafe extern "C" fn(*mut c_void),
    analyze: Option<abi::AnalyzeFn>,
    provide: Option<abi::ProvideFn>,
}

impl Entry {
    /// Reads and checks a `VULTUS_PLUGIN`; calls nothing.
    ///
    /// # Safety
    /// `symbol` must point to at least an [`abi::Header`], and to as many bytes as it says if magic
    /// and major version are right; the functions must be as `ABI.md` says and stay loaded for
    /// ever.
    ///
    /// # Errors
    /// See [`HeaderError`].
    pub unsafe fn read(symbol: *const abi::Plugin) -> Result<Self, HeaderError> {
        // A foreign symbol need not be aligned as ours.
        // SAFETY: the caller vouches for a header's worth of bytes.
        let header = unsafe { symbol.cast::<abi::Header>().read_unaligned() };
        if header.magic != abi::MAGIC {
            return Err(HeaderError::BadMagic);
        }
        if header.abi_major != abi::ABI_MAJOR {
            return Err(HeaderError::OtherMajor { found: header.abi_major });
        }
        let needed = size_of::<abi::Plugin>() as u32;
        if header.struct_size < needed {
            return Err(HeaderError::ShortStruct { found: header.struct_size, needed });
        }
        // SAFETY: the header says that the struct is at least as long as ours.
        let plugin = unsafe { symbol.read_unaligned() };
        let missing = HeaderError::MissingFunction;
        if plugin.analyze.is_none() && plugin.provide.is_none() {
            return Err(missing("analyze"));
        }
        Ok(Self {
            abi_minor: header.abi_minor,
            manifest_json: plugin.manifest_json.ok_or(missing("manifest_json"))?,
            create: plugin.create.ok_or(missing("create"))?,
            destroy: plugin.destroy.ok_or(missing("destroy"))?,
            analyze: plugin.analyze,
            provide: plugin.provide,
        })
    }

    /// The minor version of the ABI that the plugin was built for.
    pub fn abi_minor(&self) -> u16 {
        self.abi_minor
    }

    /// Whether the function `analyze` is there.
    pub fn has_analyze(&self) -> bool {
        self.analyze.is_some()
    }

    /// Whether the function `provide` is there.
    pub fn has_provide(&self) -> bool {
        self.provide.is_some()
    }

    /// The manifest's JSON, as the plugin wrote it.
    ///
    /// # Errors
    /// What the plugin says, or `Internal` when it is over [`MAX_RESULT_BYTES`].
    pub fn manifest_json(&self) -> Result<Vec<u8>, Failure> {
        let mut out = abi::Buf::EMPTY;
        // SAFETY: the functions are as `ABI.md` says by the word given to `read`.
        let code = unsafe { (self.manifest_json)(&mut out) };
        // SAFETY: the plugin wrote `out` or left it empty.
        unsafe { receive(code, out, "the manifest") }
    }

    /// Makes an instance.
    ///
    /// # Errors
    /// What the plugin says: `InvalidInput` for settings, `Unavailable` for a missing model, …
    pub fn create(&self, config: &Config) -> Result<RawInstance, Failure> {
        let json = serde_json::to_vec(config)
            .map_err(|error| Failure::internal(format!("writing the configuration: {error}")))?;
        let mut instance = std::ptr::null_mut();
        let mut error = abi::Buf::EMPTY;
        // SAFETY: as in `manifest_json`; all three outlive the call.
        let code = unsafe { (self.create)(abi::Bytes::of(&json), &mut instance, &mut error) };
        // SAFETY: the plugin wrote `error` or left it empty.
        unsafe { receive(code, error, "the error of create") }?;
        if instance.is_null() {
            return Err(Failure::internal("create gave status 0 and no instance"));
        }
        Ok(RawInstance { entry: *self, instance })
    }
}

/// One instance of a plugin; destroyed when dropped. What it hands over is not judged here.
#[derive(Debug)]
pub struct RawInstance {
    entry: Entry,
    instance: *mut c_void,
}

// SAFETY: the ABI lets an instance move between threads as long as no two call it at once (rule 28
// of `ABI.md`), and calling needs `&mut`.
unsafe impl Send for RawInstance {}

impl RawInstance {
    /// Judges a job and gives the outcome's JSON, unchecked.
    ///
    /// # Errors
    /// What plugin or host met; `Internal` over [`MAX_RESULT_BYTES`].
    pub fn analyze(
        &mut self,
        host: &mut dyn JobHost,
        request: &JobRequest,
    ) -> Result<Vec<u8>, Failure> {
        self.analyze_on(host, request, HostVersion::Own)
    }

    /// The same as a host of a later minor version would call it: job, media and frames are longer
    /// than this version knows. A plugin that keeps to rule 8 of `ABI.md` answers as before.
    ///
    /// # Errors
    /// As [`RawInstance::analyze`].
    pub fn analyze_as_newer_host(
        &mut self,
        host: &mut dyn JobHost,
        request: &JobRequest,
    ) -> Result<Vec<u8>, Failure> {
        self.analyze_on(host, request, HostVersion::Newer)
    }

    fn analyze_on(
        &mut self,
        host: &mut dyn JobHost,
        request: &JobRequest,
        version: HostVersion,
    ) -> Result<Vec<u8>, Failure> {
        let Some(analyze) = self.entry.analyze else {
            return Err(Failure::unsupported("this plugin has no analysis"));
        };
        let instance = self.instance;
        with_job(host, request, version, |job| {
            let mut out = abi::Buf::EMPTY;
            // SAFETY: the instance comes from this plugin, `&mut self` keeps others out, `job` is
            // valid.
            let code = unsafe { analyze(instance, job, &mut out) };
            // SAFETY: the plugin wrote `out` or left it empty.
            unsafe { receive(code, out, "the outcome") }
        })
    }

    /// Computes a feature and gives its JSON, unchecked.
    ///
    /// # Errors
    /// As [`RawInstance::analyze`].
    pub fn provide(
        &mut self,
        host: &mut dyn JobHost,
        feature: &FeatureRequest,
        request: &JobRequest,
    ) -> Result<Vec<u8>, Failure> {
        let Some(provide) = self.entry.provide else {
            return Err(Failure::unsupported("this plugin provides no feature"));
        };
        let instance = self.instance;
        let asked = abi::FeatureRequest {
            struct_size: size_of::<abi::FeatureRequest>() as u32,
            medium: feature.medium,
            frame: feature.frame.unwrap_or(abi::NO_FRAME),
            reserved0: 0,
            feature: abi::Bytes::of(feature.feature.as_bytes()),
        };
        with_job(host, request, HostVersion::Own, |job| {
            let mut out = abi::Buf::EMPTY;
            // SAFETY: as in `analyze`; `asked` borrows from `feature`, which outlives the call.
            let code = unsafe { provide(instance, job, &asked, &mut out) };
            // SAFETY: the plugin wrote `out` or left it empty.
            unsafe { receive(code, out, "the feature") }
        })
    }
}

impl Drop for RawInstance {
    fn drop(&mut self) {
        // SAFETY: the instance comes from this plugin and is not used again.
        unsafe { (self.entry.destroy)(self.instance) }
    }
}

/// Copies what the plugin handed over, releases it, and turns a status into a failure.
///
/// # Safety
/// `buf` must be as `ABI.md` says.
unsafe fn receive(code: u32, mut buf: abi::Buf, what: &str) -> Result<Vec<u8>, Failure> {
    let limit = if code == abi::STATUS_OK { MAX_RESULT_BYTES } else { MAX_MESSAGE_BYTES as u64 };
    let kept = if code == abi::STATUS_OK { buf.len } else { buf.len.min(limit) };
    // SAFETY: the caller vouches for `buf.len` bytes; `kept` is not more.
    let bytes = unsafe { abi::Bytes { ptr: buf.ptr, len: kept }.get(limit) }.map(<[u8]>::to_vec);
    let len = buf.len;
    if let Some(release) = buf.release {
        // SAFETY: called once; the bytes were copied above.
        unsafe { release(&mut buf) };
    }
    if code != abi::STATUS_OK {
        let message = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        let message =
            if message.is_empty() { "the plugin gives no message".into() } else { message };
        return Err(Failure::new(Status::from_code(code), message));
    }
    bytes.ok_or_else(|| {
        Failure::internal(format!("{what} is {len} bytes, at most {MAX_RESULT_BYTES} are taken"))
    })
}
