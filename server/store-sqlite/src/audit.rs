//! The audit log.

use super::fault::{Answer, Fault};
use super::rows::{all, change, optional};
use super::values::{nanoseconds, optional_parsed, parsed, time};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
use vultus_core::{AuditEntryId, CompanyId};
use vultus_store::StoreError;
use vultus_store::audit::{
    AuditEntry, AuditFilter, Chain, ChainHead, ChainOf, Hash, Links, NewEntry,
};

const ENTRY: &str =
    "e.id, e.chain, e.at, e.actor, e.origin, e.action, e.object, e.before, e.after, e.number,
    e.hash";

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    let number: Option<u64> = row.get(9)?;
    let place = match number {
        Some(number) => Some((number, hash(row, 10)?)),
        None => None,
    };
    Ok(AuditEntry {
        id: parsed(row, 0)?,
        chain: parsed(row, 1)?,
        at: time(row, 2)?,
        actor: row.get(3)?,
        origin: row.get(4)?,
        action: row.get(5)?,
        object: row.get(6)?,
        before: row.get(7)?,
        after: row.get(8)?,
        place,
    })
}

/// A hash. One of another length is a changed one: it equals no hash.
fn hash(row: &Row<'_>, at: usize) -> rusqlite::Result<Hash> {
    let stored = row.get_ref(at)?.as_blob_or_null()?.unwrap_or_default();
    Ok(Hash(stored.try_into().unwrap_or([0; 32])))
}

/// The chain of a new entry. Asked for before the change, which may delete the object.
pub(super) fn chain(connection: &Connection, of: ChainOf) -> Answer<Chain> {
    let (sql, id, what) = match of {
        ChainOf::Known(chain) => return Ok(chain),
        ChainOf::Folder(id) => {
            ("SELECT company_id FROM folders WHERE id = ?1", id.to_string(), "folder")
        }
        ChainOf::Medium(id) => (
            "SELECT f.company_id FROM media m JOIN folders f ON f.id = m.folder_id
             WHERE m.id = ?1",
            id.to_string(),
            "medium",
        ),
        ChainOf::Analysis(id) => (
            "SELECT f.company_id FROM analyses a JOIN folders f ON f.id = a.folder_id
             WHERE a.id = ?1",
            id.to_string(),
            "analysis",
        ),
        ChainOf::User(id) => ("SELECT company_id FROM users WHERE id = ?1", id.to_string(), "user"),
    };
    let company = optional(connection, sql, [id], |row| optional_parsed(row, 0))?;
    company.map(Chain::of).ok_or(Fault::Known(StoreError::NotFound(what)))
}

/// Writes an entry as it is.
pub(super) fn insert(connection: &Connection, entry: &AuditEntry) -> Answer<()> {
    let sql = "INSERT INTO audit_entries
               (id, chain, at, actor, origin, action, object, before, after, number, hash)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let (number, hash) = entry.place.map(|(number, hash)| (number, hash.0)).unzip();
    change(
        connection,
        sql,
        params![
            entry.id.to_string(),
            entry.chain.to_string(),
            nanoseconds(entry.at),
            entry.actor,
            entry.origin,
            entry.action,
            entry.object,
            entry.before,
            entry.after,
            number,
            hash,
        ],
    )?;
    Ok(())
}

pub(super) fn record(connection: &Connection, entries: &[NewEntry]) -> Answer<()> {
    for new in entries {
        insert(connection, &new.waiting(chain(connection, new.chain)?))?;
    }
    Ok(())
}

/// All transactions that write are one after the other, so that all waiting entries are searched.
pub(super) fn chain_waiting(connection: &Connection, limit: u32) -> Answer<u32> {
    let sql = format!(
        "SELECT {ENTRY} FROM audit_entries e INDEXED BY audit_waiting
         WHERE e.number IS NULL ORDER BY e.id LIMIT ?1"
    );
    let waiting = all(connection, &sql, [limit], entry)?;
    let mut links = Links::default();
    for entry in &waiting {
        if !links.knows(entry.chain)
            && let Some(head) = chain_head(connection, entry.chain)?
        {
            links.learn(head);
        }
        let place = links.append(entry);
        let sql = "UPDATE audit_entries SET number = ?2, hash = ?3 WHERE id = ?1";
        change(connection, sql, (entry.id.to_string(), place.number, place.hash.0))?;
    }
    Ok(u32::try_from(waiting.len()).unwrap_or(u32::MAX))
}

/// Whether entries wait for their places.
pub(super) fn any_waiting(connection: &Connection) -> Answer<bool> {
    let sql = "SELECT 1 FROM audit_entries INDEXED BY audit_waiting WHERE number IS NULL LIMIT 1";
    Ok(optional(connection, sql, (), |_| Ok(()))?.is_some())
}

pub(super) fn chain_head(connection: &Connection, chain: Chain) -> Answer<Option<ChainHead>> {
    let sql = "SELECT number, hash FROM audit_entries INDEXED BY audit_chained
               WHERE chain = ?1 AND number IS NOT NULL ORDER BY number DESC LIMIT 1";
    optional(connection, sql, [chain.to_string()], |row| {
        Ok(ChainHead { chain, number: row.get(0)?, hash: hash(row, 1)? })
    })
}

pub(super) fn chain_heads(connection: &Connection) -> Answer<Vec<ChainHead>> {
    let mut heads = Vec::new();
    let mut after = String::new();
    // One seek for each chain: DISTINCT would read the whole index.
    let sql = "SELECT chain FROM audit_entries INDEXED BY audit_chained
               WHERE chain > ?1 AND number IS NOT NULL ORDER BY chain LIMIT 1";
    while let Some(chain) = optional(connection, sql, [&after], |row| parsed::<Chain>(row, 0))? {
        heads.extend(chain_head(connection, chain)?);
        after = chain.to_string();
    }
    Ok(heads)
}

pub(super) fn chained(
    connection: &Connection,
    chain: Chain,
    after: u64,
    limit: u32,
) -> Answer<Vec<AuditEntry>> {
    let sql = format!(
        "SELECT {ENTRY} FROM audit_entries e INDEXED BY audit_chained
         WHERE e.chain = ?1 AND e.number IS NOT NULL AND e.number > ?2
         ORDER BY e.number LIMIT ?3"
    );
    all(connection, &sql, (chain.to_string(), after, limit), entry)
}

pub(super) fn list(
    connection: &Connection,
    filter: &AuditFilter,
    before: Option<AuditEntryId>,
    limit: u32,
) -> Answer<(Vec<AuditEntry>, bool)> {
    let mut sql = vec!["e.number IS NOT NULL".to_owned()];
    let mut values = Vec::new();
    let mut and = |condition: &str, value: Value| {
        sql.push(condition.to_owned());
        values.push(value);
    };
    if let Some(chain) = filter.chain {
        and("e.chain = ?", Value::Text(chain.to_string()));
    }
    match (filter.chain, before) {
        (None, Some(before)) => and("e.id < ?", Value::Text(before.to_string())),
        (Some(_), Some(before)) => and(
            "e.number < (SELECT number FROM audit_entries WHERE id = ?)",
            Value::Text(before.to_string()),
        ),
        (_, None) => {}
    }
    if let Some(actor) = &filter.actor {
        and("e.actor = ?", Value::Text(actor.clone()));
    }
    if let Some(object) = &filter.object {
        and("e.object = ?", Value::Text(object.clone()));
    }
    if let Some(from) = filter.from {
        and("e.at >= ?", Value::Integer(nanoseconds(from)));
    }
    if let Some(before) = filter.before {
        and("e.at < ?", Value::Integer(nanoseconds(before)));
    }
    if !filter.actions.is_empty() {
        let names = super::values::json_list(filter.actions.iter().map(|action| action.name()));
        and("e.action IN (SELECT value FROM json_each(?))", Value::Text(names));
    }
    let order = if filter.chain.is_some() { "e.number DESC" } else { "e.id DESC" };
    // One more than requested, to know whether more follow.
    values.push(Value::Integer(i64::from(limit) + 1));
    let sql = format!(
        "SELECT {ENTRY} FROM audit_entries e WHERE {} ORDER BY {order} LIMIT ?",
        sql.join(" AND ")
    );
    let mut entries = all(connection, &sql, params_from_iter(values), entry)?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    Ok((entries, more))
}

pub(super) fn keep_signed_head(connection: &Connection, chain: Chain, head: &str) -> Answer<()> {
    let sql = "INSERT OR REPLACE INTO audit_heads (chain, signed) VALUES (?1, ?2)";
    change(connection, sql, (chain.to_string(), head)).map(drop)
}

pub(super) fn signed_heads(connection: &Connection) -> Answer<Vec<(Chain, String)>> {
    let sql = "SELECT chain, signed FROM audit_heads ORDER BY chain";
    all(connection, sql, (), |row| Ok((parsed(row, 0)?, row.get(1)?)))
}

pub(super) fn delete_chain(connection: &Connection, company: CompanyId) -> Answer<()> {
    let chain = Chain::Company(company).to_string();
    change(connection, "DELETE FROM audit_entries WHERE chain = ?1", [&chain])?;
    change(connection, "DELETE FROM audit_heads WHERE chain = ?1", [&chain]).map(drop)
}

/// Passes all entries to `give` in the order of their ids, until it returns false.
pub(super) fn export(
    connection: &Connection,
    give: &mut dyn FnMut(AuditEntry) -> bool,
) -> Answer<()> {
    let sql = format!("SELECT {ENTRY} FROM audit_entries e ORDER BY e.id");
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        if !give(entry(row)?) {
            break;
        }
    }
    Ok(())
}
