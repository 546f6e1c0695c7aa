//! Uploads on their way in: sealed under a content key of their own as they arrive, counted and
//! hashed on the way, and written to a temporary file. The content key is in memory only until the
//! folder is known whose key wraps it, so that nothing readable is on disk at any time.
//!
//! The file lies on the file system of the blobs and goes away with its value, whatever happens to
//! the request.

use super::backend::StoredForm;
use super::keys::FolderKey;
use super::plain::{self, Plain};
use super::sealed::{self, ContentKey, HEADER_BYTES, Sealer};
use super::{BlobError, Result, blocking};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempPath;

/// Bytes that are collected before they are hashed, sealed and written on a blocking thread.
const BATCH_BYTES: usize = 256 << 10;
/// Bytes at the beginning that are kept, to tell kinds of files apart.
const FIRST_BYTES: usize = 16;

/// An upload that is being written. Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct Spool {
    sink: Option<Sink>,
    waiting: Vec<u8>,
    limit: u64,
    byte_size: u64,
    first: Vec<u8>,
}

/// Where the bytes go, on a blocking thread.
#[derive(Debug)]
enum Sink {
    /// Nothing was written yet; the file will be in this folder.
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
        // `tempfile` makes files with mode 0600.
        let (mut file, path) =
            tempfile::Builder::new().prefix("upload-").tempfile_in(folder)?.into_parts();
        file.write_all(&[0; HEADER_BYTES])?;
        Ok(Box::new(OpenSink { file, path, hasher: Sha256::new(), sealer: Sealer::new() }))
    }

    /// Takes the last bytes.
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
    pub(super) fn new(folder: &Path, limit: u64) -> Self {
        let sink = Some(Sink::Unopened(folder.to_owned()));
        Self { sink, waiting: Vec::new(), limit, byte_size: 0, first: Vec::new() }
    }

    /// Appends bytes; `TooLarge` as soon as there are more than the limit.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let byte_size = self.byte_size.saturating_add(bytes.len() as u64);
        if byte_size > self.limit {
            return Err(BlobError::TooLarge { limit: self.limit });
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

    /// Absent after a write that failed or was given up.
    fn take_sink(&mut self) -> Result<Sink> {
        self.sink.take().ok_or_else(|| {
            BlobError::internal("writing an upload", io::Error::other("an earlier write failed"))
        })
    }

    /// Bytes written so far.
    pub fn byte_size(&self) -> u64 {
        self.byte_size
    }

    /// All bytes are there.
    pub async fn finish(mut self) -> Result<SpooledBlob> {
        let (sink, waiting, first) = (self.take_sink()?, self.waiting, self.first);
        blocking("writing an upload", move || sink.complete(&waiting, first)).await
    }
}

/// A whole upload in the spool: it can be examined, sealed for its folder, and committed. Dropped,
/// its temporary name goes away.
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
    /// The name under which it is sealed, once it is.
    sealed: Mutex<Option<String>>,
    /// Whether all of it was made safe on disk after that.
    ahead: AtomicBool,
}

impl SpooledBlob {
    /// All at once, from bytes in memory, sealed for a folder and on the disk. Blocks.
    pub(super) fn of_bytes(spool: &Path, bytes: &[u8], folder: &FolderKey) -> io::Result<Self> {
        let blob = Sink::Unopened(spool.to_owned()).complete(bytes, Vec::new())?;
        blob.content.write_ahead(folder)?;
        Ok(blob)
    }

    /// The plain bytes, in memory, to be read by another process.
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

    /// As it lies in the spool; to be sealed first.
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

    /// Makes it a blob of a folder by writing its header, unless it is one. Gives the blob's key.
    pub(super) async fn seal(&self, folder: &Arc<FolderKey>) -> Result<String> {
        if let Some(name) = self.content.sealed_for(folder)? {
            return Ok(name);
        }
        let (content, folder) = (Arc::clone(&self.content), Arc::clone(folder));
        blocking("sealing an upload", move || content.seal(&folder)).await
    }

    /// Seals it for a folder and writes it to the disk ahead of [`super::BlobStore::commit`], which
    /// then has less to wait for.
    pub async fn write_ahead(&self, folder: Arc<FolderKey>) -> Result<()> {
        let content = Arc::clone(&self.content);
        blocking("writing an upload", move || content.write_ahead(&folder)).await
    }
}

impl Content {
    fn seal(&self, folder: &FolderKey) -> io::Result<String> {
        let name = folder.blob_key(&self.sha256);
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Its key, if it is sealed already.
    fn sealed_for(&self, folder: &FolderKey) -> Result<Option<String>> {
        let name = folder.blob_key(&self.sha256);
        let sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
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
