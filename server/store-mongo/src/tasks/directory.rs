//! Companies and users, as administrators list and change them.

use crate::MongoStore;
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{CompanyId, FolderId, User, UserId};
use vultus_store::{Company, CompanyScope, Directory, Result, UserChange, UserFilter, UserScope};

#[async_trait]
impl Directory for MongoStore {
    async fn list_companies(
        &self,
        scope: CompanyScope,
        search: Option<&str>,
        after: Option<CompanyId>,
        limit: u32,
    ) -> Result<(Vec<Company>, bool)> {
        let search = search.map(str::to_owned);
        self.run(|cases| async move {
            cases.list_companies(scope, search.as_deref(), after, limit).await
        })
        .await
    }

    async fn companies_by_ids(
        &self,
        scope: CompanyScope,
        ids: &[CompanyId],
    ) -> Result<Vec<Company>> {
        let ids = ids.to_vec();
        self.run(|cases| async move { cases.companies_by_ids(scope, &ids).await }).await
    }

    async fn rename_company(
        &self,
        scope: CompanyScope,
        id: CompanyId,
        name: &str,
    ) -> Result<Company> {
        let name = name.to_owned();
        self.run(|cases| async move { cases.rename_company(scope, id, &name).await }).await
    }

    async fn suspend_company(
        &self,
        id: CompanyId,
        since: Option<OffsetDateTime>,
    ) -> Result<Company> {
        self.run(|cases| async move { cases.suspend_company(id, since).await }).await
    }

    async fn begin_company_erasure(&self, id: CompanyId, now: OffsetDateTime) -> Result<()> {
        self.run(|cases| async move { cases.begin_company_erasure(id, now).await }).await
    }

    async fn erasures(&self) -> Result<Vec<CompanyId>> {
        self.run(|cases| async move { cases.erasures().await }).await
    }

    async fn folders_of_company(&self, id: CompanyId, limit: u32) -> Result<Vec<FolderId>> {
        self.run(|cases| async move { cases.folders_of_company(id, limit).await }).await
    }

    async fn erase_company(&self, id: CompanyId, now: OffsetDateTime) -> Result<bool> {
        self.run(|cases| async move { cases.erase_company(id, now).await }).await
    }

    async fn list_users(
        &self,
        scope: UserScope,
        filter: &UserFilter,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<(Vec<User>, bool)> {
        let filter = filter.clone();
        self.run(|cases| async move { cases.list_users(scope, &filter, after, limit).await }).await
    }

    async fn change_user(&self, scope: UserScope, id: UserId, change: &UserChange) -> Result<User> {
        let change = change.clone();
        self.run(|cases| async move { cases.change_user(scope, id, &change).await }).await
    }

    async fn delete_user(&self, scope: UserScope, id: UserId, now: OffsetDateTime) -> Result<()> {
        self.run(|cases| async move { cases.delete_user(scope, id, now).await }).await
    }
}
