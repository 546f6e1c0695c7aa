//! What happens to analyses: entered, progress, verdict or failure, cancelled. Under a lease each
//! write checks the token in the same transaction, by writing the run: a claim by somebody else and
//! the write cannot both succeed.

use super::additions::touched;
use super::collections::{ANALYSES, FOLDERS};
use super::documents::{ArtifactDocument, ReasonDocument};
use super::fault::Answer;
use super::queue;
use super::sweeping;
use super::transaction::Transaction;
use super::values::{id, nanoseconds};
use super::writes::Happening;
use mongodb::bson::{Bson, Document, Uuid, doc, serialize_to_bson};
use std::collections::HashMap;
use time::OffsetDateTime;
use vultus_core::{Analysis, AnalysisFailure, AnalysisId};
use vultus_store::names::Named;
use vultus_store::stored::{StoredFailure, StoredProvenance};
use vultus_store::{AnalysisResult, Applied, LeaseToken};

/// States that an analysis leaves again.
pub(super) fn open() -> Document {
    doc! { "$in": ["QUEUED", "RUNNING"] }
}

/// One write: under which token, and what happened to which analysis.
pub(super) type Write<'a> = (LeaseToken, AnalysisId, &'a Happening);

/// Writes what happened to analyses of whichever runs, in order, each run and folder once. `None`,
/// with nothing written, when one of them would not be written: then somebody has to ask which, and
/// why. Else the tokens of the runs whose last result was among them.
pub(super) async fn write_all(
    transaction: &mut Transaction,
    writes: &[Write<'_>],
) -> Answer<Option<Vec<LeaseToken>>> {
    let updates = writes
        .iter()
        .map(|write| Ok(doc! { "q": open_one(write), "u": update_of(write.2)? }))
        .collect::<Answer<_>>()?;
    if transaction.update(ANALYSES, updates).await? < writes.len() {
        return transaction.undo(None);
    }
    let mut of_runs: Vec<(LeaseToken, Sum)> = Vec::new();
    for (token, _, happening) in writes {
        match of_runs.iter_mut().find(|(other, _)| other == token) {
            Some((_, sum)) => *sum += Sum::of(happening),
            None => of_runs.push((*token, Sum::of(happening))),
        }
    }
    let finals: Vec<_> = of_runs.iter().map(|(token, sum)| (*token, sum.finals)).collect();
    let Some(runs) = queue::write_all_held(transaction, &finals).await? else {
        return transaction.undo(None);
    };
    let keys: Vec<&str> =
        writes.iter().flat_map(|(_, _, happening)| artifact_keys(happening)).collect();
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
    if transaction.update(FOLDERS, touches).await? < of_folders.len() {
        return transaction.undo(None);
    }
    Ok(Some(ended))
}

/// What writes to a run or in a folder come to.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    /// Analyses that became final.
    finals: i64,
    /// When the last of them happened that change a folder's time.
    latest: Option<OffsetDateTime>,
}

impl Sum {
    fn of(happening: &Happening) -> Self {
        match happening {
            Happening::Entered(now) => Self { finals: 0, latest: Some(*now) },
            Happening::Progress(_) => Self::default(),
            Happening::Result(_, now) => Self { finals: 1, latest: Some(*now) },
        }
    }
}

impl std::ops::AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.finals += other.finals;
        self.latest = self.latest.max(other.latest);
    }
}

/// What became of a write by itself.
pub(super) struct Written {
    pub(super) applied: Applied,
    /// Whether it was the run's last result, which ends it.
    pub(super) run_ended: bool,
}

/// Writes what happened to one analysis, its run and its folder.
pub(super) async fn write(transaction: &mut Transaction, write: Write<'_>) -> Answer<Written> {
    let (token, analysis, happening) = write;
    let update = doc! { "q": open_one(&write), "u": update_of(happening)? };
    let is_written = transaction.update(ANALYSES, vec![update]).await? == 1;
    let Sum { finals, latest } = if is_written { Sum::of(happening) } else { Sum::default() };
    let run = queue::write_held(transaction, token, finals).await?;
    let applied = match (is_written, &run) {
        (true, Some(_)) => Applied::Yes,
        (true, None) => Applied::Stale,
        (false, _) => unwritten(transaction, token, analysis, run.is_some()).await?,
    };
    if applied == Applied::Stale {
        queue::tell_stale(token);
    }
    let Some(run) = run.filter(|_| is_written) else {
        return transaction.undo(Written { applied, run_ended: false });
    };
    let keys: Vec<&str> = artifact_keys(happening).collect();
    sweeping::reference(transaction, &keys).await?;
    touch(transaction, run.member.folder_id, finals, latest).await?;
    Ok(Written { applied, run_ended: finals > 0 && run.has_ended() })
}

/// The analysis of a write, unless it is final.
fn open_one((token, analysis, _): &Write<'_>) -> Document {
    doc! { "_id": id(*analysis), "run_id": id(token.run_id), "state": open() }
}

fn artifact_keys(happening: &Happening) -> impl Iterator<Item = &str> {
    let artifacts = match happening {
        Happening::Result(result, _) => match &**result {
            AnalysisResult::Finished { artifacts, .. } => artifacts.as_slice(),
            AnalysisResult::Failed(_) => &[],
        },
        Happening::Entered(_) | Happening::Progress(_) => &[],
    };
    artifacts.iter().map(|artifact| artifact.blob_key.as_str())
}

fn update_of(happening: &Happening) -> Answer<Bson> {
    Ok(match happening {
        Happening::Entered(now) => Bson::Array(vec![
            doc! { "$set": {
                "state": "RUNNING",
                "attempts": { "$add": ["$attempts", 1_i64] },
                "started_at": { "$ifNull": ["$started_at", nanoseconds(*now)] },
                "revision": { "$add": ["$revision", 1_i64] },
            } }
            .into(),
        ]),
        Happening::Progress(fraction) => {
            // Not-a-number is no progress; what is judged again begins anew, and takes nothing
            // back.
            let fraction =
                f64::from(if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) });
            let is_more = doc! { "$cond": [{ "$lt": ["$progress", fraction] }, 1_i64, 0_i64] };
            let further = doc! { "$set": {
                "progress": { "$max": ["$progress", fraction] },
                "revision": { "$add": ["$revision", is_more] },
            } };
            Bson::Array(vec![further.into()])
        }
        Happening::Result(result, now) => match &**result {
            AnalysisResult::Failed(failure) => failed(failure, *now)?.into(),
            AnalysisResult::Finished { resolution, reasons, result, provenance, artifacts } => {
                let artifacts: Vec<ArtifactDocument> =
                    artifacts.iter().map(ArtifactDocument::from).collect();
                let reasons: Vec<ReasonDocument> =
                    reasons.iter().map(ReasonDocument::from).collect();
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

/// Why an analysis was not written: it is final, or it is not this run's.
async fn unwritten(
    transaction: &mut Transaction,
    token: LeaseToken,
    analysis: AnalysisId,
    is_current: bool,
) -> Answer<Applied> {
    let Transaction { session, collections, .. } = &mut *transaction;
    let own = doc! { "_id": id(analysis), "run_id": id(token.run_id) };
    let found = collections.analyses.find_one(own).session(session).await?;
    Ok(match found.map(|found| found.state.0.is_final()) {
        Some(true) if is_current => Applied::AlreadyFinal,
        // The run's last result ends the run itself.
        Some(true) if queue::ended_under(&transaction.collections, token).await? => {
            Applied::AlreadyFinal
        }
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

/// CANCELLED; its run leaves the queue if nothing else of it is left to do. The caller has seen
/// that it is not final, and touches the folder.
pub(super) async fn cancel(
    transaction: &mut Transaction,
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
    queue::one_less(transaction, id(analysis.run_id), "QUEUED").await
}

/// Raises a folder's revision and time of change; `closed` of its analyses became final.
pub(super) async fn touch(
    transaction: &mut Transaction,
    folder: Uuid,
    closed: i64,
    now: Option<OffsetDateTime>,
) -> Answer<()> {
    let Transaction { session, collections, .. } = transaction;
    let touched = collections
        .folders
        .update_one(doc! { "_id": folder }, touching(closed, now))
        .session(session)
        .await?;
    match touched.matched_count {
        0 => Err(vultus_store::StoreError::NotFound("folder").into()),
        _ => Ok(()),
    }
}

fn touching(closed: i64, now: Option<OffsetDateTime>) -> Document {
    let mut update = touched(now);
    if let Some(raised) = update.get_document_mut("$inc").ok().filter(|_| closed != 0) {
        raised.insert("open_analyses", -closed);
    }
    update
}
