//! Events of analyses: entered, progress, verdict or failure, cancelled. Under a lease each write
//! checks the token first.

use super::cases;
use super::documents::AnalysisOutcome;
use super::fault::Answer;
use super::folder_state::{Settles, touch};
use super::rows::{self, change, optional};
use super::run_state::{current, end_if_idle};
use super::sweeping::refuse_swept;
use super::values::{document, name, nanoseconds};
use super::writer::Effects;
use rusqlite::{Connection, params};
use time::OffsetDateTime;
use vultus_core::{
    Analysis, AnalysisFailure, AnalysisId, AnalysisState, Artifact, FolderId, RunId,
};
use vultus_store::names::Named;
use vultus_store::{AnalysisResult, Applied, LeaseToken};

/// Whether a write under a token is allowed.
enum Gate {
    /// It is, in this folder.
    Open(FolderId),
    /// It is not; the answer to the caller.
    Closed(Applied),
}

fn gate(connection: &Connection, token: LeaseToken, id: AnalysisId) -> Answer<Gate> {
    let Some(folder) = current(connection, token)? else { return Ok(Gate::Closed(Applied::Stale)) };
    let sql = "SELECT state FROM analyses WHERE id = ?1 AND run_id = ?2";
    let found = optional(connection, sql, (id.to_string(), token.run_id.to_string()), |row| {
        name::<AnalysisState>(row, 0)
    })?;
    Ok(match found {
        None => Gate::Closed(Applied::Stale),
        Some(state) if state.is_final() => Gate::Closed(Applied::AlreadyFinal),
        Some(_) => Gate::Open(folder),
    })
}

pub(super) fn enter_analysis(
    connection: &Connection,
    effects: &mut Effects,
    token: LeaseToken,
    id: AnalysisId,
    now: OffsetDateTime,
) -> Answer<Applied> {
    let folder = match gate(connection, token, id)? {
        Gate::Open(folder) => folder,
        Gate::Closed(applied) => return Ok(applied),
    };
    let sql = "UPDATE analyses SET state = 'RUNNING', attempts = attempts + 1,
               started_at = ifnull(started_at, ?2), revision = revision + 1 WHERE id = ?1";
    change(connection, sql, (id.to_string(), nanoseconds(now)))?;
    touch(connection, effects, folder, Settles::No, Some(now))?;
    Ok(Applied::Yes)
}

pub(super) fn record_progress(
    connection: &Connection,
    effects: &mut Effects,
    token: LeaseToken,
    id: AnalysisId,
    fraction: f32,
) -> Answer<Applied> {
    let folder = match gate(connection, token, id)? {
        Gate::Open(folder) => folder,
        Gate::Closed(applied) => return Ok(applied),
    };
    let sql = "UPDATE analyses SET progress = ?2, revision = revision + 1
               WHERE id = ?1 AND progress < ?2";
    if change(connection, sql, (id.to_string(), fraction.clamp(0.0, 1.0)))? > 0 {
        touch(connection, effects, folder, Settles::No, None)?;
    }
    Ok(Applied::Yes)
}

pub(super) fn apply_result(
    connection: &Connection,
    effects: &mut Effects,
    token: LeaseToken,
    id: AnalysisId,
    result: &AnalysisResult,
    now: OffsetDateTime,
) -> Answer<Applied> {
    let folder = match gate(connection, token, id)? {
        Gate::Open(folder) => folder,
        Gate::Closed(applied) => return Ok(applied),
    };
    match result {
        AnalysisResult::Failed(failure) => fail(connection, id, failure, now)?,
        AnalysisResult::Finished { resolution, reasons, result, provenance, artifacts } => {
            let outcome = AnalysisOutcome::new(reasons, None, provenance);
            let sql = "UPDATE analyses SET state = 'FINISHED', resolution = ?2, progress = 1,
                       outcome_doc = ?3, finished_at = ?4, revision = revision + 1, result = ?5
                       WHERE id = ?1";
            let arguments = params![
                id.to_string(),
                resolution.name(),
                serde_json::to_string(&outcome)?,
                nanoseconds(now),
                result.as_str(),
            ];
            change(connection, sql, arguments)?;
            cases::open(connection, effects, id, (*resolution, reasons), now)?;
            for artifact in artifacts {
                refuse_swept(connection, &artifact.blob_key)?;
                rows::insert_artifact(
                    connection,
                    &Artifact { analysis_id: id, ..artifact.clone() },
                )?;
            }
        }
    }
    touch(connection, effects, folder, Settles::Maybe, Some(now))?;
    Ok(Applied::Yes)
}

/// Sets an analysis to FAILED and keeps its provenance.
pub(super) fn fail(
    connection: &Connection,
    id: AnalysisId,
    failure: &AnalysisFailure,
    now: OffsetDateTime,
) -> Answer<()> {
    let sql = "SELECT outcome_doc FROM analyses WHERE id = ?1";
    let before: AnalysisOutcome = connection
        .prepare_cached(sql)?
        .query_row([id.to_string()], |row| document::<AnalysisOutcome>(row, 0))?;
    let outcome = AnalysisOutcome::new(&[], Some(failure), &before.provenance.into());
    let sql = "UPDATE analyses SET state = 'FAILED', outcome_doc = ?2, finished_at = ?3,
               revision = revision + 1, result = NULL WHERE id = ?1";
    change(connection, sql, (id.to_string(), serde_json::to_string(&outcome)?, nanoseconds(now)))?;
    Ok(())
}

/// Sets an analysis, which the caller has found not to be final, to CANCELLED. Ends its run if it
/// waits with nothing left to do.
pub(super) fn cancel(
    connection: &Connection,
    analysis: &Analysis,
    now: OffsetDateTime,
) -> Answer<()> {
    let sql = "UPDATE analyses SET state = 'CANCELLED', finished_at = ?2, revision = revision + 1
               WHERE id = ?1";
    change(connection, sql, (analysis.id.to_string(), nanoseconds(now)))?;
    end_if_idle(connection, analysis.run_id)
}

/// Puts the RUNNING analyses of a run back to QUEUED and returns their number.
pub(super) fn running_to_queued(connection: &Connection, run: RunId) -> Answer<usize> {
    let sql = "UPDATE analyses SET state = 'QUEUED', revision = revision + 1
               WHERE run_id = ?1 AND state = 'RUNNING'";
    change(connection, sql, [run.to_string()])
}
