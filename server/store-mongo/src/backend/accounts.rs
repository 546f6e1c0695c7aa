//! Companies, users and counts of logins.

use crate::transaction::without_transaction;
use crate::{Cases, accounts, logins};
use async_trait::async_trait;
use futures::FutureExt;
use time::OffsetDateTime;
use vultus_core::logins::{LoginAttempts, LoginKeys, LoginOutcome};
use vultus_core::{CompanyId, User, UserId};
use vultus_store::{Accounts, Company, Result, UserWithPassword};

#[async_trait]
impl Accounts for Cases {
    async fn create_company(&self, company: &Company) -> Result<()> {
        self.attempts("creating a company")
            .run(move |t| accounts::create_company(t, company).boxed())
            .await
    }

    async fn company(&self, id: CompanyId) -> Result<Company> {
        without_transaction("reading a company", accounts::company(&self.collections, id)).await
    }

    async fn companies(&self) -> Result<Vec<Company>> {
        without_transaction("reading companies", accounts::companies(&self.collections)).await
    }

    async fn only_active_company(&self) -> Result<Option<CompanyId>> {
        without_transaction("reading companies", accounts::only_active_company(&self.collections))
            .await
    }

    async fn replace_company_key(&self, id: CompanyId, old: &[u8], new: &[u8]) -> Result<bool> {
        without_transaction(
            "changing a company's key",
            accounts::replace_company_key(&self.collections, id, old, new),
        )
        .await
    }

    async fn create_user(&self, user: &User, password_hash: &str) -> Result<()> {
        self.attempts("creating a user")
            .run(move |t| accounts::create_user(t, user, password_hash).boxed())
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

    async fn login_attempts(&self, keys: &LoginKeys) -> Result<LoginAttempts> {
        without_transaction(
            "reading counts of logins",
            logins::login_attempts(&self.collections, keys),
        )
        .await
    }

    async fn record_login(
        &self,
        keys: &LoginKeys,
        outcome: LoginOutcome,
        now: OffsetDateTime,
    ) -> Result<()> {
        self.attempts("counting a login")
            .run(move |t| logins::record_login(t, keys, outcome, now).boxed())
            .await
    }

    async fn unlock_logins(&self, name: &str) -> Result<bool> {
        self.attempts("removing locks of logins")
            .run(move |t| logins::unlock_logins(t, name).boxed())
            .await
    }

    /// The database deletes by itself, by its own clock: TTL indexes on `forget_at`.
    async fn forget_expired(&self, _now: OffsetDateTime) -> Result<u64> {
        Ok(0)
    }
}
