//! Companies, users and counts of logins.

use crate::{SqliteStore, accounts, expiry, logins};
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::logins::{LoginAttempts, LoginKeys, LoginOutcome};
use vultus_core::{CompanyId, User, UserId};
use vultus_store::{Accounts, Company, Result, UserWithPassword};

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

    async fn forget_expired(&self, now: OffsetDateTime) -> Result<u64> {
        self.write_freeing("deleting what has expired", move |c, _| expiry::forget_expired(c, now))
            .await
    }
}
