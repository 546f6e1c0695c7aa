//! The stored form of a blob: a header, then the bytes in chunks of 64 KiB, each sealed by
//! AES-256-GCM in the STREAM construction.
//!
//! ```text
//! magic and version 8 ‖ length of the plain bytes 8 ‖ nonce prefix 7 ‖ 0
//!     ‖ wrapped content key 61 ‖ chunk ‖ chunk ‖ …
//! ```
//!
//! Every chunk is sealed under the content key of the blob. Its nonce contains its index and
//! whether it is the last one, so that no chunk can be removed, moved, repeated or taken from
//! another blob, and each can be decrypted alone. The content key is wrapped under the folder's key
//! with the rest of the header and the blob's name as associated data, so that a blob cannot
//! replace another one, and its length is authenticated before the first chunk is read.

use super::keys::{self, FolderKey, KEY_BYTES, KeyError, Secret, WRAPPED_BYTES};
use crate::error::{BlobError, Result};
use aead_stream::{NewStream, StreamBE32, StreamPrimitive};
use aes_gcm::Aes256Gcm;
use std::ops::Range;

/// Plain bytes of a chunk; the last chunk may be shorter.
pub(super) const CHUNK_BYTES: usize = 64 << 10;
/// Number of bytes that sealing adds to a chunk.
const TAG_BYTES: usize = 16;
const SEALED_CHUNK_BYTES: u64 = (CHUNK_BYTES + TAG_BYTES) as u64;
const MAGIC: &[u8; 8] = b"VULTUSB1";
const PREFIX_BYTES: usize = 7;
/// The part of the header before the wrapped key.
const PLAIN_HEADER_BYTES: usize = 24;
/// Length of the header.
pub(super) const HEADER_BYTES: usize = PLAIN_HEADER_BYTES + WRAPPED_BYTES;

/// The content key of one blob.
pub(super) struct ContentKey {
    key: Secret,
    prefix: [u8; PREFIX_BYTES],
    stream: StreamBE32<Aes256Gcm>,
}

impl std::fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ContentKey(secret)")
    }
}

impl ContentKey {
    /// Creates the key of a new blob.
    pub(super) fn random() -> Self {
        Self::new(keys::random(), rand::random())
    }

    fn new(key: Secret, prefix: [u8; PREFIX_BYTES]) -> Self {
        let stream = StreamBE32::new(&aes_gcm::Key::<Aes256Gcm>::from(*key), &prefix.into());
        Self { key, prefix, stream }
    }

    /// Encrypts a chunk in place.
    pub(super) fn seal(&self, index: u32, last: bool, chunk: &mut Vec<u8>) {
        self.stream
            .encrypt_in_place(index, last, b"", chunk)
            .expect("a chunk is not too long for AES-GCM");
    }

    /// Decrypts a chunk in place.
    pub(super) fn open(&self, index: u32, last: bool, chunk: &mut Vec<u8>) -> Result<()> {
        self.stream
            .decrypt_in_place(index, last, b"", chunk)
            .map_err(|_| BlobError::Damaged("a chunk does not decrypt"))
    }

    /// The header of the blob.
    pub(super) fn header(&self, plain_bytes: u64, folder: &FolderKey, blob_key: &str) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&plain_bytes.to_be_bytes());
        header.extend_from_slice(&self.prefix);
        header.push(0);
        let wrapped = folder.wrap(&label(&header, blob_key), &self.key);
        header.extend_from_slice(&wrapped);
        header
    }
}

/// Decrypts a header to the content key and the number of plain bytes. `stored_bytes` is the stored
/// length of the blob.
pub(super) fn open_header(
    header: &[u8],
    stored_bytes: u64,
    folder: &FolderKey,
    blob_key: &str,
) -> Result<(ContentKey, u64)> {
    let damaged = |what| Err(BlobError::Damaged(what));
    let Some(header) = header.get(..HEADER_BYTES) else { return damaged("it is too short") };
    if !header.starts_with(MAGIC) {
        return damaged("it is not an encrypted blob of a version that this program knows");
    }
    let (plain, wrapped) = header.split_at(PLAIN_HEADER_BYTES);
    let key = match folder.unwrap(&label(plain, blob_key), wrapped) {
        Ok(key) => key,
        Err(KeyError::Missing | KeyError::Wrong | KeyError::Newer(_)) => {
            return damaged("its header does not decrypt");
        }
    };
    let mut length = [0; 8];
    length.copy_from_slice(&plain[8..16]);
    let plain_bytes = u64::from_be_bytes(length);
    if stored_bytes != stored_len(plain_bytes) {
        return damaged("its length differs from the one in its header");
    }
    let mut prefix = [0; PREFIX_BYTES];
    prefix.copy_from_slice(&plain[16..16 + PREFIX_BYTES]);
    Ok((ContentKey::new(key, prefix), plain_bytes))
}

fn label(plain_header: &[u8], blob_key: &str) -> Vec<u8> {
    [b"vultus/content-key/1".as_slice(), plain_header, blob_key.as_bytes()].concat()
}

/// Number of chunks of a blob. An empty blob has one.
pub(super) fn chunk_count(plain_bytes: u64) -> u64 {
    plain_bytes.div_ceil(CHUNK_BYTES as u64).max(1)
}

/// Stored length of a blob.
pub(super) fn stored_len(plain_bytes: u64) -> u64 {
    HEADER_BYTES as u64
        + plain_bytes.saturating_add(chunk_count(plain_bytes).saturating_mul(TAG_BYTES as u64))
}

/// Stored range of some chunks.
pub(super) fn stored_range(chunks: Range<u64>, plain_bytes: u64) -> Range<u64> {
    let place = |index: u64| HEADER_BYTES as u64 + index * SEALED_CHUNK_BYTES;
    place(chunks.start)..place(chunks.end).min(stored_len(plain_bytes))
}

/// Decrypts successive chunks, of which the first has the index `first`, and appends the plain
/// bytes to `plain`.
pub(super) fn open_chunks(
    key: &ContentKey,
    first: u64,
    plain_bytes: u64,
    stored: &[u8],
    plain: &mut Vec<u8>,
) -> Result<()> {
    let count = chunk_count(plain_bytes);
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + TAG_BYTES);
    for (at, sealed) in stored.chunks(SEALED_CHUNK_BYTES as usize).enumerate() {
        let index = first + at as u64;
        let position = u32::try_from(index).map_err(|_| BlobError::Damaged("it is too long"))?;
        chunk.clear();
        chunk.extend_from_slice(sealed);
        key.open(position, index + 1 == count, &mut chunk)?;
        plain.extend_from_slice(&chunk);
    }
    Ok(())
}

/// Seals bytes as they arrive. The last chunk is held back until [`Sealer::finish`], because it is
/// sealed differently.
#[derive(Debug)]
pub(super) struct Sealer {
    key: ContentKey,
    index: u32,
    rest: Vec<u8>,
    plain_bytes: u64,
}

impl Sealer {
    pub(super) fn new() -> Self {
        Self { key: ContentKey::random(), index: 0, rest: Vec::new(), plain_bytes: 0 }
    }

    /// Takes the next bytes and returns the sealed chunks that are complete.
    pub(super) fn update(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        self.plain_bytes += bytes.len() as u64;
        let mut sealed = Vec::with_capacity(bytes.len() + TAG_BYTES);
        while self.rest.len() + bytes.len() > CHUNK_BYTES {
            let (fill, others) = bytes.split_at(CHUNK_BYTES - self.rest.len());
            self.rest.extend_from_slice(fill);
            bytes = others;
            self.seal_rest(false, &mut sealed);
        }
        self.rest.extend_from_slice(bytes);
        sealed
    }

    /// Returns the last chunk, the key, and the number of plain bytes.
    pub(super) fn finish(mut self) -> (Vec<u8>, ContentKey, u64) {
        let mut sealed = Vec::with_capacity(self.rest.len() + TAG_BYTES);
        self.seal_rest(true, &mut sealed);
        (sealed, self.key, self.plain_bytes)
    }

    fn seal_rest(&mut self, last: bool, sealed: &mut Vec<u8>) {
        self.key.seal(self.index, last, &mut self.rest);
        self.index += 1;
        sealed.append(&mut self.rest);
    }
}

const _: () = assert!(KEY_BYTES == 32);

#[cfg(test)]
mod tests {
    use super::super::keys::MasterKey;
    use super::*;
    use uuid::Uuid;
    use vultus_core::{CompanyId, FolderId};

    fn folder_key(n: u128) -> FolderKey {
        let (master, company) = (MasterKey::new(&[1; 32]), CompanyId(Uuid::from_u128(1)));
        let key = master.open(company, &master.make_company_key(company)).unwrap();
        let id = FolderId(Uuid::from_u128(n));
        key.open(id, &key.make_folder_key(id)).unwrap()
    }

    fn sealed(plain: &[u8], folder: &FolderKey, name: &str) -> Vec<u8> {
        let mut sealer = Sealer::new();
        let mut body = Vec::new();
        for part in plain.chunks(50_001) {
            body.extend(sealer.update(part));
        }
        let (last, key, bytes) = sealer.finish();
        [key.header(bytes, folder, name), body, last].concat()
    }

    fn opened(blob: &[u8], folder: &FolderKey, name: &str) -> Result<Vec<u8>> {
        let (key, plain_bytes) = open_header(blob, blob.len() as u64, folder, name)?;
        let mut plain = Vec::new();
        open_chunks(&key, 0, plain_bytes, &blob[HEADER_BYTES..], &mut plain)?;
        Ok(plain)
    }

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|n| (n * 7 + n / 251) as u8).collect()
    }

    #[test]
    fn every_length_is_restored_and_every_chunk_opens_alone() {
        let folder = folder_key(1);
        for count in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 200_000]
        {
            let (plain, name) = (bytes(count), "a/b");
            let blob = sealed(&plain, &folder, name);
            assert_eq!(blob.len() as u64, stored_len(count as u64));
            assert_eq!(opened(&blob, &folder, name).unwrap(), plain, "{count} bytes");
            let (key, length) = open_header(&blob, blob.len() as u64, &folder, name).unwrap();
            for index in 0..chunk_count(length) {
                let range = stored_range(index..index + 1, length);
                let mut alone = Vec::new();
                open_chunks(
                    &key,
                    index,
                    length,
                    &blob[range.start as usize..range.end as usize],
                    &mut alone,
                )
                .unwrap();
                let from = index as usize * CHUNK_BYTES;
                assert_eq!(alone, plain[from..(from + CHUNK_BYTES).min(count)]);
            }
        }
    }

    #[test]
    fn changed_cut_reordered_or_swapped_blob_does_not_open() {
        let (folder, plain) = (folder_key(1), bytes(3 * CHUNK_BYTES + 5));
        let blob = sealed(&plain, &folder, "one");
        for at in (0..blob.len()).step_by(997).chain(0..HEADER_BYTES) {
            let mut changed = blob.clone();
            changed[at] ^= 1;
            assert!(opened(&changed, &folder, "one").is_err(), "byte {at}");
        }
        let chunk = SEALED_CHUNK_BYTES as usize;
        for length in
            [0, HEADER_BYTES, HEADER_BYTES + chunk, HEADER_BYTES + 3 * chunk, blob.len() - 1]
        {
            assert!(opened(&blob[..length], &folder, "one").is_err(), "cut to {length}");
        }
        let (first, second) = (HEADER_BYTES, HEADER_BYTES + chunk);
        let mut reordered = blob.clone();
        reordered[first..second].copy_from_slice(&blob[second..second + chunk]);
        reordered[second..second + chunk].copy_from_slice(&blob[first..second]);
        assert!(opened(&reordered, &folder, "one").is_err());
        let same_bytes = sealed(&plain, &folder, "two");
        assert!(opened(&same_bytes, &folder, "one").is_err(), "another blob's name");
        let mut spliced = blob.clone();
        spliced[first..second].copy_from_slice(&same_bytes[first..second]);
        assert!(opened(&spliced, &folder, "one").is_err(), "a chunk of another blob");
        assert!(opened(&blob, &folder_key(2), "one").is_err(), "another folder's key");
        assert_eq!(opened(&blob, &folder, "one").unwrap(), plain);
    }

    #[test]
    fn stored_form_shows_no_plain_bytes() {
        let plain = b"canary ".repeat(20_000);
        let blob = sealed(&plain, &folder_key(1), "name");
        assert!(!blob.windows(6).any(|window| window == b"canary"));
    }
}
