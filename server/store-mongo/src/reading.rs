//! Reading folders, media, analyses and groups.

use super::collections::Collections;
use super::documents::GroupDocument;
use super::fault::Answer;
use super::projection;
use super::scope::{of_folders, of_members, with};
use super::values::{id, ids, typed};
use futures::TryStreamExt;
use mongodb::bson::{Document, Uuid, doc};
use std::collections::HashMap;
use vultus_core::{
    Analysis, AnalysisGroup, AnalysisId, Artifact, CompanyId, Folder, FolderId, JsonText, MediaId,
    Medium, Part,
};
use vultus_store::StoreError;
use vultus_store::{FolderContents, JsonCount, JsonSelection, Scope, Selection, WrappedFolderKey};

pub(super) async fn folders(
    collections: &Collections,
    scope: Scope,
    wanted: &[FolderId],
    selection: Selection,
) -> Answer<Vec<FolderContents>> {
    let count = JsonCount::of(&selection);
    let filter = with(doc! { "_id": { "$in": ids(wanted) } }, of_folders(scope));
    let found = collections.folders.find(filter).projection(projection::folders(selection.json));
    let mut found = found.await?;
    let mut by_id: HashMap<FolderId, Folder> = HashMap::new();
    while let Some(document) = found.try_next().await? {
        let folder = Folder::from(document);
        add(&count, folder.metadata.as_option())?;
        by_id.insert(folder.id, folder);
    }
    let folders = wanted.iter().filter_map(|id| by_id.get(id).cloned()).collect();
    counted_contents(collections, folders, selection, &count).await
}

/// Adds JSON of an entity to the count of its read.
fn add(count: &JsonCount, text: Option<&JsonText>) -> Answer<()> {
    match text {
        Some(text) => Ok(count.add(text.as_str()).map_err(StoreError::from)?),
        None => Ok(()),
    }
}

fn add_of_analysis(count: &JsonCount, analysis: &Analysis) -> Answer<()> {
    add(count, analysis.params.as_option())?;
    add(count, analysis.result.as_option().and_then(Option::as_ref))
}

/// Reads the selected contents of any number of folders with at most two concurrent commands.
pub(super) async fn contents(
    collections: &Collections,
    folders: Vec<Folder>,
    selection: Selection,
) -> Answer<Vec<FolderContents>> {
    counted_contents(collections, folders, selection, &JsonCount::of(&selection)).await
}

async fn counted_contents(
    collections: &Collections,
    folders: Vec<Folder>,
    selection: Selection,
    count: &JsonCount,
) -> Answer<Vec<FolderContents>> {
    if folders.is_empty() {
        return Ok(Vec::new());
    }
    let among = doc! { "member.folder_id": { "$in": ids(folders.iter().map(|folder| folder.id)) } };
    let media = async {
        match selection.media {
            true => media_of(collections, among.clone(), selection, count).await.map(Some),
            false => Ok(None),
        }
    };
    let analyses = async {
        match selection.analyses {
            true => analyses_of(collections, among.clone(), selection, count).await.map(Some),
            false => Ok(None),
        }
    };
    let (media, analyses) = futures::future::try_join(media, analyses).await?;
    // Cloned, because the same folder may be requested twice.
    let of = |folder: Folder| {
        let media = media.as_ref().map(|of| of.get(&folder.id).cloned().unwrap_or_default());
        let analyses = analyses.as_ref().map(|of| of.get(&folder.id).cloned().unwrap_or_default());
        let (analyses, artifacts) = analyses.unzip();
        FolderContents {
            media: media.map_or(Part::LeftOut, Part::Read),
            analyses: analyses.map_or(Part::LeftOut, Part::Read),
            artifacts: artifacts.map_or(Part::LeftOut, Part::Read),
            folder,
        }
    };
    Ok(folders.into_iter().map(of).collect())
}

/// The order of the index, so that the server need not sort.
fn member_order() -> Document {
    doc! { "member.folder_id": 1, "member.place": 1 }
}

/// The media of folders, oldest first.
async fn media_of(
    collections: &Collections,
    among: Document,
    selection: Selection,
    count: &JsonCount,
) -> Answer<HashMap<FolderId, Vec<Medium>>> {
    let found = collections.media.find(among).projection(projection::media(selection.json));
    let found = found.sort(member_order()).limit(i64::from(count.row_limit()));
    let mut found = found.batch_size(ALL).await?;
    let mut media_of: HashMap<FolderId, Vec<Medium>> = HashMap::new();
    while let Some(document) = found.try_next().await? {
        let medium = Medium::from(document);
        count.add_rows(1).map_err(StoreError::from)?;
        add(count, medium.metadata.as_option())?;
        media_of.entry(medium.folder_id).or_default().push(medium);
    }
    Ok(media_of)
}

type WithArtifacts = (Vec<Analysis>, Vec<Artifact>);

/// The analyses of folders and their artifacts, oldest first.
async fn analyses_of(
    collections: &Collections,
    among: Document,
    selection: Selection,
    count: &JsonCount,
) -> Answer<HashMap<FolderId, WithArtifacts>> {
    let found = collections.analyses.find(among).projection(projection::analyses(selection.json));
    let found = found.sort(member_order()).limit(i64::from(count.row_limit()));
    let mut found = found.batch_size(ALL).await?;
    let mut analyses_of: HashMap<FolderId, WithArtifacts> = HashMap::new();
    while let Some(document) = found.try_next().await? {
        let (analysis, artifacts) = document.into_parts();
        count.add_rows(1).map_err(StoreError::from)?;
        add_of_analysis(count, &analysis)?;
        let of_folder = analyses_of.entry(analysis.folder_id).or_default();
        of_folder.0.push(analysis);
        of_folder.1.extend(artifacts);
    }
    Ok(analyses_of)
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
    let folders = collections.folders.clone_with_type::<OnlyId>();
    let found = folders.find_one(named).projection(doc! { "_id": 1 }).await?;
    Ok(found.map(|found| typed(found.id)))
}

pub(super) async fn media(
    collections: &Collections,
    scope: Scope,
    wanted: &[MediaId],
    selection: Selection,
) -> Answer<Vec<Medium>> {
    let count = JsonCount::of(&selection);
    let filter = with(doc! { "_id": { "$in": ids(wanted) } }, of_members(scope));
    let found = collections.media.find(filter).projection(projection::media(selection.json));
    let mut found = found.batch_size(ALL).await?;
    let mut by_id: HashMap<MediaId, Medium> = HashMap::new();
    while let Some(document) = found.try_next().await? {
        let medium = Medium::from(document);
        add(&count, medium.metadata.as_option())?;
        by_id.insert(medium.id, medium);
    }
    Ok(wanted.iter().filter_map(|id| by_id.get(id).cloned()).collect())
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
    selection: Selection,
) -> Answer<Vec<(Analysis, Vec<Artifact>)>> {
    let count = JsonCount::of(&selection);
    let filter = with(doc! { "_id": { "$in": ids(wanted) } }, of_members(scope));
    let found = collections.analyses.find(filter).projection(projection::analyses(selection.json));
    let mut found = found.batch_size(ALL).await?;
    let mut by_id: HashMap<AnalysisId, (Analysis, Vec<Artifact>)> = HashMap::new();
    while let Some(document) = found.try_next().await? {
        let parts = document.into_parts();
        add_of_analysis(&count, &parts.0)?;
        by_id.insert(parts.0.id, parts);
    }
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
    let found = collections.folders.find_one(doc! { "_id": id(folder) });
    let found = found.projection(projection::folders(JsonSelection::NONE)).await?;
    Ok(found.map(Folder::from).map(|folder| WrappedFolderKey {
        company_id: folder.company_id,
        wrapped_key: folder.wrapped_key,
    }))
}
