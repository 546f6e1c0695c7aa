//! The blobs of an installation.

use crate::backend::{Backend, StoredForm};
use crate::bucket::{Bucket, BucketOptions};
use crate::error::{BlobError, Deleted, Result};
use crate::files::{SEALED_PIECE, blocking, make_private_dirs};
use crate::keys::{FolderKey, checked};
use crate::local::LocalFiles;
use crate::open::OpenBlob;
use crate::spool::{Spool, SpooledBlob};
use bytes::Bytes;
use futures::future::try_join_all;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use vultus_store::space::Space;
use vultus_store::{Store, StoreError, Tombstone};

/// Folder of unfinished uploads in the data folder.
const SPOOL: &str = "spool";

/// A deletion that is not done after this time counts as killed.
pub(crate) const ABANDONED: time::Duration = time::Duration::minutes(10);
/// A deletion stops after this time, long before another node may take it over.
const LONGEST_DELETION: Duration = Duration::from_secs(300);
/// Maximum wait of a commit for the deletion of a blob that it references.
const DELETION_DEADLINE: Duration = Duration::from_secs(5);
/// Number of concurrent deletions.
const DELETIONS: usize = 8;

/// A blob that is stored durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlob {
    key: String,
    sha256: String,
}

impl StoredBlob {
    /// Key in the blob store.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// SHA-256 of the plain bytes, lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

/// The blobs of an installation, and the spool of this node.
#[derive(Debug)]
pub struct BlobStore {
    spool: PathBuf,
    space: OnceLock<Arc<dyn Space>>,
    pub(crate) backend: Box<dyn Backend>,
}

impl BlobStore {
    /// Stores blobs as files below `data`, which must exist; creates its folders `blobs` and
    /// `spool`.
    pub fn local(data: &Path) -> Result<Arc<Self>> {
        let backend = LocalFiles::open(data)?;
        Self::over(data, Box::new(backend))
    }

    /// Stores blobs as objects of a bucket, and spools uploads below `data`. Sends no request yet.
    pub fn bucket(data: &Path, options: &BucketOptions) -> Result<Arc<Self>> {
        Self::over(data, Box::new(Bucket::new(options)?))
    }

    /// Stores blobs in the given backend, and spools uploads below `data`.
    pub fn over(data: &Path, backend: Box<dyn Backend>) -> Result<Arc<Self>> {
        let spool = data.join(SPOOL);
        make_private_dirs(data, &spool)
            .map_err(|error| BlobError::io("creating the spool", error))?;
        Ok(Arc::new(Self { spool, space: OnceLock::new(), backend }))
    }

    /// Removes the uploads that a killed node left in the spool. Only for the node that holds the
    /// lock of the data folder.
    pub fn clear_spool(&self) -> Result<()> {
        let clear = || -> io::Result<()> {
            for entry in std::fs::read_dir(&self.spool)? {
                std::fs::remove_file(entry?.path())?;
            }
            Ok(())
        };
        clear().map_err(|error| BlobError::io("clearing the spool", error))
    }

    /// From now on nothing new is stored while this space is low. Only the first call counts.
    pub fn watch_space(&self, space: Arc<dyn Space>) {
        let _ = self.space.set(space);
    }

    /// Whether the disk is nearly full, so that nothing new is stored.
    pub fn is_space_low(&self) -> bool {
        self.space.get().is_some_and(|space| space.is_low())
    }

    fn refuse_low_space(&self) -> Result<()> {
        if self.is_space_low() {
            return Err(BlobError::Unavailable("the disk is nearly full".to_owned()));
        }
        Ok(())
    }

    /// Starts an upload of at most `limit` bytes.
    pub fn spool(&self, limit: u64) -> Spool {
        Spool::new(&self.spool, limit, self.space.get().cloned())
    }

    /// Stores uploads durably under the key of the folder. After an error, some may be stored:
    /// [`FolderKey::blob_key`] names them.
    pub async fn commit_all(
        &self,
        spooled: &[&SpooledBlob],
        folder: &Arc<FolderKey>,
    ) -> Result<Vec<StoredBlob>> {
        let keys = try_join_all(spooled.iter().map(|blob| blob.seal(folder))).await?;
        let forms: Vec<_> =
            keys.into_iter().zip(spooled).map(|(key, blob)| (key, blob.stored_form())).collect();
        self.backend.put_all(&forms).await?;
        let stored = |((key, _), blob): ((String, StoredForm), &&SpooledBlob)| StoredBlob {
            key,
            sha256: blob.sha256().to_owned(),
        };
        Ok(forms.into_iter().zip(spooled).map(stored).collect())
    }

    /// Stores one upload durably.
    pub async fn commit(
        &self,
        spooled: &SpooledBlob,
        folder: &Arc<FolderKey>,
    ) -> Result<StoredBlob> {
        let mut stored = self.commit_all(&[spooled], folder).await?;
        Ok(stored.pop().expect("one upload gives one blob"))
    }

    /// Writes bytes durably into the spool, sealed for a folder, so that [`BlobStore::commit_all`]
    /// takes less time.
    pub async fn spool_ahead(
        &self,
        folder: &Arc<FolderKey>,
        bytes: Vec<u8>,
    ) -> Result<SpooledBlob> {
        self.refuse_low_space()?;
        let (spool, folder) = (self.spool.clone(), Arc::clone(folder));
        blocking("writing a blob", move || SpooledBlob::of_bytes(&spool, &bytes, &folder)).await
    }

    /// Stores bytes from memory, such as a best shot.
    pub async fn put_bytes(&self, folder: &Arc<FolderKey>, bytes: &[u8]) -> Result<StoredBlob> {
        self.commit(&self.spool_ahead(folder, bytes.to_vec()).await?, folder).await
    }

    /// Opens a blob of a folder.
    pub async fn open(&self, key: &str, folder: &FolderKey) -> Result<OpenBlob> {
        OpenBlob::new(self.backend.open(checked(key)?).await?, key, folder)
    }

    /// A blob in its stored, encrypted form, with its stored length: for copies of it.
    pub async fn sealed(&self, key: &str) -> Result<(u64, BoxStream<'static, Result<Bytes>>)> {
        let stored = self.backend.open(checked(key)?).await?;
        let len = stored.stored_bytes;
        let rest = futures::stream::try_unfold(
            (stored.head.len() as u64, stored.rest),
            move |(at, rest)| async move {
                let end = (at + SEALED_PIECE).min(len);
                if at == end {
                    return Ok(None);
                }
                Ok(Some((rest.read(at..end).await?, (end, rest))))
            },
        );
        Ok((len, Box::pin(futures::stream::once(async { Ok(stored.head) }).chain(rest))))
    }

    /// Stores a blob that was read by [`BlobStore::sealed`] under its key. Returns its stored
    /// length.
    pub async fn put_sealed(
        &self,
        key: &str,
        mut pieces: BoxStream<'_, Result<Bytes>>,
    ) -> Result<u64> {
        let (key, folder) = (checked(key)?, self.spool.clone());
        let make = move || tempfile::Builder::new().prefix("copy-").tempfile_in(folder);
        let (file, path) = blocking("creating a spool file", make).await?.into_parts();
        let (file, mut len) = (Arc::new(file), 0);
        while let Some(piece) = pieces.try_next().await? {
            let (into, at) = (Arc::clone(&file), len);
            len += piece.len() as u64;
            blocking("writing the spool", move || into.write_all_at(&piece, at)).await?;
        }
        self.backend
            .put(key, &StoredForm { file, path: path.to_path_buf(), len, is_safe: false })
            .await?;
        Ok(len)
    }

    /// Deletes those of the keys that nothing references, and returns their number: after an
    /// erasure, or after a write whose blobs are not needed.
    ///
    /// Their tombstones exist from the query of references until after the deletion, so that no
    /// commit references a deleted blob; the sweeper removes them.
    pub async fn delete_unreferenced(
        &self,
        store: &dyn Store,
        keys: &[String],
        now: OffsetDateTime,
    ) -> Deleted {
        if keys.is_empty() {
            return Ok(0);
        }
        let tombstones = store.tombstone_unreferenced(keys, now, ABANDONED).await?;
        self.delete_tombstoned(store, &tombstones).await
    }

    /// Deletes the blobs of tombstones that the store added on behalf of this caller, and returns
    /// their number.
    ///
    /// A node that was paused does not delete what another node has taken over from it: the bytes
    /// may have been written again meanwhile. So it checks its tombstones before each batch, and
    /// stops long before its deletion counts as killed.
    pub async fn delete_tombstoned(&self, store: &dyn Store, tombstones: &[Tombstone]) -> Deleted {
        let (begun, mut deleted) = (Instant::now(), 0);
        for batch in tombstones.chunks(DELETIONS) {
            let keys: Vec<String> = batch.iter().map(|own| own.key.clone()).collect();
            let current = store.tombstones(&keys).await?;
            if begun.elapsed() > LONGEST_DELETION {
                let late = "a deletion of files takes too long; another one completes it";
                return Err(StoreError::Unavailable(late.to_owned()).into());
            }
            let own: Vec<Tombstone> =
                batch.iter().filter(|own| current.contains(own)).cloned().collect();
            try_join_all(own.iter().map(|own| self.delete(&own.key))).await?;
            store.mark_swept(&own).await?;
            deleted += own.len() as u64;
        }
        Ok(deleted)
    }

    /// Identity of the storage, the same for all nodes that use it. A folder gets a name for that.
    pub async fn identity(&self) -> Result<String> {
        self.backend.identity().await
    }

    /// Whether one of these blobs exists.
    pub async fn has_any(&self, keys: &[String]) -> Result<bool> {
        for key in keys {
            match self.backend.open(key).await {
                Err(BlobError::NotFound) => {}
                found => return found.map(|_| true),
            }
        }
        Ok(false)
    }

    /// The keys of all blobs with the time of writing, in any order.
    pub fn list(&self) -> BoxStream<'_, Result<(String, OffsetDateTime)>> {
        Box::pin(self.backend.list().map_ok(|listed| (listed.key, listed.written_at)))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.backend.delete(checked(key)?).await
    }

    /// After a commit failed with [`StoreError::BlobSwept`]: waits until the deletions of these
    /// keys are done, and returns their tombstones. The caller then writes the blobs again, calls
    /// [`vultus_store::BlobIndex::revive`] with these tombstones, and commits again, in this order.
    pub async fn await_deletions(
        &self,
        store: &dyn Store,
        keys: &[String],
    ) -> std::result::Result<Vec<Tombstone>, StoreError> {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(10);
        loop {
            let tombstones = store.tombstones(keys).await?;
            if tombstones.iter().all(|tombstone| tombstone.swept) {
                return Ok(tombstones);
            }
            if begun.elapsed() > DELETION_DEADLINE {
                return Err(StoreError::Unavailable("the same file is being deleted".to_owned()));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }
}
