//! The methods of [`Services`] on companies and users.

use crate::companies::CompanyState;
use crate::directory::Directory;
use crate::services::Services;
use crate::types::{AddedUser, NewRole, NewUser};
use crate::users::UserState;
use vultus_core::{CompanyId, MayStart, Principal, Result, User, UserId};
use vultus_store::{Company, UserFilter};

impl Services {
    /// The directory for the network that the request came from.
    pub(crate) fn directory(&self) -> Directory {
        self.0.directory.for_origin(self.origin())
    }
}

/// Companies.
impl Services {
    /// Creates a company.
    pub async fn create_company(&self, caller: &Principal, name: &str) -> Result<Company> {
        self.directory().create_company(caller, name).await
    }

    /// A page of companies, and whether there are more.
    pub async fn list_companies(
        &self,
        caller: &Principal,
        search: Option<String>,
        after: Option<CompanyId>,
        limit: u32,
    ) -> Result<(Vec<Company>, bool)> {
        self.0.directory.list_companies(caller, search, after, limit).await
    }

    /// Those of the companies that the caller may see.
    pub async fn companies(&self, caller: &Principal, ids: &[CompanyId]) -> Result<Vec<Company>> {
        self.0.directory.companies(caller, ids).await
    }

    /// Changes the name of a company.
    pub async fn rename_company(
        &self,
        caller: &Principal,
        id: CompanyId,
        name: &str,
    ) -> Result<Company> {
        self.directory().rename_company(caller, id, name).await
    }

    /// Suspends or resumes a company.
    pub async fn set_company_state(
        &self,
        caller: &Principal,
        id: CompanyId,
        state: CompanyState,
    ) -> Result<Company> {
        self.directory().set_company_state(caller, id, state).await
    }

    /// Erases a company with everything that belongs to it. Completes although the client
    /// disconnects.
    pub async fn delete_company(&self, caller: &Principal, id: CompanyId) -> Result<()> {
        self.0.eraser.erase_for(&self.by(caller), id).await
    }

    /// Completes erasures of companies that another process began.
    pub async fn complete_erasures(&self) -> Result<()> {
        self.0.eraser.complete().await
    }
}

/// Users.
impl Services {
    /// Creates a user.
    pub async fn create_user(&self, caller: &Principal, new: NewUser) -> Result<AddedUser> {
        self.directory().create_user(caller, new).await
    }

    /// A page of users, and whether there are more.
    pub async fn list_users(
        &self,
        caller: &Principal,
        filter: UserFilter,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<(Vec<User>, bool)> {
        self.0.directory.list_users(caller, filter, after, limit).await
    }

    /// Those of the users that the caller may see.
    pub async fn users(&self, caller: &Principal, ids: &[UserId]) -> Result<Vec<User>> {
        self.0.directory.users(caller, ids).await
    }

    /// Changes the display name of a user.
    pub async fn rename_user(&self, caller: &Principal, id: UserId, name: &str) -> Result<User> {
        self.directory().rename_user(caller, id, name).await
    }

    /// Changes the role of a user.
    pub async fn change_role(&self, caller: &Principal, id: UserId, new: NewRole) -> Result<User> {
        self.directory().change_role(caller, id, new).await
    }

    /// Changes which analyses a user may start.
    pub async fn change_may_start(
        &self,
        caller: &Principal,
        id: UserId,
        may_start: MayStart,
    ) -> Result<User> {
        self.directory().change_may_start(caller, id, may_start).await
    }

    /// Disables or enables a user.
    pub async fn set_user_state(
        &self,
        caller: &Principal,
        id: UserId,
        state: UserState,
    ) -> Result<User> {
        self.directory().set_user_state(caller, id, state).await
    }

    /// Removes the locks after failed logins of a user. Returns whether there were any.
    pub async fn unlock_user(&self, caller: &Principal, id: UserId) -> Result<(User, bool)> {
        self.directory().unlock_user(caller, id).await
    }

    /// Deletes a user.
    pub async fn delete_user(&self, caller: &Principal, id: UserId) -> Result<()> {
        self.directory().delete_user(caller, id).await
    }
}
