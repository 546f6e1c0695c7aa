//! What all nodes of an installation must share. In a backend with one node (SQLite) there is
//! nothing to compare: it stores nothing and returns true.

use super::Result;
use async_trait::async_trait;
use std::time::Duration;

/// What all nodes of an installation must share.
#[async_trait]
pub trait Installation: Send + Sync + 'static {
    /// Registers the fingerprint of the secret keys if none is stored; returns whether it equals
    /// the stored one.
    async fn register_keys(&self, fingerprint: &str) -> Result<bool> {
        let _ = fingerprint;
        Ok(true)
    }

    /// Registers the identity of the blob storage (`vultus_blobs::BlobStore::identity`) if none is
    /// stored; returns whether it equals the stored one.
    async fn register_blobs_place(&self, identity: &str) -> Result<bool> {
        let _ = identity;
        Ok(true)
    }

    /// Takes or extends a lease of background work that one node does for all, for this long.
    /// Returns whether `node` holds it. The lease spares the other nodes the work; it does not keep
    /// them from it, so the work must be correct without it.
    async fn hold_lease(&self, name: &str, node: &str, duration: Duration) -> Result<bool> {
        let _ = (name, node, duration);
        Ok(true)
    }
}
