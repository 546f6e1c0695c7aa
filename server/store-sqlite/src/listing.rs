//! Pages of folders. One statement is assembled from the filter; every value is a bound parameter,
//! never part of the text.

use super::fault::Answer;
use super::rows;
use super::values::nanoseconds;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use vultus_core::Folder;
use vultus_store::{FolderCursor, FolderFilter, FolderOrder, Scope};

/// Condition: an analysis is not final.
const PROCESSING: &str = "EXISTS (SELECT 1 FROM analyses a
    WHERE a.folder_id = f.id AND a.state IN ('QUEUED', 'RUNNING'))";
/// Condition: all analyses are final.
const IDLE: &str = "NOT EXISTS (SELECT 1 FROM analyses a
    WHERE a.folder_id = f.id AND a.state IN ('QUEUED', 'RUNNING'))";

/// Conditions that are joined with AND, and the values of their `?` in order.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) sql: Vec<&'static str>,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    pub(super) fn and(&mut self, sql: &'static str, values: impl IntoIterator<Item = Value>) {
        self.sql.push(sql);
        self.values.extend(values);
    }
}

pub(super) fn list_folders(
    connection: &Connection,
    scope: Scope,
    filter: &FolderFilter,
    order: FolderOrder,
    after: Option<FolderCursor>,
    limit: u32,
) -> Answer<(Vec<Folder>, bool)> {
    let mut conditions = Conditions::default();
    within(&mut conditions, scope);
    matching(&mut conditions, filter);
    let (after_sql, order_sql) = match order {
        FolderOrder::CreatedDescending => {
            ("(f.created_at, f.id) < (?, ?)", "f.created_at DESC, f.id DESC")
        }
        FolderOrder::CreatedAscending => ("(f.created_at, f.id) > (?, ?)", "f.created_at, f.id"),
        FolderOrder::UpdatedDescending => {
            ("(f.updated_at, f.id) < (?, ?)", "f.updated_at DESC, f.id DESC")
        }
        FolderOrder::UpdatedAscending => ("(f.updated_at, f.id) > (?, ?)", "f.updated_at, f.id"),
    };
    if let Some(cursor) = after {
        conditions.and(
            after_sql,
            [Value::Integer(nanoseconds(cursor.time)), Value::Text(cursor.id.to_string())],
        );
    }
    if conditions.sql.is_empty() {
        conditions.and("true", []);
    }
    // One more than requested, to know whether more follow.
    conditions.values.push(Value::Integer(i64::from(limit) + 1));
    let sql = format!(
        "SELECT {} FROM folders f WHERE {} ORDER BY {order_sql} LIMIT ?",
        rows::FOLDER,
        conditions.sql.join(" AND ")
    );
    let mut folders =
        rows::all(connection, &sql, params_from_iter(conditions.values), rows::folder)?;
    let more = folders.len() > limit as usize;
    folders.truncate(limit as usize);
    Ok((folders, more))
}

fn within(conditions: &mut Conditions, scope: Scope) {
    match scope {
        Scope::Everything => {}
        Scope::Company(company) => {
            conditions.and("f.company_id = ?", [Value::Text(company.to_string())])
        }
        Scope::Owner(company, owner) => {
            // The unary plus makes SQLite use the index of the owner.
            conditions.and(
                "f.owner_id = ? AND +f.company_id = ?",
                [owner.to_string(), company.to_string()].map(Value::Text),
            );
        }
    }
}

fn matching(conditions: &mut Conditions, filter: &FolderFilter) {
    if let Some(from) = filter.created_from {
        conditions.and("f.created_at >= ?", [Value::Integer(nanoseconds(from))]);
    }
    if let Some(before) = filter.created_before {
        conditions.and("f.created_at < ?", [Value::Integer(nanoseconds(before))]);
    }
    if let Some(external_id) = &filter.external_id {
        conditions.and("f.external_id = ?", [Value::Text(external_id.clone())]);
    }
    if let Some(kind) = &filter.analysis_type {
        let sql = "EXISTS (SELECT 1 FROM analyses a WHERE a.folder_id = f.id AND a.kind = ?)";
        conditions.and(sql, [Value::Text(kind.clone())]);
    }
    match filter.processing {
        Some(true) => conditions.and(PROCESSING, []),
        Some(false) => conditions.and(IDLE, []),
        None => {}
    }
    for (key, value) in &filter.metadata_equals {
        // The key is compared as a value, so that no key needs escaping into a JSON path.
        let sql = "EXISTS (SELECT 1 FROM json_each(f.metadata) entry
                   WHERE entry.key = ? AND entry.type = 'text' AND entry.value = ?)";
        conditions.and(sql, [key.clone(), value.clone()].map(Value::Text));
    }
}
