//! An open blob, which decrypts all its bytes or a range.

use super::backend::{Source, Stored};
use super::keys::FolderKey;
use super::plain::{PIECE_CHUNKS, Plain, PlainWriter};
use super::sealed::{self, CHUNK_BYTES, ContentKey};
use crate::error::{BlobError, Result};
use bytes::Bytes;
use futures::stream::BoxStream;
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::sync::Arc;

/// A blob whose header is decrypted. Reading returns the bytes that were written, or an error.
#[derive(Debug)]
pub struct OpenBlob {
    key: Arc<ContentKey>,
    plain_bytes: u64,
    head: Bytes,
    rest: Box<dyn Source>,
}

impl OpenBlob {
    pub(super) fn new(stored: Stored, key: &str, folder: &FolderKey) -> Result<Self> {
        let (content, plain_bytes) =
            sealed::open_header(&stored.head, stored.stored_bytes, folder, key)?;
        Ok(Self { key: Arc::new(content), plain_bytes, head: stored.head, rest: stored.rest })
    }

    /// Size of the plain bytes.
    pub fn byte_size(&self) -> u64 {
        self.plain_bytes
    }

    /// All plain bytes in memory, to be passed to another process.
    pub async fn plain(&self) -> Result<Plain> {
        let mut writer = PlainWriter::new()?;
        for first in (0..sealed::chunk_count(self.plain_bytes)).step_by(PIECE_CHUNKS as usize) {
            writer.write(&self.piece(first..first + PIECE_CHUNKS).await?)?;
        }
        writer.finish()
    }

    /// SHA-256 of the plain bytes, lower-case hexadecimal. Reads all of them.
    pub async fn sha256(&self) -> Result<String> {
        let mut hasher = Sha256::new();
        for first in (0..sealed::chunk_count(self.plain_bytes)).step_by(PIECE_CHUNKS as usize) {
            hasher.update(self.piece(first..first + PIECE_CHUNKS).await?);
        }
        Ok(hex::encode(hasher.finalize()))
    }

    /// The plain bytes of a range. Reads only the chunks that contain it.
    pub fn range(self, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        let range = range.start..range.end.min(self.plain_bytes);
        Box::pin(futures::stream::try_unfold((self, range), |(blob, range)| async move {
            if range.is_empty() {
                return Ok(None);
            }
            let chunk = CHUNK_BYTES as u64;
            let first = range.start / chunk;
            let end = range.end.div_ceil(chunk).min(first + PIECE_CHUNKS);
            let piece = Bytes::from(blob.piece(first..end).await?);
            let (from, to) =
                (range.start - first * chunk, (range.end - first * chunk).min(piece.len() as u64));
            let rest = (first * chunk + to)..range.end;
            Ok(Some((piece.slice(from as usize..to as usize), (blob, rest))))
        }))
    }

    /// The plain bytes of some chunks.
    async fn piece(&self, chunks: Range<u64>) -> Result<Vec<u8>> {
        let (first, plain_bytes) = (chunks.start, self.plain_bytes);
        let range = sealed::stored_range(
            first..chunks.end.min(sealed::chunk_count(plain_bytes)),
            plain_bytes,
        );
        let stored = if range.end <= self.head.len() as u64 {
            self.head.slice(range.start as usize..range.end as usize)
        } else {
            self.rest.read(range).await?
        };
        let key = Arc::clone(&self.key);
        let open = move || {
            let mut plain = Vec::with_capacity(stored.len());
            sealed::open_chunks(&key, first, plain_bytes, &stored, &mut plain).map(|()| plain)
        };
        tokio::task::spawn_blocking(open)
            .await
            .map_err(|error| BlobError::internal("opening a blob", error))?
    }
}
