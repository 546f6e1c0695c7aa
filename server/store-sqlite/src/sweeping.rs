//! References to blobs, and tombstones of those that are not referenced.

use super::fault::Answer;
use super::rows::{all, change, optional};
use super::values::{json_list, nanoseconds, time};
use rusqlite::{Connection, Row};
use time::{Duration, OffsetDateTime};
use vultus_store::StoreError;
use vultus_store::Tombstone;

/// Condition: nothing references `wanted.value`.
const UNREFERENCED: &str = "NOT EXISTS (SELECT 1 FROM media WHERE blob_key = wanted.value)
    AND NOT EXISTS (SELECT 1 FROM media WHERE thumbnail_key = wanted.value)
    AND NOT EXISTS (SELECT 1 FROM artifacts WHERE blob_key = wanted.value)";

/// Fails if a key has a tombstone.
pub(super) fn refuse_swept(connection: &Connection, key: &str) -> Answer<()> {
    match optional(
        connection,
        "SELECT blob_key FROM tombstones WHERE blob_key = ?1",
        [key],
        |row| row.get(0),
    )? {
        Some(key) => Err(StoreError::BlobSwept { key }.into()),
        None => Ok(()),
    }
}

/// Adds tombstones for those of the keys that nothing references and that are not being deleted.
pub(super) fn tombstone_unreferenced(
    connection: &Connection,
    keys: &[String],
    now: OffsetDateTime,
    abandoned: Duration,
) -> Answer<Vec<Tombstone>> {
    let sql = format!(
        "INSERT INTO tombstones (blob_key, created_at, swept)
         SELECT DISTINCT wanted.value, ?2, 0 FROM json_each(?1) wanted WHERE {UNREFERENCED}
         ON CONFLICT (blob_key) DO UPDATE SET created_at = excluded.created_at, swept = 0
         WHERE swept OR created_at < ?3
         RETURNING blob_key, swept, created_at"
    );
    let arguments = (json_list(keys), nanoseconds(now), nanoseconds(now - abandoned));
    all(connection, &sql, arguments, tombstone)
}

/// Those of the keys that nothing references.
pub(super) fn unreferenced(connection: &Connection, keys: &[String]) -> Answer<Vec<String>> {
    let sql =
        format!("SELECT DISTINCT wanted.value FROM json_each(?1) wanted WHERE {UNREFERENCED}");
    all(connection, &sql, [json_list(keys)], |row| row.get(0))
}

pub(super) fn mark_swept(connection: &Connection, tombstones: &[Tombstone]) -> Answer<()> {
    for Tombstone { key, made_at, .. } in tombstones {
        let sql = "UPDATE tombstones SET swept = 1 WHERE blob_key = ?1 AND created_at = ?2";
        change(connection, sql, (key, nanoseconds(*made_at)))?;
    }
    Ok(())
}

pub(super) fn revive(connection: &Connection, tombstones: &[Tombstone]) -> Answer<()> {
    for Tombstone { key, made_at, .. } in tombstones {
        let sql = "DELETE FROM tombstones WHERE swept AND blob_key = ?1 AND created_at = ?2";
        change(connection, sql, (key, nanoseconds(*made_at)))?;
    }
    Ok(())
}

fn tombstone(row: &Row<'_>) -> rusqlite::Result<Tombstone> {
    Ok(Tombstone { key: row.get(0)?, swept: row.get(1)?, made_at: time(row, 2)? })
}

pub(super) fn tombstones(connection: &Connection, keys: &[String]) -> Answer<Vec<Tombstone>> {
    let sql = "SELECT blob_key, swept, created_at FROM tombstones
               WHERE blob_key IN (SELECT value FROM json_each(?1))";
    all(connection, sql, [json_list(keys)], tombstone)
}

pub(super) fn tombstones_before(
    connection: &Connection,
    before: OffsetDateTime,
    limit: u32,
) -> Answer<Vec<Tombstone>> {
    let sql = "SELECT blob_key, swept, created_at FROM tombstones
               WHERE created_at < ?1 ORDER BY created_at LIMIT ?2";
    all(connection, sql, (nanoseconds(before), limit), tombstone)
}
