//! Where blobs lie: what every kind of storage must do. It sees sealed bytes only, and keys that
//! tell nothing.

use super::sealed::{CHUNK_BYTES, HEADER_BYTES};
use super::{Result, blocking};
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

/// Bytes that [`Backend::open`] reads with one request: the header and the first chunks.
pub const HEAD_BYTES: u64 = (HEADER_BYTES + 16 * (CHUNK_BYTES + 16)) as u64;

/// A storage of blobs. None has a rename: a blob is written under its final key, or not there.
#[async_trait]
pub trait Backend: Debug + Send + Sync {
    /// Writes a sealed upload, safe there once this is done. What is there already has the same
    /// plain bytes, and may stay.
    async fn put(&self, key: &str, blob: &StoredForm) -> Result<()>;
    /// Writes several; all are safe once this is done. After an error, some may be there.
    async fn put_all(&self, blobs: &[(String, StoredForm)]) -> Result<()> {
        try_join_all(blobs.iter().map(|(key, blob)| self.put(key, blob))).await.map(drop)
    }
    /// Opens a blob; `NotFound` if it is not there.
    async fn open(&self, key: &str) -> Result<Stored>;
    /// Deletes a blob; one that is not there is no error.
    async fn delete(&self, key: &str) -> Result<()>;
    /// What tells this storage from any other, and is the same for all who reach it, on whatever
    /// way.
    async fn identity(&self) -> Result<String>;
    /// All blobs, in any order.
    fn list(&self) -> BoxStream<'_, Result<Listed>>;
    /// Takes away what writers that died long before `now` left here and no listing shows.
    async fn sweep_unfinished(&self, now: OffsetDateTime) -> Result<()> {
        let _ = now;
        Ok(())
    }
}

/// A blob as it is to lie in storage, in a file of the spool.
#[derive(Debug, Clone)]
pub struct StoredForm {
    /// The file.
    pub file: Arc<File>,
    /// Its name in the spool.
    pub path: PathBuf,
    /// Its length.
    pub len: u64,
    /// Whether the file, not its name, is safe on disk already.
    pub is_safe: bool,
}

impl StoredForm {
    /// Reads a part, whole.
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

/// A blob in its storage.
#[derive(Debug)]
pub struct Stored {
    /// Its length there.
    pub stored_bytes: u64,
    /// Its beginning: [`HEAD_BYTES`], or all of it.
    pub head: Bytes,
    /// Where the rest comes from.
    pub rest: Box<dyn Source>,
}

/// The bytes of one version of a blob: whoever writes it again meanwhile does not change them.
#[async_trait]
pub trait Source: Debug + Send + Sync {
    /// Reads a part, whole.
    async fn read(&self, range: Range<u64>) -> Result<Bytes>;
}

/// A blob in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// When it was written, by the storage's clock.
    pub written_at: OffsetDateTime,
}
