//! [`Store`] over the replica set: each use case is one command, or the attempts at one
//! transaction.

mod accounts;
mod analyses;
mod api_keys;
mod archive;
mod audit_log;
mod blob_index;
mod cases;
mod challenges;
mod directory;
mod events;
mod folders;
mod installation;
mod policies;
mod queue;
mod sessions;

use super::Cases;
use super::transaction::without_transaction;
use async_trait::async_trait;
use mongodb::bson::doc;
use std::sync::Arc;
use vultus_store::audit::NewEntry;
use vultus_store::{Result, Store};

#[async_trait]
impl Store for Cases {
    fn recording(self: Arc<Self>, entry: NewEntry) -> Arc<dyn Store> {
        Arc::new(Self { entry: Some(Arc::new(entry)), ..Self::clone(&self) })
    }

    async fn ping(&self) -> Result<()> {
        let ping = async { Ok(self.collections.database.run_command(doc! { "ping": 1 }).await?) };
        without_transaction("pinging the database", ping).await.map(drop)
    }

    async fn close(&self) -> Result<()> {
        self.shut().await;
        Ok(())
    }
}
