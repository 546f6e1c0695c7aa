//! Companies and users, as administrators list and change them.

use super::Result;
use crate::records::{Company, CompanyScope, UserChange, UserFilter, UserScope};
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{CompanyId, FolderId, User, UserId};

/// Companies and users, as administrators list and change them.
///
/// What is outside of the scope is not found, as if it did not exist. A company whose erasure is
/// complete does not exist, even if a backend still keeps a trace of it.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// A page of companies, ordered by id: at most `limit` after `after`, and whether more follow.
    /// `search` is a part of their names, in any case.
    async fn list_companies(
        &self,
        scope: CompanyScope,
        search: Option<&str>,
        after: Option<CompanyId>,
        limit: u32,
    ) -> Result<(Vec<Company>, bool)>;
    /// Companies by id; unknown ones are left out.
    async fn companies_by_ids(
        &self,
        scope: CompanyScope,
        ids: &[CompanyId],
    ) -> Result<Vec<Company>>;
    /// Changes the name of a company.
    async fn rename_company(
        &self,
        scope: CompanyScope,
        id: CompanyId,
        name: &str,
    ) -> Result<Company>;
    /// Suspends a company since this time, or resumes it. One that is suspended already keeps its
    /// time. Fails with `BeingErased`.
    async fn suspend_company(
        &self,
        id: CompanyId,
        since: Option<OffsetDateTime>,
    ) -> Result<Company>;
    /// Begins to erase a company: suspends it, and from then on no folder is created in it.
    async fn begin_company_erasure(&self, id: CompanyId, now: OffsetDateTime) -> Result<()>;
    /// Companies whose erasure has begun, also those of which a backend keeps a trace.
    async fn erasures(&self) -> Result<Vec<CompanyId>>;
    /// Ids of at most `limit` folders of a company.
    async fn folders_of_company(&self, id: CompanyId, limit: u32) -> Result<Vec<FolderId>>;
    /// Ends the erasure of a company that has no folders left: deletes its users with all that is
    /// theirs, and its key. Returns false, and changes nothing, if it still has folders. May be
    /// repeated.
    async fn erase_company(&self, id: CompanyId, now: OffsetDateTime) -> Result<bool>;

    /// A page of users, ordered by id: at most `limit` after `after`, and whether more follow.
    async fn list_users(
        &self,
        scope: UserScope,
        filter: &UserFilter,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<(Vec<User>, bool)>;
    /// Changes a user. Fails with `LastAdministrator` if no administrator that can act would be
    /// left.
    async fn change_user(&self, scope: UserScope, id: UserId, change: &UserChange) -> Result<User>;
    /// Deletes a user with its sessions, idempotency keys and personal data. Its folders stay, and
    /// name an owner that does not exist. Fails with `LastAdministrator` as [`Self::change_user`].
    async fn delete_user(&self, scope: UserScope, id: UserId, now: OffsetDateTime) -> Result<()>;
}
