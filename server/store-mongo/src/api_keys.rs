//! Keys of service accounts.

use super::accounts::{active, forget_after, users};
use super::collections::Collections;
use super::documents::ApiKeyDocument;
use super::fault::Answer;
use super::transaction::Transaction;
use super::values::{id, ids, nanoseconds};
use futures::TryStreamExt;
use mongodb::bson::{Bson, DateTime, doc};
use std::collections::{HashMap, HashSet};
use time::OffsetDateTime;
use vultus_core::credentials::KEEP_API_KEYS;
use vultus_core::{ApiKeyId, User, UserId};
use vultus_store::{ApiKey, StoreError};

/// When the server deletes a key; `None` while it has no end.
pub(super) fn forget_key(key: &ApiKey) -> Option<DateTime> {
    let ends = [key.expires_at, key.revoked_at].into_iter().flatten().min()?;
    Some(forget_after(ends - key.created_at + KEEP_API_KEYS))
}

pub(super) async fn create_api_key(
    transaction: &mut Transaction<'_>,
    key: &ApiKey,
    sha256: &str,
) -> Answer<()> {
    let Transaction { session, collections, .. } = transaction;
    let this = doc! { "_id": id(key.user_id), "deleted_at": null };
    let owner = collections.users.find_one(this);
    if owner.session(&mut *session).await?.is_none() {
        return Err(StoreError::NotFound("user").into());
    }
    let document = ApiKeyDocument::new(key, sha256, forget_key(key));
    collections.api_keys.insert_one(document).session(&mut *session).await?;
    Ok(())
}

pub(super) async fn rotate_api_key(
    transaction: &mut Transaction<'_>,
    old: ApiKeyId,
    old_ends: OffsetDateTime,
    key: &ApiKey,
    sha256: &str,
) -> Answer<()> {
    let Transaction { session, collections, .. } = transaction;
    let live = doc! {
        "_id": id(old),
        "revoked_at": Bson::Null,
        "$or": [
            { "expires_at": Bson::Null },
            { "expires_at": { "$gt": nanoseconds(key.created_at) } },
        ],
    };
    let ends = nanoseconds(old_ends);
    let forget_at = forget_after(old_ends - key.created_at + KEEP_API_KEYS);
    let sooner = doc! { "$min": [{ "$ifNull": ["$expires_at", ends] }, ends] };
    let ended = vec![doc! { "$set": { "expires_at": sooner, "forget_at": forget_at } }];
    let changed = collections.api_keys.update_one(live, ended).session(&mut *session).await?;
    if changed.matched_count == 0 {
        return Err(StoreError::NotFound("key").into());
    }
    let document = ApiKeyDocument::new(key, sha256, forget_key(key));
    collections.api_keys.insert_one(document).session(&mut *session).await?;
    Ok(())
}

pub(super) async fn api_key_by_secret(
    collections: &Collections,
    sha256: &str,
) -> Answer<Option<(ApiKey, User)>> {
    let Some(found) = collections.api_keys.find_one(doc! { "sha256": sha256 }).await? else {
        return Ok(None);
    };
    let key = ApiKey::from(found);
    let owner = active(collections, &[key.user_id]).await?.pop();
    Ok(owner.map(|owner| (key, owner)))
}

pub(super) async fn api_key(
    collections: &Collections,
    key: ApiKeyId,
) -> Answer<Option<(ApiKey, User)>> {
    let Some(found) = collections.api_keys.find_one(doc! { "_id": id(key) }).await? else {
        return Ok(None);
    };
    let key = ApiKey::from(found);
    let owner = users(collections, &[key.user_id]).await?.pop();
    Ok(owner.map(|owner| (key, owner)))
}

pub(super) async fn api_keys_with_users(
    collections: &Collections,
    wanted: &[ApiKeyId],
) -> Answer<Vec<(ApiKey, User)>> {
    let filter = doc! { "_id": { "$in": ids(wanted) } };
    let found: Vec<ApiKeyDocument> = collections.api_keys.find(filter).await?.try_collect().await?;
    let keys: Vec<ApiKey> = found.into_iter().map(Into::into).collect();
    let owners: HashSet<UserId> = keys.iter().map(|key| key.user_id).collect();
    let owners = active(collections, &owners.into_iter().collect::<Vec<_>>()).await?;
    let owners: HashMap<UserId, User> = owners.into_iter().map(|user| (user.id, user)).collect();
    let mut with_owners = Vec::new();
    for key in keys {
        if let Some(owner) = owners.get(&key.user_id) {
            with_owners.push((key, owner.clone()));
        }
    }
    Ok(with_owners)
}

pub(super) async fn user_api_keys(
    collections: &Collections,
    user: UserId,
    after: Option<ApiKeyId>,
    limit: u32,
) -> Answer<Vec<ApiKey>> {
    let mut filter = doc! { "user_id": id(user) };
    if let Some(after) = after {
        filter.insert("_id", doc! { "$lt": id(after) });
    }
    let found = collections.api_keys.find(filter).sort(doc! { "_id": -1 }).limit(limit.into());
    let found: Vec<ApiKeyDocument> = found.await?.try_collect().await?;
    Ok(found.into_iter().map(Into::into).collect())
}

pub(super) async fn revoke_api_key(
    transaction: &mut Transaction<'_>,
    key: ApiKeyId,
    now: OffsetDateTime,
) -> Answer<bool> {
    let Transaction { session, collections, .. } = transaction;
    let live = doc! { "_id": id(key), "revoked_at": Bson::Null };
    let forget_at = forget_after(KEEP_API_KEYS);
    let sooner = doc! { "$min": [{ "$ifNull": ["$forget_at", forget_at] }, forget_at] };
    let revoked = vec![doc! { "$set": { "revoked_at": nanoseconds(now), "forget_at": sooner } }];
    let revoked = collections.api_keys.update_one(live, revoked);
    if revoked.session(&mut *session).await?.matched_count == 1 {
        return Ok(true);
    }
    let there = collections.api_keys.find_one(doc! { "_id": id(key) });
    match there.session(session).await? {
        Some(_) => {
            transaction.unchanged = true;
            Ok(false)
        }
        None => Err(StoreError::NotFound("key").into()),
    }
}

pub(super) async fn note_api_key_uses(
    collections: &Collections,
    uses: &[(ApiKeyId, OffsetDateTime)],
) -> Answer<()> {
    for (key, at) in uses {
        let later = doc! { "$max": { "last_used_at": nanoseconds(*at) } };
        collections.api_keys.update_one(doc! { "_id": id(*key) }, later).await?;
    }
    Ok(())
}
