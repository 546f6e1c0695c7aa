//! Plain bytes for other processes: in anonymous memory, sealed against every change, read-only.
//! Never on disk; where the machine swaps, the swap must be encrypted.

use super::sealed::{self, ContentKey};
use super::{BlobError, Result};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Chunks that are opened at a time.
pub(super) const PIECE_CHUNKS: u64 = 16;
/// Unit of [`MemoryBudget`].
const UNIT: u64 = 64 << 10;

/// The plain bytes of a blob.
#[derive(Debug)]
pub struct Plain(File);

impl Plain {
    /// A descriptor of its own, read-only, at the beginning of the bytes.
    pub fn descriptor(&self) -> Result<OwnedFd> {
        let opened = File::open(format!("/proc/self/fd/{}", self.0.as_raw_fd()));
        opened
            .map(OwnedFd::from)
            .map_err(|error| BlobError::internal("opening a file in memory", error))
    }

    /// Fills it piece by piece.
    pub(super) fn filled(pieces: impl IntoIterator<Item = Result<Vec<u8>>>) -> Result<Self> {
        let mut writer = PlainWriter::new()?;
        for piece in pieces {
            writer.write(&piece?)?;
        }
        writer.finish()
    }
}

/// Plain bytes that are being written.
pub(super) struct PlainWriter(File);

impl PlainWriter {
    pub(super) fn new() -> Result<Self> {
        let descriptor = memfd_create("medium", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING);
        Ok(Self(
            descriptor
                .map_err(|error| BlobError::internal("making a file in memory", error))?
                .into(),
        ))
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(|error| BlobError::io("writing to memory", error))
    }

    pub(super) fn finish(self) -> Result<Plain> {
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        fcntl_add_seals(&self.0, seals)
            .map_err(|error| BlobError::internal("sealing a file in memory", error))?;
        Ok(Plain(self.0))
    }
}

/// Opens all chunks of a blob; `read` fills a buffer from a place in storage. Blocks.
pub(super) fn decrypted(
    key: &ContentKey,
    plain_bytes: u64,
    read: impl Fn(&mut [u8], u64) -> io::Result<()>,
) -> Result<Plain> {
    let count = sealed::chunk_count(plain_bytes);
    let mut stored = Vec::new();
    let pieces = (0..count).step_by(PIECE_CHUNKS as usize).map(|first| {
        let range = sealed::stored_range(first..(first + PIECE_CHUNKS).min(count), plain_bytes);
        stored.resize((range.end - range.start) as usize, 0);
        read(&mut stored, range.start).map_err(|error| BlobError::io("reading a blob", error))?;
        let mut plain = Vec::with_capacity(stored.len());
        sealed::open_chunks(key, first, plain_bytes, &stored, &mut plain)?;
        Ok(plain)
    });
    Plain::filled(pieces)
}

/// How much plain bytes may be in memory at a time; who wants more waits in a line.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    free: Arc<Semaphore>,
    units: u32,
}

/// A part of the budget, until it is dropped.
#[derive(Debug)]
pub struct Reserved(#[expect(dead_code, reason = "it gives itself back")] OwnedSemaphorePermit);

impl MemoryBudget {
    /// Of so many bytes.
    pub fn new(bytes: u64) -> Self {
        let units = u32::try_from(bytes.div_ceil(UNIT))
            .unwrap_or(u32::MAX)
            .clamp(1, Semaphore::MAX_PERMITS as u32);
        Self { free: Arc::new(Semaphore::new(units as usize)), units }
    }

    /// Waits until there is room. What is larger than the whole budget gets it alone.
    pub async fn reserve(&self, bytes: u64) -> Reserved {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        let permit = Arc::clone(&self.free).acquire_many_owned(units).await;
        Reserved(permit.expect("the budget is never closed"))
    }
}
