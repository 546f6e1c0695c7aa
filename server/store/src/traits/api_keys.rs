//! Keys of service accounts.

use super::Result;
use crate::credentials::ApiKey;
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{ApiKeyId, User, UserId};

/// Keys of service accounts. Secrets are given by their stored form.
#[async_trait]
pub trait ApiKeys: Send + Sync + 'static {
    /// Creates a key.
    async fn create_api_key(&self, key: &ApiKey, sha256: &str) -> Result<()>;
    /// Creates a key that replaces a live one, which ends at `old_ends` or, if that is sooner, at
    /// its own end. `NotFound` if the old key is not live at the creation of the new one.
    async fn rotate_api_key(
        &self,
        old: ApiKeyId,
        old_ends: OffsetDateTime,
        key: &ApiKey,
        sha256: &str,
    ) -> Result<()>;
    /// The key with this secret, and its account, if the account can act.
    async fn api_key_by_secret(&self, sha256: &str) -> Result<Option<(ApiKey, User)>>;
    /// A key with its account, whether that can act or not.
    async fn api_key(&self, id: ApiKeyId) -> Result<Option<(ApiKey, User)>>;
    /// Keys with their accounts, in one read. Left out are unknown ids and the keys of accounts
    /// that cannot act.
    async fn api_keys_with_users(&self, ids: &[ApiKeyId]) -> Result<Vec<(ApiKey, User)>>;
    /// The keys of an account, newest first, at most `limit`, after the key `after`.
    async fn user_api_keys(
        &self,
        user: UserId,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKey>>;
    /// Revokes a key. Returns false if it was revoked before.
    async fn revoke_api_key(&self, id: ApiKeyId, now: OffsetDateTime) -> Result<bool>;
    /// Notes that keys were used. Times never go back.
    async fn note_api_key_uses(&self, uses: &[(ApiKeyId, OffsetDateTime)]) -> Result<()>;
}
