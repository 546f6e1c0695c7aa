//! Reading and changing folders and media.

use super::collections::Collections;
use super::documents::{
    AnalysisDocument, FolderDocument, GroupDocument, MediumDocument, metadata_pairs,
};
use super::fault::{Answer, is_duplicate};
use super::folder_update::{touch, touched};
use super::results::cancel;
use super::scope::{of_folders, of_members, with};
use super::transaction::Transaction;
use super::values::{id, ids, typed};
use ::time::OffsetDateTime;
use futures::TryStreamExt;
use mongodb::bson::{Document, Uuid, doc, serialize_to_bson};
use mongodb::options::ReturnDocument;
use serde_json::Value;
use std::collections::HashMap;
use vultus_core::{
    Analysis, AnalysisGroup, AnalysisId, Artifact, CompanyId, Folder, FolderId, MediaId, Medium,
};
use vultus_store::StoreError;
use vultus_store::{Cancelled, FolderContents, Scope, WrappedFolderKey};

/// Changes a folder with one atomic update.
pub(super) async fn update_folder(
    collections: &Collections,
    scope: Scope,
    folder: FolderId,
    metadata: Option<&Value>,
    external_id: Option<Option<&str>>,
    now: OffsetDateTime,
) -> Answer<Folder> {
    let mut update = touched(Some(now));
    let mut set = Document::new();
    if let Some(metadata) = metadata {
        set.insert("metadata", metadata.to_string());
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
        .return_document(ReturnDocument::After)
        .await;
    let error = match changed {
        Ok(changed) => return Ok(changed.ok_or(StoreError::NotFound("folder"))?.into()),
        Err(error) => error,
    };
    if !is_duplicate(&error) {
        return Err(error.into());
    }
    let own = collections.folders.find_one(filter).await?.ok_or(StoreError::NotFound("folder"))?;
    let holder = doc! { "company_id": own.company_id, "external_id": external_id.flatten() };
    let holder = collections.folders.find_one(holder).await?.ok_or(error)?;
    Err(StoreError::Duplicate {
        what: "externalId",
        existing: typed::<FolderId>(holder.id).to_string(),
    }
    .into())
}

pub(super) async fn folders(
    collections: &Collections,
    scope: Scope,
    wanted: &[FolderId],
) -> Answer<Vec<FolderContents>> {
    let filter = with(doc! { "_id": { "$in": ids(wanted) } }, of_folders(scope));
    let found: Vec<FolderDocument> = collections.folders.find(filter).await?.try_collect().await?;
    let by_id: HashMap<FolderId, Folder> =
        found.into_iter().map(Folder::from).map(|folder| (folder.id, folder)).collect();
    contents(collections, wanted.iter().filter_map(|id| by_id.get(id).cloned()).collect()).await
}

/// Reads the contents of any number of folders with two concurrent commands.
pub(super) async fn contents(
    collections: &Collections,
    folders: Vec<Folder>,
) -> Answer<Vec<FolderContents>> {
    if folders.is_empty() {
        return Ok(Vec::new());
    }
    let among = doc! { "member.folder_id": { "$in": ids(folders.iter().map(|folder| folder.id)) } };
    // In the order of the index, so that the server need not sort.
    let order = doc! { "member.folder_id": 1, "member.place": 1 };
    let media = async {
        let found =
            collections.media.find(among.clone()).sort(order.clone()).batch_size(ALL).await?;
        found.try_collect::<Vec<MediumDocument>>().await
    };
    let analyses = async {
        let found =
            collections.analyses.find(among.clone()).sort(order.clone()).batch_size(ALL).await?;
        found.try_collect::<Vec<AnalysisDocument>>().await
    };
    let (media, analyses) = futures::future::try_join(media, analyses).await?;
    let mut media_of: HashMap<FolderId, Vec<Medium>> = HashMap::new();
    for medium in media.into_iter().map(Medium::from) {
        media_of.entry(medium.folder_id).or_default().push(medium);
    }
    let mut analyses_of: HashMap<FolderId, (Vec<Analysis>, Vec<Artifact>)> = HashMap::new();
    for (analysis, artifacts) in analyses.into_iter().map(AnalysisDocument::into_parts) {
        let of_folder = analyses_of.entry(analysis.folder_id).or_default();
        of_folder.0.push(analysis);
        of_folder.1.extend(artifacts);
    }
    // Cloned, because the same folder may be requested twice.
    let of = |folder: Folder| {
        let (analyses, artifacts) = analyses_of.get(&folder.id).cloned().unwrap_or_default();
        FolderContents {
            media: media_of.get(&folder.id).cloned().unwrap_or_default(),
            analyses,
            artifacts,
            folder,
        }
    };
    Ok(folders.into_iter().map(of).collect())
}

/// Batch size: as many documents as fit into the first answer.
pub(super) const ALL: u32 = 10_000;

pub(super) async fn folder_by_external_id(
    collections: &Collections,
    scope: Scope,
    company: CompanyId,
    external_id: &str,
) -> Answer<Option<FolderId>> {
    let named = doc! { "company_id": id(company), "external_id": external_id };
    let named = doc! { "$and": [named, of_folders(scope)] };
    Ok(collections.folders.find_one(named).await?.map(|found| typed(found.id)))
}

pub(super) async fn medium(
    collections: &Collections,
    scope: Scope,
    medium: MediaId,
) -> Answer<Option<Medium>> {
    let filter = with(doc! { "_id": id(medium) }, of_members(scope));
    Ok(collections.media.find_one(filter).await?.map(Into::into))
}

pub(super) async fn groups(
    collections: &Collections,
    scope: Scope,
    folder: FolderId,
) -> Answer<Vec<AnalysisGroup>> {
    let filter = with(doc! { "member.folder_id": id(folder) }, of_members(scope));
    let found: Vec<GroupDocument> = collections
        .groups
        .find(filter)
        .sort(doc! { "member.place": 1 })
        .await?
        .try_collect()
        .await?;
    Ok(found.into_iter().map(Into::into).collect())
}

pub(super) async fn analyses(
    collections: &Collections,
    scope: Scope,
    wanted: &[AnalysisId],
) -> Answer<Vec<(Analysis, Vec<Artifact>)>> {
    let filter = with(doc! { "_id": { "$in": ids(wanted) } }, of_members(scope));
    let found: Vec<AnalysisDocument> =
        collections.analyses.find(filter).batch_size(ALL).await?.try_collect().await?;
    let parts =
        found.into_iter().map(AnalysisDocument::into_parts).map(|parts| (parts.0.id, parts));
    let by_id: HashMap<AnalysisId, (Analysis, Vec<Artifact>)> = parts.collect();
    Ok(wanted.iter().filter_map(|id| by_id.get(id).cloned()).collect())
}

pub(super) async fn folder_ids(
    collections: &Collections,
    after: Option<FolderId>,
    limit: u32,
) -> Answer<Vec<FolderId>> {
    let filter = after.map_or_else(Document::new, |after| doc! { "_id": { "$gt": id(after) } });
    let folders = collections.folders.clone_with_type::<OnlyId>();
    let ids = folders.find(filter).sort(doc! { "_id": 1 }).limit(i64::from(limit));
    let found: Vec<OnlyId> = ids.projection(doc! { "_id": 1 }).await?.try_collect().await?;
    Ok(found.into_iter().map(|found| typed(found.id)).collect())
}

#[derive(serde::Deserialize)]
struct OnlyId {
    #[serde(rename = "_id")]
    id: Uuid,
}

pub(super) async fn folder_key(
    collections: &Collections,
    folder: FolderId,
) -> Answer<Option<WrappedFolderKey>> {
    let found = collections.folders.find_one(doc! { "_id": id(folder) }).await?.map(Folder::from);
    Ok(found.map(|folder| WrappedFolderKey {
        company_id: folder.company_id,
        wrapped_key: folder.wrapped_key,
    }))
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
    let found = collections.analyses.find_one(filter).session(session).await?;
    Ok(found.ok_or(StoreError::NotFound("analysis"))?.into())
}
