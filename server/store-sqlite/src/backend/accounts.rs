//! Companies, users and sessions.

use crate::{SqliteStore, accounts};
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{CompanyId, SessionId, User, UserId};
use vultus_store::{Accounts, Company, Result, Rotation, Session, UserWithPassword};

#[async_trait]
impl Accounts for SqliteStore {
    async fn create_company(&self, company: &Company) -> Result<()> {
        let company = company.clone();
        self.write("creating a company", move |c, _| accounts::create_company(c, &company)).await
    }

    async fn company(&self, id: CompanyId) -> Result<Company> {
        self.read("reading a company", move |c| accounts::company(c, id)).await
    }

    async fn companies(&self) -> Result<Vec<Company>> {
        self.read("reading companies", accounts::companies).await
    }

    async fn replace_company_key(&self, id: CompanyId, old: &[u8], new: &[u8]) -> Result<bool> {
        let (old, new) = (old.to_vec(), new.to_vec());
        self.write("changing a company's key", move |c, _| {
            accounts::replace_company_key(c, id, &old, &new)
        })
        .await
    }

    async fn create_user(&self, user: &User, password_hash: &str) -> Result<()> {
        let (user, password_hash) = (user.clone(), password_hash.to_owned());
        self.write("creating a user", move |c, _| accounts::create_user(c, &user, &password_hash))
            .await
    }

    async fn count_users(&self) -> Result<u64> {
        self.read("counting users", accounts::count_users).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<UserWithPassword>> {
        let email = email.to_owned();
        self.read("reading a user", move |c| accounts::user_by_email(c, &email)).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>> {
        let ids = ids.to_vec();
        self.read("reading users", move |c| accounts::users(c, &ids)).await
    }

    async fn record_failed_login(
        &self,
        id: UserId,
        locked_until: Option<OffsetDateTime>,
    ) -> Result<()> {
        self.write("recording a failed login", move |c, _| {
            accounts::record_failed_login(c, id, locked_until)
        })
        .await
    }

    async fn create_session(&self, session: &Session, refresh_sha256: &str) -> Result<()> {
        let (session, refresh_sha256) = (*session, refresh_sha256.to_owned());
        self.write("creating a session", move |c, _| {
            accounts::create_session(c, &session, &refresh_sha256)
        })
        .await
    }

    async fn rotate_refresh(
        &self,
        old: &str,
        new: &str,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<Rotation> {
        let (old, new) = (old.to_owned(), new.to_owned());
        self.write("rotating a refresh token", move |c, _| {
            accounts::rotate_refresh(c, &old, &new, now, expires_at)
        })
        .await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        self.read("reading a session", move |c| accounts::session(c, id)).await
    }

    async fn revoke_session(&self, id: SessionId) -> Result<()> {
        self.write("revoking a session", move |c, _| accounts::revoke_session(c, id)).await
    }
}
