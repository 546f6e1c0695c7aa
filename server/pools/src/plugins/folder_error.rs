//! Why the plugin folder cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use super::lock::LockError;

/// Why the plugin folder cannot be used as a whole.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file or folder cannot be read or written.
    #[error("{doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The lock file is invalid.
    #[error("reading the lock file {path}")]
    Lock {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: LockError,
    },
    /// Other users can write the lock file.
    #[error("other users can write the lock file {path}: take that permission away")]
    OpenLock {
        /// The file.
        path: PathBuf,
    },
    /// The thread that read the folder ended.
    #[error("reading the plugin folder: {0}")]
    Ended(String),
    /// A lock file is required and does not exist.
    #[error(
        "plugins_dir is set and mode is \"production\", but the lock file {path} does not exist: \
         review the plugins and run `vultus plugin lock`"
    )]
    NoLock {
        /// The path of the lock file.
        path: PathBuf,
    },
}

/// Adds to an I/O error what was being done to which path.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { doing, path, source }
}
