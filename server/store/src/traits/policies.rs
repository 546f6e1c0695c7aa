//! Policies of companies.

use super::Result;
use crate::records::CompanyScope;
use async_trait::async_trait;
use vultus_core::{CompanyId, CompanyPolicy};

/// Policies of companies, with all their versions. A company outside of the scope is not found.
#[async_trait]
pub trait Policies: Send + Sync + 'static {
    /// A version of a company's policy; without a version the newest one. Version 0 is always
    /// there. `None` if there is no such version.
    async fn policy(
        &self,
        scope: CompanyScope,
        company: CompanyId,
        version: Option<u64>,
    ) -> Result<Option<CompanyPolicy>>;
    /// Adds a version. Fails with `PolicyChanged` unless it is the one after the newest: of
    /// concurrent changes one succeeds.
    async fn change_policy(&self, scope: CompanyScope, new: &CompanyPolicy) -> Result<()>;
}
