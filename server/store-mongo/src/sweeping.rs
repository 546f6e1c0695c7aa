//! References to blobs, and tombstones of those that are not referenced.
//!
//! The collection `blobs` has a document for each key that was ever referenced and not swept.
//! Adding a reference and adding a tombstone write the same document, so that concurrent
//! transactions conflict and one of them is retried.

use super::collections::{BLOBS, Collections};
use super::fault::Answer;
use super::transaction::Transaction;
use super::values::{nanoseconds, time};
use futures::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use std::collections::HashSet;
use time::{Duration, OffsetDateTime};
use vultus_store::StoreError;
use vultus_store::Tombstone;
use vultus_store::stored::V1;

/// Counts references to keys. Fails if a key has a tombstone.
pub(super) async fn reference(transaction: &mut Transaction<'_>, keys: &[&str]) -> Answer<()> {
    if keys.is_empty() {
        return Ok(());
    }
    // The first attempt fails with a duplicate key if there is a tombstone; the next one finds it.
    if transaction.attempt > 0 {
        refuse_swept(transaction, keys).await?;
    }
    let distinct: HashSet<&str> = keys.iter().copied().collect();
    let updates: Vec<Document> = distinct
        .into_iter()
        .map(|key| {
            let live = doc! { "_id": key, "swept_at": { "$exists": false } };
            let update = doc! {
                "$set": { "v": i32::from(V1) },
                "$inc": { "references": 1_i64 },
            };
            doc! { "q": live, "u": update, "upsert": true }
        })
        .collect();
    transaction.update(BLOBS, updates).await?;
    Ok(())
}

async fn refuse_swept(transaction: &mut Transaction<'_>, keys: &[&str]) -> Answer<()> {
    let filter = doc! { "_id": { "$in": keys }, "swept_at": { "$exists": true } };
    let found =
        transaction.collections.blobs.find_one(filter).session(&mut transaction.session).await?;
    match found.and_then(|found| found.get_str("_id").ok().map(str::to_owned)) {
        Some(key) => Err(StoreError::BlobSwept { key }.into()),
        None => Ok(()),
    }
}

/// Finds the media that reference one of the keys.
fn media_with(keys: &[String]) -> Document {
    let among = doc! { "$in": keys };
    doc! { "$or": [{ "blob_key": &among }, { "thumbnail_key": &among }] }
}

/// Finds the analyses with an artifact that references one of the keys.
fn analyses_with(keys: &[String]) -> Document {
    doc! { "artifacts.blob_key": { "$in": keys } }
}

/// The fields of media and of analyses that reference blobs.
fn references() -> [Document; 2] {
    let of_medium = doc! { "_id": 0, "blob_key": 1, "thumbnail_key": 1 };
    [of_medium, doc! { "_id": 0, "artifacts.blob_key": 1 }]
}

fn references_of_medium(medium: &Document) -> impl Iterator<Item = String> {
    let fields = ["blob_key", "thumbnail_key"].into_iter();
    fields.filter_map(|field| medium.get_str(field).ok().map(str::to_owned))
}

fn references_of_analysis(analysis: &Document) -> impl Iterator<Item = String> {
    let artifacts =
        analysis.get_array("artifacts").into_iter().flatten().filter_map(Bson::as_document);
    artifacts.filter_map(|artifact| artifact.get_str("blob_key").ok().map(str::to_owned))
}

async fn referenced(transaction: &mut Transaction<'_>, keys: &[String]) -> Answer<HashSet<String>> {
    let Transaction { session, collections, .. } = transaction;
    let mut found = HashSet::new();
    if keys.is_empty() {
        return Ok(found);
    }
    let [of_medium, of_analysis] = references();
    let media = collections.media.clone_with_type::<Document>();
    let media = media.find(media_with(keys)).projection(of_medium);
    let mut cursor = media.session(&mut *session).await?;
    while let Some(medium) = cursor.next(&mut *session).await.transpose()? {
        found.extend(references_of_medium(&medium));
    }
    let analyses = collections.analyses.clone_with_type::<Document>();
    let analyses = analyses.find(analyses_with(keys)).projection(of_analysis);
    let mut cursor = analyses.session(&mut *session).await?;
    while let Some(analysis) = cursor.next(&mut *session).await.transpose()? {
        found.extend(references_of_analysis(&analysis));
    }
    Ok(found)
}

/// Those of the keys that nothing references.
pub(super) async fn unreferenced(
    collections: &Collections,
    keys: &[String],
) -> Answer<Vec<String>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let [of_medium, of_analysis] = references();
    let media = collections.media.clone_with_type::<Document>();
    let media = media.find(media_with(keys)).projection(of_medium).await?;
    let media: Vec<Document> = media.try_collect().await?;
    let mut taken: HashSet<String> = media.iter().flat_map(references_of_medium).collect();
    let analyses = collections.analyses.clone_with_type::<Document>();
    let analyses = analyses.find(analyses_with(keys)).projection(of_analysis).await?;
    let analyses: Vec<Document> = analyses.try_collect().await?;
    taken.extend(analyses.iter().flat_map(references_of_analysis));
    // Each key once.
    Ok(keys.iter().filter(|key| taken.insert((*key).clone())).cloned().collect())
}

/// Adds tombstones for those of the keys that nothing references and that are not being deleted.
pub(super) async fn tombstone_unreferenced(
    transaction: &mut Transaction<'_>,
    keys: &[String],
    now: OffsetDateTime,
    abandoned: Duration,
) -> Answer<Vec<Tombstone>> {
    let mut taken = referenced(transaction, keys).await?;
    taken.extend(being_deleted(transaction, keys, now - abandoned).await?);
    // Each key once.
    let free: Vec<String> =
        keys.iter().filter(|key| taken.insert((*key).clone())).cloned().collect();
    let updates: Vec<Document> = free
        .iter()
        .map(|key| {
            let marked = doc! { "v": i32::from(V1), "swept_at": nanoseconds(now), "swept": false };
            let marked = doc! { "$set": marked };
            doc! { "q": { "_id": key }, "u": marked, "upsert": true }
        })
        .collect();
    if !updates.is_empty() {
        transaction.update(BLOBS, updates).await?;
    }
    // As they are stored: in nanoseconds.
    let made_at = time(nanoseconds(now));
    Ok(free.into_iter().map(|key| Tombstone { key, swept: false, made_at }).collect())
}

/// Those of the keys that are being deleted. A deletion that began before `killed` does not count.
async fn being_deleted(
    transaction: &mut Transaction<'_>,
    keys: &[String],
    killed: OffsetDateTime,
) -> Answer<Vec<String>> {
    let Transaction { session, collections, .. } = transaction;
    let filter = doc! {
        "_id": { "$in": keys },
        "swept_at": { "$gte": nanoseconds(killed) },
        "swept": false,
    };
    let mut cursor = collections.blobs.find(filter).session(&mut *session).await?;
    let mut found = Vec::new();
    while let Some(blob) = cursor.next(&mut *session).await.transpose()? {
        found.extend(blob.get_str("_id").ok().map(str::to_owned));
    }
    Ok(found)
}

pub(super) async fn mark_swept(collections: &Collections, tombstones: &[Tombstone]) -> Answer<()> {
    let same = |made: &Tombstone| doc! { "_id": &made.key, "swept_at": nanoseconds(made.made_at) };
    let these: Vec<Document> = tombstones.iter().map(same).collect();
    if !these.is_empty() {
        let swept = doc! { "$set": { "swept": true } };
        collections.blobs.update_many(doc! { "$or": these }, swept).await?;
    }
    Ok(())
}

pub(super) async fn revive(collections: &Collections, tombstones: &[Tombstone]) -> Answer<()> {
    let same = |made: &Tombstone| {
        doc! { "_id": &made.key, "swept_at": nanoseconds(made.made_at), "swept": true }
    };
    let these: Vec<Document> = tombstones.iter().map(same).collect();
    if !these.is_empty() {
        collections.blobs.delete_many(doc! { "$or": these }).await?;
    }
    Ok(())
}

fn tombstone(blob: &Document) -> Option<Tombstone> {
    let key = blob.get_str("_id").ok()?.to_owned();
    let made_at = time(blob.get_i64("swept_at").ok()?);
    Some(Tombstone { key, swept: blob.get_bool("swept").unwrap_or_default(), made_at })
}

pub(super) async fn tombstones(
    collections: &Collections,
    keys: &[String],
) -> Answer<Vec<Tombstone>> {
    let marked = doc! { "_id": { "$in": keys }, "swept_at": { "$exists": true } };
    let found: Vec<Document> = collections.blobs.find(marked).await?.try_collect().await?;
    Ok(found.iter().filter_map(tombstone).collect())
}

pub(super) async fn tombstones_before(
    collections: &Collections,
    before: OffsetDateTime,
    limit: u32,
) -> Answer<Vec<Tombstone>> {
    let marked = doc! { "swept_at": { "$lt": nanoseconds(before) } };
    let found = collections.blobs.find(marked).sort(doc! { "swept_at": 1 }).limit(i64::from(limit));
    let found: Vec<Document> = found.await?.try_collect().await?;
    Ok(found.iter().filter_map(tombstone).collect())
}

/// Blob keys of the newest media.
pub(super) async fn newest_blobs(collections: &Collections, limit: u32) -> Answer<Vec<String>> {
    let media = collections.media.clone_with_type::<Document>();
    let newest = media
        .find(doc! {})
        .sort(doc! { "_id": -1 })
        .limit(limit.into())
        .projection(doc! { "blob_key": 1 });
    let found: Vec<Document> = newest.await?.try_collect().await?;
    Ok(found
        .iter()
        .filter_map(|medium| medium.get_str("blob_key").ok())
        .map(str::to_owned)
        .collect())
}
