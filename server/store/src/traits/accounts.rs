//! Companies, users and sessions.

use super::Result;
use crate::records::{Company, Rotation, Session, UserWithPassword};
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{CompanyId, SessionId, User, UserId};

/// Companies, users and their sessions.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// Creates a company. Fails with `Duplicate` if its id is taken.
    async fn create_company(&self, company: &Company) -> Result<()>;
    /// Reads a company.
    async fn company(&self, id: CompanyId) -> Result<Company>;
    /// All companies, ordered by id.
    async fn companies(&self) -> Result<Vec<Company>>;
    /// Replaces the wrapped key of a company if the stored one equals `old`. Returns false if it
    /// does not.
    async fn replace_company_key(&self, id: CompanyId, old: &[u8], new: &[u8]) -> Result<bool>;
    /// Creates a user. Fails with `Duplicate` if the e-mail is taken.
    async fn create_user(&self, user: &User, password_hash: &str) -> Result<()>;
    /// Number of users.
    async fn count_users(&self) -> Result<u64>;
    /// Finds a user by e-mail (lower case).
    async fn user_by_email(&self, email: &str) -> Result<Option<UserWithPassword>>;
    /// Users by id; unknown ids are left out.
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>>;
    /// Counts a failed login and sets the time until which the next login is rejected.
    async fn record_failed_login(
        &self,
        id: UserId,
        locked_until: Option<OffsetDateTime>,
    ) -> Result<()>;
    /// Creates a session with its first refresh token (given by its SHA-256), and resets the count
    /// of failed logins.
    async fn create_session(&self, session: &Session, refresh_sha256: &str) -> Result<()>;
    /// Replaces a refresh token by a new one. A second use of the old token revokes the session.
    async fn rotate_refresh(
        &self,
        old: &str,
        new: &str,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<Rotation>;
    /// Finds a session.
    async fn session(&self, id: SessionId) -> Result<Option<Session>>;
    /// Revokes a session.
    async fn revoke_session(&self, id: SessionId) -> Result<()>;
}
