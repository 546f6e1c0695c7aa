//! Creating folders, media and analyses, at most once per idempotency key.

use super::accounts::forget_after;
use super::collections::Collections;
use super::documents::{
    AnalysisDocument, FolderDocument, GroupDocument, KeyDocument, MediumDocument, Membership,
    RunDocument, medium_bytes,
};
use super::fault::Answer;
use super::folder_update::touched;
use super::scope::{of_folders, with};
use super::sweeping;
use super::transaction::Transaction;
use super::values::{count, id, ids, nanoseconds, time, typed};
use ::time::OffsetDateTime;
use mongodb::bson::{Document, doc};
use std::collections::{BTreeSet, HashSet};
use vultus_core::rules::{KEEP_IDEMPOTENCY_KEYS, media_changed_by_addition, media_changed_by_plan};
use vultus_core::{CompanyId, Folder, FolderId, Medium};
use vultus_store::StoreError;
use vultus_store::{Company, Created, FolderAdditions, IdempotencyKey, NewGroup, Replay, Scope};

pub(super) async fn create_folder(
    transaction: &mut Transaction<'_>,
    folder: &Folder,
    additions: &FolderAdditions,
    key: Option<&IdempotencyKey>,
) -> Answer<Created> {
    // The first attempt fails with a duplicate key if something exists; the next one finds out
    // what.
    if transaction.attempt > 0 {
        if let Some(replay) = replayed(transaction, key).await? {
            transaction.unchanged = true;
            return Ok(Created::Replayed(replay));
        }
        if let Some(external_id) = &folder.external_id {
            refuse_duplicate(transaction, folder, external_id).await?;
        }
    }
    refuse_erased(transaction, folder.company_id).await?;
    let now = additions.now.unwrap_or(folder.created_at);
    remember(transaction, key, folder.id, additions, now).await?;
    let newest_medium = additions.media.iter().map(|medium| medium.created_at).max();
    let stored =
        Folder { media_changed_at: folder.media_changed_at.max(newest_medium), ..folder.clone() };
    let mut document = FolderDocument::new(&stored);
    if let Some(new) = &additions.group {
        document.open_analyses = open_analyses(new);
        document.analysis_types = analysis_types(new).into_iter().map(str::to_owned).collect();
        document.asked_at = newest_analysis(new).map(nanoseconds);
    }
    document.members = members(additions);
    document.media_bytes = media_bytes(additions);
    add(transaction, &document, 0, additions).await?;
    transaction.collections.folders.insert_one(document).session(&mut transaction.session).await?;
    Ok(Created::New)
}

/// Refuses to add to a company that does not exist or is being erased.
async fn refuse_erased(transaction: &mut Transaction<'_>, company: CompanyId) -> Answer<()> {
    let Transaction { session, collections, .. } = transaction;
    let found = collections.companies.find_one(doc! { "_id": id(company) }).session(session);
    let found: Company = found.await?.ok_or(StoreError::NotFound("company"))?.into();
    match found.deleting_at {
        None => Ok(()),
        Some(_) => Err(StoreError::BeingErased.into()),
    }
}

pub(super) async fn add_to_folder(
    transaction: &mut Transaction<'_>,
    scope: Scope,
    folder: FolderId,
    additions: &FolderAdditions,
    key: Option<&IdempotencyKey>,
) -> Answer<Created> {
    if let Some(replay) = replayed(transaction, key).await? {
        transaction.unchanged = true;
        return Ok(Created::Replayed(replay));
    }
    let newest_medium = additions.media.iter().map(|medium| medium.created_at).max();
    let requested = additions.group.as_ref().map(|new| new.group.created_at);
    let mut update = touched(additions.now.or(requested).or(newest_medium));
    let raised = update.entry("$inc").or_insert_with(|| doc! {}.into());
    if let Some(raised) = raised.as_document_mut() {
        raised.insert("members", members(additions));
        raised.insert("media_bytes", media_bytes(additions));
        raised.insert("open_analyses", additions.group.as_ref().map_or(0, open_analyses));
    }
    if let Some(new) = &additions.group {
        let types: Vec<&str> = analysis_types(new).into_iter().collect();
        update.insert("$addToSet", doc! { "analysis_types": { "$each": types } });
    }
    let filter = with(doc! { "_id": id(folder) }, of_folders(scope));
    let Transaction { session, collections, .. } = &mut *transaction;
    // Written first, so that concurrent requests to one folder conflict at once. Returns the folder
    // before the update.
    let before =
        collections.folders.find_one_and_update(filter, update).session(&mut *session).await?;
    let before = before.ok_or(StoreError::NotFound("folder"))?;
    let dates = dates(&before, additions, newest_medium);
    if !dates.is_empty() {
        let dates = doc! { "$set": dates };
        collections
            .folders
            .update_one(doc! { "_id": id(folder) }, dates)
            .session(&mut *session)
            .await?;
    }
    add(transaction, &before, before.members, additions).await?;
    let now =
        additions.now.or(requested).or(newest_medium).unwrap_or_else(|| time(before.updated_at));
    remember(transaction, key, folder, additions, now).await?;
    Ok(Created::New)
}

/// The dates of the folder that the additions change.
fn dates(
    before: &FolderDocument,
    additions: &FolderAdditions,
    newest_medium: Option<OffsetDateTime>,
) -> Document {
    let stored = before.media_changed_at.map(time);
    let others_requested_at = before.asked_at.map(time);
    let mut changed_at = media_changed_by_addition(stored, newest_medium, others_requested_at);
    let mut requested_at = others_requested_at;
    if let Some(new) = &additions.group {
        requested_at = requested_at.max(newest_analysis(new));
        changed_at = media_changed_by_plan(changed_at, stored, new.media_seen, requested_at);
    }
    let mut dates = Document::new();
    if changed_at != stored {
        dates.insert("media_changed_at", changed_at.map(nanoseconds));
    }
    if requested_at != others_requested_at {
        dates.insert("asked_at", requested_at.map(nanoseconds));
    }
    dates
}

fn media_bytes(additions: &FolderAdditions) -> i64 {
    additions.media.iter().map(medium_bytes).fold(0, i64::saturating_add)
}

fn members(additions: &FolderAdditions) -> i64 {
    let of_group = additions.group.as_ref().map_or(0, |new| 1 + analyses(new).count());
    count((additions.media.len() + of_group) as u64)
}

fn analyses(new: &NewGroup) -> impl Iterator<Item = &vultus_core::Analysis> {
    new.runs.iter().flat_map(|run| &run.analyses)
}

fn open_analyses(new: &NewGroup) -> i64 {
    count(analyses(new).filter(|analysis| !analysis.state.is_final()).count() as u64)
}

fn analysis_types(new: &NewGroup) -> BTreeSet<&str> {
    analyses(new).map(|analysis| analysis.kind.as_str()).collect()
}

fn newest_analysis(new: &NewGroup) -> Option<OffsetDateTime> {
    analyses(new).map(|analysis| analysis.created_at).max()
}

/// Fails if another folder of the company has this external id.
async fn refuse_duplicate(
    transaction: &mut Transaction<'_>,
    folder: &Folder,
    external_id: &str,
) -> Answer<()> {
    let Transaction { session, collections, .. } = transaction;
    let filter = doc! {
        "company_id": id(folder.company_id),
        "external_id": external_id,
        "_id": { "$ne": id(folder.id) },
    };
    match collections.folders.find_one(filter).session(session).await? {
        Some(holder) => Err(StoreError::Duplicate {
            what: "externalId",
            existing: typed::<FolderId>(holder.id).to_string(),
        }
        .into()),
        None => Ok(()),
    }
}

async fn add(
    transaction: &mut Transaction<'_>,
    folder: &FolderDocument,
    first_place: i64,
    additions: &FolderAdditions,
) -> Answer<()> {
    let mut place = first_place..;
    let mut next = || Membership {
        folder_id: folder.id,
        company_id: folder.company_id,
        owner_id: folder.owner_id,
        place: place.next().unwrap_or(i64::MAX),
    };
    if !additions.media.is_empty() {
        refuse_too_many_media(transaction, folder, additions).await?;
        let keys: Vec<&str> = additions.media.iter().flat_map(blob_keys).collect();
        sweeping::reference(transaction, &keys).await?;
        let media: Vec<MediumDocument> =
            additions.media.iter().map(|medium| MediumDocument::new(medium, next())).collect();
        transaction.collections.media.insert_many(media).session(&mut transaction.session).await?;
    }
    let Some(new) = &additions.group else { return Ok(()) };
    refuse_too_many_analyses(transaction, folder, new, additions.most_analyses).await?;
    refuse_missing_media(transaction, folder, additions, new).await?;
    let Transaction { session, collections, .. } = transaction;
    let group = next();
    collections
        .groups
        .insert_one(GroupDocument::new(&new.group, group))
        .session(&mut *session)
        .await?;
    let runs: Vec<RunDocument> = new.runs.iter().map(|run| RunDocument::new(run, group)).collect();
    if runs.is_empty() {
        return Ok(());
    }
    let analyses: Vec<AnalysisDocument> =
        analyses(new).map(|analysis| AnalysisDocument::new(analysis, next())).collect();
    collections.runs.insert_many(runs).session(&mut *session).await?;
    if !analyses.is_empty() {
        collections.analyses.insert_many(analyses).session(&mut *session).await?;
    }
    Ok(())
}

/// Fails if the folder would hold more media than the request allows. A concurrent request writes
/// the folder too and conflicts with this transaction.
async fn refuse_too_many_media(
    transaction: &mut Transaction<'_>,
    folder: &FolderDocument,
    additions: &FolderAdditions,
) -> Answer<()> {
    let Some(most) = additions.most_media else { return Ok(()) };
    let Transaction { session, collections, .. } = transaction;
    let within = doc! { "member.folder_id": folder.id };
    let present = collections.media.count_documents(within).session(session).await?;
    let present = usize::try_from(present).unwrap_or(usize::MAX);
    if present.saturating_add(additions.media.len()) <= most {
        return Ok(());
    }
    Err(StoreError::TooManyMedia { most, present }.into())
}

/// Fails if the folder would hold more analyses than the request allows.
async fn refuse_too_many_analyses(
    transaction: &mut Transaction<'_>,
    folder: &FolderDocument,
    new: &NewGroup,
    most: Option<usize>,
) -> Answer<()> {
    let more = analyses(new).count();
    let Some(most) = most.filter(|_| more > 0) else { return Ok(()) };
    let Transaction { session, collections, .. } = transaction;
    let within = doc! { "member.folder_id": folder.id };
    let present = collections.analyses.count_documents(within).session(session).await?;
    let present = usize::try_from(present).unwrap_or(usize::MAX);
    if present.saturating_add(more) <= most {
        return Ok(());
    }
    Err(StoreError::TooManyAnalyses { most, present }.into())
}

/// The blob keys of a medium.
fn blob_keys(medium: &Medium) -> impl Iterator<Item = &str> {
    std::iter::once(medium.blob_key.as_str()).chain(medium.thumbnail_key.as_deref())
}

/// Fails if a medium was deleted after the request read the folder. A concurrent deletion writes
/// the folder too and conflicts with this transaction.
async fn refuse_missing_media(
    transaction: &mut Transaction<'_>,
    folder: &FolderDocument,
    additions: &FolderAdditions,
    new: &NewGroup,
) -> Answer<()> {
    let own: HashSet<_> = additions.media.iter().map(|medium| medium.id).collect();
    let taken: HashSet<_> =
        analyses(new).flat_map(|analysis| &analysis.media).map(|taken| taken.media_id).collect();
    let earlier: Vec<_> = taken.difference(&own).collect();
    if earlier.is_empty() {
        return Ok(());
    }
    let Transaction { session, collections, .. } = transaction;
    let filter = doc! { "_id": { "$in": ids(&earlier) }, "member.folder_id": folder.id };
    let found = collections.media.count_documents(filter).session(session).await?;
    if found == earlier.len() as u64 { Ok(()) } else { Err(StoreError::NotFound("medium").into()) }
}

fn named(key: &IdempotencyKey) -> Document {
    doc! { "user_id": id(key.user_id), "operation": &key.operation, "key": &key.key }
}

/// What an earlier request with this key created. Fails if that was a different request.
fn of_key(found: Option<KeyDocument>, key: &IdempotencyKey) -> Answer<Option<Replay>> {
    match found {
        Some(found) if found.fingerprint != key.fingerprint => {
            Err(StoreError::IdempotencyMismatch.into())
        }
        other => Ok(other.map(Into::into)),
    }
}

async fn replayed(
    transaction: &mut Transaction<'_>,
    key: Option<&IdempotencyKey>,
) -> Answer<Option<Replay>> {
    let Some(key) = key else { return Ok(None) };
    let found = transaction
        .collections
        .idempotency
        .find_one(named(key))
        .session(&mut transaction.session)
        .await?;
    of_key(found, key)
}

/// What an earlier request with this key created.
pub(super) async fn replay(
    collections: &Collections,
    key: &IdempotencyKey,
) -> Answer<Option<Replay>> {
    of_key(collections.idempotency.find_one(named(key)).await?, key)
}

async fn remember(
    transaction: &mut Transaction<'_>,
    key: Option<&IdempotencyKey>,
    folder: FolderId,
    additions: &FolderAdditions,
    now: OffsetDateTime,
) -> Answer<()> {
    let Some(key) = key else { return Ok(()) };
    let document = KeyDocument::new(
        key,
        &Replay::of(folder, additions),
        now,
        forget_after(KEEP_IDEMPOTENCY_KEYS),
    );
    transaction
        .collections
        .idempotency
        .insert_one(document)
        .session(&mut transaction.session)
        .await?;
    Ok(())
}
