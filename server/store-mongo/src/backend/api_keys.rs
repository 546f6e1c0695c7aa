//! Keys of service accounts.

use crate::transaction::without_transaction;
use crate::{Cases, api_keys};
use async_trait::async_trait;
use futures::FutureExt;
use time::OffsetDateTime;
use vultus_core::{ApiKeyId, User, UserId};
use vultus_store::{ApiKey, ApiKeys, Result};

#[async_trait]
impl ApiKeys for Cases {
    async fn create_api_key(&self, key: &ApiKey, sha256: &str) -> Result<()> {
        self.attempts("creating a key")
            .run(move |t| api_keys::create_api_key(t, key, sha256).boxed())
            .await
    }

    async fn rotate_api_key(
        &self,
        old: ApiKeyId,
        old_ends: OffsetDateTime,
        key: &ApiKey,
        sha256: &str,
    ) -> Result<()> {
        self.attempts("rotating a key")
            .run(move |t| api_keys::rotate_api_key(t, old, old_ends, key, sha256).boxed())
            .await
    }

    async fn api_key_by_secret(&self, sha256: &str) -> Result<Option<(ApiKey, User)>> {
        let found = api_keys::api_key_by_secret(&self.collections, sha256);
        without_transaction("reading a key", found).await
    }

    async fn api_key(&self, id: ApiKeyId) -> Result<Option<(ApiKey, User)>> {
        let found = api_keys::api_key(&self.collections, id);
        without_transaction("reading a key", found).await
    }

    async fn api_keys_with_users(&self, ids: &[ApiKeyId]) -> Result<Vec<(ApiKey, User)>> {
        let found = api_keys::api_keys_with_users(&self.collections, ids);
        without_transaction("reading keys", found).await
    }

    async fn user_api_keys(
        &self,
        user: UserId,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKey>> {
        let found = api_keys::user_api_keys(&self.collections, user, after, limit);
        without_transaction("listing keys", found).await
    }

    async fn revoke_api_key(&self, id: ApiKeyId, now: OffsetDateTime) -> Result<bool> {
        self.attempts("revoking a key")
            .run(move |t| api_keys::revoke_api_key(t, id, now).boxed())
            .await
    }

    async fn note_api_key_uses(&self, uses: &[(ApiKeyId, OffsetDateTime)]) -> Result<()> {
        let noted = api_keys::note_api_key_uses(&self.collections, uses);
        without_transaction("noting uses of keys", noted).await
    }
}
