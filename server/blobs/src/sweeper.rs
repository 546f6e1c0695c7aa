//! Deletes blobs that nothing references: those that a killed upload or erasure left.
//!
//! A reconciler: each sweep works from the current state and may be stopped at any point. A
//! tombstone in the store prevents commits on all nodes from referencing a deleted blob. It is
//! removed 10 minutes later, when no such commit can be running any more.

use super::backend::Listed;
use crate::blob_store::{ABANDONED, BlobStore};
use crate::error::Deleted;
use futures::TryStreamExt;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use vultus_core::clock::{Clock, ClockWatch};
use vultus_store::Store;
use vultus_store::Tombstone;

/// Minimum age of a blob that is swept.
pub const MIN_AGE: Duration = Duration::from_secs(600);
/// Pause of the sweeps after a jump of the clock.
const CLOCK_PAUSE: time::Duration = time::Duration::minutes(20);
/// Maximum number of keys in a query of the store.
const BATCH: usize = 500;

/// The sweeper of an installation. Several nodes may run one each.
pub struct Sweeper {
    blobs: Arc<BlobStore>,
    store: Arc<dyn Store>,
}

impl Sweeper {
    /// Creates a sweeper for blobs and the store that references them.
    pub fn new(blobs: Arc<BlobStore>, store: Arc<dyn Store>) -> Self {
        Self { blobs, store }
    }

    /// Deletes the unreferenced blobs that are older than [`MIN_AGE`] at `now`. Returns their
    /// number.
    pub async fn sweep_once(&self, now: OffsetDateTime) -> Deleted {
        let mut deleted = self.clear_tombstones(now, MIN_AGE).await?;
        self.blobs.backend.sweep_unfinished(now).await?;
        let mut listing = self.blobs.backend.list().try_ready_chunks(BATCH);
        loop {
            let Some(batch) = listing.try_next().await.map_err(|error| error.1)? else {
                return Ok(deleted);
            };
            let old = |listed: &Listed| now - listed.written_at >= MIN_AGE;
            let keys: Vec<String> =
                batch.into_iter().filter(old).map(|listed| listed.key).collect();
            deleted += self.delete(&keys, now).await?;
        }
    }

    /// Completes all deletions that were begun before `now`. Only at the start of a node that uses
    /// the store alone: in a cluster other nodes are deleting, and a takeover waits until a
    /// deletion counts as killed.
    pub async fn complete_deletions(&self, now: OffsetDateTime) -> Deleted {
        self.clear_tombstones(now, Duration::ZERO).await
    }

    /// Removes old tombstones and completes killed deletions, whose blobs may exist or not.
    async fn clear_tombstones(&self, now: OffsetDateTime, abandoned: Duration) -> Deleted {
        let mut deleted = 0;
        loop {
            let old = self.store.tombstones_before(now - abandoned, BATCH as u32).await?;
            let more = old.len() == BATCH;
            let (swept, killed): (Vec<_>, Vec<_>) =
                old.into_iter().partition(|tombstone| tombstone.swept);
            let keys = |tombstones: Vec<Tombstone>| {
                tombstones.into_iter().map(|tombstone| tombstone.key).collect::<Vec<_>>()
            };
            self.store.revive(&swept).await?;
            let abandoned = time::Duration::try_from(abandoned).unwrap_or(ABANDONED);
            let taken_over =
                self.store.tombstone_unreferenced(&keys(killed), now, abandoned).await?;
            deleted += self.blobs.delete_tombstoned(self.store.as_ref(), &taken_over).await?;
            if !more {
                return Ok(deleted);
            }
        }
    }

    /// Asks by a read first: nearly all blobs are referenced, and writes would wait for each other.
    async fn delete(&self, keys: &[String], now: OffsetDateTime) -> Deleted {
        let unreferenced = self.store.unreferenced(keys).await?;
        self.blobs.delete_unreferenced(self.store.as_ref(), &unreferenced, now).await
    }

    /// Sweeps at each `interval` until `shutdown` completes.
    pub async fn run(&self, interval: Duration, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut timer = tokio::time::interval(interval);
        let clock = ClockWatch::default();
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                _ = timer.tick() => {}
            }
            let now = Clock::system().now();
            // Blobs and tombstones would look older than they are.
            if clock.has_jumped(now, CLOCK_PAUSE) {
                tracing::warn!("the clock has jumped: no blobs are swept for a while");
                continue;
            }
            match self.sweep_once(now).await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "swept unreferenced blobs"),
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "sweep of blobs stopped"
                ),
            }
        }
    }
}
