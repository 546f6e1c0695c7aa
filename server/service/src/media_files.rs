//! The files of media: written under their folder's key, opened, deleted.

use crate::errors::{of_blob, of_keyring, stored};
use crate::intake::ExaminedMedium;
use std::sync::Arc;
use time::OffsetDateTime;
use vultus_blobs::keyring::Keyring;
use vultus_blobs::keys::FolderKey;
use vultus_blobs::{BlobStore, SpooledBlob};
use vultus_core::clock::Clock;
use vultus_core::{CompanyId, Error, FolderId, MediaId, Medium, Result};
use vultus_store::{Orphans, Store, Tombstone};

/// The files of media and the keys that they are encrypted with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct MediaFiles {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Arc<BlobStore>,
    pub(crate) keyring: Keyring,
    pub(crate) clock: Clock,
}

impl MediaFiles {
    /// The key of a folder, unwrapped.
    pub(crate) async fn folder_key(
        &self,
        company: CompanyId,
        folder: FolderId,
        wrapped: &[u8],
    ) -> Result<Arc<FolderKey>> {
        self.keyring.folder(company, folder, wrapped).await.map_err(of_keyring)
    }

    /// A wrapped key for a new folder.
    pub(crate) async fn make_folder_key(
        &self,
        company: CompanyId,
        folder: FolderId,
    ) -> Result<Vec<u8>> {
        self.keyring.make_folder_key(company, folder).await.map_err(of_keyring)
    }

    /// Writes all files and thumbnails under the folder's key. If one fails, none stays.
    pub(crate) async fn write(
        &self,
        examined: &[ExaminedMedium],
        ids: &[MediaId],
        folder: FolderId,
        key: &Arc<FolderKey>,
        now: OffsetDateTime,
    ) -> Result<Vec<Medium>> {
        let uploads = examined.iter().map(ExaminedMedium::spooled);
        let uploads: Option<Vec<&SpooledBlob>> = uploads.collect();
        let uploads =
            uploads.ok_or_else(|| Error::broken("a medium of a folder was uploaded to memory"))?;
        let thumbnails = examined.iter().filter_map(ExaminedMedium::thumbnail);
        let all: Vec<&SpooledBlob> = uploads.into_iter().chain(thumbnails).collect();
        let keys: Vec<String> = all.iter().map(|blob| key.blob_key(blob.sha256())).collect();
        if let Err(error) = self.blobs.commit_all(&all, key).await {
            self.delete_unreferenced(&keys).await;
            return Err(of_blob(error));
        }
        let (upload_keys, thumbnail_keys) = keys.split_at(examined.len());
        let mut thumbnail_keys = thumbnail_keys.iter().cloned();
        let mut media = Vec::with_capacity(examined.len());
        for ((medium, &id), blob_key) in examined.iter().zip(ids).zip(upload_keys) {
            let thumbnail_key = medium.thumbnail().and_then(|_| thumbnail_keys.next());
            media.push(medium.stored(id, folder, blob_key.clone(), thumbnail_key, now));
        }
        Ok(media)
    }

    /// Waits until deletions of these files have ended; returns their tombstones.
    pub(crate) async fn await_deletions(&self, keys: &[String]) -> Result<Vec<Tombstone>> {
        stored(self.blobs.await_deletions(self.store.as_ref(), keys).await)
    }

    /// Deletes those of the files that nothing references. The sweeper deletes the rest later.
    pub(crate) async fn delete_unreferenced(&self, keys: &[String]) {
        let (store, now) = (self.store.as_ref(), self.clock.now());
        if let Err(error) = self.blobs.delete_unreferenced(store, keys, now).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not delete unreferenced files; the sweeper will"
            );
        }
    }

    /// Deletes the files of erased media. The sweeper deletes the rest later.
    pub(crate) async fn delete_orphans(&self, orphans: &Orphans) {
        let tombstones = &orphans.tombstones;
        if let Err(error) = self.blobs.delete_tombstoned(self.store.as_ref(), tombstones).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not delete the files of erased media; the sweeper will"
            );
        }
    }
}
