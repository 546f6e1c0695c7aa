//! Compares installed files with the checksums in the lists. Read-only.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Manifest, Result, Samples, Sha256Sum};

/// Result of checking one listed file.
#[derive(Debug)]
pub struct FileReport {
    /// File name as listed.
    pub file: String,
    /// Full path of the file.
    pub path: PathBuf,
    /// The pinned checksum.
    pub expected: Sha256Sum,
    /// Outcome of the check.
    pub state: FileState,
}

/// Outcome of checking a listed file.
#[derive(Debug)]
pub enum FileState {
    /// The file has the pinned checksum.
    Intact,
    /// The file does not exist.
    Missing,
    /// The file has another checksum.
    Changed {
        /// Its checksum.
        found: Sha256Sum,
    },
    /// The file exists but cannot be read.
    Unreadable {
        /// Error of the operating system.
        source: io::Error,
    },
}

impl FileReport {
    /// Whether the file has the pinned checksum.
    pub fn is_intact(&self) -> bool {
        matches!(self.state, FileState::Intact)
    }

    /// The state as a line of text, such as `changed: has sha256 …, expected …`.
    pub fn describe(&self) -> String {
        match &self.state {
            FileState::Intact => "intact".to_owned(),
            FileState::Missing => "missing".to_owned(),
            FileState::Changed { found } => {
                format!("changed: has sha256 {found}, expected {}", self.expected)
            }
            FileState::Unreadable { source } => format!("unreadable: {source}"),
        }
    }
}

/// Compares each model of `models_toml` with the file in `weights_dir`, in the order of the list.
/// An error means that the list cannot be read; missing and changed files are in the reports.
pub fn verify(models_toml: &Path, weights_dir: &Path) -> Result<Vec<FileReport>> {
    let manifest = Manifest::read(models_toml)?;
    Ok(manifest
        .models
        .iter()
        .map(|model| examine(weights_dir, &model.file, model.sha256))
        .collect())
}

/// Compares the ONNX Runtime library of `models_toml` with the file in `runtime_dir`.
pub fn verify_runtime(models_toml: &Path, runtime_dir: &Path) -> Result<FileReport> {
    let runtime = Manifest::read(models_toml)?.runtime;
    Ok(examine(runtime_dir, &runtime.file, runtime.sha256))
}

/// Compares each file of `samples_toml` with the installed one in `samples_dir`.
pub fn verify_samples(samples_toml: &Path, samples_dir: &Path) -> Result<Vec<FileReport>> {
    let samples = Samples::read(samples_toml)?;
    Ok(samples
        .samples
        .iter()
        .map(|sample| examine(samples_dir, &sample.file, sample.sha256))
        .collect())
}

pub(crate) fn examine(dir: &Path, file: &str, expected: Sha256Sum) -> FileReport {
    let path = dir.join(file);
    let state = match File::open(&path).and_then(Sha256Sum::of_reader) {
        Ok(found) if found == expected => FileState::Intact,
        Ok(found) => FileState::Changed { found },
        Err(error) if error.kind() == io::ErrorKind::NotFound => FileState::Missing,
        Err(source) => FileState::Unreadable { source },
    };
    FileReport { file: file.to_owned(), path, expected, state }
}
