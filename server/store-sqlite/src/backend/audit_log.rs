//! The audit log.

use crate::{SqliteStore, audit};
use async_trait::async_trait;
use vultus_core::{AuditEntryId, CompanyId};
use vultus_store::audit::{AuditEntry, AuditFilter, Chain, ChainHead, NewEntry};
use vultus_store::{AuditLog, Result};

#[async_trait]
impl AuditLog for SqliteStore {
    async fn record(&self, entries: &[NewEntry]) -> Result<()> {
        let entries = entries.to_vec();
        self.write_freeing("writing the audit log", move |c, _| audit::record(c, &entries)).await
    }

    async fn chain_waiting(&self, _from: Option<AuditEntryId>, limit: u32) -> Result<u32> {
        if !self.read("searching the audit log", audit::any_waiting).await? {
            return Ok(0);
        }
        let chain = move |c: &_, _: &mut _| audit::chain_waiting(c, limit);
        self.write_lazily("chaining the audit log", chain).await
    }

    async fn chain_heads(&self) -> Result<Vec<ChainHead>> {
        self.read("reading the audit log", audit::chain_heads).await
    }

    async fn chain_head(&self, chain: Chain) -> Result<Option<ChainHead>> {
        self.read("reading the audit log", move |c| audit::chain_head(c, chain)).await
    }

    async fn chained(&self, chain: Chain, after: u64, limit: u32) -> Result<Vec<AuditEntry>> {
        self.read("reading the audit log", move |c| audit::chained(c, chain, after, limit)).await
    }

    async fn list_audit(
        &self,
        filter: &AuditFilter,
        before: Option<AuditEntryId>,
        limit: u32,
    ) -> Result<(Vec<AuditEntry>, bool)> {
        let filter = filter.clone();
        self.read("listing the audit log", move |c| audit::list(c, &filter, before, limit)).await
    }

    async fn keep_signed_head(&self, chain: Chain, signed: &str) -> Result<()> {
        let signed = signed.to_owned();
        self.write("signing the audit log", move |c, _| audit::keep_signed_head(c, chain, &signed))
            .await
    }

    async fn signed_heads(&self) -> Result<Vec<(Chain, String)>> {
        self.read("reading signed heads", audit::signed_heads).await
    }

    async fn delete_chain(&self, company: CompanyId) -> Result<()> {
        let delete = move |c: &_, _: &mut _| audit::delete_chain(c, company);
        self.write_freeing("deleting an audit log", delete).await?;
        self.forget_deleted().await;
        Ok(())
    }
}
