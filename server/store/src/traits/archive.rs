//! The store as a whole, for backups and copies.

use super::Result;
use crate::export::Record;
use async_trait::async_trait;
use futures::stream::BoxStream;

/// All records of an installation.
#[async_trait]
pub trait Archive: Send + Sync + 'static {
    /// All records as of one moment, in the order that [`Record`] documents.
    async fn export(&self) -> Result<BoxStream<'static, Result<Record>>>;
    /// Writes records unchanged, all of them or none; fails if one exists already. Only for a store
    /// that is not in use: no change is announced and no waiter for runs is woken.
    async fn import(&self, records: Vec<Record>) -> Result<()>;
}
