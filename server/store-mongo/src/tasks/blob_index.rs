//! References to blobs.

use crate::MongoStore;
use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use vultus_store::{BlobIndex, Result, Tombstone};

#[async_trait]
impl BlobIndex for MongoStore {
    async fn unreferenced(&self, keys: &[String]) -> Result<Vec<String>> {
        let keys = keys.to_vec();
        self.run(|cases| async move { cases.unreferenced(&keys).await }).await
    }

    async fn tombstone_unreferenced(
        &self,
        keys: &[String],
        now: OffsetDateTime,
        abandoned: Duration,
    ) -> Result<Vec<Tombstone>> {
        let keys = keys.to_vec();
        self.run(|cases| async move { cases.tombstone_unreferenced(&keys, now, abandoned).await })
            .await
    }

    async fn mark_swept(&self, tombstones: &[Tombstone]) -> Result<()> {
        let tombstones = tombstones.to_vec();
        self.run(|cases| async move { cases.mark_swept(&tombstones).await }).await
    }

    async fn tombstones(&self, keys: &[String]) -> Result<Vec<Tombstone>> {
        let keys = keys.to_vec();
        self.run(|cases| async move { cases.tombstones(&keys).await }).await
    }

    async fn revive(&self, tombstones: &[Tombstone]) -> Result<()> {
        let tombstones = tombstones.to_vec();
        self.run(|cases| async move { cases.revive(&tombstones).await }).await
    }

    async fn tombstones_before(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<Tombstone>> {
        self.run(|cases| async move { cases.tombstones_before(before, limit).await }).await
    }

    async fn some_blobs(&self, limit: u32) -> Result<Vec<String>> {
        self.run(|cases| async move { cases.some_blobs(limit).await }).await
    }
}
