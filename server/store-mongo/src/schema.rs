//! The version of the documents. One of the nodes that start migrates older documents; newer ones
//! are rejected.

use super::collections::{ANALYSES, FOLDERS, NAMES, RETIRED_INDEXES, indexes};
use super::fault::{Answer, Fault, code, is_duplicate};
use mongodb::bson::{Document, doc};
use mongodb::options::ReturnDocument;
use mongodb::{Collection, Database};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use vultus_store::SchemaState;
use vultus_store::StoreError;
use vultus_store::stored::{V1, Version};

/// The newest version that this program knows. A released step is never edited.
const NEWEST: i32 = 5;
/// Id of the document with the version.
const ID: &str = "schema";
/// Maximum time of one step before another node takes over.
const LOCK_MS: i64 = 60_000;
/// Maximum wait of a start for the steps of another node.
const PATIENCE: Duration = Duration::from_secs(120);
/// Interval of checking for their end.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// Code of the server: there is no such index.
const INDEX_NOT_FOUND: i32 = 27;
/// Code of the server: the collection exists.
const NAMESPACE_EXISTS: i32 = 48;

#[derive(Debug, Serialize, Deserialize)]
struct SchemaDocument {
    #[serde(rename = "_id")]
    id: String,
    v: Version,
    version: i32,
}

/// Migrates the database to the newest version, and builds and checks the indexes.
pub(super) async fn prepare(database: &Database) -> Answer<()> {
    let began = Instant::now();
    let holder = uuid::Uuid::now_v7().to_string();
    loop {
        let version = current(database).await?;
        if version > NEWEST {
            return Err(refused(format!(
                "the documents have version {version}, and this program knows versions up to \
                 {NEWEST}: use a newer program"
            )));
        }
        if version == NEWEST {
            break;
        }
        if lock(database, &holder, version).await? {
            step(database, version + 1).await?;
            unlock(database, &holder, version + 1).await?;
        } else if began.elapsed() > PATIENCE {
            return Err(refused(
                "another node began to migrate the documents and did not finish".to_owned(),
            ));
        } else {
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
    }
    build_indexes(database).await
}

fn meta(database: &Database) -> Collection<Document> {
    database.collection("meta")
}

/// The version of the documents; 0 if there are none.
async fn current(database: &Database) -> Answer<i32> {
    let meta = meta(database);
    let none = doc! { "$setOnInsert": { "v": i32::from(V1), "version": 0 } };
    match meta.update_one(doc! { "_id": ID }, none).upsert(true).await {
        // Another node created the document first.
        Err(error) if !is_duplicate(&error) => return Err(error.into()),
        _ => {}
    }
    written(database).await
}

async fn written(database: &Database) -> Answer<i32> {
    let found =
        meta(database).clone_with_type::<SchemaDocument>().find_one(doc! { "_id": ID }).await?;
    Ok(found.map_or(0, |found| found.version))
}

/// The stored version and the newest one.
pub(super) async fn state(database: &Database) -> Answer<SchemaState> {
    let version = written(database).await?;
    Ok(SchemaState {
        version: usize::try_from(version).unwrap_or_default(),
        newest: NEWEST.unsigned_abs() as usize,
    })
}

/// Acquires the lock for the next step, by the clock of the server.
async fn lock(database: &Database, holder: &str, version: i32) -> Answer<bool> {
    let free = doc! { "$lt": [{ "$ifNull": ["$lock.until", "$$NOW"] }, { "$add": ["$$NOW", 1] }] };
    let filter = doc! { "_id": ID, "version": version, "$expr": free };
    let until = doc! { "$add": ["$$NOW", LOCK_MS] };
    let taken = doc! { "$set": { "lock": { "holder": holder, "until": until } } };
    Ok(meta(database).find_one_and_update(filter, vec![taken]).await?.is_some())
}

/// Stores the new version, unless another node has taken over.
async fn unlock(database: &Database, holder: &str, version: i32) -> Answer<()> {
    let update = doc! {
        "$set": { "version": version },
        "$push": { "steps": { "version": version, "by": holder } },
        "$unset": { "lock": "" },
    };
    meta(database).update_one(doc! { "_id": ID, "lock.holder": holder }, update).await?;
    Ok(())
}

/// Migrates to a version from the one before. Each step can be repeated, because its node may die.
async fn step(database: &Database, version: i32) -> Answer<()> {
    match version {
        1 => make_collections(database).await,
        2 => separate_administrators(database).await,
        3 => count_bytes(database).await,
        // Those of sessions and keys.
        4 => make_collections(database).await,
        5 => open_cases(database).await,
        other => Err(refused(format!("there is no step to version {other}"))),
    }
}

/// Administrators and operators belong to no company. Their folders stay where they are.
async fn separate_administrators(database: &Database) -> Answer<()> {
    let of_no_company = doc! { "role": { "$in": ["ADMIN", "OPERATOR"] } };
    let separated = doc! { "$set": { "company_id": null } };
    database.collection::<Document>("users").update_many(of_no_company, separated).await?;
    make_collections(database).await
}

/// Creates the collections before the first transaction: creating them within one would conflict.
async fn make_collections(database: &Database) -> Answer<()> {
    for name in NAMES {
        match database.create_collection(name).await {
            Err(error) if code(&error) != Some(NAMESPACE_EXISTS) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Counts what older programs stored, so that quotas know it.
async fn count_bytes(database: &Database) -> Answer<()> {
    let of_json = doc! { "$strLenBytes": { "$ifNull": ["$metadata", ""] } };
    let uncounted = |field: &str| doc! { field: { "$exists": false } };
    let media = database.collection::<Document>("media");
    let bytes = doc! { "$add": [{ "$ifNull": ["$byte_size", 0_i64] }, of_json.clone()] };
    let bytes = doc! { "$set": { "bytes": { "$toLong": bytes } } };
    media.update_many(uncounted("bytes"), vec![bytes]).await?;
    let folders = database.collection::<Document>(FOLDERS);
    let bytes = doc! { "metadata_bytes": { "$toLong": of_json }, "media_bytes": 0_i64 };
    folders.update_many(uncounted("metadata_bytes"), vec![doc! { "$set": bytes }]).await?;
    let sums = doc! { "_id": "$member.folder_id", "media_bytes": { "$sum": "$bytes" } };
    let into = doc! {
        "into": FOLDERS, "on": "_id", "whenMatched": "merge", "whenNotMatched": "discard",
    };
    let mut merged =
        media.aggregate(vec![doc! { "$group": sums }, doc! { "$merge": into }]).await?;
    while merged.advance().await? {}
    Ok(())
}

/// Analyses that need a person wait for a decision.
async fn open_cases(database: &Database) -> Answer<()> {
    make_collections(database).await?;
    let doubtful = doc! {
        "state": "FINISHED", "resolution": "OPERATOR_REQUIRED",
        "waits_since": { "$exists": false }, "decisions": { "$exists": false },
    };
    let since = doc! { "$ifNull": ["$finished_at", "$created_at"] };
    let analyses = database.collection::<Document>(ANALYSES);
    analyses.update_many(doubtful, vec![doc! { "$set": { "waits_since": since } }]).await?;
    Ok(())
}

/// Registers the fingerprint of something that all nodes share, if none is stored; returns whether
/// it equals the stored one.
pub(super) async fn register(database: &Database, what: &str, fingerprint: &str) -> Answer<bool> {
    let first = doc! { "$setOnInsert": { "v": i32::from(V1), "fingerprint": fingerprint } };
    let meta = meta(database);
    let asked = || meta.find_one_and_update(doc! { "_id": what }, first.clone()).upsert(true);
    let found = match asked().return_document(ReturnDocument::After).await {
        // Another node registered its fingerprint at the same time.
        Err(error) if is_duplicate(&error) => {
            asked().return_document(ReturnDocument::After).await?
        }
        other => other?,
    };
    Ok(found
        .is_some_and(|found| found.get_str("fingerprint").is_ok_and(|known| known == fingerprint)))
}

/// Takes or extends a lease, by the clock of the server. Returns whether `node` holds it.
pub(super) async fn hold_lease(
    database: &Database,
    name: &str,
    node: &str,
    duration: Duration,
) -> Answer<bool> {
    let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let id = format!("lease {name}");
    let is_over = doc! { "$lte": [{ "$ifNull": ["$until", "$$NOW"] }, "$$NOW"] };
    let mine = doc! { "$eq": ["$holder", node] };
    let filter = doc! { "_id": &id, "$expr": { "$or": [mine, is_over] } };
    let until = doc! { "$add": ["$$NOW", milliseconds] };
    let taken = doc! { "$set": { "holder": node, "until": until } };
    let meta = meta(database);
    let take = || meta.update_one(filter.clone(), vec![taken.clone()]);
    if take().await?.matched_count == 1 {
        return Ok(true);
    }
    let free = doc! { "_id": &id, "v": i32::from(V1), "holder": "" };
    match meta.insert_one(free).await {
        Ok(_) => Ok(take().await?.matched_count == 1),
        // It exists, and another node holds it.
        Err(error) if is_duplicate(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Drops retired indexes and builds missing ones. Fails if one cannot be built or exists in another
/// form.
async fn build_indexes(database: &Database) -> Answer<()> {
    for (collection, index) in RETIRED_INDEXES {
        match database.collection::<Document>(collection).drop_index(index).await {
            Err(error) if code(&error) != Some(INDEX_NOT_FOUND) => return Err(error.into()),
            _ => {}
        }
    }
    for (name, wanted) in indexes() {
        database.collection::<Document>(name).create_indexes(wanted).await.map_err(|source| {
            Fault::Known(StoreError::Internal {
                context: format!("building the indexes of the collection `{name}`"),
                source: Box::new(source),
            })
        })?;
    }
    Ok(())
}

fn refused(text: String) -> Fault {
    Fault::Known(StoreError::Internal {
        context: "opening the database".to_owned(),
        source: text.into(),
    })
}
