//! The audit log. Entries of one company are separate documents, so that their writers do not
//! conflict.

use super::collections::{AUDIT_ENTRIES, Collections};
use super::documents::{AuditDocument, AuditHeadDocument};
use super::fault::Answer;
use super::transaction::Transaction;
use super::values::{binary, count, id, nanoseconds, typed};
use futures::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::{Document, Uuid, doc};
use serde::Deserialize;
use vultus_core::{AuditEntryId, CompanyId};
use vultus_store::StoreError;
use vultus_store::audit::{AuditEntry, AuditFilter, Chain, ChainHead, ChainOf, Links, NewEntry};
use vultus_store::stored::V1;

/// Waiting entries, as the partial index has them.
fn waiting() -> Document {
    doc! { "waiting": true }
}

/// The entries of a chain that have a place behind `number`, as the partial index has them.
fn behind(chain: Chain, number: u64) -> Document {
    doc! { "chain": chain.to_string(), "number": { "$gt": count(number) } }
}

/// What is read of an object to find its company.
#[derive(Debug, Deserialize)]
struct OfCompany {
    company_id: Option<Uuid>,
}

/// The chain of a new entry. Asked for before the change, which may delete the object.
pub(super) async fn chain(transaction: &mut Transaction<'_>, of: ChainOf) -> Answer<Chain> {
    let Transaction { session, collections, .. } = transaction;
    let (collection, this, what): (Collection<OfCompany>, _, _) = match of {
        ChainOf::Known(chain) => return Ok(chain),
        ChainOf::Folder(folder) => (collections.folders.clone_with_type(), id(folder), "folder"),
        ChainOf::Medium(medium) => (collections.media.clone_with_type(), id(medium), "medium"),
        ChainOf::Analysis(analysis) => {
            (collections.analyses.clone_with_type(), id(analysis), "analysis")
        }
        ChainOf::User(user) => (collections.users.clone_with_type(), id(user), "user"),
    };
    let company = doc! { "$ifNull": ["$company_id", "$member.company_id"] };
    let company = doc! { "_id": 0, "company_id": company };
    let found = collection.find_one(doc! { "_id": this }).projection(company);
    let found = found.session(session).await?.ok_or(StoreError::NotFound(what))?;
    Ok(Chain::of(found.company_id.map(typed)))
}

/// Writes entries within the transaction of what they describe.
pub(super) async fn insert(
    transaction: &mut Transaction<'_>,
    entries: &[AuditEntry],
) -> Answer<()> {
    let documents: Vec<AuditDocument> = entries.iter().map(AuditDocument::from).collect();
    let Transaction { session, collections, .. } = transaction;
    collections.audit_entries.insert_many(documents).session(session).await?;
    Ok(())
}

pub(super) async fn record(transaction: &mut Transaction<'_>, new: &[NewEntry]) -> Answer<()> {
    let mut entries = Vec::with_capacity(new.len());
    for entry in new {
        entries.push(entry.waiting(chain(transaction, entry.chain).await?));
    }
    if entries.is_empty() { Ok(()) } else { insert(transaction, &entries).await }
}

/// Whether entries wait for their places.
pub(super) async fn any_waiting(
    collections: &Collections,
    from: Option<AuditEntryId>,
) -> Answer<bool> {
    let entries: Collection<Document> = collections.audit_entries.clone_with_type();
    let found = entries.find_one(from_id(waiting(), from));
    Ok(found.projection(doc! { "_id": 1 }).await?.is_some())
}

fn from_id(mut filter: Document, from: Option<AuditEntryId>) -> Document {
    if let Some(from) = from {
        filter.insert("_id", doc! { "$gte": id(from) });
    }
    filter
}

/// Concurrent callers update the same entries, so that all but one of them conflict and try again.
pub(super) async fn chain_waiting(
    transaction: &mut Transaction<'_>,
    from: Option<AuditEntryId>,
    limit: u32,
) -> Answer<u32> {
    let Transaction { session, collections, .. } = &mut *transaction;
    let mut cursor = collections
        .audit_entries
        .find(from_id(waiting(), from))
        .sort(doc! { "_id": 1 })
        .limit(i64::from(limit))
        .session(&mut *session)
        .await?;
    let mut entries: Vec<AuditEntry> = Vec::new();
    while let Some(found) = cursor.next(&mut *session).await.transpose()? {
        entries.push(found.into());
    }
    let mut links = Links::default();
    let mut updates = Vec::with_capacity(entries.len());
    for entry in &entries {
        if !links.knows(entry.chain) {
            let head = collections.audit_entries.find_one(behind(entry.chain, 0));
            let head = head.sort(doc! { "number": -1 }).session(&mut *session).await?;
            if let Some((number, hash)) = head.and_then(|head| head.place()) {
                links.learn(ChainHead { chain: entry.chain, number, hash });
            }
        }
        let place = links.append(entry);
        updates.push(doc! {
            "q": { "_id": id(entry.id) },
            "u": {
                "$set": { "number": count(place.number), "hash": binary(&place.hash.0) },
                "$unset": { "waiting": "" },
            },
        });
    }
    if !updates.is_empty() {
        transaction.update(AUDIT_ENTRIES, updates).await?;
    }
    Ok(u32::try_from(entries.len()).unwrap_or(u32::MAX))
}

pub(super) async fn chain_head(
    collections: &Collections,
    chain: Chain,
) -> Answer<Option<ChainHead>> {
    let head = collections.audit_entries.find_one(behind(chain, 0)).sort(doc! { "number": -1 });
    let place = head.await?.and_then(|head| head.place());
    Ok(place.map(|(number, hash)| ChainHead { chain, number, hash }))
}

pub(super) async fn chain_heads(collections: &Collections) -> Answer<Vec<ChainHead>> {
    let mut heads = Vec::new();
    let mut after = String::new();
    // One seek for each chain: DISTINCT would read the whole index.
    loop {
        let next = doc! { "chain": { "$gt": &after }, "number": { "$gt": 0 } };
        let next = collections.audit_entries.find_one(next).sort(doc! { "chain": 1, "number": 1 });
        let Some(found) = next.await?.map(AuditEntry::from) else { return Ok(heads) };
        heads.extend(chain_head(collections, found.chain).await?);
        after = found.chain.to_string();
    }
}

pub(super) async fn chained(
    collections: &Collections,
    chain: Chain,
    after: u64,
    limit: u32,
) -> Answer<Vec<AuditEntry>> {
    let found = collections.audit_entries.find(behind(chain, after)).sort(doc! { "number": 1 });
    let found = found.limit(i64::from(limit)).batch_size(limit).await?;
    Ok(found.map_ok(AuditEntry::from).try_collect().await?)
}

pub(super) async fn list(
    collections: &Collections,
    filter: &AuditFilter,
    before: Option<AuditEntryId>,
    limit: u32,
) -> Answer<(Vec<AuditEntry>, bool)> {
    let mut number = doc! { "$gt": 0_i64 };
    let mut query = doc! {};
    let mut order = doc! { "_id": -1 };
    if let Some(chain) = filter.chain {
        query.insert("chain", chain.to_string());
        order = doc! { "number": -1 };
    }
    match (filter.chain, before) {
        (None, Some(before)) => drop(query.insert("_id", doc! { "$lt": id(before) })),
        (Some(_), Some(before)) => {
            let last = collections.audit_entries.find_one(doc! { "_id": id(before) }).await?;
            let last = last.and_then(|last| last.place()).map_or(0, |(number, _)| number);
            number.insert("$lt", count(last));
        }
        (_, None) => {}
    }
    query.insert("number", number);
    if let Some(actor) = &filter.actor {
        query.insert("actor", doc! { "$eq": actor });
    }
    if let Some(object) = &filter.object {
        query.insert("object", doc! { "$eq": object });
    }
    if !filter.actions.is_empty() {
        let names: Vec<&str> = filter.actions.iter().map(|action| action.name()).collect();
        query.insert("action", doc! { "$in": names });
    }
    let mut at = doc! {};
    if let Some(from) = filter.from {
        at.insert("$gte", nanoseconds(from));
    }
    if let Some(before) = filter.before {
        at.insert("$lt", nanoseconds(before));
    }
    if !at.is_empty() {
        query.insert("at", at);
    }
    // One more than requested, to know whether more follow.
    let found = collections.audit_entries.find(query).sort(order).limit(i64::from(limit) + 1);
    let mut entries: Vec<AuditEntry> = found.await?.map_ok(AuditEntry::from).try_collect().await?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    Ok((entries, more))
}

pub(super) async fn keep_signed_head(
    collections: &Collections,
    chain: Chain,
    signed: &str,
) -> Answer<()> {
    let document = AuditHeadDocument { chain, v: V1, signed: signed.to_owned() };
    let this = doc! { "_id": chain.to_string() };
    collections.audit_heads.replace_one(this, document).upsert(true).await?;
    Ok(())
}

pub(super) async fn signed_heads(collections: &Collections) -> Answer<Vec<(Chain, String)>> {
    let found = collections.audit_heads.find(doc! {}).sort(doc! { "_id": 1 }).await?;
    Ok(found.map_ok(|head| (head.chain, head.signed)).try_collect().await?)
}

pub(super) async fn delete_chain(
    transaction: &mut Transaction<'_>,
    company: CompanyId,
) -> Answer<()> {
    let chain = Chain::Company(company).to_string();
    let Transaction { session, collections, .. } = transaction;
    collections.audit_entries.delete_many(doc! { "chain": &chain }).session(&mut *session).await?;
    collections.audit_heads.delete_one(doc! { "_id": &chain }).session(&mut *session).await?;
    Ok(())
}
