//! Companies and users.

use super::Result;
use crate::records::{Company, UserWithPassword};
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::logins::{LoginAttempts, LoginKeys, LoginOutcome};
use vultus_core::{CompanyId, User, UserId};

/// Companies, users and counts of logins.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// Creates a company. Fails with `Duplicate` if its id is taken.
    async fn create_company(&self, company: &Company) -> Result<()>;
    /// Reads a company.
    async fn company(&self, id: CompanyId) -> Result<Company>;
    /// All companies, ordered by id.
    async fn companies(&self) -> Result<Vec<Company>>;
    /// The company that is not suspended, if there is exactly one.
    async fn only_active_company(&self) -> Result<Option<CompanyId>>;
    /// Replaces the wrapped key of a company if the stored one equals `old`. Returns false if it
    /// does not.
    async fn replace_company_key(&self, id: CompanyId, old: &[u8], new: &[u8]) -> Result<bool>;
    /// Creates a user. Fails with `Duplicate` if the e-mail is taken.
    async fn create_user(&self, user: &User, password_hash: &str) -> Result<()>;
    /// Number of users that are not deleted.
    async fn count_users(&self) -> Result<u64>;
    /// Finds a user by e-mail (lower case).
    async fn user_by_email(&self, email: &str) -> Result<Option<UserWithPassword>>;
    /// Users by id; unknown ids and deleted users are left out.
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>>;
    /// The counts that a login depends on, whether the name has a user or not.
    async fn login_attempts(&self, keys: &LoginKeys) -> Result<LoginAttempts>;
    /// Counts a login.
    async fn record_login(
        &self,
        keys: &LoginKeys,
        outcome: LoginOutcome,
        now: OffsetDateTime,
    ) -> Result<()>;
    /// Removes all locks of a name, given by its key. Returns whether there were any.
    async fn unlock_logins(&self, name: &str) -> Result<bool>;
    /// Deletes some sessions, tokens, keys and counts of logins that are no longer needed at `now`,
    /// and returns how many; 0: there are no more. Backends whose database does so by itself
    /// do nothing.
    async fn forget_expired(&self, now: OffsetDateTime) -> Result<u64>;
}
