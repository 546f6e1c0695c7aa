//! Bytes of media and artifacts, keyed per company, outside of the database.
//!
//! A blob's way in: [`BlobStore::spool`] → [`Spool::write`] … → [`Spool::finish`] → (probe) → [`BlobStore::commit`] → the row that
//! references it → drop of [`StoredBlob`]. The final place is a hard link to the spooled file, so that a video is written once.
//! Not here: which blobs are referenced (the [`crate::Store`] knows), and who may read them.

mod spool;
mod sweeper;

pub use spool::{Spool, SpooledBlob};
pub use sweeper::{MIN_AGE, Sweeper};

use crate::records::Company;
use crate::traits::{Store, StoreError};
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use hmac::{Hmac, KeyInit, Mac};
use object_store::local::LocalFileSystem;
use object_store::{CopyMode, CopyOptions, GetOptions, GetRange, ObjectStore};
use sha2::Sha256;
use std::collections::{HashMap, HashSet};
use std::fs::{DirBuilder, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use time::OffsetDateTime;
use vultus_core::CompanyId;

/// Folder of the blobs in the data folder.
const BLOBS: &str = "blobs";
/// Folder of unfinished uploads in the data folder.
const SPOOL: &str = "spool";
/// Shape of a key: a UUID, two hexadecimal digits, a SHA-256 in hexadecimal.
const KEY_PART_BYTES: [usize; 3] = [36, 2, 64];

/// Why a blob could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such blob.
    #[error("blob not found")]
    NotFound,
    /// More bytes came than the limit allows.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// Most bytes.
        limit: u64,
    },
    /// The disk is full or over quota; a later attempt may work.
    #[error("no space for blobs: {0}")]
    Unavailable(String),
    /// A fault.
    #[error("blobs: {context}")]
    Internal {
        /// What was being done.
        context: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl BlobError {
    fn internal(context: &str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal { context: context.to_owned(), source: Box::new(source) }
    }

    fn io(context: &str, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Unavailable(format!("{context}: {error}")),
            io::ErrorKind::NotFound => Self::NotFound,
            _ => Self::internal(context, error),
        }
    }

    fn object(context: &str, error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            other => Self::internal(context, other),
        }
    }
}

/// Result of an operation on blobs.
pub type Result<T> = std::result::Result<T, BlobError>;

/// Name of a blob: `company/<2 hex>/<hmac>` with the HMAC-SHA256 under the company's key over the lower-case hexadecimal SHA-256 of
/// the bytes; never shared between companies.
pub fn blob_key(company: CompanyId, blob_name_key: &[u8], sha256: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(blob_name_key).expect("HMAC takes a key of any length");
    mac.update(sha256.as_bytes());
    let name = hex::encode(mac.finalize().into_bytes());
    format!("{company}/{}/{name}", &name[..2])
}

/// What requests and deletions of this process are about to do.
#[derive(Debug, Default)]
struct Intents {
    /// Keys about to be referenced, with by how many requests; they are not deleted meanwhile.
    held: HashMap<String, usize>,
    /// Keys about to be deleted; who wants to reference one waits until it is done.
    deleting: HashSet<String>,
}

#[derive(Debug, Default)]
struct Holds(Mutex<Intents>);

impl Holds {
    fn lock(&self) -> MutexGuard<'_, Intents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A blob in its final place, safe on disk. Keep it until the commit that references the key: until then neither the sweeper nor the
/// erasure of another folder with the same bytes takes it away.
#[derive(Debug)]
pub struct StoredBlob {
    key: String,
    sha256: String,
    holds: Arc<Holds>,
}

impl StoredBlob {
    fn hold(holds: &Arc<Holds>, key: String, sha256: String) -> Self {
        *holds.lock().held.entry(key.clone()).or_default() += 1;
        Self { key, sha256, holds: Arc::clone(holds) }
    }

    /// Key in the blob store.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// SHA-256 of the bytes, lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl Drop for StoredBlob {
    fn drop(&mut self) {
        let held = &mut self.holds.lock().held;
        if let Some(count) = held.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.key);
            }
        }
    }
}

/// Blobs as files under one data folder; directories 0700, files 0600.
#[derive(Debug)]
pub struct BlobStore {
    blobs: PathBuf,
    spool: PathBuf,
    objects: LocalFileSystem,
    holds: Arc<Holds>,
    /// One deletion at a time, from its question to the store to the clearing of its tombstones.
    deletion: tokio::sync::Mutex<()>,
}

impl BlobStore {
    /// Over `data`, which must exist; makes its folders `blobs` and `spool`.
    pub fn open(data: &Path) -> Result<Arc<Self>> {
        let (blobs, spool) = (data.join(BLOBS), data.join(SPOOL));
        for folder in [&blobs, &spool] {
            make_private_dirs(data, folder).map_err(|error| BlobError::io("making the blob folders", error))?;
        }
        let objects = LocalFileSystem::new_with_prefix(data)
            .map_err(|error| BlobError::object("opening the blob folder", error))?
            .with_fsync(true);
        Ok(Arc::new(Self { blobs, spool, objects, holds: Arc::default(), deletion: tokio::sync::Mutex::default() }))
    }

    /// Removes what uploads left in the spool when the node was killed. Only for the node that holds the data folder's lock.
    pub fn clear_spool(&self) -> Result<()> {
        let clear = || -> io::Result<()> {
            for entry in std::fs::read_dir(&self.spool)? {
                std::fs::remove_file(entry?.path())?;
            }
            Ok(())
        };
        clear().map_err(|error| BlobError::io("clearing the spool", error))
    }

    /// Begins an upload of at most `limit` bytes.
    pub async fn spool(&self, limit: u64) -> Result<Spool> {
        let folder = self.spool.clone();
        blocking("making a spool file", move || Spool::new(&folder, limit)).await
    }

    /// Puts a spooled file in its final place under the company's key, safe on disk; does nothing more if it is there already.
    ///
    /// `object_store`'s `put` would write all bytes a second time, therefore the file is synced here and then copied with
    /// `CopyMode::Create`, which is a hard link followed by a sync of the directory.
    pub async fn commit(&self, spooled: &SpooledBlob, company: &Company) -> Result<StoredBlob> {
        let key = blob_key(company.id, &company.blob_name_key, spooled.sha256());
        let stored = StoredBlob::hold(&self.holds, key, spooled.sha256().to_owned());
        if self.holds.lock().deleting.contains(&stored.key) {
            drop(self.deletion.lock().await);
        }
        let file = spooled.try_clone_file()?;
        let (root, folder) = (self.blobs.clone(), parent(&self.blobs.join(&stored.key)));
        let sync = move || {
            file.sync_all()?;
            make_private_dirs(&root, &folder)?;
            Ok(folder)
        };
        let folder = blocking("syncing a spooled file", sync).await?;
        let to = object_path(&stored.key)?;
        let from = object_store::path::Path::from(format!("{SPOOL}/{}", spooled.name()));
        match self.objects.copy_opts(&from, &to, CopyOptions::new().with_mode(CopyMode::Create)).await {
            Ok(()) => Ok(stored),
            // Whoever linked it first may not have synced the directory yet.
            Err(object_store::Error::AlreadyExists { .. }) => {
                blocking("syncing a blob folder", move || File::open(folder)?.sync_all()).await?;
                Ok(stored)
            }
            Err(error) => Err(BlobError::object("linking a blob", error)),
        }
    }

    /// Stores bytes that are in memory, such as a thumbnail or a best shot.
    pub async fn put_bytes(&self, company: &Company, bytes: &[u8]) -> Result<StoredBlob> {
        let mut spool = self.spool(bytes.len() as u64).await?;
        spool.write(bytes).await?;
        self.commit(&spool.finish().await?, company).await
    }

    /// Opens a blob read-only, to pass its descriptor on.
    pub async fn open_file(&self, key: &str) -> Result<File> {
        object_path(key)?;
        let path = self.blobs.join(key);
        blocking("opening a blob", move || File::open(path)).await
    }

    /// Size of a blob in bytes.
    pub async fn byte_size(&self, key: &str) -> Result<u64> {
        object_path(key)?;
        let path = self.blobs.join(key);
        blocking("looking at a blob", move || Ok(std::fs::metadata(path)?.len())).await
    }

    /// Streams the bytes of a blob from `range.start` to before `range.end`, for downloads.
    pub async fn read_range(&self, key: &str, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let found = self.objects.get_opts(&object_path(key)?, options).await;
        let found = found.map_err(|error| BlobError::object("opening a blob", error))?;
        let stream = found.into_stream().map_err(|error| BlobError::object("reading a blob", error));
        Ok(Box::pin(stream))
    }

    /// Deletes those of the keys that nothing references, and returns how many that were: after an erasure, or after a write whose
    /// blobs nobody wants any more. A key that some request holds is left for the sweeper to look at later.
    ///
    /// The tombstones stand from the question to the deletion, so that no commit references a blob in between.
    pub async fn delete_unreferenced(&self, store: &dyn Store, keys: &[String], now: OffsetDateTime) -> Deleted {
        if keys.is_empty() {
            return Ok(0);
        }
        let one_at_a_time = self.deletion.lock().await;
        let deleting = Deleting::begin(&self.holds, keys);
        let unreferenced = store.tombstone_unreferenced(keys, now).await?;
        self.unlink(&unreferenced).await?;
        // All of them: a deletion that was killed may have left a tombstone of a key that is referenced.
        store.clear_tombstones(keys).await?;
        drop((deleting, one_at_a_time));
        Ok(unreferenced.len() as u64)
    }

    async fn unlink(&self, keys: &[String]) -> Result<()> {
        let mut paths = Vec::with_capacity(keys.len());
        for key in keys {
            object_path(key)?;
            paths.push((key.clone(), self.blobs.join(key)));
        }
        let holds = Arc::clone(&self.holds);
        blocking("deleting blobs", move || {
            paths.iter().try_for_each(|(key, path)| {
                // The lock is kept over the unlink: a hold that comes later finds the file gone and links it again.
                let intents = holds.lock();
                if intents.held.contains_key(key) {
                    return Ok(());
                }
                match std::fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            })
        })
        .await
    }
}

/// How many blobs were deleted.
pub type Deleted = std::result::Result<u64, DeletionError>;

/// Why a deletion stopped.
#[derive(Debug, thiserror::Error)]
pub enum DeletionError {
    /// By the blobs.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// By the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keys about to be deleted, while it lives.
struct Deleting<'a> {
    holds: &'a Holds,
}

impl<'a> Deleting<'a> {
    fn begin(holds: &'a Holds, keys: &[String]) -> Self {
        holds.lock().deleting.extend(keys.iter().cloned());
        Self { holds }
    }
}

impl Drop for Deleting<'_> {
    fn drop(&mut self) {
        // There is one deletion at a time.
        self.holds.lock().deleting.clear();
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent().expect("a blob lies in a folder").to_owned()
}

/// Place of a key for `object_store`; anything that is not a key made by [`blob_key`] is `NotFound`.
fn object_path(key: &str) -> Result<object_store::path::Path> {
    let parts: Vec<&str> = key.split('/').collect();
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b) || b == b'-');
    if parts.iter().map(|part| part.len()).ne(KEY_PART_BYTES) || !parts.iter().all(|part| plain(part)) {
        return Err(BlobError::NotFound);
    }
    Ok(object_store::path::Path::from(format!("{BLOBS}/{key}")))
}

/// Makes `folder` and what lies between it and `root`, for the owner only, each synced into its parent.
fn make_private_dirs(root: &Path, folder: &Path) -> io::Result<()> {
    if folder == root || folder.is_dir() {
        return Ok(());
    }
    let above = parent(folder);
    make_private_dirs(root, &above)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(above)?.sync_all(),
    }
}

/// Runs file work on a blocking thread.
async fn blocking<T: Send + 'static>(context: &'static str, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| BlobError::io(context, error)),
        Err(error) => Err(BlobError::internal(context, error)),
    }
}
