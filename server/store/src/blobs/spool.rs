//! Uploads on their way in: written to a temporary file as they arrive, counted and hashed on the way.
//!
//! The file lies on the file system of the blobs and goes away with its value, whatever happens to the request.

use super::{BlobError, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::path::Path;
use tempfile::TempPath;
use tokio::io::AsyncWriteExt;

/// An upload that is being written. Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct Spool {
    file: tokio::fs::File,
    path: TempPath,
    limit: u64,
    byte_size: u64,
    hasher: Sha256,
}

impl Spool {
    pub(super) fn new(folder: &Path, limit: u64) -> io::Result<Self> {
        // `tempfile` makes files with mode 0600.
        let (file, path) = tempfile::Builder::new().prefix("upload-").tempfile_in(folder)?.into_parts();
        Ok(Self { file: tokio::fs::File::from_std(file), path, limit, byte_size: 0, hasher: Sha256::new() })
    }

    /// Appends bytes; `TooLarge` as soon as there are more than the limit.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let byte_size = self.byte_size.saturating_add(bytes.len() as u64);
        if byte_size > self.limit {
            return Err(BlobError::TooLarge { limit: self.limit });
        }
        self.hasher.update(bytes);
        self.file.write_all(bytes).await.map_err(|error| BlobError::io("writing an upload", error))?;
        self.byte_size = byte_size;
        Ok(())
    }

    /// Bytes written so far.
    pub fn byte_size(&self) -> u64 {
        self.byte_size
    }

    /// All bytes are there.
    pub async fn finish(mut self) -> Result<SpooledBlob> {
        self.file.flush().await.map_err(|error| BlobError::io("writing an upload", error))?;
        let file = self.file.into_std().await;
        let sha256 = hex::encode(self.hasher.finalize());
        Ok(SpooledBlob { file, path: self.path, byte_size: self.byte_size, sha256 })
    }
}

/// A whole upload in the spool: it can be probed, and committed. Dropped, its temporary name goes away.
#[derive(Debug)]
pub struct SpooledBlob {
    file: File,
    path: TempPath,
    byte_size: u64,
    sha256: String,
}

impl SpooledBlob {
    /// Opens it read-only with a position of its own, to pass the descriptor on.
    pub fn open_file(&self) -> Result<File> {
        File::open(&self.path).map_err(|error| BlobError::io("opening an upload", error))
    }

    /// Its path in the spool.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size in bytes.
    pub fn byte_size(&self) -> u64 {
        self.byte_size
    }

    /// SHA-256 of the bytes, lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    pub(super) fn try_clone_file(&self) -> Result<File> {
        self.file.try_clone().map_err(|error| BlobError::io("opening an upload", error))
    }

    pub(super) fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).expect("the spool makes names of ASCII letters")
    }
}
