//! The interface of a storage of blobs. A storage gets sealed bytes only, and keys that reveal
//! nothing.

use super::sealed::{CHUNK_BYTES, HEADER_BYTES};
use crate::error::Result;
use crate::files::blocking;
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::try_join_all;
use futures::stream::BoxStream;
use std::fmt::Debug;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use time::OffsetDateTime;

/// Number of bytes that [`Backend::open`] reads with one request: the header and the first chunks.
pub const HEAD_BYTES: u64 = (HEADER_BYTES + 16 * (CHUNK_BYTES + 16)) as u64;

/// A storage of blobs. It needs no rename: a blob is written under its final key.
#[async_trait]
pub trait Backend: Debug + Send + Sync {
    /// Stores a sealed upload durably. An existing blob with this key has the same plain bytes and
    /// may be kept.
    async fn put(&self, key: &str, blob: &StoredForm) -> Result<()>;
    /// Stores several sealed uploads durably. After an error, some may be stored.
    async fn put_all(&self, blobs: &[(String, StoredForm)]) -> Result<()> {
        try_join_all(blobs.iter().map(|(key, blob)| self.put(key, blob))).await.map(drop)
    }
    /// Opens a blob. Fails with `NotFound` if it does not exist.
    async fn open(&self, key: &str) -> Result<Stored>;
    /// Deletes a blob, if it exists.
    async fn delete(&self, key: &str) -> Result<()>;
    /// Identity of the storage, the same for all nodes and under every address of it.
    async fn identity(&self) -> Result<String>;
    /// All blobs, in any order.
    fn list(&self) -> BoxStream<'_, Result<Listed>>;
    /// Removes what writers that died long before `now` left and what no listing shows.
    async fn sweep_unfinished(&self, now: OffsetDateTime) -> Result<()> {
        let _ = now;
        Ok(())
    }
}

/// A sealed blob in a file of the spool, ready to be stored.
#[derive(Debug, Clone)]
pub struct StoredForm {
    /// The file.
    pub file: Arc<File>,
    /// Its path in the spool.
    pub path: PathBuf,
    /// Its length.
    pub len: u64,
    /// Whether the contents of the file, though not its name, are fsynced already.
    pub is_safe: bool,
}

impl StoredForm {
    /// Reads a range completely.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let file = Arc::clone(&self.file);
        let read = move || {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            file.read_exact_at(&mut bytes, range.start)?;
            Ok(bytes.into())
        };
        blocking("reading the spool", read).await
    }
}

/// An open blob of a storage.
#[derive(Debug)]
pub struct Stored {
    /// Its stored length.
    pub stored_bytes: u64,
    /// Its first [`HEAD_BYTES`], or all of it.
    pub head: Bytes,
    /// Source of the remaining bytes.
    pub rest: Box<dyn Source>,
}

/// The bytes of one version of a blob. Writing the blob again does not change them.
#[async_trait]
pub trait Source: Debug + Send + Sync {
    /// Reads a range completely.
    async fn read(&self, range: Range<u64>) -> Result<Bytes>;
}

/// A blob in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Time of writing, by the clock of the storage.
    pub written_at: OffsetDateTime,
}
