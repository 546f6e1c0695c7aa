//! Runs as a queue: claiming under a lease with a fencing token, extending, giving back, and worker
//! deaths.

use super::fault::Answer;
use super::folder_state::{Settles, touch};
use super::json_columns;
use super::results::{fail, running_to_queued};
use super::rows::{self, all, change, optional};
use super::run_state::{current, end_run};
use super::values::{json_list, nanoseconds, parsed};
use super::writer::Effects;
use rusqlite::{Connection, params};
use std::collections::HashSet;
use time::{Duration, OffsetDateTime};
use vultus_core::rules::FATAL_DEATHS;
use vultus_core::{AnalysisFailure, AnalysisId, CompanyId, FolderId, RunId};
use vultus_store::{
    Applied, ClaimRequest, ClaimedRun, DeathVerdict, JsonCount, JsonSelection, LeaseToken,
    QueueDepth, Selection, WorkerDeath,
};

/// The companies with unfinished runs of a pool. One step of the index for each company.
const COMPANIES: &str = "WITH RECURSIVE unfinished (company) AS (
        SELECT min(company_id) FROM runs WHERE state <> 'DONE' AND pool = ?1
        UNION ALL
        SELECT (SELECT min(company_id) FROM runs
            WHERE state <> 'DONE' AND pool = ?1 AND company_id > company)
        FROM unfinished WHERE company IS NOT NULL)
    SELECT company FROM unfinished WHERE company IS NOT NULL";

/// Leases the waiting run of a company (or one whose lease expired) with the earliest turn, and
/// raises its fence, so that all older tokens are stale.
const CLAIM: &str = "UPDATE runs
    SET state = 'LEASED', node = ?2, lease_until = ?3, fence = fence + 1, retry_at = NULL
    WHERE row = (
        SELECT r.row FROM runs r
        WHERE r.state <> 'DONE' AND r.pool = ?1 AND r.company_id = ?5
          AND ((r.state = 'QUEUED' AND (r.retry_at IS NULL OR r.retry_at <= ?4))
            OR (r.state = 'LEASED' AND r.lease_until <= ?4))
        ORDER BY r.turn_at, r.row LIMIT 1)
    RETURNING id, fence, pool, folder_id, one_by_one, deaths,
              (SELECT wrapped_key FROM folders f WHERE f.id = folder_id)";

pub(super) fn claim_run(
    connection: &Connection,
    effects: &mut Effects,
    request: &ClaimRequest,
) -> Answer<Option<ClaimedRun>> {
    let ClaimRequest { pool, now, turns, except, .. } = request;
    let mut companies = all(connection, COMPANIES, [pool], |row| parsed::<CompanyId>(row, 0))?;
    companies.retain(|company| !except.contains(company));
    turns.sort(pool, &mut companies);
    for company in companies {
        while let Some(mut run) = take(connection, request, company)? {
            requeue(connection, effects, run.token.run_id, run.folder_id, *now)?;
            if !fill(connection, &mut run)? {
                // Its node died between the last result and the release.
                end_run(connection, run.token.run_id)?;
                continue;
            }
            turns.claimed(pool, company);
            return Ok(Some(run));
        }
    }
    Ok(None)
}

fn take(
    connection: &Connection,
    request: &ClaimRequest,
    company: CompanyId,
) -> Answer<Option<ClaimedRun>> {
    let ClaimRequest { pool, node, now, lease, .. } = request;
    let (until, now) = (nanoseconds(*now + *lease), nanoseconds(*now));
    optional(connection, CLAIM, params![pool, node, until, now, company.to_string()], |row| {
        Ok(ClaimedRun {
            token: LeaseToken { run_id: parsed(row, 0)?, fence: row.get(1)? },
            pool: row.get(2)?,
            folder_id: parsed(row, 3)?,
            one_by_one: row.get(4)?,
            deaths: row.get(5)?,
            company_id: company,
            folder_key: row.get::<_, Option<Vec<u8>>>(6)?.unwrap_or_default(),
            analyses: Vec::new(),
            media: Vec::new(),
        })
    })
}

/// Reads the unfinished analyses of a run with their media. False if none is left.
fn fill(connection: &Connection, run: &mut ClaimedRun) -> Answer<bool> {
    let sql = format!(
        "SELECT {} FROM analyses a
         WHERE a.run_id = ?1 AND a.state IN ('QUEUED', 'RUNNING') ORDER BY a.row",
        rows::ANALYSIS
    );
    run.analyses = all(connection, &sql, [run.token.run_id.to_string()], rows::analysis)?;
    if run.analyses.is_empty() {
        return Ok(false);
    }
    let count = JsonCount::of(&Selection::ALL);
    json_columns::fill_analyses(connection, &mut run.analyses, JsonSelection::PARAMS, &count)?;
    let taken: HashSet<_> = run
        .analyses
        .iter()
        .flat_map(|analysis| &analysis.media)
        .map(|taken| taken.media_id)
        .collect();
    let sql = format!(
        "SELECT {} FROM media m WHERE m.id IN (SELECT value FROM json_each(?1)) ORDER BY m.row",
        rows::MEDIUM
    );
    run.media = all(connection, &sql, [json_list(&taken)], rows::medium)?;
    Ok(true)
}

/// Number of unfinished runs of a company in a pool, counted up to `at_most`.
pub(super) fn unfinished_runs(
    connection: &Connection,
    company: CompanyId,
    pool: &str,
    at_most: u64,
) -> Answer<u64> {
    let sql = "SELECT count(*) FROM (SELECT 1 FROM runs
               WHERE state <> 'DONE' AND pool = ?1 AND company_id = ?2 LIMIT ?3)";
    let arguments = (pool, company.to_string(), at_most);
    Ok(connection.prepare_cached(sql)?.query_row(arguments, |row| row.get(0))?)
}

pub(super) fn heartbeat(
    connection: &Connection,
    token: LeaseToken,
    now: OffsetDateTime,
    lease: Duration,
) -> Answer<bool> {
    let sql = "UPDATE runs SET lease_until = ?3 WHERE id = ?1 AND fence = ?2 AND state = 'LEASED'";
    Ok(change(connection, sql, (token.run_id.to_string(), token.fence, nanoseconds(now + lease)))?
        == 1)
}

pub(super) fn release_run(
    connection: &Connection,
    effects: &mut Effects,
    token: LeaseToken,
    retry_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Answer<Applied> {
    let Some(folder) = current(connection, token)? else { return Ok(Applied::Stale) };
    requeue(connection, effects, token.run_id, folder, now)?;
    give_back(connection, effects, token.run_id, retry_at)?;
    Ok(Applied::Yes)
}

pub(super) fn record_death(
    connection: &Connection,
    effects: &mut Effects,
    token: LeaseToken,
    death: WorkerDeath,
    failure: &AnalysisFailure,
    now: OffsetDateTime,
) -> Answer<DeathVerdict> {
    let Some(folder) = current(connection, token)? else { return Ok(DeathVerdict::Stale) };
    let mut verdict = DeathVerdict::Retried;
    if let Some(active) = death.active
        && blame(connection, token.run_id, active)?.is_some_and(|deaths| deaths >= FATAL_DEATHS)
    {
        fail(connection, active, failure, now)?;
        touch(connection, effects, folder, Settles::Maybe, Some(now))?;
        verdict = DeathVerdict::Failed;
    }
    requeue(connection, effects, token.run_id, folder, now)?;
    change(
        connection,
        "UPDATE runs SET deaths = deaths + 1, one_by_one = 1 WHERE id = ?1",
        [token.run_id.to_string()],
    )?;
    give_back(connection, effects, token.run_id, None)?;
    Ok(verdict)
}

/// Counts a death of the active analysis and returns its number of deaths; `None` if it is final
/// (it may have been cancelled).
fn blame(connection: &Connection, run: RunId, active: AnalysisId) -> Answer<Option<u32>> {
    let sql = "UPDATE analyses SET deaths = deaths + 1
               WHERE id = ?1 AND run_id = ?2 AND state IN ('QUEUED', 'RUNNING') RETURNING deaths";
    optional(connection, sql, (active.to_string(), run.to_string()), |row| row.get(0))
}

/// Puts the RUNNING analyses of a run back to QUEUED.
fn requeue(
    connection: &Connection,
    effects: &mut Effects,
    run: RunId,
    folder: FolderId,
    now: OffsetDateTime,
) -> Answer<()> {
    if running_to_queued(connection, run)? > 0 {
        touch(connection, effects, folder, Settles::No, Some(now))?;
    }
    Ok(())
}

/// Puts a run back into the queue if it has unfinished analyses, and ends it otherwise.
fn give_back(
    connection: &Connection,
    effects: &mut Effects,
    run: RunId,
    retry_at: Option<OffsetDateTime>,
) -> Answer<()> {
    let sql = "UPDATE runs SET state = 'QUEUED', node = NULL, lease_until = NULL, retry_at = ?2
               WHERE id = ?1 AND EXISTS (SELECT 1 FROM analyses a
                   WHERE a.run_id = ?1 AND a.state IN ('QUEUED', 'RUNNING'))";
    if change(connection, sql, (run.to_string(), retry_at.map(nanoseconds)))? == 0 {
        return end_run(connection, run);
    }
    effects.run_waiting = true;
    Ok(())
}

pub(super) fn fail_unserved(
    connection: &Connection,
    effects: &mut Effects,
    pools: &[String],
    asked_before: OffsetDateTime,
    failure: &AnalysisFailure,
    now: OffsetDateTime,
) -> Answer<u64> {
    let sql = "SELECT id, folder_id FROM runs
               WHERE (state = 'QUEUED' OR (state = 'LEASED' AND lease_until <= ?3))
                 AND pool NOT IN (SELECT value FROM json_each(?1))
                 AND EXISTS (SELECT 1 FROM analyses a
                     WHERE a.run_id = runs.id AND a.created_at < ?2)
               ORDER BY row";
    let arguments = (json_list(pools), nanoseconds(asked_before), nanoseconds(now));
    let runs = all(connection, sql, arguments, |row| {
        Ok((parsed::<RunId>(row, 0)?, parsed::<FolderId>(row, 1)?))
    })?;
    let mut failed = 0;
    for (run, folder) in runs {
        let sql = "SELECT id FROM analyses
                   WHERE run_id = ?1 AND state IN ('QUEUED', 'RUNNING') ORDER BY row";
        for id in all(connection, sql, [run.to_string()], |row| parsed::<AnalysisId>(row, 0))? {
            fail(connection, id, failure, now)?;
            failed += 1;
        }
        // The node of an expired lease cannot write any more.
        change(connection, "UPDATE runs SET fence = fence + 1 WHERE id = ?1", [run.to_string()])?;
        end_run(connection, run)?;
        touch(connection, effects, folder, Settles::Maybe, Some(now))?;
    }
    Ok(failed)
}

pub(super) fn queue_depth(connection: &Connection) -> Answer<QueueDepth> {
    let sql =
        "SELECT count(*) FILTER (WHERE state = 'QUEUED'), count(*) FILTER (WHERE state = 'LEASED')
               FROM runs WHERE state <> 'DONE'";
    let depth =
        |row: &rusqlite::Row<'_>| Ok(QueueDepth { queued: row.get(0)?, leased: row.get(1)? });
    Ok(connection.prepare_cached(sql)?.query_row((), depth)?)
}
