//! Policies of companies.

use crate::MongoStore;
use async_trait::async_trait;
use vultus_core::{CompanyId, CompanyPolicy};
use vultus_store::{CompanyScope, Policies, Result};

#[async_trait]
impl Policies for MongoStore {
    async fn policy(
        &self,
        scope: CompanyScope,
        company: CompanyId,
        version: Option<u64>,
    ) -> Result<Option<CompanyPolicy>> {
        self.run(move |cases| async move { cases.policy(scope, company, version).await }).await
    }

    async fn change_policy(&self, scope: CompanyScope, new: &CompanyPolicy) -> Result<()> {
        let new = new.clone();
        self.run(move |cases| async move { cases.change_policy(scope, &new).await }).await
    }
}
