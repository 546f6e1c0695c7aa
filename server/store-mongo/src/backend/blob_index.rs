//! References to blobs.

use crate::transaction::without_transaction;
use crate::{Cases, sweeping};
use async_trait::async_trait;
use futures::FutureExt;
use time::{Duration, OffsetDateTime};
use vultus_store::{BlobIndex, Result, Tombstone};

#[async_trait]
impl BlobIndex for Cases {
    async fn unreferenced(&self, keys: &[String]) -> Result<Vec<String>> {
        without_transaction(
            "searching unreferenced blobs",
            sweeping::unreferenced(&self.collections, keys),
        )
        .await
    }

    async fn tombstone_unreferenced(
        &self,
        keys: &[String],
        now: OffsetDateTime,
        abandoned: Duration,
    ) -> Result<Vec<Tombstone>> {
        self.attempts("marking blobs for deletion")
            .run(move |t| sweeping::tombstone_unreferenced(t, keys, now, abandoned).boxed())
            .await
    }

    async fn mark_swept(&self, tombstones: &[Tombstone]) -> Result<()> {
        without_transaction(
            "marking blobs as deleted",
            sweeping::mark_swept(&self.collections, tombstones),
        )
        .await
    }

    async fn tombstones(&self, keys: &[String]) -> Result<Vec<Tombstone>> {
        without_transaction(
            "reading tombstones of blobs",
            sweeping::tombstones(&self.collections, keys),
        )
        .await
    }

    async fn revive(&self, tombstones: &[Tombstone]) -> Result<()> {
        without_transaction(
            "marking blobs as written again",
            sweeping::revive(&self.collections, tombstones),
        )
        .await
    }

    async fn tombstones_before(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<Tombstone>> {
        without_transaction(
            "reading old tombstones of blobs",
            sweeping::tombstones_before(&self.collections, before, limit),
        )
        .await
    }

    async fn some_blobs(&self, limit: u32) -> Result<Vec<String>> {
        without_transaction(
            "reading blob keys of media",
            sweeping::newest_blobs(&self.collections, limit),
        )
        .await
    }
}
