//! Changing folders and media.

use super::collections::Collections;
use super::documents::metadata_pairs;
use super::fault::{Answer, is_duplicate};
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

/// Changes a folder with one atomic update.
pub(super) async fn update_folder(
    collections: &Collections,
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
    let changed = collections
        .folders
        .find_one_and_update(filter.clone(), update)
        .projection(projection::folders(JsonSelection::NONE))
        .return_document(ReturnDocument::After)
        .await;
    let error = match changed {
        Ok(changed) => return Ok(changed.ok_or(StoreError::NotFound("folder"))?.into()),
        Err(error) => error,
    };
    if !is_duplicate(&error) {
        return Err(error.into());
    }
    let no_json = projection::folders(JsonSelection::NONE);
    let own = collections.folders.find_one(filter).projection(no_json.clone()).await?;
    let own = own.ok_or(StoreError::NotFound("folder"))?;
    let holder = doc! { "company_id": own.company_id, "external_id": external_id.flatten() };
    let holder = collections.folders.find_one(holder).projection(no_json).await?.ok_or(error)?;
    Err(StoreError::Duplicate {
        what: "externalId",
        existing: typed::<FolderId>(holder.id).to_string(),
    }
    .into())
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
