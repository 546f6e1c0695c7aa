//! Why an operation on an installation failed.

use std::path::{Path, PathBuf};
use vultus_blobs::BlobError;
use vultus_blobs::keys::KeyError;
use vultus_store::StoreError;

/// Why an operation stopped.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blob storage failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file cannot be read or written.
    #[error("{action} {path}")]
    File {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A record cannot be read or written.
    #[error("a record is malformed")]
    Record(#[from] serde_json::Error),
    /// The operation was rejected, and why.
    #[error("{0}")]
    Refused(String),
}

/// Result of maintenance.
pub type Result<T> = std::result::Result<T, MaintenanceError>;

/// Maps an error of a file.
pub(crate) fn file_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> MaintenanceError {
    let path = path.to_owned();
    move |source| MaintenanceError::File { action, path, source }
}
