//! Lists of cases, their numbers, and what was decided. Every value of a filter is a bound
//! parameter.

use super::cases::claim_at;
use super::fault::Answer;
use super::listing::Conditions;
use super::rows::all;
use super::values::{document, nanoseconds, optional_name, optional_time, parsed, time};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use time::OffsetDateTime;
use vultus_core::decision::figures::Decided;
use vultus_store::stored::StoredDecisions;
use vultus_store::{Case, CaseCounts, CaseCursor, CaseFilter, Scope};

/// Condition: the folder is that of a user.
const OWNED_BY: &str = "EXISTS (SELECT 1 FROM analyses a JOIN folders f ON f.id = a.folder_id
    WHERE a.id = c.analysis_id AND f.owner_id = ?)";
/// Condition: the folder is not that of a user.
const NOT_OWNED_BY: &str = "NOT EXISTS (SELECT 1 FROM analyses a
    JOIN folders f ON f.id = a.folder_id WHERE a.id = c.analysis_id AND f.owner_id = ?)";
/// Condition: a user has not decided.
const NOT_DECIDED_BY: &str = "NOT EXISTS (SELECT 1 FROM json_each(c.decisions_doc, '$.taken') d
    WHERE json_extract(d.value, '$.by') = ?)";

pub(super) fn list_cases(
    connection: &Connection,
    scope: Scope,
    filter: &CaseFilter,
    after: Option<CaseCursor>,
    limit: u32,
) -> Answer<(Vec<Case>, bool)> {
    let mut conditions = waiting(scope, filter);
    if let Some(cursor) = after {
        let position =
            [Value::Integer(nanoseconds(cursor.waits_since)), Value::Text(cursor.id.to_string())];
        conditions.and("(c.waits_since, c.analysis_id) > (?, ?)", position);
    }
    // One more than requested, to know whether more follow.
    conditions.values.push(Value::Integer(i64::from(limit) + 1));
    let sql = format!(
        "SELECT c.analysis_id, c.waits_since, c.claimed_by, c.claimed_since, c.claimed_until
         FROM cases c WHERE {} ORDER BY c.waits_since, c.analysis_id LIMIT ?",
        conditions.sql.join(" AND ")
    );
    let mut cases = all(connection, &sql, params_from_iter(conditions.values), case)?;
    let more = cases.len() > limit as usize;
    cases.truncate(limit as usize);
    Ok((cases, more))
}

fn case(row: &Row<'_>) -> rusqlite::Result<Case> {
    Ok(Case { analysis_id: parsed(row, 0)?, waits_since: time(row, 1)?, claim: claim_at(row, 2)? })
}

pub(super) fn count_cases(
    connection: &Connection,
    scope: Scope,
    filter: &CaseFilter,
    now: OffsetDateTime,
) -> Answer<CaseCounts> {
    let conditions = waiting(scope, filter);
    let sql = format!(
        "SELECT count(*), count(claim_end), min(waits_since), max(waits_since), min(claim_end),
             max(claim_end)
         FROM (SELECT c.waits_since,
             CASE WHEN c.claimed_until > ? THEN c.claimed_until END AS claim_end
             FROM cases c WHERE {})",
        conditions.sql.join(" AND ")
    );
    let values = std::iter::once(Value::Integer(nanoseconds(now))).chain(conditions.values);
    let counts = |row: &Row<'_>| {
        Ok(CaseCounts {
            waiting: row.get(0)?,
            claimed: row.get(1)?,
            oldest: optional_time(row, 2)?,
            newest: optional_time(row, 3)?,
            next_end: optional_time(row, 4)?,
            last_end: optional_time(row, 5)?,
        })
    };
    Ok(connection.prepare_cached(&sql)?.query_row(params_from_iter(values), counts)?)
}

pub(super) fn decided_since(
    connection: &Connection,
    scope: Scope,
    since: OffsetDateTime,
    limit: u32,
) -> Answer<Vec<Decided>> {
    let mut conditions = Conditions::default();
    within(&mut conditions, scope);
    conditions.and("c.decided_at >= ?", [Value::Integer(nanoseconds(since))]);
    conditions.values.push(Value::Integer(i64::from(limit)));
    let sql = format!(
        "SELECT a.resolution, c.decisions_doc FROM cases c JOIN analyses a ON a.id = c.analysis_id
         WHERE {} LIMIT ?",
        conditions.sql.join(" AND ")
    );
    all(connection, &sql, params_from_iter(conditions.values), |row| {
        Ok(Decided {
            system_resolution: optional_name(row, 0)?,
            decisions: document::<StoredDecisions>(row, 1)?.into(),
        })
    })
}

/// The conditions of cases that wait, with the terms of the partial indexes.
fn waiting(scope: Scope, filter: &CaseFilter) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.and("c.waits_since IS NOT NULL", []);
    within(&mut conditions, scope);
    if let Some(company) = filter.company_id {
        conditions.and("c.company_id = ?", [Value::Text(company.to_string())]);
    }
    if let Some(kind) = &filter.kind {
        conditions.and("c.kind = ?", [Value::Text(kind.clone())]);
    }
    if let Some(code) = &filter.reason_code {
        conditions.and("instr(c.reason_codes, ?) > 0", [Value::Text(format!(" {code} "))]);
    }
    if let Some(before) = filter.waits_before {
        conditions.and("c.waits_since < ?", [Value::Integer(nanoseconds(before))]);
    }
    if let Some((person, now)) = filter.free_for {
        let person = Value::Text(person.to_string());
        let now = Value::Integer(nanoseconds(now));
        conditions.and("(c.claimed_until IS NULL OR c.claimed_until <= ?)", [now]);
        conditions.and(NOT_DECIDED_BY, [person.clone()]);
        conditions.and(NOT_OWNED_BY, [person]);
    }
    conditions
}

fn within(conditions: &mut Conditions, scope: Scope) {
    match scope {
        Scope::Everything => {}
        Scope::Company(company) => {
            conditions.and("c.company_id = ?", [Value::Text(company.to_string())]);
        }
        Scope::Owner(company, owner) => {
            conditions.and("c.company_id = ?", [Value::Text(company.to_string())]);
            conditions.and(OWNED_BY, [Value::Text(owner.to_string())]);
        }
    }
}
