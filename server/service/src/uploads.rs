//! Incoming files: spooled to disk (encrypted) for folders, to memory for instant checks, hashed
//! while they arrive, with the size limit enforced on each write. Contents are not parsed here; a
//! worker's probe does that.

use crate::check_memory::{CheckMemory, ReservedCheckMemory};
use crate::errors::of_blob;
use rustix::fs::{MemfdFlags, SealFlags};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vultus_auth::policy::{self, Action};
use vultus_blobs::{BlobError, BlobStore, MemoryBudget, Plain, Spool, SpooledBlob};
use vultus_core::fair::{FairPermit, FairPermits, Shares, Tenant};
use vultus_core::text::shown_file_name;
use vultus_core::{Error, Principal, Result};

/// Maximum length of the name of a file, in bytes; a longer one is cut.
const MAX_NAME_BYTES: usize = 255;
/// Time after which a client should retry when too many files arrive at once.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// A complete file. Cheap to clone; the last clone deletes the bytes on drop unless they were
/// committed.
#[derive(Debug, Clone)]
pub struct UploadedFile(Arc<Arrived>);

#[derive(Debug)]
struct Arrived {
    content: Content,
    byte_size: u64,
    sha256: String,
    file_name: Option<String>,
}

#[derive(Debug)]
enum Content {
    Disk(SpooledBlob),
    Open { file: OwnedFd, _reserved: Option<ReservedCheckMemory> },
}

impl UploadedFile {
    /// A local file, for [`crate::Checker`]; it is not copied.
    pub fn local(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        let mut byte_size = 0;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            byte_size += read as u64;
        }
        let file_name = path
            .file_name()
            .and_then(|name| shown_file_name(&name.to_string_lossy(), MAX_NAME_BYTES));
        let content = Content::Open { file: file.into(), _reserved: None };
        Ok(Self(Arc::new(Arrived {
            content,
            byte_size,
            sha256: hex::encode(hasher.finalize()),
            file_name,
        })))
    }

    /// Size in bytes.
    pub fn byte_size(&self) -> u64 {
        self.0.byte_size
    }

    /// SHA-256 of the bytes, lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// The name that the client gave, as it is shown.
    pub fn file_name(&self) -> Option<&str> {
        self.0.file_name.as_deref()
    }

    /// The bytes, to be read by a worker. A spooled file is decrypted into memory as soon as the
    /// budget allows.
    pub(crate) async fn readable(&self, memory: &MemoryBudget) -> Result<Readable> {
        match &self.0.content {
            Content::Disk(spooled) => {
                let reserved = memory.reserve(self.byte_size()).await;
                Ok(Readable::Decrypted(spooled.plain().await.map_err(of_blob)?, reserved))
            }
            Content::Open { .. } => Ok(Readable::AsItIs(self.clone())),
        }
    }

    /// The first bytes, at most 16.
    pub(crate) fn first_bytes(&self) -> Result<Vec<u8>> {
        match &self.0.content {
            Content::Disk(spooled) => Ok(spooled.first_bytes().to_vec()),
            Content::Open { file, .. } => {
                let mut first = Vec::with_capacity(16);
                let read = File::from(reopened(file)?).take(16).read_to_end(&mut first);
                read.map(|_| first).map_err(|e| Error::internal("reading an upload", e))
            }
        }
    }

    /// The file in the spool; `None` for one that is not spooled and can only be checked.
    pub(crate) fn spooled(&self) -> Option<&SpooledBlob> {
        match &self.0.content {
            Content::Disk(spooled) => Some(spooled),
            Content::Open { .. } => None,
        }
    }
}

/// The bytes of a file, which other processes can open while this value lives.
pub(crate) enum Readable {
    /// From the spool.
    Decrypted(
        Plain,
        #[expect(dead_code, reason = "dropping it releases the memory")] vultus_blobs::Reserved,
    ),
    /// In memory, or a local file.
    AsItIs(UploadedFile),
}

impl Readable {
    /// A new read-only descriptor, at the beginning of the bytes.
    pub(crate) fn descriptor(&self) -> Result<OwnedFd> {
        match self {
            Self::Decrypted(plain, _) => plain.descriptor().map_err(of_blob),
            Self::AsItIs(UploadedFile(arrived)) => match &arrived.content {
                Content::Open { file, .. } => reopened(file),
                Content::Disk(_) => Err(Error::broken("an upload on disk is not decrypted")),
            },
        }
    }
}

fn reopened(file: &OwnedFd) -> Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    File::open(path).map(OwnedFd::from).map_err(|e| Error::internal("opening an upload", e))
}

/// Receives the bytes of one file. Dropping it before the end deletes them.
pub struct UploadSink {
    target: SinkTarget,
    _permit: FairPermit<Tenant>,
}

enum SinkTarget {
    Disk(Box<Spool>),
    Memory(Box<MemorySpool>),
}

struct MemorySpool {
    file: File,
    hasher: Sha256,
    byte_size: u64,
    limit: u64,
    reserved: ReservedCheckMemory,
}

impl UploadSink {
    /// Writes the next bytes. LIMIT_EXCEEDED if the file becomes larger than the limit.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.target {
            SinkTarget::Disk(spool) => spool.write(bytes).await.map_err(of_blob),
            SinkTarget::Memory(spool) => spool.write(bytes),
        }
    }

    /// Size so far, in bytes.
    pub fn byte_size(&self) -> u64 {
        match &self.target {
            SinkTarget::Disk(spool) => spool.byte_size(),
            SinkTarget::Memory(spool) => spool.byte_size,
        }
    }

    /// Ends the file.
    pub async fn finish(self, file_name: Option<String>) -> Result<UploadedFile> {
        let (content, byte_size, sha256) = match self.target {
            SinkTarget::Disk(spool) => {
                let spooled = spool.finish().await.map_err(of_blob)?;
                let (byte_size, sha256) = (spooled.byte_size(), spooled.sha256().to_owned());
                (Content::Disk(spooled), byte_size, sha256)
            }
            SinkTarget::Memory(spool) => spool.finish()?,
        };
        let file_name = file_name.as_deref().and_then(|name| shown_file_name(name, MAX_NAME_BYTES));
        Ok(UploadedFile(Arc::new(Arrived { content, byte_size, sha256, file_name })))
    }
}

impl MemorySpool {
    fn new(limit: u64, budget: &CheckMemory) -> Result<Self> {
        let file =
            rustix::fs::memfd_create("upload", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
                .map_err(|e| Error::internal("making a file in memory", e))?;
        Ok(Self {
            file: file.into(),
            hasher: Sha256::new(),
            byte_size: 0,
            limit,
            reserved: budget.reserve_none(),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let byte_size = self.byte_size.saturating_add(bytes.len() as u64);
        if byte_size > self.limit {
            return Err(of_blob(BlobError::TooLarge { limit: self.limit }));
        }
        self.reserved.grow(bytes.len() as u64)?;
        self.hasher.update(bytes);
        self.file
            .write_all(bytes)
            .map_err(|e| Error::internal("writing an upload to memory", e))?;
        self.byte_size = byte_size;
        Ok(())
    }

    fn finish(self) -> Result<(Content, u64, String)> {
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&self.file, seals)
            .map_err(|e| Error::internal("sealing an upload in memory", e))?;
        let content = Content::Open { file: self.file.into(), _reserved: Some(self.reserved) };
        Ok((content, self.byte_size, hex::encode(self.hasher.finalize())))
    }
}

/// The part that receives files.
pub(crate) struct Uploads {
    pub(crate) blobs: Arc<BlobStore>,
    pub(crate) permits: FairPermits<Tenant>,
    pub(crate) shares: Shares,
    pub(crate) check_memory: CheckMemory,
    pub(crate) max_bytes: u64,
}

impl Uploads {
    pub(crate) fn begin_upload(&self, caller: &Principal) -> Result<UploadSink> {
        policy::authorize(caller, Action::AddMedia)?;
        let permit = self.permit(caller)?;
        let spool = self.blobs.spool(self.max_bytes);
        Ok(UploadSink { target: SinkTarget::Disk(Box::new(spool)), _permit: permit })
    }

    pub(crate) fn begin_instant_upload(&self, caller: &Principal) -> Result<UploadSink> {
        policy::authorize(caller, Action::Check)?;
        let permit = self.permit(caller)?;
        let spool = MemorySpool::new(self.max_bytes, &self.check_memory)?;
        Ok(UploadSink { target: SinkTarget::Memory(Box::new(spool)), _permit: permit })
    }

    /// Whether so many files arrive that clients have to send faster.
    pub(crate) fn are_scarce(&self) -> bool {
        self.permits.are_scarce()
    }

    fn permit(&self, caller: &Principal) -> Result<FairPermit<Tenant>> {
        let permit = self.permits.try_acquire_for(caller.into(), self.shares);
        permit.map_err(|_| Error::Unavailable {
            message: "the server is receiving too many files, or too many of yours; try again"
                .to_owned(),
            retry_after: RETRY_AFTER,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upload_in_memory_reserves_budget_until_dropped() {
        let budget = CheckMemory::new(10);
        let mut first = MemorySpool::new(100, &budget).unwrap();
        first.write(b"12345678").unwrap();
        let mut second = MemorySpool::new(100, &budget).unwrap();
        assert!(matches!(second.write(b"123"), Err(Error::Unavailable { .. })));
        drop(first.finish().unwrap());
        second.write(b"123").unwrap();
    }

    #[test]
    fn oversized_write_fails_and_earlier_bytes_stay_readable() {
        let budget = CheckMemory::new(1000);
        let mut spool = MemorySpool::new(3, &budget).unwrap();
        spool.write(b"abc").unwrap();
        assert!(matches!(spool.write(b"d"), Err(Error::LimitExceeded { .. })));
        let (content, byte_size, sha256) = spool.finish().unwrap();
        let file = UploadedFile(Arc::new(Arrived { content, byte_size, sha256, file_name: None }));
        for _ in 0..2 {
            let mut text = String::new();
            File::from(Readable::AsItIs(file.clone()).descriptor().unwrap())
                .read_to_string(&mut text)
                .unwrap();
            assert_eq!(text, "abc");
        }
    }
}
