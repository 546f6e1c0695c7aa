//! Cases: analyses that wait for the decision of a person, or have one. Each has a row in `cases`;
//! the rules are those of [`vultus_core::decision`].

use super::fault::Answer;
use super::folder_state::{Settles, touch};
use super::folders::analyses;
use super::policies;
use super::rows::{change, optional};
use super::values::{nanoseconds, optional_parsed, parsed, time};
use super::writer::Effects;
use rusqlite::{Connection, Row, params};
use time::OffsetDateTime;
use vultus_core::{
    Analysis, AnalysisId, Claim, DecisionTerms, NewDecision, Reason, Released, Resolution,
    UndoDecision,
};
use vultus_store::stored::StoredDecisions;
use vultus_store::{Case, Scope, Selection, StoreError};

/// Adds a decision.
pub(super) fn decide(
    connection: &Connection,
    effects: &mut Effects,
    scope: Scope,
    id: AnalysisId,
    new: &NewDecision,
) -> Answer<Analysis> {
    let mut analysis = one(connection, scope, id)?;
    let terms = terms(connection, &analysis)?;
    analysis.decide(new, &terms).map_err(StoreError::from)?;
    forget_claim(connection, id)?;
    write(connection, effects, analysis, new.decision.at)
}

/// Takes a decision back.
pub(super) fn undo_decision(
    connection: &Connection,
    effects: &mut Effects,
    scope: Scope,
    id: AnalysisId,
    undo: &UndoDecision,
) -> Answer<Analysis> {
    let mut analysis = one(connection, scope, id)?;
    analysis.undo_decision(undo).map_err(StoreError::from)?;
    write(connection, effects, analysis, undo.now)
}

/// Claims a case, or renews a claim.
pub(super) fn claim_case(
    connection: &Connection,
    effects: &mut Effects,
    scope: Scope,
    id: AnalysisId,
    wanted: Claim,
) -> Answer<Case> {
    let analysis = one(connection, scope, id)?;
    let waits_since = analysis.open_for(wanted.by).map_err(StoreError::from)?;
    let present = terms(connection, &analysis)?.claim;
    let claim = Claim::claimed(present, wanted).map_err(StoreError::from)?;
    let sql = "UPDATE cases SET claimed_by = ?2, claimed_since = ?3, claimed_until = ?4
               WHERE analysis_id = ?1";
    let (since, until) = (nanoseconds(claim.since), nanoseconds(claim.until));
    change(connection, sql, (id.to_string(), claim.by.to_string(), since, until))?;
    effects.cases_changed = true;
    Ok(Case { analysis_id: id, waits_since, claim: Some(claim) })
}

/// Ends the claim of a case.
pub(super) fn release_case(
    connection: &Connection,
    effects: &mut Effects,
    scope: Scope,
    id: AnalysisId,
    whose: Released,
) -> Answer<Case> {
    let analysis = one(connection, scope, id)?;
    let present = terms(connection, &analysis)?.claim;
    let waits_since = analysis.release(present, whose).map_err(StoreError::from)?;
    forget_claim(connection, id)?;
    effects.cases_changed = true;
    Ok(Case { analysis_id: id, waits_since, claim: None })
}

fn one(connection: &Connection, scope: Scope, id: AnalysisId) -> Answer<Analysis> {
    let found = analyses(connection, scope, &[id], Selection::ENTITIES)?.pop();
    Ok(found.ok_or(StoreError::NotFound("analysis"))?.0)
}

fn terms(connection: &Connection, analysis: &Analysis) -> Answer<DecisionTerms> {
    let sql = "SELECT f.owner_id, c.claimed_by, c.claimed_since, c.claimed_until, f.company_id
               FROM folders f LEFT JOIN cases c ON c.analysis_id = ?2 WHERE f.id = ?1";
    let ids = (analysis.folder_id.to_string(), analysis.id.to_string());
    let found = optional(connection, sql, ids, |row| {
        Ok((parsed(row, 0)?, claim_at(row, 1)?, parsed(row, 4)?))
    })?;
    let (owner, claim, company) = found.ok_or(StoreError::NotFound("folder"))?;
    let rule = policies::newest(connection, company)?.decision_rule(&analysis.kind);
    Ok(DecisionTerms { rule, owner, claim })
}

/// The claim in the columns from `first` on.
pub(super) fn claim_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Claim>> {
    let Some(by) = optional_parsed(row, first)? else { return Ok(None) };
    Ok(Some(Claim { by, since: time(row, first + 1)?, until: time(row, first + 2)? }))
}

/// Writes the decisions and the revision of an analysis.
fn write(
    connection: &Connection,
    effects: &mut Effects,
    analysis: Analysis,
    now: OffsetDateTime,
) -> Answer<Analysis> {
    let id = analysis.id.to_string();
    let sql = "UPDATE analyses SET revision = ?2 WHERE id = ?1";
    change(connection, sql, (&id, analysis.revision))?;
    keep(connection, &analysis)?;
    effects.cases_changed = true;
    touch(connection, effects, analysis.folder_id, Settles::No, Some(now))?;
    Ok(analysis)
}

fn forget_claim(connection: &Connection, id: AnalysisId) -> Answer<()> {
    let sql = "UPDATE cases SET claimed_by = NULL, claimed_since = NULL, claimed_until = NULL
               WHERE analysis_id = ?1";
    change(connection, sql, [id.to_string()])?;
    Ok(())
}

/// Writes what a stored analysis is as a case. A claim stays.
pub(super) fn keep(connection: &Connection, analysis: &Analysis) -> Answer<()> {
    let decisions = StoredDecisions::of(&analysis.decisions);
    let waits_since = analysis.waits_since();
    if decisions.is_none() && waits_since.is_none() {
        change(connection, "DELETE FROM cases WHERE analysis_id = ?1", [analysis.id.to_string()])?;
        return Ok(());
    }
    let decided_at = analysis.decisions.taken.iter().map(|decision| decision.at).max();
    let decisions = decisions.map(|stored| serde_json::to_string(&stored)).transpose()?;
    let sql = "INSERT INTO cases
                   (analysis_id, company_id, kind, reason_codes, waits_since, decided_at,
                    decisions_doc)
               SELECT a.id, f.company_id, a.kind, ?2, ?3, ?4, ?5
               FROM analyses a JOIN folders f ON f.id = a.folder_id WHERE a.id = ?1
               ON CONFLICT (analysis_id) DO UPDATE SET reason_codes = excluded.reason_codes,
                   waits_since = excluded.waits_since, decided_at = excluded.decided_at,
                   decisions_doc = excluded.decisions_doc";
    let arguments = params![
        analysis.id.to_string(),
        codes(&analysis.reasons),
        waits_since.map(nanoseconds),
        decided_at.map(nanoseconds),
        decisions,
    ];
    change(connection, sql, arguments)?;
    Ok(())
}

/// Opens the case of an analysis that just got a verdict, if it needs a person.
pub(super) fn open(
    connection: &Connection,
    effects: &mut Effects,
    id: AnalysisId,
    verdict: (Resolution, &[Reason]),
    now: OffsetDateTime,
) -> Answer<()> {
    let (Resolution::OperatorRequired, reasons) = verdict else { return Ok(()) };
    let sql = "INSERT INTO cases (analysis_id, company_id, kind, reason_codes, waits_since)
               SELECT a.id, f.company_id, a.kind, ?2, ?3
               FROM analyses a JOIN folders f ON f.id = a.folder_id WHERE a.id = ?1";
    change(connection, sql, (id.to_string(), codes(reasons), nanoseconds(now)))?;
    effects.cases_changed = true;
    Ok(())
}

/// Codes of reasons, each between spaces, so that one is found as a part of the text.
fn codes(reasons: &[Reason]) -> String {
    let mut codes = " ".to_owned();
    for reason in reasons {
        codes.push_str(&reason.code);
        codes.push(' ');
    }
    codes
}
