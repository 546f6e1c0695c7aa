//! Runs as a queue: what is written under a lease with a fencing token, giving back, and worker
//! deaths.

use super::collections::Collections;
use super::documents::{RunDocument, RunState};
use super::fault::Answer;
use super::folder_update::touch;
use super::lease::{fence, log_stale, one_less, token, write_held};
use super::results::{fail, open};
use super::transaction::Transaction;
use super::values::{count, counted, id, nanoseconds, typed};
use futures::TryStreamExt;
use mongodb::bson::{Bson, Document, Uuid, doc};
use mongodb::options::ReturnDocument;
use time::{Duration, OffsetDateTime};
use vultus_core::rules::FATAL_DEATHS;
use vultus_core::{AnalysisFailure, CompanyId};
use vultus_store::names::Named;
use vultus_store::{Applied, DeathVerdict, LeaseToken, QueueDepth, WorkerDeath};

/// The run of a current token. It is written, so that no other node can claim it during this
/// transaction.
async fn hold(transaction: &mut Transaction<'_>, token: LeaseToken) -> Answer<Option<RunDocument>> {
    let run = write_held(transaction, token, 0).await?;
    if run.is_none() {
        log_stale(token);
    }
    Ok(run)
}

pub(super) async fn heartbeat(
    collections: &Collections,
    token: LeaseToken,
    now: OffsetDateTime,
    lease: Duration,
) -> Answer<bool> {
    // A run that its last result ended has no other owner; its node is about to notice.
    let held = doc! {
        "_id": id(token.run_id),
        "fence": fence(token),
        "state": { "$in": ["LEASED", "DONE"] },
    };
    let extended = doc! { "$set": { "ready_at": nanoseconds(now + lease) } };
    let kept = collections.runs.update_one(held, extended).await?.matched_count == 1;
    if !kept {
        let (run, fence) = (token.run_id, token.fence);
        tracing::info!(%run, fence, "rejected a heartbeat under a stale token");
    }
    Ok(kept)
}

pub(super) async fn release_run(
    transaction: &mut Transaction<'_>,
    token: LeaseToken,
    retry_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Answer<Applied> {
    let Some(run) = hold(transaction, token).await? else {
        return transaction.undo(Applied::Stale);
    };
    requeue(transaction, &run, now).await?;
    give_back(transaction, run.id, retry_at, doc! {}).await?;
    Ok(Applied::Yes)
}

pub(super) async fn record_death(
    transaction: &mut Transaction<'_>,
    token: LeaseToken,
    death: WorkerDeath,
    failure: &AnalysisFailure,
    now: OffsetDateTime,
) -> Answer<DeathVerdict> {
    let Some(run) = hold(transaction, token).await? else {
        return transaction.undo(DeathVerdict::Stale);
    };
    let mut verdict = DeathVerdict::Retried;
    if let Some(active) = death.active {
        let Transaction { session, collections, .. } = &mut *transaction;
        // It may have been cancelled meanwhile.
        let blamed = doc! { "_id": id(active), "run_id": run.id, "state": open() };
        let update =
            collections.analyses.find_one_and_update(blamed, doc! { "$inc": { "deaths": 1_i64 } });
        let blamed = update.return_document(ReturnDocument::After).session(session).await?;
        if blamed.is_some_and(|analysis| analysis.deaths >= i64::from(FATAL_DEATHS)) {
            fail(transaction, active, failure, now).await?;
            one_less(transaction, run.id, "LEASED").await?;
            touch(transaction, run.member.folder_id, 1, Some(now)).await?;
            verdict = DeathVerdict::Failed;
        }
    }
    requeue(transaction, &run, now).await?;
    let more = doc! { "deaths": { "$add": ["$deaths", 1_i64] }, "one_by_one": true };
    give_back(transaction, run.id, None, more).await?;
    Ok(verdict)
}

/// Puts the RUNNING analyses of a run back to QUEUED.
pub(super) async fn requeue(
    transaction: &mut Transaction<'_>,
    run: &RunDocument,
    now: OffsetDateTime,
) -> Answer<()> {
    let Transaction { session, collections, .. } = &mut *transaction;
    let again = doc! { "$set": { "state": "QUEUED" }, "$inc": { "revision": 1_i64 } };
    let filter = doc! { "run_id": run.id, "state": "RUNNING" };
    let changed =
        collections.analyses.update_many(filter, again).session(session).await?.modified_count;
    if changed > 0 {
        touch(transaction, run.member.folder_id, 0, Some(now)).await?;
    }
    Ok(())
}

/// Puts the RUNNING analyses of a run back to QUEUED if the token of its claim is still current.
pub(super) async fn requeue_claimed(
    transaction: &mut Transaction<'_>,
    run: &RunDocument,
    now: OffsetDateTime,
) -> Answer<bool> {
    if hold(transaction, token(run)).await?.is_none() {
        return transaction.undo(false);
    }
    requeue(transaction, run, now).await?;
    Ok(true)
}

/// Puts a run back into the queue if it has unfinished analyses, and ends it otherwise.
async fn give_back(
    transaction: &mut Transaction<'_>,
    run: Uuid,
    retry_at: Option<OffsetDateTime>,
    more: Document,
) -> Answer<()> {
    let is_open = doc! { "$gt": ["$open_analyses", 0_i64] };
    let mut set = doc! {
        "state": { "$cond": [is_open, "QUEUED", "DONE"] },
        "node": null,
        "ready_at": retry_at.map_or(0, nanoseconds),
    };
    set.extend(more);
    let Transaction { session, collections, .. } = transaction;
    collections
        .runs
        .update_one(doc! { "_id": run }, vec![doc! { "$set": set }])
        .session(session)
        .await?;
    Ok(())
}

/// Number of unfinished runs of a company in a pool, counted up to `at_most`.
pub(super) async fn unfinished_runs(
    collections: &Collections,
    company: CompanyId,
    pool: &str,
    at_most: u64,
) -> Answer<u64> {
    let filter = doc! {
        "pool": pool,
        "member.company_id": id(company),
        "state": { "$in": ["QUEUED", "LEASED"] },
    };
    Ok(collections.runs.count_documents(filter).limit(at_most).await?)
}

/// Waiting runs of pools other than these, with an analysis that was requested before a time.
pub(super) async fn unserved(
    collections: &Collections,
    pools: &[String],
    asked_before: OffsetDateTime,
    now: OffsetDateTime,
) -> Answer<Vec<RunDocument>> {
    let filter = doc! {
        "pool": { "$nin": pools },
        "$or": [
            { "state": "QUEUED" },
            { "state": "LEASED", "ready_at": { "$lte": nanoseconds(now) } },
        ],
    };
    let runs: Vec<RunDocument> = collections.runs.find(filter).await?.try_collect().await?;
    let ids: Vec<Uuid> = runs.iter().map(|run| run.id).collect();
    let older = doc! {
        "run_id": { "$in": ids },
        "created_at": { "$lt": nanoseconds(asked_before) },
    };
    let older = collections.analyses.distinct("run_id", older).await?;
    Ok(runs.into_iter().filter(|run| older.contains(&Bson::from(run.id))).collect())
}

/// Fails the unfinished analyses of an unserved run, unless a node claimed it meanwhile. Raises the
/// fence, so that the node of an expired lease cannot write any more.
pub(super) async fn fail_run(
    transaction: &mut Transaction<'_>,
    run: &RunDocument,
    failure: &AnalysisFailure,
    now: OffsetDateTime,
) -> Answer<u64> {
    let Transaction { session, collections, .. } = &mut *transaction;
    let unclaimed =
        doc! { "_id": run.id, "fence": run.fence, "state": { "$in": ["QUEUED", "LEASED"] } };
    let ended = doc! {
        "$set": { "state": "DONE", "node": null, "open_analyses": 0_i64 },
        "$inc": { "fence": 1_i64 },
    };
    if collections.runs.update_one(unclaimed, ended).session(&mut *session).await?.matched_count
        == 0
    {
        return Ok(0);
    }
    let left = doc! { "run_id": run.id, "state": open() };
    let mut cursor = collections.analyses.find(left).session(&mut *session).await?;
    let mut ids = Vec::new();
    while let Some(analysis) = cursor.next(&mut *session).await.transpose()? {
        ids.push(typed(analysis.id));
    }
    for id in &ids {
        fail(transaction, *id, failure, now).await?;
    }
    let failed = ids.len() as u64;
    touch(transaction, run.member.folder_id, count(failed), Some(now)).await?;
    Ok(failed)
}

pub(super) async fn queue_depth(collections: &Collections) -> Answer<QueueDepth> {
    let live = doc! { "$match": { "state": { "$in": ["QUEUED", "LEASED"] } } };
    let grouped = doc! { "$group": { "_id": "$state", "number": { "$sum": 1_i64 } } };
    let found: Vec<Document> =
        collections.runs.aggregate([live, grouped]).await?.try_collect().await?;
    let of = |state: RunState| {
        let found =
            found.iter().find(|row| row.get_str("_id").is_ok_and(|name| name == state.name()));
        found.and_then(|row| row.get_i64("number").ok()).map_or(0, counted)
    };
    Ok(QueueDepth { queued: of(RunState::Queued), leased: of(RunState::Leased) })
}
