//! Companies, users, sessions and refresh tokens.

use super::collections::Collections;
use super::documents::{CompanyDocument, SessionDocument, TokenDocument, UserDocument};
use super::fault::Answer;
use super::scope::with;
use super::transaction::Transaction;
use super::values::{binary, id, ids, nanoseconds, typed};
use futures::TryStreamExt;
use mongodb::bson::{DateTime, Document, doc};
use std::collections::{HashMap, HashSet};
use time::{Duration, OffsetDateTime};
use vultus_core::rules::{KEEP_SESSIONS, session_expiry};
use vultus_core::{CompanyId, SessionId, User, UserId};
use vultus_store::StoreError;
use vultus_store::stored::V1;
use vultus_store::{Company, Rotation, Session, UserWithPassword};

/// When the server deletes a document with this lifetime. By the clock of this node, because the
/// clock of the caller decides expiry only.
pub(super) fn forget_after(lifetime: Duration) -> DateTime {
    let milliseconds = i64::try_from(lifetime.whole_milliseconds()).unwrap_or(i64::MAX);
    DateTime::from_millis(DateTime::now().timestamp_millis().saturating_add(milliseconds))
}

/// The first attempt fails with a duplicate key if the company exists; the next one finds out.
pub(super) async fn create_company(
    transaction: &mut Transaction<'_>,
    company: &Company,
) -> Answer<()> {
    let Transaction { session, collections, attempt, .. } = transaction;
    if *attempt > 0 {
        let there = collections.companies.find_one(doc! { "_id": id(company.id) });
        if there.session(&mut *session).await?.is_some() {
            let existing = company.id.to_string();
            return Err(StoreError::Duplicate { what: "company", existing }.into());
        }
    }
    collections.companies.insert_one(CompanyDocument::from(company)).session(session).await?;
    Ok(())
}

pub(super) async fn company(collections: &Collections, company: CompanyId) -> Answer<Company> {
    let found = collections.companies.find_one(doc! { "_id": id(company) }).await?;
    Ok(found.ok_or(StoreError::NotFound("company"))?.into())
}

pub(super) async fn companies(collections: &Collections) -> Answer<Vec<Company>> {
    let found: Vec<CompanyDocument> =
        collections.companies.find(doc! {}).sort(doc! { "_id": 1 }).await?.try_collect().await?;
    Ok(found.into_iter().map(Into::into).collect())
}

/// The company that is active, if there is exactly one.
pub(super) async fn only_active_company(collections: &Collections) -> Answer<Option<CompanyId>> {
    let active = doc! { "suspended_at": null };
    let found: Vec<CompanyDocument> =
        collections.companies.find(active).limit(2).await?.try_collect().await?;
    let only = <[CompanyDocument; 1]>::try_from(found).ok();
    Ok(only.map(|[only]| Company::from(only).id))
}

pub(super) async fn replace_company_key(
    collections: &Collections,
    company: CompanyId,
    old: &[u8],
    new: &[u8],
) -> Answer<bool> {
    let seen = doc! { "_id": id(company), "wrapped_key": binary(old) };
    let replaced = doc! { "$set": { "wrapped_key": binary(new) } };
    Ok(collections.companies.update_one(seen, replaced).await?.matched_count == 1)
}

/// The first attempt fails with a duplicate key if the e-mail is taken; the next one finds out by
/// whom.
pub(super) async fn create_user(
    transaction: &mut Transaction<'_>,
    user: &User,
    password_hash: &str,
) -> Answer<()> {
    let Transaction { session, collections, attempt, .. } = transaction;
    if let Some(of) = user.company_of_role() {
        let there = collections.companies.find_one(doc! { "_id": id(of) });
        there.session(&mut *session).await?.ok_or(StoreError::NotFound("company"))?;
    }
    if *attempt > 0 {
        let holder = collections.users.find_one(doc! { "email": &user.email });
        if let Some(holder) = holder.session(&mut *session).await? {
            let existing = typed::<UserId>(holder.id).to_string();
            return Err(StoreError::Duplicate { what: "email", existing }.into());
        }
    }
    let document = UserDocument::new(user, password_hash);
    collections.users.insert_one(document).session(session).await?;
    Ok(())
}

pub(super) async fn count_users(collections: &Collections) -> Answer<u64> {
    Ok(collections.users.count_documents(doc! { "deleted_at": null }).await?)
}

pub(super) async fn user_by_email(
    collections: &Collections,
    email: &str,
) -> Answer<Option<UserWithPassword>> {
    Ok(collections.users.find_one(doc! { "email": email }).await?.map(Into::into))
}

pub(super) async fn users(collections: &Collections, wanted: &[UserId]) -> Answer<Vec<User>> {
    let there = doc! { "_id": { "$in": ids(wanted) }, "deleted_at": null };
    let found: Vec<UserDocument> = collections.users.find(there).await?.try_collect().await?;
    let by_id: HashMap<UserId, User> =
        found.into_iter().map(User::from).map(|user| (user.id, user)).collect();
    Ok(wanted.iter().filter_map(|id| by_id.get(id).cloned()).collect())
}

pub(super) async fn create_session(
    transaction: &mut Transaction<'_>,
    session: &Session,
    refresh_sha256: &str,
) -> Answer<()> {
    let Transaction { session: within, collections, .. } = transaction;
    let user = collections.users.find_one(doc! { "_id": id(session.user_id) });
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
    old: &str,
    new: &str,
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
    longest: Duration,
) -> Answer<Rotation> {
    let Transaction { session: within, collections, .. } = transaction;
    let Some(token) =
        collections.refresh_tokens.find_one(doc! { "_id": old }).session(&mut *within).await?
    else {
        return Ok(Rotation::Unknown);
    };
    let found = collections
        .sessions
        .find_one(doc! { "_id": token.session_id })
        .session(&mut *within)
        .await?;
    let Some(session) =
        found.map(Session::from).filter(|session| !session.revoked && session.expires_at > now)
    else {
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
        let revoked = doc! { "$set": { "revoked": true } };
        collections
            .sessions
            .update_one(doc! { "_id": token.session_id }, revoked)
            .session(&mut *within)
            .await?;
        return Ok(Rotation::Reused);
    }
    let used = doc! { "$set": { "used": true } };
    collections.refresh_tokens.update_one(doc! { "_id": old }, used).session(&mut *within).await?;
    let expires_at = session_expiry(session.created_at, expires_at, longest);
    let forget_at = forget_after(expires_at - now + KEEP_SESSIONS);
    let extended =
        doc! { "$set": { "expires_at": nanoseconds(expires_at), "forget_at": forget_at } };
    collections
        .sessions
        .update_one(doc! { "_id": token.session_id }, extended)
        .session(&mut *within)
        .await?;
    insert_token(transaction, new, session.id, forget_at).await?;
    Ok(Rotation::Rotated(Session { expires_at, ..session }, owner))
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
    let with_owner = |session: Session| Some((session, owners.get(&session.user_id)?.clone()));
    Ok(sessions.into_iter().filter_map(with_owner).collect())
}

/// Filter of users that can act, but for their company.
fn active_users() -> Document {
    doc! { "deleted_at": null, "disabled_at": null }
}

/// Filter of those of the companies that are suspended.
fn suspended(companies: &[CompanyId]) -> Document {
    doc! { "_id": { "$in": ids(companies) }, "suspended_at": { "$ne": null } }
}

/// Those of the users that can act.
async fn active(collections: &Collections, wanted: &[UserId]) -> Answer<Vec<User>> {
    let filter = with(doc! { "_id": { "$in": ids(wanted) } }, active_users());
    let found: Vec<UserDocument> = collections.users.find(filter).await?.try_collect().await?;
    let mut users: Vec<User> = found.into_iter().map(User::from).collect();
    let companies: HashSet<CompanyId> = users.iter().filter_map(|user| user.company_id).collect();
    let companies: Vec<CompanyId> = companies.into_iter().collect();
    let found: Vec<CompanyDocument> =
        collections.companies.find(suspended(&companies)).await?.try_collect().await?;
    let suspended: HashSet<CompanyId> =
        found.into_iter().map(|company| Company::from(company).id).collect();
    users.retain(|user| user.company_id.is_none_or(|company| !suspended.contains(&company)));
    Ok(users)
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
