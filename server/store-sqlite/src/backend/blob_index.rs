//! References to blobs.

use crate::{SqliteStore, sweeping};
use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use vultus_store::{BlobIndex, Result, Tombstone};

#[async_trait]
impl BlobIndex for SqliteStore {
    async fn unreferenced(&self, keys: &[String]) -> Result<Vec<String>> {
        let keys = keys.to_vec();
        self.read("searching unreferenced blobs", move |c| sweeping::unreferenced(c, &keys)).await
    }

    async fn tombstone_unreferenced(
        &self,
        keys: &[String],
        now: OffsetDateTime,
        abandoned: Duration,
    ) -> Result<Vec<Tombstone>> {
        let keys = keys.to_vec();
        let work =
            move |c: &_, _: &mut _| sweeping::tombstone_unreferenced(c, &keys, now, abandoned);
        self.write_freeing("marking blobs for deletion", work).await
    }

    async fn mark_swept(&self, tombstones: &[Tombstone]) -> Result<()> {
        let tombstones = tombstones.to_vec();
        let work = move |c: &_, _: &mut _| sweeping::mark_swept(c, &tombstones);
        self.write_freeing("marking blobs as deleted", work).await
    }

    async fn tombstones(&self, keys: &[String]) -> Result<Vec<Tombstone>> {
        let keys = keys.to_vec();
        self.read("reading tombstones of blobs", move |c| sweeping::tombstones(c, &keys)).await
    }

    async fn revive(&self, tombstones: &[Tombstone]) -> Result<()> {
        let tombstones = tombstones.to_vec();
        self.write_freeing("marking blobs as written again", move |c, _| {
            sweeping::revive(c, &tombstones)
        })
        .await
    }

    async fn tombstones_before(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<Tombstone>> {
        self.read("reading old tombstones of blobs", move |c| {
            sweeping::tombstones_before(c, before, limit)
        })
        .await
    }
}
