//! What operators do to an installation as a whole: verify it, change its master key, encrypt what
//! an older version left plain, back it up, restore it, and copy it from one kind of store to
//! another. Works through [`vultus_store::Store`] and [`vultus_blobs`] alone.

pub mod archive;
pub mod copy;
pub mod encrypt;
mod fill;
pub mod rekey;
pub mod totals;
pub mod verify;

use std::path::{Path, PathBuf};
use vultus_blobs::BlobError;
use vultus_blobs::keys::KeyError;
use vultus_store::StoreError;

/// Why it stopped.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// By the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// By the blobs.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// By a key.
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
    /// It cannot be done, and why.
    #[error("{0}")]
    Refused(String),
}

/// Result of maintenance.
pub type Result<T> = std::result::Result<T, MaintenanceError>;

fn file_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> MaintenanceError {
    let path = path.to_owned();
    move |source| MaintenanceError::File { action, path, source }
}
