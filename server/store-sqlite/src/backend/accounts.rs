//! Companies, users and sessions.

use crate::{SqliteStore, accounts, expiry, logins};
use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use vultus_core::logins::{LoginAttempts, LoginKeys, LoginOutcome};
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

    async fn only_active_company(&self) -> Result<Option<CompanyId>> {
        self.read("reading companies", accounts::only_active_company).await
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

    async fn login_attempts(&self, keys: &LoginKeys) -> Result<LoginAttempts> {
        let keys = keys.clone();
        self.read("reading counts of logins", move |c| logins::login_attempts(c, &keys)).await
    }

    async fn record_login(
        &self,
        keys: &LoginKeys,
        outcome: LoginOutcome,
        now: OffsetDateTime,
    ) -> Result<()> {
        let keys = keys.clone();
        self.write_freeing("counting a login", move |c, _| {
            logins::record_login(c, &keys, outcome, now)
        })
        .await
    }

    async fn unlock_logins(&self, name: &str) -> Result<bool> {
        let name = name.to_owned();
        self.write("removing locks of logins", move |c, _| logins::unlock_logins(c, &name)).await
    }

    async fn create_session(&self, session: &Session, refresh_sha256: &str) -> Result<()> {
        let (session, refresh_sha256) = (*session, refresh_sha256.to_owned());
        self.write_freeing("creating a session", move |c, _| {
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
        longest: Duration,
    ) -> Result<Rotation> {
        let (old, new) = (old.to_owned(), new.to_owned());
        self.write_freeing("rotating a refresh token", move |c, _| {
            accounts::rotate_refresh(c, &old, &new, now, expires_at, longest)
        })
        .await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        self.read("reading a session", move |c| accounts::session(c, id)).await
    }

    async fn sessions_with_users(&self, ids: &[SessionId]) -> Result<Vec<(Session, User)>> {
        let ids = ids.to_vec();
        self.read("reading sessions", move |c| accounts::sessions_with_users(c, &ids)).await
    }

    async fn forget_expired(&self, now: OffsetDateTime) -> Result<u64> {
        self.write_freeing("deleting what has expired", move |c, _| expiry::forget_expired(c, now))
            .await
    }

    async fn revoke_session(&self, id: SessionId) -> Result<()> {
        self.write_freeing("revoking a session", move |c, _| accounts::revoke_session(c, id)).await
    }
}
