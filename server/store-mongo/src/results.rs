//! Events of analyses: entered, progress, verdict or failure, cancelled. Under a lease each write
//! checks the token in the same transaction by writing the run, so that it conflicts with a claim
//! by another node.

use super::collections::{ANALYSES, FOLDERS};
use super::documents::{ArtifactDocument, ReasonDocument};
use super::fault::Answer;
use super::folder_update::{touch, touching};
use super::lease;
use super::run_event::{RunEvent, Write};
use super::sweeping;
use super::transaction::Transaction;
use super::values::{id, nanoseconds};
use mongodb::bson::{Bson, Document, Uuid, doc, serialize_to_bson};
use std::collections::HashMap;
use time::OffsetDateTime;
use vultus_core::{Analysis, AnalysisFailure, AnalysisId, Resolution};
use vultus_store::names::Named;
use vultus_store::stored::{StoredFailure, StoredProvenance};
use vultus_store::{AnalysisResult, Applied, LeaseToken};

/// Filter of the states that are not final.
pub(super) fn open() -> Document {
    doc! { "$in": ["QUEUED", "RUNNING"] }
}

/// Writes events of analyses of several runs in order, and each run and folder once. Returns the
/// tokens of the runs that ended by their last result. Returns `None`, with nothing written, if one
/// of the events would change nothing: the caller then writes each by itself to get its answer.
pub(super) async fn write_all(
    transaction: &mut Transaction<'_>,
    writes: &[Write<'_>],
) -> Answer<Option<Vec<LeaseToken>>> {
    let updates = writes
        .iter()
        .map(|write| Ok(doc! { "q": open_one(write), "u": update_of(write.2)? }))
        .collect::<Answer<_>>()?;
    if transaction.update(ANALYSES, updates).await?.modified < writes.len() {
        return transaction.undo(None);
    }
    let mut of_runs: Vec<(LeaseToken, Sum)> = Vec::new();
    for (token, _, event) in writes {
        match of_runs.iter_mut().find(|(other, _)| other == token) {
            Some((_, sum)) => *sum += Sum::of(event),
            None => of_runs.push((*token, Sum::of(event))),
        }
    }
    let finals: Vec<_> = of_runs.iter().map(|(token, sum)| (*token, sum.finals)).collect();
    let Some(runs) = lease::write_all_held(transaction, &finals).await? else {
        return transaction.undo(None);
    };
    let keys: Vec<&str> = writes.iter().flat_map(|(_, _, event)| artifact_keys(event)).collect();
    sweeping::reference(transaction, &keys).await?;
    let mut of_folders: HashMap<Uuid, Sum> = HashMap::new();
    let mut ended = Vec::new();
    for run in runs {
        let Some((token, sum)) = of_runs.iter().find(|(token, _)| id(token.run_id) == run.id)
        else {
            continue;
        };
        *of_folders.entry(run.member.folder_id).or_default() += *sum;
        ended.extend(run.has_ended().then_some(*token));
    }
    let touches: Vec<_> = of_folders
        .iter()
        .map(|(folder, sum)| doc! { "q": { "_id": folder }, "u": touching(sum.finals, sum.latest) })
        .collect();
    if transaction.update(FOLDERS, touches).await?.found < of_folders.len() {
        return transaction.undo(None);
    }
    Ok(Some(ended))
}

/// The effect of several writes on their run or folder.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    /// Analyses that became final.
    finals: i64,
    /// Time of the latest of those that change the folder's time.
    latest: Option<OffsetDateTime>,
}

impl Sum {
    fn of(event: &RunEvent) -> Self {
        match event {
            RunEvent::Entered(now) => Self { finals: 0, latest: Some(*now) },
            RunEvent::Progress(_) => Self::default(),
            RunEvent::Result(_, now) => Self { finals: 1, latest: Some(*now) },
        }
    }
}

impl std::ops::AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.finals += other.finals;
        self.latest = self.latest.max(other.latest);
    }
}

/// Outcome of a single write.
pub(super) struct Written {
    pub(super) applied: Applied,
    /// Whether it was the last result of the run, which ends the run.
    pub(super) run_ended: bool,
}

/// Writes an event of one analysis, its run and its folder.
pub(super) async fn write(transaction: &mut Transaction<'_>, write: Write<'_>) -> Answer<Written> {
    let (token, analysis, event) = write;
    let update = doc! { "q": open_one(&write), "u": update_of(event)? };
    let updated = transaction.update(ANALYSES, vec![update]).await?;
    let (is_open, is_changed) = (updated.found == 1, updated.modified == 1);
    let Sum { finals, latest } = if is_changed { Sum::of(event) } else { Sum::default() };
    let run = lease::write_held(transaction, token, finals).await?;
    let applied = match (is_open, &run) {
        (true, Some(_)) => Applied::Yes,
        (true, None) => Applied::Stale,
        (false, _) => unwritten(transaction, token, analysis, run.is_some()).await?,
    };
    if applied == Applied::Stale {
        lease::log_stale(token);
    }
    // Without a change, such as progress that is not higher, the folder keeps its revision.
    let Some(run) = run.filter(|_| is_changed) else {
        return transaction.undo(Written { applied, run_ended: false });
    };
    let keys: Vec<&str> = artifact_keys(event).collect();
    sweeping::reference(transaction, &keys).await?;
    touch(transaction, run.member.folder_id, finals, latest).await?;
    Ok(Written { applied, run_ended: finals > 0 && run.has_ended() })
}

/// Filter of the analysis of a write, unless it is final.
fn open_one((token, analysis, _): &Write<'_>) -> Document {
    doc! { "_id": id(*analysis), "run_id": id(token.run_id), "state": open() }
}

fn artifact_keys(event: &RunEvent) -> impl Iterator<Item = &str> {
    let artifacts = match event {
        RunEvent::Result(result, _) => match &**result {
            AnalysisResult::Finished { artifacts, .. } => artifacts.as_slice(),
            AnalysisResult::Failed(_) => &[],
        },
        RunEvent::Entered(_) | RunEvent::Progress(_) => &[],
    };
    artifacts.iter().map(|artifact| artifact.blob_key.as_str())
}

fn update_of(event: &RunEvent) -> Answer<Bson> {
    Ok(match event {
        RunEvent::Entered(now) => Bson::Array(vec![
            doc! { "$set": {
                "state": "RUNNING",
                "attempts": { "$add": ["$attempts", 1_i64] },
                "started_at": { "$ifNull": ["$started_at", nanoseconds(*now)] },
                "revision": { "$add": ["$revision", 1_i64] },
            } }
            .into(),
        ]),
        RunEvent::Progress(fraction) => {
            // NaN counts as 0. The progress of an earlier attempt is not taken back.
            let fraction =
                f64::from(if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) });
            let is_more = doc! { "$cond": [{ "$lt": ["$progress", fraction] }, 1_i64, 0_i64] };
            let further = doc! { "$set": {
                "progress": { "$max": ["$progress", fraction] },
                "revision": { "$add": ["$revision", is_more] },
            } };
            Bson::Array(vec![further.into()])
        }
        RunEvent::Result(result, now) => match &**result {
            AnalysisResult::Failed(failure) => failed(failure, *now)?.into(),
            AnalysisResult::Finished { resolution, reasons, result, provenance, artifacts } => {
                let artifacts: Vec<ArtifactDocument> =
                    artifacts.iter().map(ArtifactDocument::from).collect();
                let reasons: Vec<ReasonDocument> =
                    reasons.iter().map(ReasonDocument::from).collect();
                let mut set = doc! {
                    "state": "FINISHED",
                    "resolution": resolution.name(),
                    "progress": 1.0,
                    "reasons": serialize_to_bson(&reasons)?,
                    "result": result.as_str(),
                    "failure": null,
                    "provenance": serialize_to_bson(&StoredProvenance::from(provenance))?,
                    "artifacts": serialize_to_bson(&artifacts)?,
                    "finished_at": nanoseconds(*now),
                };
                if *resolution == Resolution::OperatorRequired {
                    set.insert("waits_since", nanoseconds(*now));
                }
                doc! { "$set": set, "$inc": { "revision": 1_i64 } }.into()
            }
        },
    })
}

/// Why an analysis was not written: it is final, or it does not belong to the token's run.
async fn unwritten(
    transaction: &mut Transaction<'_>,
    token: LeaseToken,
    analysis: AnalysisId,
    is_current: bool,
) -> Answer<Applied> {
    let Transaction { session, collections, .. } = &mut *transaction;
    let own = doc! { "_id": id(analysis), "run_id": id(token.run_id) };
    let found = collections.analyses.find_one(own).session(session).await?;
    Ok(match found.map(|found| found.state.0.is_final()) {
        Some(true) if is_current => Applied::AlreadyFinal,
        // The last result ended the run, so that the token does not match any more.
        Some(true) if lease::ended_under(&transaction.collections, token).await? => {
            Applied::AlreadyFinal
        }
        _ => Applied::Stale,
    })
}

/// Sets an analysis to FAILED and keeps its provenance. The caller writes run and folder.
pub(super) async fn fail(
    transaction: &mut Transaction<'_>,
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

/// Sets an analysis, which the caller has found not to be final, to CANCELLED. Ends its run if it
/// waits with nothing left to do. The caller writes the folder.
pub(super) async fn cancel(
    transaction: &mut Transaction<'_>,
    analysis: &Analysis,
    now: OffsetDateTime,
) -> Answer<()> {
    let cancelled = doc! {
        "$set": { "state": "CANCELLED", "finished_at": nanoseconds(now) },
        "$inc": { "revision": 1_i64 },
    };
    let Transaction { session, collections, .. } = &mut *transaction;
    collections
        .analyses
        .update_one(doc! { "_id": id(analysis.id) }, cancelled)
        .session(session)
        .await?;
    lease::one_less(transaction, id(analysis.run_id), "QUEUED").await
}
