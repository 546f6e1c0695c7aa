//! [`Store`] over the file: each use case is one piece of work for the writer or for a reader.

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

use super::SqliteStore;
use async_trait::async_trait;
use std::sync::Arc;
use vultus_store::audit::NewEntry;
use vultus_store::{Result, Store};

#[async_trait]
impl Store for SqliteStore {
    fn recording(self: Arc<Self>, entry: NewEntry) -> Arc<dyn Store> {
        Arc::new(Self { entry: Some(Arc::new(entry)), ..Self::clone(&self) })
    }

    async fn ping(&self) -> Result<()> {
        self.read("pinging the store", |c| {
            Ok(c.query_row("SELECT 1 FROM companies LIMIT 1", (), |_| Ok(())).or_else(none)?)
        })
        .await?;
        self.write("pinging the writer of the store", |_, _| Ok(())).await
    }

    async fn close(&self) -> Result<()> {
        self.shut().await
    }
}

/// Accepts a query without rows.
fn none(error: rusqlite::Error) -> rusqlite::Result<()> {
    match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        other => Err(other),
    }
}
