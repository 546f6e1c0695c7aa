//! Policies of companies.

use crate::{Cases, policies};
use async_trait::async_trait;
use futures::FutureExt;
use vultus_core::{CompanyId, CompanyPolicy};
use vultus_store::{CompanyScope, Policies, Result};

#[async_trait]
impl Policies for Cases {
    async fn policy(
        &self,
        scope: CompanyScope,
        company: CompanyId,
        version: Option<u64>,
    ) -> Result<Option<CompanyPolicy>> {
        self.attempts("reading a policy")
            .run(move |t| policies::policy(t, scope, company, version).boxed())
            .await
    }

    async fn change_policy(&self, scope: CompanyScope, new: &CompanyPolicy) -> Result<()> {
        self.attempts("changing a policy")
            .run(move |t| policies::change_policy(t, scope, new).boxed())
            .await
    }
}
