//! What all nodes share.

use crate::transaction::without_transaction;
use crate::{Cases, schema};
use async_trait::async_trait;
use std::time::Duration;
use vultus_store::{Installation, Result};

#[async_trait]
impl Installation for Cases {
    async fn register_keys(&self, fingerprint: &str) -> Result<bool> {
        without_transaction(
            "registering the secret keys",
            schema::register(&self.collections.database, "keys", fingerprint),
        )
        .await
    }

    async fn register_blobs_place(&self, identity: &str) -> Result<bool> {
        without_transaction(
            "registering the place of blobs",
            schema::register(&self.collections.database, "blobs", identity),
        )
        .await
    }

    async fn hold_lease(&self, name: &str, node: &str, duration: Duration) -> Result<bool> {
        without_transaction(
            "taking a lease",
            schema::hold_lease(&self.collections.database, name, node, duration),
        )
        .await
    }
}
