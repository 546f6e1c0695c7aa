//! [`Store`] for callers. Each use case runs as a task, so that a caller that is not polled, or
//! goes away, holds nothing: no connection of the pool, no turn to claim, no document of an open
//! transaction. A task ends by itself, within the time of its use case.

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

use super::{Cases, MongoStore};
use async_trait::async_trait;
use std::sync::Arc;
use vultus_store::audit::NewEntry;
use vultus_store::{Result, Store};

#[async_trait]
impl Store for MongoStore {
    fn recording(self: Arc<Self>, entry: NewEntry) -> Arc<dyn Store> {
        let cases = Cases { entry: Some(Arc::new(entry)), ..Cases::clone(&self.cases) };
        Arc::new(Self { cases: Arc::new(cases), watching: Arc::clone(&self.watching) })
    }

    async fn ping(&self) -> Result<()> {
        self.run(|cases| async move { cases.ping().await }).await
    }

    async fn close(&self) -> Result<()> {
        self.cases.close().await
    }
}
