//! Companies and users, as administrators list and change them.

use super::audit;
use super::collections::{Collections, ERASED_COMPANIES};
use super::documents::{CompanyDocument, UserDocument};
use super::fault::Answer;
use super::scope::with;
use super::transaction::Transaction;
use super::values::{id, ids, nanoseconds, typed};
use ::time::OffsetDateTime;
use futures::TryStreamExt;
use mongodb::bson::{Bson, Document, Uuid, doc};
use mongodb::options::ReturnDocument;
use serde::Deserialize;
use vultus_core::{CompanyId, FolderId, Role, User, UserId};
use vultus_store::StoreError;
use vultus_store::names::Named;
use vultus_store::{Company, CompanyScope, UserChange, UserFilter, UserScope};

/// Time for which a trace of an erased company is kept. A folder that was being created when the
/// erasure began appears within the time of a transaction.
const KEEP_TRACES_MS: i64 = 60_000;
/// Document that changes of administrators write, so that two of them conflict.
const ADMINISTRATORS: &str = "administrators";

#[derive(Deserialize)]
struct OnlyId {
    #[serde(rename = "_id")]
    id: Uuid,
}

/// Filter of texts that contain another, in any case.
fn containing(text: &str) -> Document {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && !c.is_ascii_alphanumeric() {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    doc! { "$regex": pattern, "$options": "i" }
}

fn of_companies(scope: CompanyScope) -> Document {
    match scope {
        CompanyScope::Every => doc! {},
        CompanyScope::Only(company) => doc! { "_id": id(company) },
    }
}

fn of_users(scope: UserScope) -> Document {
    let there = doc! { "deleted_at": null };
    match scope {
        UserScope::Every => there,
        UserScope::OfCompany(company) => with(there, doc! { "company_id": id(company) }),
        UserScope::Only(user) => with(there, doc! { "_id": id(user) }),
    }
}

/// Removes the item that only tells that more follow.
fn cut<T>(mut found: Vec<T>, limit: u32) -> (Vec<T>, bool) {
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    (found, has_more)
}

pub(super) async fn list_companies(
    collections: &Collections,
    scope: CompanyScope,
    search: Option<&str>,
    after: Option<CompanyId>,
    limit: u32,
) -> Answer<(Vec<Company>, bool)> {
    let mut conditions = vec![of_companies(scope)];
    conditions.extend(search.map(|text| doc! { "name": containing(text) }));
    conditions.extend(after.map(|after| doc! { "_id": { "$gt": id(after) } }));
    let found = collections.companies.find(doc! { "$and": conditions }).sort(doc! { "_id": 1 });
    let found: Vec<CompanyDocument> =
        found.limit(i64::from(limit) + 1).await?.try_collect().await?;
    Ok(cut(found.into_iter().map(Company::from).collect(), limit))
}

pub(super) async fn companies_by_ids(
    collections: &Collections,
    scope: CompanyScope,
    wanted: &[CompanyId],
) -> Answer<Vec<Company>> {
    let filter = doc! { "$and": [of_companies(scope), { "_id": { "$in": ids(wanted) } }] };
    let found: Vec<CompanyDocument> =
        collections.companies.find(filter).await?.try_collect().await?;
    Ok(found.into_iter().map(Company::from).collect())
}

pub(super) async fn rename_company(
    transaction: &mut Transaction<'_>,
    scope: CompanyScope,
    renamed: CompanyId,
    name: &str,
) -> Answer<Company> {
    let Transaction { session, collections, .. } = transaction;
    let filter = doc! { "$and": [of_companies(scope), { "_id": id(renamed) }] };
    let update = doc! { "$set": { "name": name } };
    let changed = collections.companies.find_one_and_update(filter, update);
    let changed = changed.return_document(ReturnDocument::After).session(session).await?;
    Ok(changed.ok_or(StoreError::NotFound("company"))?.into())
}

pub(super) async fn suspend_company(
    transaction: &mut Transaction<'_>,
    suspended: CompanyId,
    since: Option<OffsetDateTime>,
) -> Answer<Company> {
    let Transaction { session, collections, .. } = transaction;
    let filter = doc! { "_id": id(suspended), "deleting_at": null };
    let since = match since {
        Some(since) => Bson::from(doc! { "$ifNull": ["$suspended_at", nanoseconds(since)] }),
        None => Bson::Null,
    };
    let update = vec![doc! { "$set": { "suspended_at": since } }];
    let changed = collections.companies.find_one_and_update(filter, update);
    let changed = changed.return_document(ReturnDocument::After).session(&mut *session);
    match changed.await? {
        Some(changed) => Ok(changed.into()),
        None => {
            let there = collections.companies.find_one(doc! { "_id": id(suspended) });
            there.session(session).await?.ok_or(StoreError::NotFound("company"))?;
            Err(StoreError::BeingErased.into())
        }
    }
}

pub(super) async fn begin_company_erasure(
    transaction: &mut Transaction<'_>,
    erased: CompanyId,
    now: OffsetDateTime,
) -> Answer<()> {
    let Transaction { session, collections, .. } = transaction;
    let first = |field: &str| doc! { "$ifNull": [format!("${field}"), nanoseconds(now)] };
    let begun = doc! { "suspended_at": first("suspended_at"), "deleting_at": first("deleting_at") };
    let update = vec![doc! { "$set": begun }];
    let update = collections.companies.update_one(doc! { "_id": id(erased) }, update);
    match update.session(session).await?.matched_count {
        0 => Err(StoreError::NotFound("company").into()),
        _ => Ok(()),
    }
}

pub(super) async fn erasures(collections: &Collections) -> Answer<Vec<CompanyId>> {
    let begun = doc! { "deleting_at": { "$ne": null } };
    let companies = collections.companies.clone_with_type::<OnlyId>();
    let mut found: Vec<OnlyId> =
        companies.find(begun).projection(doc! { "_id": 1 }).await?.try_collect().await?;
    let traces = collections.database.collection::<OnlyId>(ERASED_COMPANIES);
    found.extend(traces.find(doc! {}).await?.try_collect::<Vec<OnlyId>>().await?);
    Ok(found.into_iter().map(|found| typed(found.id)).collect())
}

pub(super) async fn folders_of_company(
    collections: &Collections,
    of: CompanyId,
    limit: u32,
) -> Answer<Vec<FolderId>> {
    let folders = collections.folders.clone_with_type::<OnlyId>();
    let found = folders.find(doc! { "company_id": id(of) }).limit(i64::from(limit));
    let found: Vec<OnlyId> = found.projection(doc! { "_id": 1 }).await?.try_collect().await?;
    Ok(found.into_iter().map(|found| typed(found.id)).collect())
}

pub(super) async fn erase_company(
    transaction: &mut Transaction<'_>,
    erased: CompanyId,
    now: OffsetDateTime,
) -> Answer<bool> {
    let of_company = doc! { "company_id": id(erased) };
    let Transaction { session, collections, .. } = &mut *transaction;
    let folders = collections.folders.clone_with_type::<OnlyId>();
    let folder = folders.find_one(of_company.clone()).projection(doc! { "_id": 1 });
    if folder.session(&mut *session).await?.is_some() {
        transaction.unchanged = true;
        return Ok(false);
    }
    let users = collections.users.clone_with_type::<OnlyId>();
    let mut cursor =
        users.find(of_company).projection(doc! { "_id": 1 }).session(&mut *session).await?;
    let mut users: Vec<UserId> = Vec::new();
    while let Some(user) = cursor.next(&mut *session).await.transpose()? {
        users.push(typed(user.id));
    }
    for user in users {
        erase_user(transaction, user, now).await?;
    }
    let Transaction { session, collections, .. } = &mut *transaction;
    let of_company = doc! { "company_id": id(erased) };
    collections.policies.delete_many(of_company).session(&mut *session).await?;
    let this = doc! { "_id": id(erased) };
    let traces = collections.database.collection::<Document>(ERASED_COMPANIES);
    let deleted = collections.companies.delete_one(this.clone()).session(&mut *session).await?;
    if deleted.deleted_count > 0 {
        let trace = vec![doc! { "$set": { "at": "$$NOW" } }];
        traces.update_one(this, trace).upsert(true).session(&mut *session).await?;
    } else {
        let before = doc! { "$subtract": ["$$NOW", KEEP_TRACES_MS] };
        let old = with(this, doc! { "$expr": { "$lt": ["$at", before] } });
        traces.delete_one(old).session(&mut *session).await?;
    }
    match deleted.deleted_count {
        0 => transaction.unchanged = true,
        _ => audit::delete_chain(transaction, erased).await?,
    }
    Ok(true)
}

pub(super) async fn list_users(
    collections: &Collections,
    scope: UserScope,
    filter: &UserFilter,
    after: Option<UserId>,
    limit: u32,
) -> Answer<(Vec<User>, bool)> {
    let mut conditions = vec![of_users(scope)];
    conditions.extend(filter.company_id.map(|company| doc! { "company_id": id(company) }));
    conditions.extend(filter.role.map(|role| doc! { "role": role.name() }));
    conditions.extend(filter.search.as_deref().map(|text| {
        doc! { "$or": [{ "name": containing(text) }, { "email": containing(text) }] }
    }));
    conditions.extend(after.map(|after| doc! { "_id": { "$gt": id(after) } }));
    let found = collections.users.find(doc! { "$and": conditions }).sort(doc! { "_id": 1 });
    let found: Vec<UserDocument> = found.limit(i64::from(limit) + 1).await?.try_collect().await?;
    Ok(cut(found.into_iter().map(User::from).collect(), limit))
}

/// A user within the scope that is not deleted.
async fn user_within(
    transaction: &mut Transaction<'_>,
    scope: UserScope,
    user: UserId,
) -> Answer<User> {
    let Transaction { session, collections, .. } = transaction;
    let filter = doc! { "$and": [of_users(scope), { "_id": id(user) }] };
    let found = collections.users.find_one(filter).session(session).await?;
    Ok(found.ok_or(StoreError::NotFound("user"))?.into())
}

/// Fails unless there is an administrator beside this one that can act. Conflicts with concurrent
/// changes of administrators.
async fn keep_an_administrator(transaction: &mut Transaction<'_>, except: &User) -> Answer<()> {
    if except.role != Role::Admin || except.disabled_at.is_some() {
        return Ok(());
    }
    let Transaction { session, collections, .. } = transaction;
    let meta = collections.database.collection::<Document>("meta");
    let counted = doc! { "$inc": { "changes": 1_i64 } };
    let counter = doc! { "_id": ADMINISTRATORS };
    meta.update_one(counter, counted).upsert(true).session(&mut *session).await?;
    let other = doc! {
        "role": Role::Admin.name(), "_id": { "$ne": id(except.id) }, "disabled_at": null,
        "deleted_at": null,
    };
    match collections.users.find_one(other).session(session).await? {
        Some(_) => Ok(()),
        None => Err(StoreError::LastAdministrator.into()),
    }
}

pub(super) async fn change_user(
    transaction: &mut Transaction<'_>,
    scope: UserScope,
    user: UserId,
    change: &UserChange,
) -> Answer<User> {
    let before = user_within(transaction, scope, user).await?;
    let set = match change {
        UserChange::Name(name) => doc! { "name": name },
        UserChange::Role(role, of) => {
            if *role != Role::Admin {
                keep_an_administrator(transaction, &before).await?;
            }
            let is_service = before.is_service || *role == Role::ClientService;
            let of = of.map(id);
            doc! { "role": role.name(), "company_id": of, "is_service": is_service }
        }
        UserChange::MayStart(may_start) => {
            doc! { "may_start": may_start.types().map(<[String]>::to_vec) }
        }
        UserChange::Disabled(since) => {
            if since.is_some() {
                keep_an_administrator(transaction, &before).await?;
            }
            let since = since.map(|since| before.disabled_at.unwrap_or(since));
            doc! { "disabled_at": since.map(nanoseconds) }
        }
    };
    let Transaction { session, collections, .. } = &mut *transaction;
    if let UserChange::Role(_, Some(of)) = change {
        let there = collections.companies.find_one(doc! { "_id": id(of) });
        there.session(&mut *session).await?.ok_or(StoreError::NotFound("company"))?;
    }
    let changed =
        collections.users.find_one_and_update(doc! { "_id": id(user) }, doc! { "$set": set });
    let changed = changed.return_document(ReturnDocument::After).session(session).await?;
    Ok(changed.ok_or(StoreError::NotFound("user"))?.into())
}

pub(super) async fn delete_user(
    transaction: &mut Transaction<'_>,
    scope: UserScope,
    user: UserId,
    now: OffsetDateTime,
) -> Answer<()> {
    let before = user_within(transaction, scope, user).await?;
    keep_an_administrator(transaction, &before).await?;
    erase_user(transaction, user, now).await
}

/// Deletes a user with its sessions and idempotency keys. If folders refer to it, an empty document
/// stays.
async fn erase_user(
    transaction: &mut Transaction<'_>,
    user: UserId,
    now: OffsetDateTime,
) -> Answer<()> {
    let Transaction { session, collections, .. } = transaction;
    let of_user = doc! { "user_id": id(user) };
    let sessions = collections.sessions.clone_with_type::<OnlyId>();
    let mut cursor =
        sessions.find(of_user.clone()).projection(doc! { "_id": 1 }).session(&mut *session).await?;
    let mut logins = Vec::new();
    while let Some(login) = cursor.next(&mut *session).await.transpose()? {
        logins.push(login.id);
    }
    let tokens = doc! { "session_id": { "$in": logins } };
    collections.refresh_tokens.delete_many(tokens).session(&mut *session).await?;
    collections.sessions.delete_many(of_user.clone()).session(&mut *session).await?;
    collections.api_keys.delete_many(of_user.clone()).session(&mut *session).await?;
    let reset = doc! { "_id": id(user) };
    collections.password_resets.delete_one(reset).session(&mut *session).await?;
    collections.idempotency.delete_many(of_user).session(&mut *session).await?;
    let this = doc! { "_id": id(user) };
    let folders = collections.folders.clone_with_type::<OnlyId>();
    let folder = folders.find_one(doc! { "owner_id": id(user) }).projection(doc! { "_id": 1 });
    if folder.session(&mut *session).await?.is_none() {
        collections.users.delete_one(this).session(&mut *session).await?;
        return Ok(());
    }
    // The e-mail is unique, and no e-mail looks like an id.
    let emptied = doc! {
        "email": user.to_string(), "name": "", "password_hash": "", "may_start": null,
        "company_id": null, "deleted_at": nanoseconds(now),
    };
    let emptied = doc! { "$set": emptied };
    collections.users.update_one(this, emptied).session(&mut *session).await?;
    Ok(())
}
