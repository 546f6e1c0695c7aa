//! Companies and users, as administrators list and change them.

use crate::transaction::without_transaction;
use crate::{Cases, directory};
use async_trait::async_trait;
use futures::FutureExt;
use time::OffsetDateTime;
use vultus_core::{CompanyId, FolderId, User, UserId};
use vultus_store::{Company, CompanyScope, Directory, Result, UserChange, UserFilter, UserScope};

#[async_trait]
impl Directory for Cases {
    async fn list_companies(
        &self,
        scope: CompanyScope,
        search: Option<&str>,
        after: Option<CompanyId>,
        limit: u32,
    ) -> Result<(Vec<Company>, bool)> {
        let work = directory::list_companies(&self.collections, scope, search, after, limit);
        without_transaction("listing companies", work).await
    }

    async fn companies_by_ids(
        &self,
        scope: CompanyScope,
        ids: &[CompanyId],
    ) -> Result<Vec<Company>> {
        let work = directory::companies_by_ids(&self.collections, scope, ids);
        without_transaction("reading companies", work).await
    }

    async fn rename_company(
        &self,
        scope: CompanyScope,
        id: CompanyId,
        name: &str,
    ) -> Result<Company> {
        self.attempts("renaming a company")
            .run(move |t| directory::rename_company(t, scope, id, name).boxed())
            .await
    }

    async fn suspend_company(
        &self,
        id: CompanyId,
        since: Option<OffsetDateTime>,
    ) -> Result<Company> {
        self.attempts("suspending a company")
            .run(move |t| directory::suspend_company(t, id, since).boxed())
            .await
    }

    async fn begin_company_erasure(&self, id: CompanyId, now: OffsetDateTime) -> Result<()> {
        self.attempts("beginning to erase a company")
            .run(move |t| directory::begin_company_erasure(t, id, now).boxed())
            .await
    }

    async fn erasures(&self) -> Result<Vec<CompanyId>> {
        without_transaction("reading erasures", directory::erasures(&self.collections)).await
    }

    async fn folders_of_company(&self, id: CompanyId, limit: u32) -> Result<Vec<FolderId>> {
        let work = directory::folders_of_company(&self.collections, id, limit);
        without_transaction("listing folders", work).await
    }

    async fn erase_company(&self, id: CompanyId, now: OffsetDateTime) -> Result<bool> {
        self.attempts("erasing a company")
            .run(move |t| directory::erase_company(t, id, now).boxed())
            .await
    }

    async fn list_users(
        &self,
        scope: UserScope,
        filter: &UserFilter,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<(Vec<User>, bool)> {
        let work = directory::list_users(&self.collections, scope, filter, after, limit);
        without_transaction("listing users", work).await
    }

    async fn change_user(&self, scope: UserScope, id: UserId, change: &UserChange) -> Result<User> {
        self.attempts("changing a user")
            .run(move |t| directory::change_user(t, scope, id, change).boxed())
            .await
    }

    async fn delete_user(&self, scope: UserScope, id: UserId, now: OffsetDateTime) -> Result<()> {
        self.attempts("deleting a user")
            .run(move |t| directory::delete_user(t, scope, id, now).boxed())
            .await
    }
}
