//! Companies, users and counts of logins.

use crate::MongoStore;
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::logins::{LoginAttempts, LoginKeys, LoginOutcome};
use vultus_core::{CompanyId, User, UserId};
use vultus_store::{Accounts, Company, Result, UserWithPassword};

#[async_trait]
impl Accounts for MongoStore {
    async fn create_company(&self, company: &Company) -> Result<()> {
        let company = company.clone();
        self.run(|cases| async move { cases.create_company(&company).await }).await
    }

    async fn company(&self, id: CompanyId) -> Result<Company> {
        self.run(|cases| async move { cases.company(id).await }).await
    }

    async fn companies(&self) -> Result<Vec<Company>> {
        self.run(|cases| async move { cases.companies().await }).await
    }

    async fn only_active_company(&self) -> Result<Option<CompanyId>> {
        self.run(|cases| async move { cases.only_active_company().await }).await
    }

    async fn replace_company_key(&self, id: CompanyId, old: &[u8], new: &[u8]) -> Result<bool> {
        let (old, new) = (old.to_vec(), new.to_vec());
        self.run(|cases| async move { cases.replace_company_key(id, &old, &new).await }).await
    }

    async fn create_user(&self, user: &User, password_hash: &str) -> Result<()> {
        let (user, password_hash) = (user.clone(), password_hash.to_owned());
        self.run(|cases| async move { cases.create_user(&user, &password_hash).await }).await
    }

    async fn count_users(&self) -> Result<u64> {
        self.run(|cases| async move { cases.count_users().await }).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<UserWithPassword>> {
        let email = email.to_owned();
        self.run(|cases| async move { cases.user_by_email(&email).await }).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>> {
        let ids = ids.to_vec();
        self.run(|cases| async move { cases.users(&ids).await }).await
    }

    async fn login_attempts(&self, keys: &LoginKeys) -> Result<LoginAttempts> {
        let keys = keys.clone();
        self.run(|cases| async move { cases.login_attempts(&keys).await }).await
    }

    async fn record_login(
        &self,
        keys: &LoginKeys,
        outcome: LoginOutcome,
        now: OffsetDateTime,
    ) -> Result<()> {
        let keys = keys.clone();
        self.run(|cases| async move { cases.record_login(&keys, outcome, now).await }).await
    }

    async fn unlock_logins(&self, name: &str) -> Result<bool> {
        let name = name.to_owned();
        self.run(|cases| async move { cases.unlock_logins(&name).await }).await
    }

    async fn forget_expired(&self, now: OffsetDateTime) -> Result<u64> {
        self.run(|cases| async move { cases.forget_expired(now).await }).await
    }
}
