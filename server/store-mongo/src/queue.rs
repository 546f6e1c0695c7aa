//! Runs as a queue: claiming under a lease with a fencing token, extending, giving back, and worker
//! deaths.

use super::collections::{Collections, RUNS};
use super::documents::{AnalysisDocument, FolderDocument, MediumDocument, RunDocument, RunState};
use super::fault::{Answer, Fault, MAX_TIME_EXPIRED, code};
use super::results::{fail, open, touch};
use super::transaction::Transaction;
use super::values::{count, counted, few, id, ids, nanoseconds, typed};
use futures::TryStreamExt;
use mongodb::bson::{Document, Uuid, deserialize_from_slice, doc};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::ReturnDocument;
use serde::Deserialize;
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration as StdDuration, Instant};
use time::{Duration, OffsetDateTime};
use vultus_core::{Analysis, AnalysisFailure, Folder, Medium};
use vultus_store::{
    Applied, ClaimedRun, DeathVerdict, LeaseToken, NewGroup, QueueDepth, WorkerDeath,
};

/// Deaths while active that fail an analysis.
const FATAL_DEATHS: i64 = 2;

/// A token's fence as it is stored.
pub(super) fn fence(token: LeaseToken) -> i64 {
    count(token.fence)
}

/// How long a claim waits for the run whose turn it is, if a transaction holds it: its node may
/// stand still in the middle of it.
const TURN_WAIT: StdDuration = StdDuration::from_secs(1);
/// How long for each of the next ones.
const NEXT_WAIT: StdDuration = StdDuration::from_millis(50);
/// How many of the next ones are tried.
const NEXT: i64 = 32;

/// How long it is remembered where the queue began.
const BEGINNING_LASTS: StdDuration = StdDuration::from_millis(100);

/// Where the queue begins, by what was claimed a moment ago. What was taken leaves its place in the
/// index, which the server keeps for minutes, and a look from the very start passes over all of
/// these: under load, claims begin at the last run that was claimed, and only sometimes at the
/// start. What another node puts before that waits until then.
#[derive(Debug, Default)]
pub(super) struct Beginning(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Raised by whatever makes older knowledge worthless: what a claim that began before finds is
    /// not remembered.
    generation: u64,
    found: Option<Found>,
    /// The earliest turn that came in since the last look from the very start: a look that goes on
    /// may have missed it.
    came: Option<i64>,
}

#[derive(Debug)]
struct Found {
    pools: Vec<String>,
    turn_at: i64,
    now: OffsetDateTime,
    at: Instant,
}

impl Beginning {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn to begin at, if one is known, and the generation of that knowledge.
    fn of(&self, pools: &[String], now: OffsetDateTime) -> (u64, Option<i64>) {
        let known = self.known();
        let is_new = |found: &&Found| {
            let since = now - found.now;
            found.pools == pools
                && found.at.elapsed() < BEGINNING_LASTS
                && !since.is_negative()
                && since < BEGINNING_LASTS
        };
        (known.generation, known.found.as_ref().filter(is_new).map(|found| found.turn_at))
    }

    /// A run that was found from a known turn on. When to look from the start again stays as it
    /// was.
    fn advance(&self, generation: u64, turn_at: i64) {
        let mut known = self.known();
        let turn_at = known.came.map_or(turn_at, |came| came.min(turn_at));
        if known.generation == generation
            && let Some(found) = known.found.as_mut()
        {
            found.turn_at = found.turn_at.max(turn_at);
        }
    }

    /// A run that was found from the very start.
    fn remember(&self, generation: u64, pools: &[String], now: OffsetDateTime, turn_at: i64) {
        let mut known = self.known();
        if known.generation == generation {
            let turn_at = known.came.take().map_or(turn_at, |came| came.min(turn_at));
            known.found = Some(Found { pools: pools.to_vec(), turn_at, now, at: Instant::now() });
            known.generation += 1;
        }
    }

    /// A run is given back: it may be anywhere.
    pub(super) fn forget(&self) {
        let mut known = self.known();
        *known = Known { generation: known.generation + 1, ..Known::default() };
    }

    /// Runs come in.
    pub(super) fn heed(&self, new: Option<&NewGroup>) {
        let turns = new.into_iter().flat_map(|new| &new.runs).map(|run| nanoseconds(run.turn_at));
        let Some(earliest) = turns.min() else { return };
        let mut known = self.known();
        if known.found.as_ref().is_some_and(|found| earliest < found.turn_at) {
            *known = Known { generation: known.generation + 1, ..Known::default() };
        } else {
            known.came = Some(known.came.map_or(earliest, |came| came.min(earliest)));
        }
    }
}

/// Takes the run whose turn it is of those that wait, or whose lease ran out; its fence is raised,
/// so that all older tokens are stale. One atomic update: of many nodes that ask, one gets it. A
/// run that a transaction holds is left out for now.
pub(super) async fn take(
    collections: &Collections,
    beginning: &Beginning,
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
    let (generation, beginning_at) = beginning.of(pools, now);
    if let Some(turn_at) = beginning_at {
        let mut later = waiting.clone();
        later.insert("turn_at", doc! { "$gte": turn_at });
        if let Some(Some(run)) = take(later, NEXT_WAIT).await? {
            beginning.advance(generation, run.turn_at);
            return Ok(Some(run));
        }
    }
    if let Some(taken) = take(waiting.clone(), TURN_WAIT).await? {
        if let Some(run) = &taken {
            beginning.remember(generation, pools, now, run.turn_at);
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

/// What a claim answered that was written, but given up before most members had it; `None` when it
/// was given up before.
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

/// Waits until most members have a claim; left alone it would keep everybody from the run until its
/// lease is over.
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

/// The token of a run that was just taken.
pub(super) fn token(run: &RunDocument) -> LeaseToken {
    LeaseToken { run_id: typed(run.id), fence: counted(run.fence) }
}

/// A folder with what a run needs of it.
#[derive(Deserialize)]
struct Joined {
    folder: FolderDocument,
    analyses: Vec<AnalysisDocument>,
    media: Vec<MediumDocument>,
}

/// What is to be done in a run that was taken; `None` when nothing is left: its node went away
/// between the last result and the release.
pub(super) async fn unfinished(
    collections: &Collections,
    run: RunDocument,
) -> Answer<Option<ClaimedRun>> {
    let joined = |from: &str, on: Document, name: &str| {
        let pipeline = [doc! { "$match": on }, doc! { "$sort": { "member.place": 1 } }];
        doc! { "$lookup": { "from": from, "pipeline": pipeline.to_vec(), "as": name } }
    };
    // One command for the three collections: a claim costs the database little more than its write.
    let folder = run.member.folder_id;
    let stages = [
        doc! { "$match": { "_id": folder } },
        joined("analyses", doc! { "run_id": run.id, "state": open() }, "analyses"),
        joined("media", doc! { "member.folder_id": folder }, "media"),
        doc! { "$project": { "folder": "$$ROOT", "analyses": 1, "media": 1 } },
        doc! { "$unset": ["folder.analyses", "folder.media"] },
    ];
    let mut found = collections.folders.aggregate(stages).with_type::<Joined>().await?;
    // Erased folders have neither.
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

/// Ends a taken run with nothing left to do.
pub(super) async fn end(collections: &Collections, token: LeaseToken) -> Answer<()> {
    collections
        .runs
        .update_one(held(token), doc! { "$set": { "state": "DONE", "node": null } })
        .await?;
    Ok(())
}

/// The run of a current token, which is written so that nobody else can take it while this
/// transaction lasts.
async fn hold(transaction: &mut Transaction, token: LeaseToken) -> Answer<Option<RunDocument>> {
    let run = write_held(transaction, token, 0).await?;
    if run.is_none() {
        tell_stale(token);
    }
    Ok(run)
}

pub(super) fn tell_stale(token: LeaseToken) {
    tracing::info!(run = %token.run_id, fence = token.fence, "a write under a stale token was refused");
}

/// Whether the run ended by its last result while the token was current. It stays so.
pub(super) async fn ended_under(collections: &Collections, token: LeaseToken) -> Answer<bool> {
    let ended = doc! { "_id": id(token.run_id), "fence": fence(token), "state": "DONE" };
    Ok(collections.runs.find_one(ended).await?.is_some())
}

pub(super) async fn heartbeat(
    collections: &Collections,
    token: LeaseToken,
    now: OffsetDateTime,
    lease: Duration,
) -> Answer<bool> {
    // A run that its last result ended is nobody else's either; its node is about to notice.
    let held = doc! { "_id": id(token.run_id), "fence": fence(token), "state": { "$in": ["LEASED", "DONE"] } };
    let extended = doc! { "$set": { "ready_at": nanoseconds(now + lease) } };
    let kept = collections.runs.update_one(held, extended).await?.matched_count == 1;
    if !kept {
        tracing::info!(run = %token.run_id, fence = token.fence, "a heartbeat under a stale token was refused");
    }
    Ok(kept)
}

pub(super) async fn release_run(
    transaction: &mut Transaction,
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
    transaction: &mut Transaction,
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
        // Somebody may have cancelled it.
        let blamed = doc! { "_id": id(active), "run_id": run.id, "state": open() };
        let update =
            collections.analyses.find_one_and_update(blamed, doc! { "$inc": { "deaths": 1_i64 } });
        let blamed = update.return_document(ReturnDocument::After).session(session).await?;
        if blamed.is_some_and(|analysis| analysis.deaths >= FATAL_DEATHS) {
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

/// What was being judged will be judged again.
pub(super) async fn requeue(
    transaction: &mut Transaction,
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

/// After a claim of a run that was claimed before: requeues, if the token still is current.
pub(super) async fn requeue_claimed(
    transaction: &mut Transaction,
    run: &RunDocument,
    now: OffsetDateTime,
) -> Answer<bool> {
    if hold(transaction, token(run)).await?.is_none() {
        return transaction.undo(false);
    }
    requeue(transaction, run, now).await?;
    Ok(true)
}

/// Back to the queue with what is not final, or done.
async fn give_back(
    transaction: &mut Transaction,
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

/// One analysis of the run became final; after the last one a run in `state` is done.
pub(super) async fn one_less(transaction: &mut Transaction, run: Uuid, state: &str) -> Answer<()> {
    let Transaction { session, collections, .. } = transaction;
    collections.runs.update_one(doc! { "_id": run }, less(state, 1)).session(session).await?;
    Ok(())
}

/// Writes the run of a token, if it is current: `finals` of its analyses became final, maybe none.
/// Gives the run as it is then. Nobody else can take it while this transaction lasts.
pub(super) async fn write_held(
    transaction: &mut Transaction,
    token: LeaseToken,
    finals: i64,
) -> Answer<Option<RunDocument>> {
    let Transaction { session, collections, .. } = transaction;
    let update = collections.runs.find_one_and_update(held(token), less("LEASED", finals));
    Ok(update.return_document(ReturnDocument::After).session(session).await?)
}

/// The runs of several tokens, written like that of one: `finals` of each one's analyses became
/// final. Gives the runs as they are then; `None` when one of the tokens is not current.
pub(super) async fn write_all_held(
    transaction: &mut Transaction,
    writes: &[(LeaseToken, i64)],
) -> Answer<Option<Vec<RunDocument>>> {
    if let [(token, finals)] = writes {
        // Mostly there is one: then one command does for both.
        return Ok(write_held(transaction, *token, *finals).await?.map(|run| vec![run]));
    }
    let update = |(token, finals): &(LeaseToken, i64)| doc! { "q": held(*token), "u": less("LEASED", *finals) };
    if transaction.update(RUNS, writes.iter().map(update).collect()).await? < writes.len() {
        return Ok(None);
    }
    let Transaction { session, collections, .. } = transaction;
    let these = doc! { "_id": { "$in": ids(writes.iter().map(|(token, _)| token.run_id)) } };
    let mut cursor = collections.runs.find(these).session(&mut *session).await?;
    let mut runs = Vec::with_capacity(writes.len());
    while let Some(run) = cursor.next(&mut *session).await.transpose()? {
        runs.push(run);
    }
    Ok(Some(runs))
}

/// The run of a token while the token is current.
fn held(token: LeaseToken) -> Document {
    doc! { "_id": id(token.run_id), "fence": fence(token), "state": "LEASED" }
}

fn less(state: &str, finals: i64) -> Vec<Document> {
    let left = doc! { "$subtract": ["$open_analyses", finals] };
    let is_over = doc! { "$and": [{ "$lte": [&left, 0_i64] }, { "$eq": ["$state", state] }] };
    let state = doc! { "$cond": [is_over, "DONE", "$state"] };
    // Counted, so that a write that changes nothing else is one, too.
    let writes = doc! { "$add": [{ "$ifNull": ["$writes", 0_i64] }, 1_i64] };
    vec![doc! { "$set": { "open_analyses": left, "state": state, "writes": writes } }]
}

/// Runs that wait for other pools than these and were asked for before a time; none that a node is
/// at work on.
pub(super) async fn unserved(
    collections: &Collections,
    pools: &[String],
    asked_before: OffsetDateTime,
    now: OffsetDateTime,
) -> Answer<Vec<RunDocument>> {
    let filter = doc! {
        "pool": { "$nin": pools },
        "turn_at": { "$lt": nanoseconds(asked_before) },
        "$or": [{ "state": "QUEUED" }, { "state": "LEASED", "ready_at": { "$lte": nanoseconds(now) } }],
    };
    Ok(collections.runs.find(filter).await?.try_collect().await?)
}

/// Fails what is left of an unserved run, unless somebody claimed it meanwhile. Whoever held its
/// lease must not write any more.
pub(super) async fn fail_run(
    transaction: &mut Transaction,
    run: &RunDocument,
    failure: &AnalysisFailure,
    now: OffsetDateTime,
) -> Answer<u64> {
    let Transaction { session, collections, .. } = &mut *transaction;
    let unclaimed =
        doc! { "_id": run.id, "fence": run.fence, "state": { "$in": ["QUEUED", "LEASED"] } };
    let ended = doc! { "$set": { "state": "DONE", "node": null, "open_analyses": 0_i64 }, "$inc": { "fence": 1_i64 } };
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
        let found = found.iter().find(|row| {
            row.get_str("_id").is_ok_and(|name| name == vultus_store::names::Named::name(state))
        });
        found.and_then(|row| row.get_i64("number").ok()).map_or(0, counted)
    };
    Ok(QueueDepth { queued: of(RunState::Queued), leased: of(RunState::Leased) })
}
