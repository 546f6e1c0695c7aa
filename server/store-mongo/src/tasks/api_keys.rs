//! Keys of service accounts.

use crate::MongoStore;
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{ApiKeyId, User, UserId};
use vultus_store::{ApiKey, ApiKeys, Result};

#[async_trait]
impl ApiKeys for MongoStore {
    async fn create_api_key(&self, key: &ApiKey, sha256: &str) -> Result<()> {
        let (key, sha256) = (key.clone(), sha256.to_owned());
        self.run(|cases| async move { cases.create_api_key(&key, &sha256).await }).await
    }

    async fn rotate_api_key(
        &self,
        old: ApiKeyId,
        old_ends: OffsetDateTime,
        key: &ApiKey,
        sha256: &str,
    ) -> Result<()> {
        let (key, sha256) = (key.clone(), sha256.to_owned());
        self.run(|cases| async move { cases.rotate_api_key(old, old_ends, &key, &sha256).await })
            .await
    }

    async fn api_key_by_secret(&self, sha256: &str) -> Result<Option<(ApiKey, User)>> {
        let sha256 = sha256.to_owned();
        self.run(|cases| async move { cases.api_key_by_secret(&sha256).await }).await
    }

    async fn api_key(&self, id: ApiKeyId) -> Result<Option<(ApiKey, User)>> {
        self.run(|cases| async move { cases.api_key(id).await }).await
    }

    async fn api_keys_with_users(&self, ids: &[ApiKeyId]) -> Result<Vec<(ApiKey, User)>> {
        let ids = ids.to_vec();
        self.run(|cases| async move { cases.api_keys_with_users(&ids).await }).await
    }

    async fn user_api_keys(
        &self,
        user: UserId,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKey>> {
        self.run(|cases| async move { cases.user_api_keys(user, after, limit).await }).await
    }

    async fn revoke_api_key(&self, id: ApiKeyId, now: OffsetDateTime) -> Result<bool> {
        self.run(|cases| async move { cases.revoke_api_key(id, now).await }).await
    }

    async fn note_api_key_uses(&self, uses: &[(ApiKeyId, OffsetDateTime)]) -> Result<()> {
        let uses = uses.to_vec();
        self.run(|cases| async move { cases.note_api_key_uses(&uses).await }).await
    }
}
