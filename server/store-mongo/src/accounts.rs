//! Companies and users.

use super::collections::Collections;
use super::documents::{CompanyDocument, UserDocument};
use super::fault::Answer;
use super::scope::with;
use super::transaction::Transaction;
use super::values::{binary, id, ids, typed};
use futures::TryStreamExt;
use mongodb::bson::{DateTime, Document, doc};
use std::collections::{HashMap, HashSet};
use time::Duration;
use vultus_core::{CompanyId, User, UserId};
use vultus_store::StoreError;
use vultus_store::{Company, UserWithPassword};

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

/// Filter of users that can act, but for their company.
pub(super) fn active_users() -> Document {
    doc! { "deleted_at": null, "disabled_at": null }
}

/// Filter of those of the companies that are suspended.
pub(super) fn suspended(companies: &[CompanyId]) -> Document {
    doc! { "_id": { "$in": ids(companies) }, "suspended_at": { "$ne": null } }
}

/// Those of the users that can act.
pub(super) async fn active(collections: &Collections, wanted: &[UserId]) -> Answer<Vec<User>> {
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
