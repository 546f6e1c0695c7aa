//! The store as a whole.

use crate::{Cases, exporting};
use async_trait::async_trait;
use futures::FutureExt;
use futures::stream::BoxStream;
use vultus_store::export::Record;
use vultus_store::{Archive, Result};

#[async_trait]
impl Archive for Cases {
    async fn export(&self) -> Result<BoxStream<'static, Result<Record>>> {
        self.export_records().await
    }

    async fn import(&self, records: Vec<Record>) -> Result<()> {
        let records = records.as_slice();
        self.attempts("importing the data")
            .run(move |t| exporting::import(t, records).boxed())
            .await
    }
}
