//! Why an operation on blobs failed.

use std::io;
use vultus_store::StoreError;

/// Why a blob could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such blob.
    #[error("blob not found")]
    NotFound,
    /// The upload exceeds the limit.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// Maximum number of bytes.
        limit: u64,
    },
    /// Its bytes are not those that were written, or its key does not decrypt it.
    #[error("a blob is damaged: {0}")]
    Damaged(&'static str),
    /// The disk is full or over quota, or the storage does not answer; a later attempt may succeed.
    #[error("the storage of blobs is unavailable: {0}")]
    Unavailable(String),
    /// A fault.
    #[error("blobs: {context}")]
    Internal {
        /// What was being done.
        context: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl BlobError {
    /// A fault; `context` is what was being done.
    pub fn internal(context: &str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal { context: context.to_owned(), source: Box::new(source) }
    }

    pub(crate) fn io(context: &str, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Unavailable(format!("{context}: {error}"))
            }
            io::ErrorKind::NotFound => Self::NotFound,
            _ => Self::internal(context, error),
        }
    }

    pub(crate) fn object(context: &str, error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            other => Self::internal(context, other),
        }
    }
}

/// Result of an operation on blobs.
pub type Result<T> = std::result::Result<T, BlobError>;

/// Number of deleted blobs.
pub type Deleted = std::result::Result<u64, DeletionError>;

/// Why a deletion stopped.
#[derive(Debug, thiserror::Error)]
pub enum DeletionError {
    /// The blob storage failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
