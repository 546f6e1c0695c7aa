//! The store as a whole.

use crate::{SqliteStore, exporting};
use async_trait::async_trait;
use futures::stream::BoxStream;
use vultus_store::export::Record;
use vultus_store::{Archive, Result};

#[async_trait]
impl Archive for SqliteStore {
    async fn export(&self) -> Result<BoxStream<'static, Result<Record>>> {
        self.export_records()
    }

    async fn import(&self, records: Vec<Record>) -> Result<()> {
        self.write("writing records", move |c, _| exporting::import(c, &records)).await
    }
}
