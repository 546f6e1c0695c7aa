//! Keys of service accounts.

use crate::writer::Effects;
use crate::{SqliteStore, api_keys};
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{ApiKeyId, User, UserId};
use vultus_store::{ApiKey, ApiKeys, Result};

#[async_trait]
impl ApiKeys for SqliteStore {
    async fn create_api_key(&self, key: &ApiKey, sha256: &str) -> Result<()> {
        let (key, sha256) = (key.clone(), sha256.to_owned());
        self.write("creating a key", move |c, _| api_keys::create_api_key(c, &key, &sha256)).await
    }

    async fn rotate_api_key(
        &self,
        old: ApiKeyId,
        old_ends: OffsetDateTime,
        key: &ApiKey,
        sha256: &str,
    ) -> Result<()> {
        let (key, sha256) = (key.clone(), sha256.to_owned());
        self.write("rotating a key", move |c, _| {
            api_keys::rotate_api_key(c, old, old_ends, &key, &sha256)
        })
        .await
    }

    async fn api_key_by_secret(&self, sha256: &str) -> Result<Option<(ApiKey, User)>> {
        let sha256 = sha256.to_owned();
        self.read("reading a key", move |c| api_keys::api_key_by_secret(c, &sha256)).await
    }

    async fn api_key(&self, id: ApiKeyId) -> Result<Option<(ApiKey, User)>> {
        self.read("reading a key", move |c| api_keys::api_key(c, id)).await
    }

    async fn api_keys_with_users(&self, ids: &[ApiKeyId]) -> Result<Vec<(ApiKey, User)>> {
        let ids = ids.to_vec();
        self.read("reading keys", move |c| api_keys::api_keys_with_users(c, &ids)).await
    }

    async fn user_api_keys(
        &self,
        user: UserId,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKey>> {
        self.read("listing keys", move |c| api_keys::user_api_keys(c, user, after, limit)).await
    }

    async fn revoke_api_key(&self, id: ApiKeyId, now: OffsetDateTime) -> Result<bool> {
        let revoke = move |c: &_, e: &mut Effects| {
            let revoked = api_keys::revoke_api_key(c, id, now)?;
            e.unchanged = !revoked;
            Ok(revoked)
        };
        self.write_freeing("revoking a key", revoke).await
    }

    async fn note_api_key_uses(&self, uses: &[(ApiKeyId, OffsetDateTime)]) -> Result<()> {
        let uses = uses.to_vec();
        self.write_freeing("noting uses of keys", move |c, _| api_keys::note_api_key_uses(c, &uses))
            .await
    }
}
