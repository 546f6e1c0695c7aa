//! Takes away blobs that nothing references: what a killed upload or a killed erasure left.
//!
//! A reconciler: each sweep looks at what is there, and may be stopped at any point. A tombstone in the store keeps a commit from
//! referencing a blob between the look and the deletion.

use super::{BLOBS, BlobError, BlobStore, Deleted};
use crate::traits::Store;
use futures::TryStreamExt;
use object_store::ObjectStore;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// A blob is left alone for this long after it was written: 10 minutes.
pub const MIN_AGE: Duration = Duration::from_secs(600);
/// Keys per question to the store.
const BATCH: usize = 500;

/// The sweeper of one data folder.
pub struct Sweeper {
    blobs: Arc<BlobStore>,
    store: Arc<dyn Store>,
}

impl Sweeper {
    /// Over blobs and the store that references them.
    pub fn new(blobs: Arc<BlobStore>, store: Arc<dyn Store>) -> Self {
        Self { blobs, store }
    }

    /// Deletes what nothing references and is older than [`MIN_AGE`] at `now`. Returns how many blobs that was.
    pub async fn sweep_once(&self, now: OffsetDateTime) -> Deleted {
        // Of a sweep that was killed: its blobs may be gone or not.
        let mut deleted = self.delete(&self.store.tombstones_before(now).await?, now).await?;
        let prefix = object_store::path::Path::from(BLOBS);
        let mut listing = self.blobs.objects.list(Some(&prefix)).try_ready_chunks(BATCH);
        loop {
            let batch = listing.try_next().await.map_err(|error| BlobError::object("listing blobs", error.1))?;
            let Some(batch) = batch else { return Ok(deleted) };
            let old = |object: &object_store::ObjectMeta| {
                now.unix_timestamp() - object.last_modified.timestamp() >= MIN_AGE.as_secs() as i64
            };
            let old_keys = batch.iter().filter(|object| old(object)).filter_map(|object| {
                let key = object.location.as_ref().strip_prefix(BLOBS)?.strip_prefix('/')?;
                super::object_path(key).ok().map(|_| key.to_owned())
            });
            deleted += self.delete(&old_keys.collect::<Vec<_>>(), now).await?;
        }
    }

    async fn delete(&self, keys: &[String], now: OffsetDateTime) -> Deleted {
        self.blobs.delete_unreferenced(self.store.as_ref(), keys, now).await
    }

    /// Sweeps at each `interval` until `shutdown` is done.
    pub async fn run(&self, interval: Duration, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut timer = tokio::time::interval(interval);
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                _ = timer.tick() => {}
            }
            match self.sweep_once(OffsetDateTime::now_utc()).await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "swept unreferenced blobs"),
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "sweep of blobs stopped"),
            }
        }
    }
}
