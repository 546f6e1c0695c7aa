//! One error type for reading the lists, unpacking packages, rewriting graphs and writing files.

use std::io;
use std::path::{Path, PathBuf};

use crate::Sha256Sum;

/// Result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was being done to which file when it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written or put in its place.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `models.toml` or `samples.toml` does not follow its format.
    #[error("{path} is not a valid list")]
    Manifest {
        /// The list.
        path: PathBuf,
        /// Where and why.
        source: toml::de::Error,
    },
    /// `models.toml` or `samples.toml` contradicts itself.
    #[error("{path}: {problem}")]
    ManifestRule {
        /// The list.
        path: PathBuf,
        /// The contradiction.
        problem: String,
    },
    /// A package archive is damaged or of another format than its name says.
    #[error("cannot unpack {archive}")]
    Archive {
        /// The archive.
        archive: PathBuf,
        /// What the unpacker said.
        source: io::Error,
    },
    /// A package does not hold a file that the list names.
    #[error("{archive} holds no file `{entry}`")]
    EntryMissing {
        /// The archive.
        archive: PathBuf,
        /// The path inside it.
        entry: String,
    },
    /// A file is not the pinned one.
    #[error(
        "checksum mismatch: {what} has sha256 {found}, expected {expected}; nothing was installed from it. \
         Download it again; if it stays so, the source has changed and must not be used"
    )]
    Checksum {
        /// The archive, the file inside an archive, or the file made from it.
        what: String,
        /// The pinned sum.
        expected: Sha256Sum,
        /// The sum of the bytes at hand.
        found: Sha256Sum,
    },
    /// A model could not be rewritten.
    #[cfg(feature = "install")]
    #[error("cannot rewrite {model}")]
    Rewrite {
        /// The model's file name.
        model: String,
        /// Why not.
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

/// Refuses bytes whose sum is not the pinned one.
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
