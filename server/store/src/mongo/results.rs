//! What happens to analyses: entered, progress, verdict or failure, cancelled. Under a lease each write checks the token in the same
//! transaction, by writing the run: a claim by somebody else and the write cannot both succeed.

use super::additions::touched;
use super::documents::{ArtifactDocument, ReasonDocument};
use super::fault::Answer;
use super::queue;
use super::sweeping;
use super::transaction::Transaction;
use super::values::{id, nanoseconds};
use super::writes::Happening;
use crate::names::Named;
use crate::records::{AnalysisResult, Applied, LeaseToken};
use crate::stored::{StoredFailure, StoredProvenance};
use mongodb::bson::{Document, Uuid, doc, serialize_to_bson};
use mongodb::options::UpdateModifications;
use time::OffsetDateTime;
use vultus_core::{Analysis, AnalysisFailure, AnalysisId};

/// States that an analysis leaves again.
pub(super) fn open() -> Document {
    doc! { "$in": ["QUEUED", "RUNNING"] }
}

/// What became of writes to one run.
pub(super) struct Written {
    /// Of each write.
    pub(super) applied: Vec<Applied>,
    /// Whether the run's last result was among them, which ends it.
    pub(super) run_ended: bool,
}

/// Writes what happened to analyses of one run, in order, and the run and the folder once.
pub(super) async fn write(
    transaction: &mut Transaction,
    token: LeaseToken,
    writes: &[(AnalysisId, &Happening)],
) -> Answer<Written> {
    let mut written = Vec::with_capacity(writes.len());
    let (mut finals, mut latest, mut keys) = (0, None, Vec::new());
    for (analysis, happening) in writes {
        let (found, update) = (doc! { "_id": id(*analysis), "run_id": id(token.run_id), "state": open() }, update_of(happening)?);
        let filter = match happening {
            // Not-a-number is no progress, and not less than any.
            Happening::Progress(fraction) => with_less(found, "progress", f64::from(fraction.clamp(0.0, 1.0))),
            Happening::Entered(_) | Happening::Result(..) => found,
        };
        let Transaction { session, collections, .. } = &mut *transaction;
        let is_written = collections.analyses.update_one(filter, update).session(session).await?.matched_count == 1;
        written.push(is_written);
        match happening {
            Happening::Entered(now) if is_written => latest = latest.max(Some(*now)),
            Happening::Result(result, now) if is_written => {
                finals += 1;
                latest = latest.max(Some(*now));
                keys.extend(artifact_keys(result));
            }
            _ => {}
        }
    }
    let run = queue::write_held(transaction, token, finals).await?;
    let mut applied = Vec::with_capacity(writes.len());
    for ((analysis, happening), is_written) in writes.iter().zip(&written) {
        applied.push(match (is_written, &run) {
            (true, Some(_)) => Applied::Yes,
            (true, None) => Applied::Stale,
            (false, _) => unwritten(transaction, token, *analysis, happening, run.is_some()).await?,
        });
    }
    if applied.contains(&Applied::Stale) {
        queue::tell_stale(token);
    }
    let Some(run) = run.filter(|_| written.contains(&true)) else {
        return transaction.undo(Written { applied, run_ended: false });
    };
    sweeping::reference(transaction, &keys).await?;
    touch(transaction, run.member.folder_id, finals, latest).await?;
    Ok(Written { applied, run_ended: finals > 0 && run.open_analyses <= finals })
}

fn with_less(mut filter: Document, field: &str, value: f64) -> Document {
    filter.insert(field, doc! { "$lt": value });
    filter
}

fn artifact_keys(result: &AnalysisResult) -> impl Iterator<Item = &str> {
    let artifacts = match result {
        AnalysisResult::Finished { artifacts, .. } => artifacts.as_slice(),
        AnalysisResult::Failed(_) => &[],
    };
    artifacts.iter().map(|artifact| artifact.blob_key.as_str())
}

fn update_of(happening: &Happening) -> Answer<UpdateModifications> {
    Ok(match happening {
        Happening::Entered(now) => vec![doc! { "$set": {
            "state": "RUNNING",
            "attempts": { "$add": ["$attempts", 1_i64] },
            "started_at": { "$ifNull": ["$started_at", nanoseconds(*now)] },
            "revision": { "$add": ["$revision", 1_i64] },
        } }]
        .into(),
        Happening::Progress(fraction) => {
            doc! { "$set": { "progress": f64::from(fraction.clamp(0.0, 1.0)) }, "$inc": { "revision": 1_i64 } }.into()
        }
        Happening::Result(result, now) => match &**result {
            AnalysisResult::Failed(failure) => failed(failure, *now)?.into(),
            AnalysisResult::Finished { resolution, reasons, result, provenance, artifacts } => {
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
                        "finished_at": nanoseconds(*now),
                    },
                    "$inc": { "revision": 1_i64 },
                }
                .into()
            }
        },
    })
}

/// Why an analysis was not written: it is final, it is as far already, or it is not this run's.
async fn unwritten(
    transaction: &mut Transaction,
    token: LeaseToken,
    analysis: AnalysisId,
    happening: &Happening,
    is_current: bool,
) -> Answer<Applied> {
    let Transaction { session, collections, .. } = &mut *transaction;
    let own = doc! { "_id": id(analysis), "run_id": id(token.run_id) };
    let found = collections.analyses.find_one(own).session(session).await?;
    Ok(match found.map(|found| found.state.0.is_final()) {
        Some(true) if is_current => Applied::AlreadyFinal,
        // The run's last result ends the run itself.
        Some(true) if queue::ended_under(&transaction.collections, token).await? => Applied::AlreadyFinal,
        Some(false) if is_current && matches!(happening, Happening::Progress(_)) => Applied::Yes,
        _ => Applied::Stale,
    })
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
