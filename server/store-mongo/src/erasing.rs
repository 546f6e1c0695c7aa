//! Erasing media and folders with everything that came from them.

use super::cases;
use super::collections::ANALYSES;
use super::fault::Answer;
use super::folder_update::touched;
use super::projection;
use super::results::cancel;
use super::scope::{of_folders, of_members, with};
use super::sweeping::tombstone_unreferenced;
use super::transaction::Transaction;
use super::values::{id, nanoseconds, time};
use ::time::{Duration, OffsetDateTime};
use mongodb::bson::{Bson, Document, Uuid, doc, serialize_to_bson};
use mongodb::options::ReturnDocument;
use vultus_core::rules::media_changed_by_deletion;
use vultus_core::{Analysis, Folder, FolderId, MediaId, Medium};
use vultus_store::StoreError;
use vultus_store::stored::{StoredFailure, StoredProvenance};
use vultus_store::{JsonSelection, Orphans, Scope};

/// No tombstone of a killed deletion is replaced: what was referenced until now has none.
const NEVER: Duration = Duration::ZERO;

/// Deletes a medium, and erases the details of the analyses that took it.
pub(super) async fn delete_medium(
    transaction: &mut Transaction<'_>,
    scope: Scope,
    medium: MediaId,
    now: OffsetDateTime,
) -> Answer<(Folder, Orphans)> {
    let Transaction { session, collections, .. } = &mut *transaction;
    let filter = with(doc! { "_id": id(medium) }, of_members(scope));
    let found = collections
        .media
        .find_one(filter)
        .projection(projection::media(JsonSelection::NONE))
        .session(&mut *session)
        .await?
        .ok_or(StoreError::NotFound("medium"))?;
    let freed = found.bytes;
    let found: Medium = found.into();
    let folder = id(found.folder_id);
    let taking = doc! { "member.folder_id": folder, "media.media_id": id(medium) };
    let mut cursor = collections
        .analyses
        .find(taking)
        .projection(projection::analyses(JsonSelection::NONE))
        .sort(doc! { "member.place": 1 })
        .session(&mut *session)
        .await?;
    let mut keys: Vec<String> =
        std::iter::once(found.blob_key).chain(found.thumbnail_key).collect();
    let mut used_it = Vec::new();
    while let Some(analysis) = cursor.next(&mut *session).await.transpose()? {
        keys.extend(analysis.artifacts.iter().map(|artifact| artifact.blob_key.clone()));
        used_it.push(Analysis::from(analysis));
    }
    let mut cancelled = 0;
    for analysis in used_it.iter().filter(|analysis| !analysis.state.is_final()) {
        cancel(transaction, analysis, now).await?;
        cancelled += 1;
    }
    let mut updates = Vec::with_capacity(used_it.len());
    for mut analysis in used_it {
        analysis.erase_details(now);
        updates.push(doc! { "q": { "_id": id(analysis.id) }, "u": left_of(&analysis)? });
    }
    if !updates.is_empty() {
        transaction.update(ANALYSES, updates).await?;
    }
    let Transaction { session, collections, .. } = &mut *transaction;
    collections.media.delete_one(doc! { "_id": id(medium) }).session(&mut *session).await?;
    let changed =
        changed_folder(transaction, folder, Lost { cancelled, bytes: freed }, now).await?;
    let tombstones = tombstone_unreferenced(transaction, &keys, now, NEVER).await?;
    Ok((changed, Orphans { tombstones }))
}

/// The update that replaces what an analysis says about its media by what is left of it.
fn left_of(analysis: &Analysis) -> Answer<Document> {
    let failure = match &analysis.failure {
        Some(failure) => serialize_to_bson(&StoredFailure::from(failure))?,
        None => Bson::Null,
    };
    // Without the comments of people.
    let mut left = cases::fields(analysis)?;
    left.set.extend(doc! {
        "reasons": [],
        "result": null,
        "failure": failure,
        "provenance": serialize_to_bson(&StoredProvenance::from(&analysis.provenance))?,
        "artifacts": [],
        "details_erased_at": analysis.details_erased_at.map(nanoseconds),
    });
    let mut update = left.into_document();
    update.insert("$inc", doc! { "revision": 1_i64 });
    Ok(update)
}

/// What a folder loses with a medium.
struct Lost {
    /// Number of cancelled analyses.
    cancelled: i64,
    bytes: i64,
}

/// Changes a folder after the deletion of a medium, so that its verdict is stale.
async fn changed_folder(
    transaction: &mut Transaction<'_>,
    folder: Uuid,
    lost: Lost,
    now: OffsetDateTime,
) -> Answer<Folder> {
    let Transaction { session, collections, .. } = transaction;
    let no_json = projection::folders(JsonSelection::NONE);
    let before = collections
        .folders
        .find_one(doc! { "_id": folder })
        .projection(no_json.clone())
        .session(&mut *session)
        .await?;
    let before = before.ok_or(StoreError::NotFound("folder"))?;
    let changed_at = media_changed_by_deletion(
        before.media_changed_at.map(time),
        now,
        before.asked_at.map(time),
    );
    let mut update = touched(Some(now));
    update.insert("$set", doc! { "media_changed_at": nanoseconds(changed_at) });
    if let Ok(raised) = update.get_document_mut("$inc") {
        raised.insert("open_analyses", -lost.cancelled);
        raised.insert("media_bytes", -lost.bytes);
    }
    let update = collections.folders.find_one_and_update(doc! { "_id": folder }, update);
    let update = update.projection(no_json).return_document(ReturnDocument::After);
    let after = update.session(session).await?;
    Ok(after.ok_or(StoreError::NotFound("folder"))?.into())
}

/// Deletes all documents of a folder, also its runs, so that a write under one of their tokens is
/// stale. Adds tombstones for its blobs.
pub(super) async fn erase_folder(
    transaction: &mut Transaction<'_>,
    scope: Scope,
    folder: FolderId,
    now: OffsetDateTime,
) -> Answer<Orphans> {
    let Transaction { session, collections, .. } = &mut *transaction;
    let filter = with(doc! { "_id": id(folder) }, of_folders(scope));
    // Deleted first: concurrent additions write the folder too, so that one of both conflicts.
    if collections.folders.delete_one(filter).session(&mut *session).await?.deleted_count == 0 {
        return Err(StoreError::NotFound("folder").into());
    }
    let within = doc! { "member.folder_id": id(folder) };
    let mut keys = Vec::new();
    let mut cursor = collections
        .media
        .find(within.clone())
        .projection(projection::media(JsonSelection::NONE))
        .session(&mut *session)
        .await?;
    while let Some(medium) = cursor.next(&mut *session).await.transpose()? {
        let medium: Medium = medium.into();
        keys.push(medium.blob_key);
        keys.extend(medium.thumbnail_key);
    }
    let mut cursor = collections
        .analyses
        .find(within.clone())
        .projection(projection::analyses(JsonSelection::NONE))
        .session(&mut *session)
        .await?;
    while let Some(analysis) = cursor.next(&mut *session).await.transpose()? {
        keys.extend(analysis.artifacts.into_iter().map(|artifact| artifact.blob_key));
    }
    collections.runs.delete_many(within.clone()).session(&mut *session).await?;
    collections.analyses.delete_many(within.clone()).session(&mut *session).await?;
    collections.groups.delete_many(within.clone()).session(&mut *session).await?;
    collections.media.delete_many(within).session(&mut *session).await?;
    collections
        .idempotency
        .delete_many(doc! { "folder_id": id(folder) })
        .session(&mut *session)
        .await?;
    Ok(Orphans { tombstones: tombstone_unreferenced(transaction, &keys, now, NEVER).await? })
}
