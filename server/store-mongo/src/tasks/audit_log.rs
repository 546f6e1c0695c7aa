//! The audit log.

use crate::MongoStore;
use async_trait::async_trait;
use vultus_core::{AuditEntryId, CompanyId};
use vultus_store::audit::{AuditEntry, AuditFilter, Chain, ChainHead, NewEntry};
use vultus_store::{AuditLog, Result};

#[async_trait]
impl AuditLog for MongoStore {
    async fn record(&self, entries: &[NewEntry]) -> Result<()> {
        let entries = entries.to_vec();
        self.run(|cases| async move { cases.record(&entries).await }).await
    }

    async fn chain_waiting(&self, from: Option<AuditEntryId>, limit: u32) -> Result<u32> {
        self.run(move |cases| async move { cases.chain_waiting(from, limit).await }).await
    }

    async fn chain_heads(&self) -> Result<Vec<ChainHead>> {
        self.run(|cases| async move { cases.chain_heads().await }).await
    }

    async fn chain_head(&self, chain: Chain) -> Result<Option<ChainHead>> {
        self.run(move |cases| async move { cases.chain_head(chain).await }).await
    }

    async fn chained(&self, chain: Chain, after: u64, limit: u32) -> Result<Vec<AuditEntry>> {
        self.run(move |cases| async move { cases.chained(chain, after, limit).await }).await
    }

    async fn list_audit(
        &self,
        filter: &AuditFilter,
        before: Option<AuditEntryId>,
        limit: u32,
    ) -> Result<(Vec<AuditEntry>, bool)> {
        let filter = filter.clone();
        self.run(move |cases| async move { cases.list_audit(&filter, before, limit).await }).await
    }

    async fn keep_signed_head(&self, chain: Chain, signed: &str) -> Result<()> {
        let signed = signed.to_owned();
        self.run(move |cases| async move { cases.keep_signed_head(chain, &signed).await }).await
    }

    async fn signed_heads(&self) -> Result<Vec<(Chain, String)>> {
        self.run(|cases| async move { cases.signed_heads().await }).await
    }

    async fn delete_chain(&self, company: CompanyId) -> Result<()> {
        self.run(move |cases| async move { cases.delete_chain(company).await }).await
    }
}
