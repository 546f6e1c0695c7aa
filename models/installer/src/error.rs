//! One error type for reading the lists, unpacking packages, rewriting graphs and writing files.

use std::io;
use std::path::{Path, PathBuf};

use crate::checksum::Sha256Sum;

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An operation that failed, and the file it was applied to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// A file could not be written or renamed.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// `models.toml`, `samples.toml` or `tools.toml` cannot be parsed.
    #[error("cannot parse {path}")]
    Manifest {
        /// The list.
        path: PathBuf,
        /// Position and cause.
        source: toml::de::Error,
    },
    /// `models.toml`, `samples.toml` or `tools.toml` breaks a rule of its format.
    #[error("{path}: {problem}")]
    ManifestRule {
        /// The list.
        path: PathBuf,
        /// The rule that is broken.
        problem: String,
    },
    /// A package archive is damaged, or its format is not the one of its file extension.
    #[error("cannot unpack {archive}")]
    Archive {
        /// The archive.
        archive: PathBuf,
        /// Error of the decoder.
        source: io::Error,
    },
    /// A package does not contain a file that the list names.
    #[error("{archive} contains no file `{entry}`")]
    EntryMissing {
        /// The archive.
        archive: PathBuf,
        /// The path inside it.
        entry: String,
    },
    /// The checksum of a file differs from the pinned one.
    #[error(
        "checksum mismatch: {what} has sha256 {found}, expected {expected}; nothing was installed \
         from it. Download it again; if the mismatch persists, the source has changed and must \
         not be used"
    )]
    Checksum {
        /// The archive, the file inside an archive, or the rewritten file.
        what: String,
        /// The pinned checksum.
        expected: Sha256Sum,
        /// The checksum of the actual bytes.
        found: Sha256Sum,
    },
    /// A model could not be rewritten.
    #[cfg(feature = "rewrite")]
    #[error("cannot rewrite {model}")]
    Rewrite {
        /// The model's file name.
        model: String,
        /// The cause.
        source: crate::rewrite::RewriteError,
    },
}

impl Error {
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Read { path: path.to_owned(), source }
    }

    #[cfg(feature = "install")]
    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Write { path: path.to_owned(), source }
    }

    #[cfg(feature = "install")]
    pub(crate) fn archive(archive: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Archive { archive: archive.to_owned(), source }
    }
}

/// Returns [`Error::Checksum`] if the checksums differ.
#[cfg(feature = "install")]
pub(crate) fn expect_sum(
    what: impl Into<String>,
    expected: Sha256Sum,
    found: Sha256Sum,
) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Checksum { what: what.into(), expected, found })
}
