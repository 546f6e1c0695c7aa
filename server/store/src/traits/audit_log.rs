//! The audit log (see [`crate::audit`]).

use super::Result;
use crate::audit::{AuditEntry, AuditFilter, Chain, ChainHead, NewEntry};
use async_trait::async_trait;
use vultus_core::{AuditEntryId, CompanyId};

/// The audit log. Entries of changes are written by [`super::Store::recording`].
#[async_trait]
pub trait AuditLog: Send + Sync + 'static {
    /// Writes entries of what changes nothing in the store, such as reads and refused logins.
    async fn record(&self, entries: &[NewEntry]) -> Result<()>;
    /// Gives at most `limit` waiting entries their places, in the order of their ids, and returns
    /// how many. Entries with an id before `from` are left out: a caller that has seen none there
    /// for longer than any write takes need not search them again.
    async fn chain_waiting(&self, from: Option<AuditEntryId>, limit: u32) -> Result<u32>;
    /// The heads of all chains, in the order of the chains' texts.
    async fn chain_heads(&self) -> Result<Vec<ChainHead>>;
    /// The head of a chain; `None` if it has no entries.
    async fn chain_head(&self, chain: Chain) -> Result<Option<ChainHead>>;
    /// Entries of a chain behind a number, oldest first, at most `limit`.
    async fn chained(&self, chain: Chain, after: u64, limit: u32) -> Result<Vec<AuditEntry>>;
    /// A page of entries that have their places, newest first: at most `limit` before the entry
    /// `before`, and whether more follow.
    async fn list_audit(
        &self,
        filter: &AuditFilter,
        before: Option<AuditEntryId>,
        limit: u32,
    ) -> Result<(Vec<AuditEntry>, bool)>;
    /// Keeps the newest signed head of a chain, as text.
    async fn keep_signed_head(&self, chain: Chain, signed: &str) -> Result<()>;
    /// The kept signed heads of all chains.
    async fn signed_heads(&self) -> Result<Vec<(Chain, String)>>;
    /// Deletes the chain of a company with its signed head, and the entries that wait for it.
    async fn delete_chain(&self, company: CompanyId) -> Result<()>;
}
