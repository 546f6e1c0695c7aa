//! Policies of companies.

use super::fault::{Answer, Fault};
use super::rows::{all, change, optional};
use super::values::{document, nanoseconds, optional_parsed, optional_time, parsed};
use rusqlite::{Connection, Row, params};
use vultus_core::{CompanyId, CompanyPolicy};
use vultus_store::stored::StoredRules;
use vultus_store::{CompanyScope, StoreError};

/// Columns of [`row`].
const POLICY: &str = "p.company_id, p.version, p.changed_at, p.changed_by, p.rules_doc";

fn row(row: &Row<'_>) -> rusqlite::Result<CompanyPolicy> {
    Ok(CompanyPolicy {
        company_id: parsed(row, 0)?,
        version: row.get(1)?,
        changed_at: optional_time(row, 2)?,
        changed_by: optional_parsed(row, 3)?,
        rules: document::<StoredRules>(row, 4)?.into(),
    })
}

pub(super) fn policy(
    connection: &Connection,
    scope: CompanyScope,
    company: CompanyId,
    version: Option<u64>,
) -> Answer<Option<CompanyPolicy>> {
    within(connection, scope, company)?;
    match version {
        None => newest(connection, company).map(Some),
        Some(0) => Ok(Some(CompanyPolicy::unset(company))),
        Some(version) => {
            let sql = format!(
                "SELECT {POLICY} FROM policies p WHERE p.company_id = ?1 AND p.version = ?2"
            );
            optional(connection, &sql, (company.to_string(), version), row)
        }
    }
}

/// The newest version of a company's policy.
pub(super) fn newest(connection: &Connection, company: CompanyId) -> Answer<CompanyPolicy> {
    let sql = format!(
        "SELECT {POLICY} FROM policies p WHERE p.company_id = ?1 ORDER BY p.version DESC LIMIT 1"
    );
    let found = optional(connection, &sql, [company.to_string()], row)?;
    Ok(found.unwrap_or_else(|| CompanyPolicy::unset(company)))
}

pub(super) fn change_policy(
    connection: &Connection,
    scope: CompanyScope,
    new: &CompanyPolicy,
) -> Answer<()> {
    within(connection, scope, new.company_id)?;
    let CompanyPolicy { version, .. } = newest(connection, new.company_id)?;
    if new.version != version + 1 {
        return Err(StoreError::PolicyChanged { version }.into());
    }
    insert(connection, new)
}

/// Fails unless the company exists within the scope.
fn within(connection: &Connection, scope: CompanyScope, company: CompanyId) -> Answer<()> {
    let reached = match scope {
        CompanyScope::Every => true,
        CompanyScope::Only(only) => only == company,
    };
    let sql = "SELECT 1 FROM companies WHERE id = ?1";
    match optional(connection, sql, [company.to_string()], |_| Ok(()))? {
        Some(()) if reached => Ok(()),
        _ => Err(Fault::Known(StoreError::NotFound("company"))),
    }
}

/// Writes a version.
pub(super) fn insert(connection: &Connection, policy: &CompanyPolicy) -> Answer<()> {
    let sql = "INSERT INTO policies (company_id, version, changed_at, changed_by, rules_doc)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let arguments = params![
        policy.company_id.to_string(),
        policy.version,
        policy.changed_at.map(nanoseconds),
        policy.changed_by.map(|by| by.to_string()),
        serde_json::to_string(&StoredRules::from(&policy.rules))?,
    ];
    change(connection, sql, arguments)?;
    Ok(())
}

/// All versions of all policies.
pub(super) fn all_policies(connection: &Connection) -> Answer<Vec<CompanyPolicy>> {
    let sql = format!("SELECT {POLICY} FROM policies p ORDER BY p.company_id, p.version");
    all(connection, &sql, (), row)
}
