//! The scope of a caller as a condition on `folders f`. What is outside the scope does not exist.

use super::fault::{Answer, Fault};
use super::rows;
use rusqlite::Connection;
use vultus_core::{Folder, FolderId};
use vultus_store::Scope;
use vultus_store::StoreError;

/// The condition, with the company as ?1 and the owner as ?2; NULL allows all.
pub(super) const CONDITION: &str =
    "(?1 IS NULL OR f.company_id = ?1) AND (?2 IS NULL OR f.owner_id = ?2)";

/// ?1 and ?2 of [`CONDITION`].
pub(super) fn arguments(scope: Scope) -> (Option<String>, Option<String>) {
    match scope {
        Scope::Everything => (None, None),
        Scope::Company(company) => (Some(company.to_string()), None),
        Scope::Owner(company, owner) => (Some(company.to_string()), Some(owner.to_string())),
    }
}

/// The folder, if it is within the scope.
pub(super) fn folder(connection: &Connection, scope: Scope, id: FolderId) -> Answer<Folder> {
    let sql = format!("SELECT {} FROM folders f WHERE {CONDITION} AND f.id = ?3", rows::FOLDER);
    let (company, owner) = arguments(scope);
    let found = rows::optional(connection, &sql, (company, owner, id.to_string()), rows::folder)?;
    found.ok_or(Fault::Known(StoreError::NotFound("folder")))
}
