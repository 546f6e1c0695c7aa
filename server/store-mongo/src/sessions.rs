//! Sessions, refresh tokens and passwords.

use super::accounts::{active, active_users, forget_after, suspended};
use super::collections::Collections;
use super::documents::{ResetDocument, SessionDocument, TokenDocument, UserDocument};
use super::fault::Answer;
use super::scope::with;
use super::transaction::Transaction;
use super::values::{id, ids, nanoseconds, typed};
use futures::TryStreamExt;
use mongodb::bson::{DateTime, doc};
use std::collections::{HashMap, HashSet};
use time::OffsetDateTime;
use vultus_core::rules::{KEEP_SESSIONS, session_expiry};
use vultus_core::{SessionId, User, UserId};
use vultus_store::stored::V1;
use vultus_store::{PasswordReset, Refresh, Rotation, Session, StoreError};

pub(super) async fn create_session(
    transaction: &mut Transaction<'_>,
    session: &Session,
    refresh_sha256: &str,
) -> Answer<()> {
    let Transaction { session: within, collections, .. } = transaction;
    let this = doc! { "_id": id(session.user_id), "deleted_at": null };
    let user = collections.users.find_one(this);
    if user.session(&mut *within).await?.is_none() {
        return Err(StoreError::NotFound("user").into());
    }
    let forget_at = forget_after(session.expires_at - session.created_at + KEEP_SESSIONS);
    collections
        .sessions
        .insert_one(SessionDocument::new(session, forget_at))
        .session(&mut *within)
        .await?;
    insert_token(transaction, refresh_sha256, session.id, forget_at).await
}

async fn insert_token(
    transaction: &mut Transaction<'_>,
    sha256: &str,
    session: SessionId,
    forget_at: DateTime,
) -> Answer<()> {
    let token = TokenDocument {
        sha256: sha256.to_owned(),
        v: V1,
        session_id: id(session),
        used: false,
        used_at: None,
        used_by: None,
        forget_at,
    };
    transaction
        .collections
        .refresh_tokens
        .insert_one(token)
        .session(&mut transaction.session)
        .await?;
    Ok(())
}

pub(super) async fn rotate_refresh(
    transaction: &mut Transaction<'_>,
    refresh: &Refresh,
) -> Answer<Rotation> {
    let Refresh { old, new, client, now, expires_at, longest } = refresh;
    let Transaction { session: within, collections, .. } = transaction;
    let Some(token) =
        collections.refresh_tokens.find_one(doc! { "_id": old }).session(&mut *within).await?
    else {
        return Ok(Rotation::Unknown);
    };
    let this = doc! { "_id": token.session_id };
    let found = collections.sessions.find_one(this.clone()).session(&mut *within).await?;
    let Some(session) = found.map(Session::from).filter(|session| session.is_live(*now)) else {
        return Ok(Rotation::Unknown);
    };
    let owner = collections
        .users
        .find_one(with(doc! { "_id": id(session.user_id) }, active_users()))
        .session(&mut *within)
        .await?;
    let Some(owner) = owner.map(User::from) else { return Ok(Rotation::Unknown) };
    if let Some(company) = owner.company_id {
        let suspended = suspended(&[company]);
        if collections.companies.find_one(suspended).session(&mut *within).await?.is_some() {
            return Ok(Rotation::Unknown);
        }
    }
    if token.used {
        if token.first_use().is_some_and(|first| first.may_repeat(client, *now)) {
            return Ok(Rotation::Repeated(session, owner));
        }
        let revoked = doc! { "$set": { "revoked": true } };
        collections.sessions.update_one(this, revoked).session(&mut *within).await?;
        return Ok(Rotation::Reused(Session { revoked: true, ..session }));
    }
    let used = doc! { "$set": { "used": true, "used_at": nanoseconds(*now), "used_by": client } };
    collections.refresh_tokens.update_one(doc! { "_id": old }, used).session(&mut *within).await?;
    let expires_at = session_expiry(session.created_at, *expires_at, *longest);
    let forget_at = forget_after(expires_at - *now + KEEP_SESSIONS);
    let extended = doc! { "$set": {
        "expires_at": nanoseconds(expires_at),
        "refreshed_at": nanoseconds(*now),
        "forget_at": forget_at,
    } };
    collections.sessions.update_one(this, extended).session(&mut *within).await?;
    insert_token(transaction, new, session.id, forget_at).await?;
    Ok(Rotation::Rotated(Session { expires_at, refreshed_at: Some(*now), ..session }, owner))
}

pub(super) async fn session(
    collections: &Collections,
    session: SessionId,
) -> Answer<Option<Session>> {
    Ok(collections.sessions.find_one(doc! { "_id": id(session) }).await?.map(Into::into))
}

pub(super) async fn sessions_with_users(
    collections: &Collections,
    wanted: &[SessionId],
) -> Answer<Vec<(Session, User)>> {
    let sessions: Vec<SessionDocument> = collections
        .sessions
        .find(doc! { "_id": { "$in": ids(wanted) } })
        .await?
        .try_collect()
        .await?;
    let sessions: Vec<Session> = sessions.into_iter().map(Into::into).collect();
    let owners: HashSet<UserId> = sessions.iter().map(|session| session.user_id).collect();
    let owners = active(collections, &owners.into_iter().collect::<Vec<_>>()).await?;
    let owners: HashMap<UserId, User> = owners.into_iter().map(|user| (user.id, user)).collect();
    let with_owner = |session: Session| {
        let owner = owners.get(&session.user_id)?.clone();
        Some((session, owner))
    };
    Ok(sessions.into_iter().filter_map(with_owner).collect())
}

pub(super) async fn user_sessions(
    collections: &Collections,
    user: UserId,
    now: OffsetDateTime,
    after: Option<SessionId>,
    limit: u32,
) -> Answer<Vec<Session>> {
    let mut filter = doc! {
        "user_id": id(user),
        "revoked": false,
        "expires_at": { "$gt": nanoseconds(now) },
    };
    if let Some(after) = after {
        filter.insert("_id", doc! { "$lt": id(after) });
    }
    let found = collections.sessions.find(filter).sort(doc! { "_id": -1 }).limit(limit.into());
    let found: Vec<SessionDocument> = found.await?.try_collect().await?;
    Ok(found.into_iter().map(Into::into).collect())
}

pub(super) async fn revoke_session(
    transaction: &mut Transaction<'_>,
    revoked: SessionId,
) -> Answer<()> {
    let Transaction { session, collections, .. } = transaction;
    let update = doc! { "$set": { "revoked": true } };
    let update = collections.sessions.update_one(doc! { "_id": id(revoked) }, update);
    match update.session(session).await?.matched_count {
        0 => Err(StoreError::NotFound("session").into()),
        _ => Ok(()),
    }
}

pub(super) async fn revoke_sessions(
    transaction: &mut Transaction<'_>,
    user: UserId,
    except: Option<SessionId>,
    now: OffsetDateTime,
) -> Answer<Vec<SessionId>> {
    let Transaction { session: within, collections, .. } = transaction;
    let mut filter = doc! { "user_id": id(user), "revoked": false };
    if let Some(except) = except {
        filter.insert("_id", doc! { "$ne": id(except) });
    }
    let mut live = filter.clone();
    live.insert("expires_at", doc! { "$gt": nanoseconds(now) });
    let mut found =
        collections.sessions.find(live).sort(doc! { "_id": 1 }).session(&mut *within).await?;
    let mut revoked = Vec::new();
    while let Some(session) = found.next(&mut *within).await.transpose()? {
        revoked.push(typed(session.id));
    }
    let change = doc! { "$set": { "revoked": true } };
    collections.sessions.update_many(filter, change).session(&mut *within).await?;
    Ok(revoked)
}

pub(super) async fn change_password(
    transaction: &mut Transaction<'_>,
    user: UserId,
    old: &str,
    new: &str,
    keep: Option<SessionId>,
) -> Answer<bool> {
    let Transaction { session: within, collections, .. } = transaction;
    let known = doc! { "_id": id(user), "password_hash": old, "deleted_at": null };
    let changed = doc! { "$set": { "password_hash": new } };
    let changed = collections.users.update_one(known, changed).session(&mut *within).await?;
    if changed.matched_count == 0 {
        transaction.unchanged = true;
        return Ok(false);
    }
    end_access(transaction, user, keep).await?;
    Ok(true)
}

/// Revokes the sessions of a user and deletes the tokens that reset the password.
async fn end_access(
    transaction: &mut Transaction<'_>,
    user: UserId,
    keep: Option<SessionId>,
) -> Answer<()> {
    let Transaction { session: within, collections, .. } = transaction;
    let mut of_user = doc! { "user_id": id(user), "revoked": false };
    if let Some(keep) = keep {
        of_user.insert("_id", doc! { "$ne": id(keep) });
    }
    let revoked = doc! { "$set": { "revoked": true } };
    collections.sessions.update_many(of_user, revoked).session(&mut *within).await?;
    let resets = &collections.password_resets;
    resets.delete_one(doc! { "_id": id(user) }).session(&mut *within).await?;
    Ok(())
}

pub(super) async fn create_password_reset(
    transaction: &mut Transaction<'_>,
    reset: &PasswordReset,
) -> Answer<()> {
    let Transaction { session: within, collections, .. } = transaction;
    let this = doc! { "_id": id(reset.user_id) };
    let user = with(this.clone(), doc! { "deleted_at": null });
    if collections.users.find_one(user).session(&mut *within).await?.is_none() {
        return Err(StoreError::NotFound("user").into());
    }
    let forget_at = forget_after(vultus_core::credentials::RESET_LIFETIME);
    let document = ResetDocument {
        user_id: id(reset.user_id),
        v: V1,
        sha256: reset.sha256.clone(),
        expires_at: nanoseconds(reset.expires_at),
        forget_at,
    };
    collections
        .password_resets
        .replace_one(this, document)
        .upsert(true)
        .session(&mut *within)
        .await?;
    Ok(())
}

fn valid_reset(sha256: &str, now: OffsetDateTime) -> mongodb::bson::Document {
    doc! { "sha256": sha256, "expires_at": { "$gt": nanoseconds(now) } }
}

pub(super) async fn password_reset(
    collections: &Collections,
    sha256: &str,
    now: OffsetDateTime,
) -> Answer<Option<User>> {
    let found = collections.password_resets.find_one(valid_reset(sha256, now)).await?;
    let Some(reset) = found else { return Ok(None) };
    let user = doc! { "_id": reset.user_id, "deleted_at": null };
    let owner: Option<UserDocument> = collections.users.find_one(user).await?;
    Ok(owner.map(Into::into))
}

pub(super) async fn use_password_reset(
    transaction: &mut Transaction<'_>,
    sha256: &str,
    now: OffsetDateTime,
    new: &str,
) -> Answer<Option<UserId>> {
    let Transaction { session: within, collections, .. } = transaction;
    let resets = &collections.password_resets;
    let found = resets.find_one(valid_reset(sha256, now)).session(&mut *within).await?;
    let Some(reset) = found else {
        transaction.unchanged = true;
        return Ok(None);
    };
    let changed = doc! { "$set": { "password_hash": new } };
    let of_user = doc! { "_id": reset.user_id, "deleted_at": null };
    let changed = collections.users.update_one(of_user, changed).session(&mut *within).await?;
    if changed.matched_count == 0 {
        transaction.unchanged = true;
        return Ok(None);
    }
    let user = typed(reset.user_id);
    end_access(transaction, user, None).await?;
    Ok(Some(user))
}
