//! Notifications about writes.

use crate::MongoStore;
use async_trait::async_trait;
use vultus_store::{ChangeStream, Events};

#[async_trait]
impl Events for MongoStore {
    fn changes(&self) -> ChangeStream {
        self.cases.changes()
    }

    async fn run_waiting(&self) {
        self.cases.run_waiting().await;
    }
}
