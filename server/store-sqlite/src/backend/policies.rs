//! Policies of companies.

use crate::{SqliteStore, policies};
use async_trait::async_trait;
use vultus_core::{CompanyId, CompanyPolicy};
use vultus_store::{CompanyScope, Policies, Result};

#[async_trait]
impl Policies for SqliteStore {
    async fn policy(
        &self,
        scope: CompanyScope,
        company: CompanyId,
        version: Option<u64>,
    ) -> Result<Option<CompanyPolicy>> {
        self.read("reading a policy", move |c| policies::policy(c, scope, company, version)).await
    }

    async fn change_policy(&self, scope: CompanyScope, new: &CompanyPolicy) -> Result<()> {
        let new = new.clone();
        self.write("changing a policy", move |c, _| policies::change_policy(c, scope, &new)).await
    }
}
