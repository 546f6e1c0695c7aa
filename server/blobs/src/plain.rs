//! Plain bytes for other processes, in anonymous read-only memory that is sealed against changes.
//! They are never written to disk; if the machine swaps, the swap must be encrypted.

use super::sealed::{self, ContentKey};
use crate::error::{BlobError, Result};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Number of chunks that are decrypted at a time.
pub(super) const PIECE_CHUNKS: u64 = 16;
/// Unit of [`MemoryBudget`].
const UNIT: u64 = 64 << 10;

/// The plain bytes of a blob.
#[derive(Debug)]
pub struct Plain(File);

impl Plain {
    /// A new read-only descriptor, positioned at the beginning of the bytes.
    pub fn descriptor(&self) -> Result<OwnedFd> {
        let opened = File::open(format!("/proc/self/fd/{}", self.0.as_raw_fd()));
        opened
            .map(OwnedFd::from)
            .map_err(|error| BlobError::internal("opening a file in memory", error))
    }

    /// Writes pieces into new memory.
    pub(super) fn filled(pieces: impl IntoIterator<Item = Result<Vec<u8>>>) -> Result<Self> {
        let mut writer = PlainWriter::new()?;
        for piece in pieces {
            writer.write(&piece?)?;
        }
        writer.finish()
    }
}

/// Writer of plain bytes.
pub(super) struct PlainWriter(File);

impl PlainWriter {
    pub(super) fn new() -> Result<Self> {
        let descriptor = memfd_create("medium", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING);
        Ok(Self(
            descriptor
                .map_err(|error| BlobError::internal("creating a file in memory", error))?
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

/// Decrypts all chunks of a blob. `read` fills a buffer from an offset in storage. Blocks the
/// thread.
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

/// Limits the plain bytes in memory. Requests that exceed it wait in order.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    free: Arc<Semaphore>,
    units: u32,
}

/// A reserved part of the budget; dropping it releases it.
#[derive(Debug)]
pub struct Reserved(
    #[expect(dead_code, reason = "dropping it releases the permit")] OwnedSemaphorePermit,
);

impl MemoryBudget {
    /// A budget of this many bytes.
    pub fn new(bytes: u64) -> Self {
        let units = u32::try_from(bytes.div_ceil(UNIT))
            .unwrap_or(u32::MAX)
            .clamp(1, Semaphore::MAX_PERMITS as u32);
        Self { free: Arc::new(Semaphore::new(units as usize)), units }
    }

    /// Waits until this many bytes are free. A larger request than the budget waits for all of it.
    pub async fn reserve(&self, bytes: u64) -> Reserved {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        let permit = Arc::clone(&self.free).acquire_many_owned(units).await;
        Reserved(permit.expect("the budget is never closed"))
    }
}
