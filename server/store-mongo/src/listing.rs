//! Pages of folders. One command is assembled from the filter; no value of a client can become an
//! operator.

use super::collections::Collections;
use super::documents::{FolderDocument, metadata_pair};
use super::fault::Answer;
use super::projection;
use super::scope::of_folders;
use super::values::{id, nanoseconds};
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use vultus_core::Folder;
use vultus_store::{FolderCursor, FolderFilter, FolderOrder, JsonSelection, Scope};

pub(super) async fn list_folders(
    collections: &Collections,
    scope: Scope,
    filter: &FolderFilter,
    order: FolderOrder,
    after: Option<FolderCursor>,
    limit: u32,
) -> Answer<(Vec<Folder>, bool)> {
    let mut conditions = vec![of_folders(scope)];
    conditions.extend(matching(filter));
    let (field, direction) = match order {
        FolderOrder::CreatedDescending => ("created_at", -1),
        FolderOrder::CreatedAscending => ("created_at", 1),
        FolderOrder::UpdatedDescending => ("updated_at", -1),
        FolderOrder::UpdatedAscending => ("updated_at", 1),
    };
    if let Some(cursor) = after {
        conditions.extend(beyond(field, direction, cursor));
    }
    // One more than requested, to know whether more follow.
    let wanted = limit.saturating_add(1);
    let found = collections
        .folders
        .find(doc! { "$and": conditions })
        .projection(projection::folders(JsonSelection::NONE))
        .sort(doc! { field: direction, "_id": direction })
        .limit(i64::from(wanted))
        .batch_size(wanted);
    let mut folders: Vec<Folder> =
        found.await?.map_ok(|folder: FolderDocument| folder.into()).try_collect().await?;
    let more = folders.len() > limit as usize;
    folders.truncate(limit as usize);
    Ok((folders, more))
}

/// Filter of what follows a position. The first condition bounds the index, the second breaks ties.
fn beyond(field: &str, direction: i32, cursor: FolderCursor) -> [Document; 2] {
    let (strictly, at_most) = if direction < 0 { ("$lt", "$lte") } else { ("$gt", "$gte") };
    let time = nanoseconds(cursor.time);
    let tie = doc! { field: time, "_id": { strictly: id(cursor.id) } };
    [doc! { field: { at_most: time } }, doc! { "$or": [{ field: { strictly: time } }, tie] }]
}

fn matching(filter: &FolderFilter) -> Vec<Document> {
    let mut conditions = Vec::new();
    if let Some(from) = filter.created_from {
        conditions.push(doc! { "created_at": { "$gte": nanoseconds(from) } });
    }
    if let Some(before) = filter.created_before {
        conditions.push(doc! { "created_at": { "$lt": nanoseconds(before) } });
    }
    if let Some(external_id) = &filter.external_id {
        conditions.push(doc! { "external_id": external_id });
    }
    if let Some(kind) = &filter.analysis_type {
        conditions.push(doc! { "analysis_types": kind });
    }
    match filter.processing {
        Some(true) => conditions.push(doc! { "open_analyses": { "$gt": 0 } }),
        Some(false) => conditions.push(doc! { "open_analyses": { "$lte": 0 } }),
        None => {}
    }
    conditions.extend(
        filter
            .metadata_equals
            .iter()
            .map(|(key, value)| doc! { "metadata_pairs": metadata_pair(key, value) }),
    );
    conditions
}
