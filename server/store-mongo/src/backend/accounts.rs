//! Companies, users and sessions.

use crate::transaction::without_transaction;
use crate::{Cases, accounts};
use async_trait::async_trait;
use futures::FutureExt;
use time::OffsetDateTime;
use vultus_core::{CompanyId, SessionId, User, UserId};
use vultus_store::{Accounts, Company, Result, Rotation, Session, UserWithPassword};

#[async_trait]
impl Accounts for Cases {
    async fn create_company(&self, company: &Company) -> Result<()> {
        without_transaction(
            "creating a company",
            accounts::create_company(&self.collections, company),
        )
        .await
    }

    async fn company(&self, id: CompanyId) -> Result<Company> {
        without_transaction("reading a company", accounts::company(&self.collections, id)).await
    }

    async fn companies(&self) -> Result<Vec<Company>> {
        without_transaction("reading companies", accounts::companies(&self.collections)).await
    }

    async fn replace_company_key(&self, id: CompanyId, old: &[u8], new: &[u8]) -> Result<bool> {
        without_transaction(
            "changing a company's key",
            accounts::replace_company_key(&self.collections, id, old, new),
        )
        .await
    }

    async fn create_user(&self, user: &User, password_hash: &str) -> Result<()> {
        without_transaction(
            "creating a user",
            accounts::create_user(&self.collections, user, password_hash),
        )
        .await
    }

    async fn count_users(&self) -> Result<u64> {
        without_transaction("counting users", accounts::count_users(&self.collections)).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<UserWithPassword>> {
        without_transaction("reading a user", accounts::user_by_email(&self.collections, email))
            .await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>> {
        without_transaction("reading users", accounts::users(&self.collections, ids)).await
    }

    async fn record_failed_login(
        &self,
        id: UserId,
        locked_until: Option<OffsetDateTime>,
    ) -> Result<()> {
        without_transaction(
            "recording a failed login",
            accounts::record_failed_login(&self.collections, id, locked_until),
        )
        .await
    }

    async fn create_session(&self, session: &Session, refresh_sha256: &str) -> Result<()> {
        self.attempts("creating a session")
            .run(move |t| accounts::create_session(t, session, refresh_sha256).boxed())
            .await
    }

    async fn rotate_refresh(
        &self,
        old: &str,
        new: &str,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<Rotation> {
        self.attempts("rotating a refresh token")
            .run(move |t| accounts::rotate_refresh(t, old, new, now, expires_at).boxed())
            .await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        without_transaction("reading a session", accounts::session(&self.collections, id)).await
    }

    async fn revoke_session(&self, id: SessionId) -> Result<()> {
        without_transaction("revoking a session", accounts::revoke_session(&self.collections, id))
            .await
    }
}
