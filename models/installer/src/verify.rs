//! Compares installed files with the sums in the lists. It reads files and changes nothing.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Manifest, Result, Samples, Sha256Sum};

/// What was found of one listed file.
#[derive(Debug)]
pub struct FileReport {
    /// File name as listed.
    pub file: String,
    /// Where it was looked for.
    pub path: PathBuf,
    /// The sum it must have.
    pub expected: Sha256Sum,
    /// How it stands.
    pub state: FileState,
}

/// How a listed file stands.
#[derive(Debug)]
pub enum FileState {
    /// There, with the listed sum.
    Intact,
    /// Not there.
    Missing,
    /// There, with another sum.
    Changed {
        /// Its sum.
        found: Sha256Sum,
    },
    /// There, but it cannot be read.
    Unreadable {
        /// What the system said.
        source: io::Error,
    },
}

impl FileReport {
    /// Whether the file is the listed one.
    pub fn is_intact(&self) -> bool {
        matches!(self.state, FileState::Intact)
    }

    /// One line for people, such as `changed: has sha256 …, expected …`.
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

/// Compares each model of `models_toml` with the file in `weights_dir`. An error means that the
/// list itself is unusable; missing and changed files are reported, in the order of the list.
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

/// Compares each picture of `samples_toml` with the file in `samples_dir`.
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
