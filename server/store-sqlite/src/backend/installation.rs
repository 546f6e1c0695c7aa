//! What all nodes share.

use crate::SqliteStore;
use async_trait::async_trait;
use vultus_store::Installation;

#[async_trait]
impl Installation for SqliteStore {}
