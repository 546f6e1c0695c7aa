//! The store as a whole.

use crate::MongoStore;
use async_trait::async_trait;
use futures::stream::BoxStream;
use vultus_store::export::Record;
use vultus_store::{Archive, Result};

#[async_trait]
impl Archive for MongoStore {
    async fn export(&self) -> Result<BoxStream<'static, Result<Record>>> {
        self.run(|cases| async move { cases.export().await }).await
    }

    async fn import(&self, records: Vec<Record>) -> Result<()> {
        self.run(|cases| async move { cases.import(records).await }).await
    }
}
