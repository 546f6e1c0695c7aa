//! What happens to analyses: entered, progress, verdict or failure, cancelled. Under a lease each write checks the token in the same
//! transaction, by writing the run: a claim by somebody else and the write cannot both succeed.

use super::additions::touched;
use super::documents::{AnalysisDocument, ArtifactDocument, ReasonDocument, RunDocument};
use super::fault::Answer;
use super::queue;
use super::sweeping;
use super::transaction::Transaction;
use super::values::{id, nanoseconds};
use crate::names::Named;
use crate::records::{AnalysisResult, Applied, LeaseToken};
use crate::stored::{StoredFailure, StoredProvenance};
use mongodb::bson::{Document, Uuid, doc, serialize_to_bson};
use mongodb::options::ReturnDocument;
use time::OffsetDateTime;
use vultus_core::{Analysis, AnalysisFailure, AnalysisId};

/// States that an analysis leaves again.
pub(super) fn open() -> Document {
    doc! { "$in": ["QUEUED", "RUNNING"] }
}

/// Whether this was the run's last result, which ends it.
type RunEnded = bool;

/// Whether a write under a token may go on.
enum Gate {
    Open(RunDocument, Box<AnalysisDocument>),
    Closed(Applied),
}

/// Looks at run and analysis, and writes the run so that nobody else can take it while this transaction lasts.
async fn gate(transaction: &mut Transaction, token: LeaseToken, analysis: AnalysisId) -> Answer<Gate> {
    let Transaction { session, collections, .. } = &mut *transaction;
    let held = doc! { "_id": id(token.run_id), "fence": queue::fence(token), "state": "LEASED" };
    let written = doc! { "$inc": { "writes": 1_i64 } };
    let run =
        collections.runs.find_one_and_update(held, written).return_document(ReturnDocument::After).session(&mut *session).await?;
    let own = doc! { "_id": id(analysis), "run_id": id(token.run_id) };
    let found = collections.analyses.find_one(own).session(&mut *session).await?;
    let is_final = found.as_ref().is_some_and(|found| found.state.0.is_final());
    match (run, found) {
        (Some(run), Some(found)) if !is_final => Ok(Gate::Open(run, Box::new(found))),
        (Some(_), Some(_)) => Ok(Gate::Closed(transaction.undo(Applied::AlreadyFinal)?)),
        // The run's last result ends the run itself.
        (None, Some(_)) if is_final && queue::ended_under(&transaction.collections, token).await? => {
            Ok(Gate::Closed(transaction.undo(Applied::AlreadyFinal)?))
        }
        (_, None) | (None, _) => {
            queue::tell_stale(token);
            Ok(Gate::Closed(transaction.undo(Applied::Stale)?))
        }
    }
}

pub(super) async fn enter_analysis(
    transaction: &mut Transaction,
    token: LeaseToken,
    analysis: AnalysisId,
    now: OffsetDateTime,
) -> Answer<Applied> {
    let run = match gate(transaction, token, analysis).await? {
        Gate::Open(run, _) => run,
        Gate::Closed(applied) => return Ok(applied),
    };
    let entered = vec![doc! { "$set": {
        "state": "RUNNING",
        "attempts": { "$add": ["$attempts", 1_i64] },
        "started_at": { "$ifNull": ["$started_at", nanoseconds(now)] },
        "revision": { "$add": ["$revision", 1_i64] },
    } }];
    let Transaction { session, collections, .. } = &mut *transaction;
    collections.analyses.update_one(doc! { "_id": id(analysis) }, entered).session(session).await?;
    touch(transaction, run.member.folder_id, 0, Some(now)).await?;
    Ok(Applied::Yes)
}

pub(super) async fn record_progress(
    transaction: &mut Transaction,
    token: LeaseToken,
    analysis: AnalysisId,
    fraction: f32,
) -> Answer<Applied> {
    let (run, found) = match gate(transaction, token, analysis).await? {
        Gate::Open(run, found) => (run, found),
        Gate::Closed(applied) => return Ok(applied),
    };
    let progress = f64::from(fraction.clamp(0.0, 1.0));
    // Not-a-number is no progress either.
    if progress.is_nan() || progress <= found.progress {
        return transaction.undo(Applied::Yes);
    }
    let further = doc! { "$set": { "progress": progress }, "$inc": { "revision": 1_i64 } };
    let Transaction { session, collections, .. } = &mut *transaction;
    collections.analyses.update_one(doc! { "_id": id(analysis) }, further).session(session).await?;
    touch(transaction, run.member.folder_id, 0, None).await?;
    Ok(Applied::Yes)
}

pub(super) async fn apply_result(
    transaction: &mut Transaction,
    token: LeaseToken,
    analysis: AnalysisId,
    result: &AnalysisResult,
    now: OffsetDateTime,
) -> Answer<(Applied, RunEnded)> {
    let mut keys = Vec::new();
    let update = match result {
        AnalysisResult::Failed(failure) => failed(failure, now)?,
        AnalysisResult::Finished { resolution, reasons, result, provenance, artifacts } => {
            keys.extend(artifacts.iter().map(|artifact| artifact.blob_key.as_str()));
            let artifacts: Vec<ArtifactDocument> = artifacts.iter().map(ArtifactDocument::from).collect();
            let reasons: Vec<ReasonDocument> = reasons.iter().map(ReasonDocument::from).collect();
            doc! {
                "$set": {
                    "state": "FINISHED",
                    "resolution": resolution.name(),
                    "progress": 1.0,
                    "reasons": serialize_to_bson(&reasons)?,
                    "result": result.to_string(),
                    "failure": null,
                    "provenance": serialize_to_bson(&StoredProvenance::from(provenance))?,
                    "artifacts": serialize_to_bson(&artifacts)?,
                    "finished_at": nanoseconds(now),
                },
                "$inc": { "revision": 1_i64 },
            }
        }
    };
    let Transaction { session, collections, .. } = &mut *transaction;
    let unfinished = doc! { "_id": id(analysis), "run_id": id(token.run_id), "state": open() };
    let written = collections.analyses.update_one(unfinished, update).session(session).await?.matched_count == 1;
    let run = if written { queue::one_less_held(transaction, token).await? } else { None };
    match run {
        Some(run) => {
            sweeping::reference(transaction, &keys).await?;
            touch(transaction, run.member.folder_id, 1, Some(now)).await?;
            Ok((Applied::Yes, run.open_analyses <= 1))
        }
        None => Ok((refused(transaction, token, analysis, written).await?, false)),
    }
}

/// Why a result is not applied. `is_unfinished`: the analysis waits for one, so that it must be the token.
async fn refused(transaction: &mut Transaction, token: LeaseToken, analysis: AnalysisId, is_unfinished: bool) -> Answer<Applied> {
    if !is_unfinished && let Gate::Closed(applied) = gate(transaction, token, analysis).await? {
        return Ok(applied);
    }
    queue::tell_stale(token);
    transaction.undo(Applied::Stale)
}

/// FAILED, keeping what is known of its provenance. Run and folder are the caller's.
pub(super) async fn fail(
    transaction: &mut Transaction,
    analysis: AnalysisId,
    failure: &AnalysisFailure,
    now: OffsetDateTime,
) -> Answer<()> {
    let failed = failed(failure, now)?;
    let Transaction { session, collections, .. } = transaction;
    collections.analyses.update_one(doc! { "_id": id(analysis) }, failed).session(session).await?;
    Ok(())
}

fn failed(failure: &AnalysisFailure, now: OffsetDateTime) -> Answer<Document> {
    Ok(doc! {
        "$set": {
            "state": "FAILED",
            "reasons": [],
            "result": null,
            "failure": serialize_to_bson(&StoredFailure::from(failure))?,
            "finished_at": nanoseconds(now),
        },
        "$inc": { "revision": 1_i64 },
    })
}

/// CANCELLED; its run leaves the queue if nothing else of it is left to do. The caller has seen that it is not final, and touches the
/// folder.
pub(super) async fn cancel(transaction: &mut Transaction, analysis: &Analysis, now: OffsetDateTime) -> Answer<()> {
    let cancelled = doc! {
        "$set": { "state": "CANCELLED", "finished_at": nanoseconds(now) },
        "$inc": { "revision": 1_i64 },
    };
    let Transaction { session, collections, .. } = &mut *transaction;
    collections.analyses.update_one(doc! { "_id": id(analysis.id) }, cancelled).session(session).await?;
    queue::one_less(transaction, id(analysis.run_id), "QUEUED").await
}

/// Raises a folder's revision and time of change; `closed` of its analyses became final.
pub(super) async fn touch(transaction: &mut Transaction, folder: Uuid, closed: i64, now: Option<OffsetDateTime>) -> Answer<()> {
    let mut update = touched(now);
    if let Some(raised) = update.get_document_mut("$inc").ok().filter(|_| closed != 0) {
        raised.insert("open_analyses", -closed);
    }
    let Transaction { session, collections, .. } = transaction;
    let touched = collections.folders.update_one(doc! { "_id": folder }, update).session(session).await?;
    match touched.matched_count {
        0 => Err(crate::traits::StoreError::NotFound("folder").into()),
        _ => Ok(()),
    }
}
