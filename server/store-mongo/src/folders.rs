//! Changing folders and media.

use super::documents::metadata_pairs;
use super::fault::Answer;
use super::folder_update::{touch, touched};
use super::projection;
use super::results::cancel;
use super::scope::{of_folders, of_members, with};
use super::transaction::Transaction;
use super::values::{id, typed};
use ::time::OffsetDateTime;
use mongodb::bson::{Document, doc, serialize_to_bson};
use mongodb::options::ReturnDocument;
use vultus_core::{Analysis, AnalysisId, Folder, FolderId, JsonText};
use vultus_store::StoreError;
use vultus_store::{Cancelled, JsonSelection, Scope};

/// Changes a folder with one update.
pub(super) async fn update_folder(
    transaction: &mut Transaction<'_>,
    scope: Scope,
    folder: FolderId,
    metadata: Option<&JsonText>,
    external_id: Option<Option<&str>>,
    now: OffsetDateTime,
) -> Answer<Folder> {
    let mut update = touched(Some(now));
    let mut set = Document::new();
    if let Some(metadata) = metadata {
        set.insert("metadata", metadata.as_str());
        set.insert("metadata_pairs", serialize_to_bson(&metadata_pairs(metadata))?);
    }
    match external_id {
        Some(Some(external_id)) => drop(set.insert("external_id", external_id)),
        Some(None) => drop(update.insert("$unset", doc! { "external_id": "" })),
        None => {}
    }
    if !set.is_empty() {
        update.insert("$set", set);
    }
    let filter = with(doc! { "_id": id(folder) }, of_folders(scope));
    // The first attempt fails with a duplicate key if another folder has the external id; the next
    // one finds out which.
    if let (Some(external_id), true) = (external_id.flatten(), transaction.attempt > 0) {
        refuse_duplicate(transaction, filter.clone(), external_id).await?;
    }
    let Transaction { session, collections, .. } = transaction;
    let changed = collections
        .folders
        .find_one_and_update(filter, update)
        .projection(projection::folders(JsonSelection::NONE))
        .return_document(ReturnDocument::After)
        .session(session)
        .await?;
    Ok(changed.ok_or(StoreError::NotFound("folder"))?.into())
}

/// Fails if another folder of the company has this external id.
async fn refuse_duplicate(
    transaction: &mut Transaction<'_>,
    own: Document,
    external_id: &str,
) -> Answer<()> {
    let Transaction { session, collections, .. } = transaction;
    let no_json = projection::folders(JsonSelection::NONE);
    let own = collections.folders.find_one(own).projection(no_json.clone());
    let own = own.session(&mut *session).await?.ok_or(StoreError::NotFound("folder"))?;
    let holder = doc! {
        "company_id": own.company_id,
        "external_id": external_id,
        "_id": { "$ne": own.id },
    };
    let holder = collections.folders.find_one(holder).projection(no_json).session(session).await?;
    match holder {
        Some(holder) => Err(StoreError::Duplicate {
            what: "externalId",
            existing: typed::<FolderId>(holder.id).to_string(),
        }
        .into()),
        None => Ok(()),
    }
}

pub(super) async fn cancel_analysis(
    transaction: &mut Transaction<'_>,
    scope: Scope,
    analysis: AnalysisId,
    now: OffsetDateTime,
) -> Answer<Cancelled> {
    let filter = with(doc! { "_id": id(analysis) }, of_members(scope));
    let found = one(transaction, filter.clone()).await?;
    if found.state.is_final() {
        transaction.unchanged = true;
        return Ok(Cancelled::AlreadyFinal(Box::new(found)));
    }
    cancel(transaction, &found, now).await?;
    touch(transaction, id(found.folder_id), 1, Some(now)).await?;
    Ok(Cancelled::Now(Box::new(one(transaction, filter).await?)))
}

async fn one(transaction: &mut Transaction<'_>, filter: Document) -> Answer<Analysis> {
    let Transaction { session, collections, .. } = transaction;
    let found = collections.analyses.find_one(filter);
    let found =
        found.projection(projection::analyses(JsonSelection::NONE)).session(session).await?;
    Ok(found.ok_or(StoreError::NotFound("analysis"))?.into())
}
