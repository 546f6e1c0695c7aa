//! Converts an [`Analyzer`] to the C functions of `VULTUS_PLUGIN`: panics become status 6, failures
//! become their status and message.

use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::abi;
use crate::analyzer::Analyzer;
use crate::config::Config;
use crate::error::{Failure, Status};
use crate::job::{FeatureRequest, Job};

/// Defines the static `VULTUS_PLUGIN` for a type that implements [`Analyzer`]. Use it once per
/// library.
///
/// ```
/// # use vultus_plugin_api::{Analyzer, Config, Failure, Manifest};
/// struct Example;
///
/// impl Analyzer for Example {
///     fn manifest() -> Manifest {
///         Manifest { id: "org.example.example".into(), ..Manifest::default() }
///     }
///     fn new(_config: &Config) -> Result<Self, Failure> {
///         Ok(Self)
///     }
/// }
///
/// vultus_plugin_api::export_analyzer!(Example);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_analyzer {
    ($analyzer:ty) => {
        const VULTUS_PLUGIN_TABLE: $crate::abi::Plugin = $crate::plugin::<$analyzer>();

        /// The one symbol that a host reads.
        // A separate module keeps the symbol apart from the analyzer's code when several analyzers
        // are linked into one test.
        #[doc(hidden)]
        pub mod vultus_plugin_export {
            /// See `ABI.md`.
            #[unsafe(no_mangle)]
            pub static VULTUS_PLUGIN: $crate::abi::Plugin = super::VULTUS_PLUGIN_TABLE;
        }
    };
}

/// The function table of `A`, which [`export_analyzer!`] puts into `VULTUS_PLUGIN`.
pub const fn plugin<A: Analyzer>() -> abi::Plugin {
    abi::Plugin {
        header: abi::Header {
            magic: abi::MAGIC,
            abi_major: abi::ABI_MAJOR,
            abi_minor: abi::ABI_MINOR,
            struct_size: size_of::<abi::Plugin>() as u32,
            flags: 0,
            reserved0: 0,
        },
        manifest_json: Some(manifest_json::<A>),
        create: Some(create::<A>),
        destroy: Some(destroy::<A>),
        analyze: Some(analyze::<A>),
        provide: Some(provide::<A>),
        get_extension: None,
        reserved: [None; 8],
    }
}

/// # Safety
/// `out` must be valid for writing.
unsafe extern "C" fn manifest_json<A: Analyzer>(out: *mut abi::Buf) -> u32 {
    let result = guard(|| to_json("the manifest", &A::manifest()));
    // SAFETY: guaranteed by the caller.
    unsafe { answer(result, out) }
}

/// # Safety
/// `config_json` must be a valid view, `instance` and `error` valid for writing.
unsafe extern "C" fn create<A: Analyzer>(
    config_json: abi::Bytes,
    instance: *mut *mut c_void,
    error: *mut abi::Buf,
) -> u32 {
    let result = guard(|| {
        // SAFETY: the caller guarantees a valid view.
        let json = unsafe { config_json.get(u64::MAX) }.unwrap_or_default();
        let config: Config = serde_json::from_slice(json).map_err(|error| {
            Failure::invalid_input(format!("reading the configuration: {error}"))
        })?;
        let analyzer = Box::new(A::new(&config)?);
        // SAFETY: the caller guarantees that it is valid for writing.
        unsafe { *instance = Box::into_raw(analyzer).cast() };
        Ok(Vec::new())
    });
    // SAFETY: guaranteed by the caller.
    unsafe { answer(result, error) }
}

/// # Safety
/// `instance` must come from [`create`] of the same `A` and not be used again.
unsafe extern "C" fn destroy<A: Analyzer>(instance: *mut c_void) {
    let dropped = guard(|| {
        // SAFETY: the caller guarantees that it is the box that `create` returned.
        drop(unsafe { Box::from_raw(instance.cast::<A>()) });
        Ok(())
    });
    // There is no caller to return a panic in drop to; the panic hook has already written it.
    drop(dropped);
}

/// # Safety
/// `instance` must come from [`create`] of the same `A`, `job` must be valid, and `out` valid for
/// writing. No other call may use `instance` at the same time.
unsafe extern "C" fn analyze<A: Analyzer>(
    instance: *mut c_void,
    job: *const abi::Job,
    out: *mut abi::Buf,
) -> u32 {
    let result = guard(|| {
        // SAFETY: guaranteed by the caller.
        let (analyzer, job) = unsafe { (&mut *instance.cast::<A>(), Job::from_raw(job)?) };
        let outcome = analyzer.analyze(&job)?;
        match job.into_fault() {
            None => to_json("the outcome", &outcome),
            Some(fault) => Err(fault),
        }
    });
    // SAFETY: guaranteed by the caller.
    unsafe { answer(result, out) }
}

/// # Safety
/// As [`analyze`], and `request` must be valid.
unsafe extern "C" fn provide<A: Analyzer>(
    instance: *mut c_void,
    job: *const abi::Job,
    request: *const abi::FeatureRequest,
    out: *mut abi::Buf,
) -> u32 {
    let result = guard(|| {
        // SAFETY: guaranteed by the caller.
        let (analyzer, job, request) =
            unsafe { (&mut *instance.cast::<A>(), Job::from_raw(job)?, &*request) };
        // SAFETY: the caller guarantees a valid view.
        let feature = unsafe { request.feature.get(u64::MAX) }.unwrap_or_default();
        let request = FeatureRequest {
            feature: String::from_utf8_lossy(feature).into_owned(),
            medium: request.medium,
            frame: (request.frame != abi::NO_FRAME).then_some(request.frame),
        };
        let bytes = analyzer.provide(&job, &request)?;
        job.into_fault().map_or(Ok(bytes), Err)
    });
    // SAFETY: guaranteed by the caller.
    unsafe { answer(result, out) }
}

/// Runs `call` and converts a panic to a failure.
fn guard<T>(call: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
        let message = panic_message(payload.as_ref());
        // Dropping a foreign payload may panic again.
        std::mem::forget(payload);
        Err(Failure::new(Status::Panic, message))
    })
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("with a payload that is not text");
    format!("the plugin panicked: {text}")
}

fn to_json<T: serde::Serialize>(what: &str, value: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value).map_err(|error| Failure::internal(format!("writing {what}: {error}")))
}

/// Writes bytes or a message to `out` and returns the status.
///
/// # Safety
/// `out` must be null or valid for writing.
unsafe fn answer(result: Result<Vec<u8>, Failure>, out: *mut abi::Buf) -> u32 {
    let (code, bytes) = match result {
        Ok(bytes) => (abi::STATUS_OK, bytes),
        Err(failure) => (failure.status.code(), failure.message.into_bytes()),
    };
    if !out.is_null() {
        // SAFETY: the caller guarantees that it is valid for writing; the old value owned nothing.
        unsafe { out.write(abi::Buf::from_vec(bytes)) };
    }
    code
}
