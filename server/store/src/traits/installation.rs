//! What all nodes of an installation must share. In a backend with one node (SQLite) there is
//! nothing to compare: it stores nothing and returns true.

use super::Result;
use async_trait::async_trait;

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
}
