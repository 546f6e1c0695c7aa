//! Which blobs are referenced, and tombstones of those that are deleted.
//!
//! A deletion is: [`BlobIndex::tombstone_unreferenced`], deletion of the bytes,
//! [`BlobIndex::mark_swept`]. A commit that references a key with a tombstone fails with
//! `BlobSwept`, also long after the deletion, because its bytes may have been written before the
//! deletion. The caller then waits until the deletion is done, writes the bytes again, and removes
//! exactly the tombstone that it waited for, not a later one ([`BlobIndex::revive`]). So no commit
//! references bytes that are gone, whichever nodes delete and write at the same time.

use super::Result;
use crate::records::Tombstone;
use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

/// References to blobs.
#[async_trait]
pub trait BlobIndex: Send + Sync + 'static {
    /// Those of the keys that nothing references, by a read that does not wait for writes. Only a
    /// hint: [`BlobIndex::tombstone_unreferenced`] decides.
    async fn unreferenced(&self, keys: &[String]) -> Result<Vec<String>>;
    /// Adds tombstones for those of the keys that nothing references and no other caller is
    /// deleting, and returns these tombstones. A deletion that is not done and older than
    /// `abandoned` counts as killed: its tombstone is replaced.
    async fn tombstone_unreferenced(
        &self,
        keys: &[String],
        now: OffsetDateTime,
        abandoned: Duration,
    ) -> Result<Vec<Tombstone>>;
    /// Marks the deletions with these tombstones as done. A tombstone that was replaced meanwhile
    /// belongs to another deletion, which may not be done: it does not change.
    async fn mark_swept(&self, tombstones: &[Tombstone]) -> Result<()>;
    /// The tombstones of these keys.
    async fn tombstones(&self, keys: &[String]) -> Result<Vec<Tombstone>>;
    /// Removes those of the tombstones whose deletion is done; the caller wrote the bytes again
    /// after it. A tombstone of a later deletion stays: that deletion may have removed the new
    /// bytes.
    async fn revive(&self, tombstones: &[Tombstone]) -> Result<()>;
    /// At most `limit` tombstones from before a time. Those that are not swept belong to deletions
    /// that were killed.
    async fn tombstones_before(&self, before: OffsetDateTime, limit: u32)
    -> Result<Vec<Tombstone>>;
    /// Blob keys of the newest media, at most `limit`: a node checks with them that it reaches the
    /// blobs of the other nodes. Empty in a backend with one node.
    async fn some_blobs(&self, limit: u32) -> Result<Vec<String>> {
        let _ = limit;
        Ok(Vec::new())
    }
}
