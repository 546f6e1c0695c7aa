//! The bytes of one medium: a shared, seekable view of known length with a bound on the total
//! number of bytes read. Not a cache: callers buffer.

use crate::limits::Limits;
use crate::refusal::Refusal;
use parking_lot::Mutex;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

/// Number of bytes from which the format is detected. Covers an `ftyp` box, an EBML header and an
/// XML prologue before `<svg`.
const HEAD_BYTES: u64 = 4096;

/// Mean number of reads per byte: demuxing twice, tables, and buffers filled again after seeks. A
/// container whose structure sends its reader in circles exceeds it.
const READS_PER_BYTE: u64 = 8;
const READ_ALLOWANCE: u64 = 32 << 20;

struct Shared<S> {
    stream: S,
    bytes_left: u64,
}

/// A view of the medium's bytes with its own position.
pub(crate) struct Source<S> {
    shared: Arc<Mutex<Shared<S>>>,
    position: u64,
    length: u64,
}

impl<S> Source<S> {
    /// Another view of the same bytes, at their start.
    pub(crate) fn reopened(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), position: 0, length: self.length }
    }

    /// Length in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}

impl<S: Read + Seek> Source<S> {
    /// Wraps a medium that is declared to have `byte_size` bytes.
    pub(crate) fn new(mut stream: S, byte_size: u64, limits: &Limits) -> Result<Self, Refusal> {
        let length = stream.seek(SeekFrom::End(0)).map_err(|e| Refusal::io(&e))?;
        let actual = length.max(byte_size);
        if actual > limits.max_bytes {
            return Err(Refusal::TooManyBytes { actual, limit: limits.max_bytes });
        }
        if length == 0 {
            return Err(Refusal::Empty);
        }
        if length < byte_size {
            return Err(Refusal::Truncated { format: "medium's" });
        }
        let bytes_left = length * READS_PER_BYTE + READ_ALLOWANCE;
        let shared = Arc::new(Mutex::new(Shared { stream, bytes_left }));
        Ok(Self { shared, position: 0, length })
    }

    /// The first bytes, from which the format is detected.
    pub(crate) fn head(&mut self) -> Result<Vec<u8>, Refusal> {
        self.bytes(HEAD_BYTES)
    }

    /// All bytes, for picture decoders, which need them at once.
    pub(crate) fn all(&mut self) -> Result<Vec<u8>, Refusal> {
        self.bytes(self.length)
    }

    fn bytes(&mut self, most: u64) -> Result<Vec<u8>, Refusal> {
        self.position = 0;
        let mut bytes = Vec::with_capacity(most.min(self.length) as usize);
        let read = self.by_ref().take(most).read_to_end(&mut bytes);
        self.position = 0;
        read.map_err(|e| Refusal::io(&e))?;
        Ok(bytes)
    }
}

impl<S: Read + Seek> Read for Source<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        if wanted == 0 {
            return Ok(0);
        }
        let mut shared = self.shared.lock();
        let Some(bytes_left) = shared.bytes_left.checked_sub(wanted as u64) else {
            return Err(io::Error::other("the medium makes its reader go in circles"));
        };
        shared.stream.seek(SeekFrom::Start(self.position))?;
        let read = shared.stream.read(&mut buffer[..wanted])?;
        shared.bytes_left = bytes_left;
        self.position += read as u64;
        Ok(read)
    }
}

impl<S> Seek for Source<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
