//! What all nodes share.

use crate::MongoStore;
use async_trait::async_trait;
use std::time::Duration;
use vultus_store::{Installation, Result};

#[async_trait]
impl Installation for MongoStore {
    async fn register_keys(&self, fingerprint: &str) -> Result<bool> {
        let fingerprint = fingerprint.to_owned();
        self.run(|cases| async move { cases.register_keys(&fingerprint).await }).await
    }

    async fn register_blobs_place(&self, identity: &str) -> Result<bool> {
        let identity = identity.to_owned();
        self.run(|cases| async move { cases.register_blobs_place(&identity).await }).await
    }

    async fn hold_lease(&self, name: &str, node: &str, duration: Duration) -> Result<bool> {
        let (name, node) = (name.to_owned(), node.to_owned());
        self.run(move |cases| async move { cases.hold_lease(&name, &node, duration).await }).await
    }
}
