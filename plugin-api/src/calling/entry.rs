//! The checked function table of a plugin, and an instance of the plugin.

use std::ffi::c_void;
use std::fmt;

use crate::abi;
use crate::config::Config;
use crate::error::{Failure, Status};
use crate::job::FeatureRequest;
use crate::limits::{MAX_MESSAGE_BYTES, MAX_RESULT_BYTES};

use super::callbacks::{HostVersion, with_job};
use super::job_host::{JobHost, JobRequest};

/// Why a `VULTUS_PLUGIN` cannot be used. Determined before any function of the plugin runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderError {
    /// The first bytes are not [`abi::MAGIC`].
    BadMagic,
    /// Built for another major version of the ABI.
    OtherMajor {
        /// The plugin's major version.
        found: u16,
    },
    /// Smaller than in v1.0.
    ShortStruct {
        /// Size in bytes that the plugin declares.
        found: u32,
        /// Size in bytes in v1.0.
        needed: u32,
    },
    /// A required function is null.
    MissingFunction(&'static str),
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadMagic => write!(f, "VULTUS_PLUGIN does not begin with the magic bytes"),
            Self::OtherMajor { found } => write!(
                f,
                "built for ABI major version {found}, this host requires {}",
                abi::ABI_MAJOR
            ),
            Self::ShortStruct { found, needed } => {
                write!(f, "VULTUS_PLUGIN declares {found} bytes, v1.0 has {needed}")
            }
            Self::MissingFunction(name) => write!(f, "the function {name} is null"),
        }
    }
}

impl std::error::Error for HeaderError {}

/// The functions of a plugin with a valid header.
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
    /// Reads and checks a `VULTUS_PLUGIN`, without calling a function.
    ///
    /// # Safety
    /// `symbol` must point to at least an [`abi::Header`], and to as many bytes as the header
    /// declares if magic and major version are right. The functions must follow `ABI.md` and stay
    /// loaded until the process ends.
    ///
    /// # Errors
    /// See [`HeaderError`].
    pub unsafe fn read(symbol: *const abi::Plugin) -> Result<Self, HeaderError> {
        // A foreign symbol may have another alignment than ours.
        // SAFETY: the caller guarantees the bytes of a header.
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
        // SAFETY: the header declares that the struct is at least as long as ours.
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

    /// Whether the function `analyze` exists.
    pub fn has_analyze(&self) -> bool {
        self.analyze.is_some()
    }

    /// Whether the function `provide` exists.
    pub fn has_provide(&self) -> bool {
        self.provide.is_some()
    }

    /// The manifest's JSON, as the plugin writes it.
    ///
    /// # Errors
    /// The plugin's failure; `Internal` if the manifest exceeds [`MAX_RESULT_BYTES`].
    pub fn manifest_json(&self) -> Result<Vec<u8>, Failure> {
        let mut out = abi::Buf::EMPTY;
        // SAFETY: the caller of `read` guaranteed that the functions follow `ABI.md`.
        let code = unsafe { (self.manifest_json)(&mut out) };
        // SAFETY: the plugin wrote `out`, or it is still empty.
        unsafe { receive(code, out, "the manifest") }
    }

    /// Creates an instance.
    ///
    /// # Errors
    /// The plugin's failure: `InvalidInput` for wrong settings, `Unavailable` for a missing model,
    /// …
    pub fn create(&self, config: &Config) -> Result<RawInstance, Failure> {
        let json = serde_json::to_vec(config)
            .map_err(|error| Failure::internal(format!("writing the configuration: {error}")))?;
        let mut instance = std::ptr::null_mut();
        let mut error = abi::Buf::EMPTY;
        // SAFETY: as in `manifest_json`; all three arguments outlive the call.
        let code = unsafe { (self.create)(abi::Bytes::of(&json), &mut instance, &mut error) };
        // SAFETY: the plugin wrote `error`, or it is still empty.
        unsafe { receive(code, error, "the error of create") }?;
        if instance.is_null() {
            return Err(Failure::internal("create returned status 0 without an instance"));
        }
        Ok(RawInstance { entry: *self, instance })
    }
}

/// One instance of a plugin; destroyed on drop. Does not check what the plugin returns.
#[derive(Debug)]
pub struct RawInstance {
    entry: Entry,
    instance: *mut c_void,
}

// SAFETY: the ABI allows an instance to move between threads if no two call it at once (rule 28 of
// `ABI.md`), and a call needs `&mut`.
unsafe impl Send for RawInstance {}

impl RawInstance {
    /// Judges a job and returns the outcome's JSON, unchecked.
    ///
    /// # Errors
    /// The failure of the plugin or of the host; `Internal` over [`MAX_RESULT_BYTES`].
    pub fn analyze(
        &mut self,
        host: &mut dyn JobHost,
        request: &JobRequest,
    ) -> Result<Vec<u8>, Failure> {
        self.analyze_on(host, request, HostVersion::Own)
    }

    /// Judges a job as a host with a later minor version would: job, media and frames are longer
    /// than this version knows. A plugin that follows rule 8 of `ABI.md` gives the same answer.
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
            // SAFETY: the instance belongs to this plugin, `&mut self` excludes other calls, and
            // `job` is valid.
            let code = unsafe { analyze(instance, job, &mut out) };
            // SAFETY: the plugin wrote `out`, or it is still empty.
            unsafe { receive(code, out, "the outcome") }
        })
    }

    /// Computes a feature and returns its JSON, unchecked.
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
            // SAFETY: the plugin wrote `out`, or it is still empty.
            unsafe { receive(code, out, "the feature") }
        })
    }
}

impl Drop for RawInstance {
    fn drop(&mut self) {
        // SAFETY: the instance belongs to this plugin and is not used again.
        unsafe { (self.entry.destroy)(self.instance) }
    }
}

/// Copies the bytes that the plugin returned, releases them, and converts a status to a failure.
///
/// # Safety
/// `buf` must follow `ABI.md`.
unsafe fn receive(code: u32, mut buf: abi::Buf, what: &str) -> Result<Vec<u8>, Failure> {
    let limit = if code == abi::STATUS_OK { MAX_RESULT_BYTES } else { MAX_MESSAGE_BYTES as u64 };
    let kept = if code == abi::STATUS_OK { buf.len } else { buf.len.min(limit) };
    // SAFETY: the caller guarantees `buf.len` bytes; `kept` is not more.
    let bytes = unsafe { abi::Bytes { ptr: buf.ptr, len: kept }.get(limit) }.map(<[u8]>::to_vec);
    let len = buf.len;
    if let Some(release) = buf.release {
        // SAFETY: called once; the bytes were copied above.
        unsafe { release(&mut buf) };
    }
    if code != abi::STATUS_OK {
        let message = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        let message =
            if message.is_empty() { "the plugin returned no message".into() } else { message };
        return Err(Failure::new(Status::from_code(code), message));
    }
    bytes.ok_or_else(|| {
        Failure::internal(format!(
            "{what} has {len} bytes, at most {MAX_RESULT_BYTES} are accepted"
        ))
    })
}
