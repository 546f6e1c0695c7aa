//! Companies and users, as administrators list and change them.

use crate::{SqliteStore, directory};
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{CompanyId, FolderId, User, UserId};
use vultus_store::{Company, CompanyScope, Directory, Result, UserChange, UserFilter, UserScope};

#[async_trait]
impl Directory for SqliteStore {
    async fn list_companies(
        &self,
        scope: CompanyScope,
        search: Option<&str>,
        after: Option<CompanyId>,
        limit: u32,
    ) -> Result<(Vec<Company>, bool)> {
        let search = search.map(str::to_owned);
        self.read("listing companies", move |c| {
            directory::list_companies(c, scope, search.as_deref(), after, limit)
        })
        .await
    }

    async fn companies_by_ids(
        &self,
        scope: CompanyScope,
        ids: &[CompanyId],
    ) -> Result<Vec<Company>> {
        let ids = ids.to_vec();
        self.read("reading companies", move |c| directory::companies_by_ids(c, scope, &ids)).await
    }

    async fn rename_company(
        &self,
        scope: CompanyScope,
        id: CompanyId,
        name: &str,
    ) -> Result<Company> {
        let name = name.to_owned();
        self.write("renaming a company", move |c, _| directory::rename_company(c, scope, id, &name))
            .await
    }

    async fn suspend_company(
        &self,
        id: CompanyId,
        since: Option<OffsetDateTime>,
    ) -> Result<Company> {
        self.write_freeing("suspending a company", move |c, _| {
            directory::suspend_company(c, id, since)
        })
        .await
    }

    async fn begin_company_erasure(&self, id: CompanyId, now: OffsetDateTime) -> Result<()> {
        self.write_freeing("beginning to erase a company", move |c, _| {
            directory::begin_company_erasure(c, id, now)
        })
        .await
    }

    async fn erasures(&self) -> Result<Vec<CompanyId>> {
        self.read("reading erasures", directory::erasures).await
    }

    async fn folders_of_company(&self, id: CompanyId, limit: u32) -> Result<Vec<FolderId>> {
        self.read("listing folders", move |c| directory::folders_of_company(c, id, limit)).await
    }

    async fn erase_company(&self, id: CompanyId, now: OffsetDateTime) -> Result<bool> {
        let erase = move |c: &_, e: &mut _| directory::erase_company(c, e, id, now);
        let is_erased = self.write_freeing("erasing a company", erase).await?;
        self.forget_deleted().await;
        Ok(is_erased)
    }

    async fn list_users(
        &self,
        scope: UserScope,
        filter: &UserFilter,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<(Vec<User>, bool)> {
        let filter = filter.clone();
        self.read("listing users", move |c| directory::list_users(c, scope, &filter, after, limit))
            .await
    }

    async fn change_user(&self, scope: UserScope, id: UserId, change: &UserChange) -> Result<User> {
        let change = change.clone();
        self.write_freeing("changing a user", move |c, _| {
            directory::change_user(c, scope, id, &change)
        })
        .await
    }

    async fn delete_user(&self, scope: UserScope, id: UserId, now: OffsetDateTime) -> Result<()> {
        let delete = move |c: &_, _: &mut _| directory::delete_user(c, scope, id, now);
        self.write_freeing("deleting a user", delete).await?;
        self.forget_deleted().await;
        Ok(())
    }
}
