//! Claiming runs.

use super::collections::Collections;
use super::documents::{AnalysisDocument, FolderDocument, MediumDocument, RunDocument};
use super::fault::{Answer, Fault, MAX_TIME_EXPIRED, code};
use super::lease::{held, token};
use super::queue_head::QueueHead;
use super::results::open;
use super::values::{few, nanoseconds, typed};
use futures::TryStreamExt;
use mongodb::bson::{Document, deserialize_from_slice, doc};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::ReturnDocument;
use serde::Deserialize;
use std::collections::HashSet;
use std::time::Duration as StdDuration;
use time::{Duration, OffsetDateTime};
use vultus_core::{Analysis, Folder, Medium};
use vultus_store::{ClaimedRun, LeaseToken};

/// Maximum wait for the run with the earliest turn if a transaction of another node holds it: that
/// node may be suspended within the transaction.
const TURN_WAIT: StdDuration = StdDuration::from_secs(1);
/// Maximum wait for each of the following runs.
const NEXT_WAIT: StdDuration = StdDuration::from_millis(50);
/// How many of the following runs are tried.
const NEXT: i64 = 32;

/// Leases the waiting run (or one whose lease expired) with the earliest turn, and raises its
/// fence, so that all older tokens are stale. It is one atomic update: of several nodes that claim
/// at once, one gets the run. A run that a transaction holds is skipped.
pub(super) async fn take(
    collections: &Collections,
    queue_head: &QueueHead,
    pools: &[String],
    node: &str,
    now: OffsetDateTime,
    lease: Duration,
) -> Answer<Option<RunDocument>> {
    if pools.is_empty() {
        return Ok(None);
    }
    let waiting = doc! {
        "pool": { "$in": pools },
        "state": { "$in": ["QUEUED", "LEASED"] },
        "ready_at": { "$lte": nanoseconds(now) },
    };
    let taken = doc! {
        "$set": { "state": "LEASED", "node": node, "ready_at": nanoseconds(now + lease) },
        "$inc": { "fence": 1_i64 },
    };
    let take = async |filter: Document, wait: StdDuration| {
        let update = collections
            .runs
            .find_one_and_update(filter, taken.clone())
            .sort(turns())
            .max_time(wait);
        match update.return_document(ReturnDocument::After).await {
            Err(error) if code(&error) == Some(MAX_TIME_EXPIRED) => match written(&error) {
                None => Ok(None),
                Some(run) => confirm(collections, run?).await,
            },
            other => Ok(other.map(Some)?),
        }
    };
    let (generation, head) = queue_head.known_turn(pools, now);
    if let Some(turn_at) = head {
        let mut later = waiting.clone();
        later.insert("turn_at", doc! { "$gte": turn_at });
        if let Some(Some(run)) = take(later, NEXT_WAIT).await? {
            queue_head.advance(generation, run.turn_at);
            return Ok(Some(run));
        }
    }
    if let Some(taken) = take(waiting.clone(), TURN_WAIT).await? {
        if let Some(run) = &taken {
            queue_head.remember(generation, pools, now, run.turn_at);
        }
        return Ok(taken);
    }
    let runs = collections.runs.clone_with_type::<Document>();
    let next =
        runs.find(waiting.clone()).sort(turns()).limit(NEXT).projection(doc! { "_id": 1 }).await?;
    let next: Vec<Document> = next.try_collect().await?;
    for mut one in next {
        one.extend(waiting.clone());
        if let Some(Some(run)) = take(one, NEXT_WAIT).await? {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

/// The claimed run of a command that timed out after its write and before most members had it;
/// `None` if the command timed out before it wrote.
fn written(error: &Error) -> Option<Answer<Option<RunDocument>>> {
    #[derive(Deserialize)]
    struct Found {
        value: Option<RunDocument>,
    }
    let ErrorKind::Write(WriteFailure::WriteConcernError(_)) = error.kind.as_ref() else {
        return None;
    };
    let found =
        error.server_response().map(|answer| deserialize_from_slice::<Found>(answer.as_bytes()));
    Some(match found {
        Some(found) => found.map(|found| found.value).map_err(Fault::from),
        None => Err(error.clone().into()),
    })
}

/// Waits until most members have a claim. If it were given up instead, no node could claim the run
/// until the lease expires.
async fn confirm(
    collections: &Collections,
    run: Option<RunDocument>,
) -> Answer<Option<Option<RunDocument>>> {
    let Some(run) = run else { return Ok(None) };
    let own = doc! { "_id": run.id, "fence": run.fence, "state": "LEASED", "node": &run.node };
    let again = doc! { "$set": { "ready_at": run.ready_at } };
    let is_own = collections.runs.update_one(own, again).await?.matched_count == 1;
    Ok(is_own.then_some(Some(run)))
}

fn turns() -> Document {
    doc! { "turn_at": 1, "_id": 1 }
}

/// A folder with the analyses and media of a run.
#[derive(Deserialize)]
struct Joined {
    folder: FolderDocument,
    analyses: Vec<AnalysisDocument>,
    media: Vec<MediumDocument>,
}

/// The unfinished part of a claimed run; `None` if nothing is left, because its node died between
/// the last result and the release.
pub(super) async fn unfinished(
    collections: &Collections,
    run: RunDocument,
) -> Answer<Option<ClaimedRun>> {
    let joined = |from: &str, on: Document, name: &str| {
        let pipeline = [doc! { "$match": on }, doc! { "$sort": { "member.place": 1 } }];
        doc! { "$lookup": { "from": from, "pipeline": pipeline.to_vec(), "as": name } }
    };
    // One command for three collections: a claim costs the database little more than its write.
    let folder = run.member.folder_id;
    let stages = [
        doc! { "$match": { "_id": folder } },
        joined("analyses", doc! { "run_id": run.id, "state": open() }, "analyses"),
        joined("media", doc! { "member.folder_id": folder }, "media"),
        doc! { "$project": { "folder": "$$ROOT", "analyses": 1, "media": 1 } },
        doc! { "$unset": ["folder.analyses", "folder.media"] },
    ];
    let mut found = collections.folders.aggregate(stages).with_type::<Joined>().await?;
    // An erased folder is not found.
    let Some(Joined { folder, analyses, media }) = found.try_next().await? else { return Ok(None) };
    if analyses.is_empty() {
        return Ok(None);
    }
    let folder = Folder::from(folder);
    let analyses: Vec<Analysis> = analyses.into_iter().map(Into::into).collect();
    let taken: HashSet<_> =
        analyses.iter().flat_map(|analysis| &analysis.media).map(|taken| taken.media_id).collect();
    let media =
        media.into_iter().map(Medium::from).filter(|medium| taken.contains(&medium.id)).collect();
    Ok(Some(ClaimedRun {
        token: token(&run),
        pool: run.pool,
        company_id: typed(run.member.company_id),
        folder_id: typed(run.member.folder_id),
        folder_key: folder.wrapped_key,
        analyses,
        media,
        one_by_one: run.one_by_one,
        deaths: few(run.deaths),
    }))
}

/// Ends a claimed run that has nothing left to do.
pub(super) async fn end(collections: &Collections, token: LeaseToken) -> Answer<()> {
    collections
        .runs
        .update_one(held(token), doc! { "$set": { "state": "DONE", "node": null } })
        .await?;
    Ok(())
}
