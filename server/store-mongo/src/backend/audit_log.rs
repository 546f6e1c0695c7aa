//! The audit log.

use crate::transaction::without_transaction;
use crate::{Cases, audit};
use async_trait::async_trait;
use futures::FutureExt;
use vultus_core::{AuditEntryId, CompanyId};
use vultus_store::audit::{AuditEntry, AuditFilter, Chain, ChainHead, NewEntry};
use vultus_store::{AuditLog, Result};

#[async_trait]
impl AuditLog for Cases {
    async fn record(&self, entries: &[NewEntry]) -> Result<()> {
        self.attempts("writing the audit log").run(move |t| audit::record(t, entries).boxed()).await
    }

    async fn chain_waiting(&self, from: Option<AuditEntryId>, limit: u32) -> Result<u32> {
        let waiting = audit::any_waiting(&self.collections, from);
        if !without_transaction("searching the audit log", waiting).await? {
            return Ok(0);
        }
        self.attempts("chaining the audit log")
            .run(move |t| audit::chain_waiting(t, from, limit).boxed())
            .await
    }

    async fn chain_heads(&self) -> Result<Vec<ChainHead>> {
        without_transaction("reading the audit log", audit::chain_heads(&self.collections)).await
    }

    async fn chain_head(&self, chain: Chain) -> Result<Option<ChainHead>> {
        without_transaction("reading the audit log", audit::chain_head(&self.collections, chain))
            .await
    }

    async fn chained(&self, chain: Chain, after: u64, limit: u32) -> Result<Vec<AuditEntry>> {
        without_transaction(
            "reading the audit log",
            audit::chained(&self.collections, chain, after, limit),
        )
        .await
    }

    async fn list_audit(
        &self,
        filter: &AuditFilter,
        before: Option<AuditEntryId>,
        limit: u32,
    ) -> Result<(Vec<AuditEntry>, bool)> {
        without_transaction(
            "listing the audit log",
            audit::list(&self.collections, filter, before, limit),
        )
        .await
    }

    async fn keep_signed_head(&self, chain: Chain, signed: &str) -> Result<()> {
        without_transaction(
            "signing the audit log",
            audit::keep_signed_head(&self.collections, chain, signed),
        )
        .await
    }

    async fn signed_heads(&self) -> Result<Vec<(Chain, String)>> {
        without_transaction("reading signed heads", audit::signed_heads(&self.collections)).await
    }

    async fn delete_chain(&self, company: CompanyId) -> Result<()> {
        self.attempts("deleting an audit log")
            .run(move |t| audit::delete_chain(t, company).boxed())
            .await
    }
}
