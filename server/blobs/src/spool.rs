//! Uploads: sealed under a separate content key as they arrive, counted and hashed, and written to
//! a temporary file. The content key is only in memory until the folder whose key wraps it is
//! known, so that no readable bytes are on disk at any time.
//!
//! The file is on the file system of the blobs and is removed when its value is dropped.

use super::backend::StoredForm;
use super::keys::FolderKey;
use super::plain::{self, Plain};
use super::sealed::{self, ContentKey, HEADER_BYTES, Sealer};
use crate::error::{BlobError, Result};
use crate::files::blocking;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempPath;
use vultus_store::space::Space;

/// Number of bytes that are collected before they are hashed, sealed and written on a blocking
/// thread.
const BATCH_BYTES: usize = 256 << 10;
/// Number of bytes at the beginning that are kept to recognize the kind of file.
const FIRST_BYTES: usize = 16;

/// An upload in progress. Dropping it removes its file.
#[derive(Debug)]
pub struct Spool {
    sink: Option<Sink>,
    waiting: Vec<u8>,
    limit: u64,
    byte_size: u64,
    first: Vec<u8>,
    space: Option<Arc<dyn Space>>,
}

/// Destination of the bytes, used on a blocking thread.
#[derive(Debug)]
enum Sink {
    /// Nothing is written yet; the file will be in this folder.
    Unopened(PathBuf),
    Open(Box<OpenSink>),
}

#[derive(Debug)]
struct OpenSink {
    file: File,
    path: TempPath,
    hasher: Sha256,
    sealer: Sealer,
}

impl Sink {
    fn open(self) -> io::Result<Box<OpenSink>> {
        let folder = match self {
            Self::Open(sink) => return Ok(sink),
            Self::Unopened(folder) => folder,
        };
        // `tempfile` creates files with mode 0600.
        let (mut file, path) =
            tempfile::Builder::new().prefix("upload-").tempfile_in(folder)?.into_parts();
        file.write_all(&[0; HEADER_BYTES])?;
        Ok(Box::new(OpenSink { file, path, hasher: Sha256::new(), sealer: Sealer::new() }))
    }

    /// Writes the last bytes and completes the upload.
    fn complete(self, bytes: &[u8], first: Vec<u8>) -> io::Result<SpooledBlob> {
        let mut sink = self.open()?;
        sink.take(bytes)?;
        let OpenSink { mut file, path, hasher, sealer } = *sink;
        let (last, key, byte_size) = sealer.finish();
        file.write_all(&last)?;
        let (sha256, ahead) = (hex::encode(hasher.finalize()), AtomicBool::new(false));
        let content = Content {
            file: Arc::new(file),
            key,
            byte_size,
            sha256,
            sealed: Mutex::default(),
            ahead,
        };
        Ok(SpooledBlob { content: Arc::new(content), path, first })
    }
}

impl OpenSink {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.file.write_all(&self.sealer.update(bytes))
    }
}

impl Spool {
    pub(super) fn new(folder: &Path, limit: u64, space: Option<Arc<dyn Space>>) -> Self {
        let sink = Some(Sink::Unopened(folder.to_owned()));
        Self { sink, waiting: Vec::new(), limit, byte_size: 0, first: Vec::new(), space }
    }

    /// Appends bytes. Fails with `TooLarge` as soon as they exceed the limit, and with
    /// `Unavailable` while the disk is nearly full.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let byte_size = self.byte_size.saturating_add(bytes.len() as u64);
        if byte_size > self.limit {
            return Err(BlobError::TooLarge { limit: self.limit });
        }
        if self.space.as_ref().is_some_and(|space| space.is_low()) {
            return Err(BlobError::Unavailable("the disk is nearly full".to_owned()));
        }
        self.byte_size = byte_size;
        let missing = FIRST_BYTES - self.first.len();
        self.first.extend_from_slice(&bytes[..missing.min(bytes.len())]);
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() < BATCH_BYTES {
            return Ok(());
        }
        let (sink, waiting) = (self.take_sink()?, std::mem::take(&mut self.waiting));
        let write = move || {
            let mut sink = sink.open()?;
            sink.take(&waiting)?;
            Ok((sink, waiting))
        };
        let (sink, mut emptied) = blocking("writing an upload", write).await?;
        emptied.clear();
        (self.sink, self.waiting) = (Some(Sink::Open(sink)), emptied);
        Ok(())
    }

    /// The sink is absent after a write that failed or was cancelled.
    fn take_sink(&mut self) -> Result<Sink> {
        self.sink.take().ok_or_else(|| {
            BlobError::internal("writing an upload", io::Error::other("an earlier write failed"))
        })
    }

    /// Number of bytes written so far.
    pub fn byte_size(&self) -> u64 {
        self.byte_size
    }

    /// Completes the upload.
    pub async fn finish(mut self) -> Result<SpooledBlob> {
        let (sink, waiting, first) = (self.take_sink()?, self.waiting, self.first);
        blocking("writing an upload", move || sink.complete(&waiting, first)).await
    }
}

/// A complete upload in the spool: it can be examined, sealed for its folder, and committed.
/// Dropping it removes its temporary name.
#[derive(Debug)]
pub struct SpooledBlob {
    content: Arc<Content>,
    path: TempPath,
    first: Vec<u8>,
}

#[derive(Debug)]
struct Content {
    file: Arc<File>,
    key: ContentKey,
    byte_size: u64,
    sha256: String,
    /// The blob key for which it is sealed, if it is.
    sealed: Mutex<Option<String>>,
    /// Whether it was fsynced after that.
    ahead: AtomicBool,
}

impl SpooledBlob {
    /// A complete upload of bytes from memory, sealed for a folder and fsynced. Blocks the thread.
    pub(super) fn of_bytes(spool: &Path, bytes: &[u8], folder: &FolderKey) -> io::Result<Self> {
        let blob = Sink::Unopened(spool.to_owned()).complete(bytes, Vec::new())?;
        blob.content.write_ahead(folder)?;
        Ok(blob)
    }

    /// The plain bytes in memory, to be passed to another process.
    pub async fn plain(&self) -> Result<Plain> {
        let content = Arc::clone(&self.content);
        let opening = tokio::task::spawn_blocking(move || {
            plain::decrypted(&content.key, content.byte_size, |buffer, at| {
                content.file.read_exact_at(buffer, at)
            })
        });
        opening.await.map_err(|error| BlobError::internal("opening an upload", error))?
    }

    /// The first bytes, at most 16.
    pub fn first_bytes(&self) -> &[u8] {
        &self.first
    }

    /// Size in bytes.
    pub fn byte_size(&self) -> u64 {
        self.content.byte_size
    }

    /// SHA-256 of the bytes, lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.content.sha256
    }

    /// The file in the spool; it must be sealed before it is stored.
    pub(super) fn stored_form(&self) -> StoredForm {
        let len = sealed::stored_len(self.content.byte_size);
        let is_safe = self.content.ahead.load(Ordering::Acquire);
        StoredForm {
            file: Arc::clone(&self.content.file),
            path: self.path.to_path_buf(),
            len,
            is_safe,
        }
    }

    /// Seals it for a folder by writing its header, unless it is sealed. Returns the blob key.
    pub(super) async fn seal(&self, folder: &Arc<FolderKey>) -> Result<String> {
        if let Some(name) = self.content.sealed_for(folder)? {
            return Ok(name);
        }
        let (content, folder) = (Arc::clone(&self.content), Arc::clone(folder));
        blocking("sealing an upload", move || content.seal(&folder)).await
    }

    /// Seals it for a folder and fsyncs it before [`super::BlobStore::commit`], which then takes
    /// less time.
    pub async fn write_ahead(&self, folder: Arc<FolderKey>) -> Result<()> {
        let content = Arc::clone(&self.content);
        blocking("writing an upload", move || content.write_ahead(&folder)).await
    }
}

impl Content {
    fn seal(&self, folder: &FolderKey) -> io::Result<String> {
        let name = folder.blob_key(&self.sha256);
        let mut sealed = self.sealed.lock();
        if is_name(sealed.as_deref(), &name)? {
            return Ok(name);
        }
        self.file.write_all_at(&self.key.header(self.byte_size, folder, &name), 0)?;
        *sealed = Some(name.clone());
        Ok(name)
    }

    fn write_ahead(&self, folder: &FolderKey) -> io::Result<()> {
        self.seal(folder)?;
        self.file.sync_all()?;
        self.ahead.store(true, Ordering::Release);
        Ok(())
    }

    /// The blob key, if it is sealed already.
    fn sealed_for(&self, folder: &FolderKey) -> Result<Option<String>> {
        let name = folder.blob_key(&self.sha256);
        let sealed = self.sealed.lock();
        let known = is_name(sealed.as_deref(), &name)
            .map_err(|error| BlobError::io("sealing an upload", error))?;
        Ok(known.then_some(name))
    }
}

fn is_name(sealed: Option<&str>, name: &str) -> io::Result<bool> {
    match sealed {
        Some(known) if known == name => Ok(true),
        Some(_) => Err(io::Error::other("the upload is sealed for another folder")),
        None => Ok(false),
    }
}
