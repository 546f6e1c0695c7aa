//! Which blobs are referenced, and tombstones for those that are not.

use super::fault::Answer;
use super::rows::{all, change, optional};
use super::values::{json_list, nanoseconds};
use crate::traits::StoreError;
use rusqlite::Connection;
use time::OffsetDateTime;

/// Nothing references `wanted.value`.
const UNREFERENCED: &str = "NOT EXISTS (SELECT 1 FROM media WHERE blob_key = wanted.value)
    AND NOT EXISTS (SELECT 1 FROM media WHERE thumbnail_key = wanted.value)
    AND NOT EXISTS (SELECT 1 FROM artifacts WHERE blob_key = wanted.value)";

/// Refuses a key that is being swept.
pub(super) fn refuse_swept(connection: &Connection, key: &str) -> Answer<()> {
    match optional(connection, "SELECT blob_key FROM tombstones WHERE blob_key = ?1", [key], |row| row.get(0))? {
        Some(key) => Err(StoreError::BlobSwept { key }.into()),
        None => Ok(()),
    }
}

/// Marks those of the keys that nothing references, each once.
pub(super) fn tombstone_unreferenced(connection: &Connection, keys: &[String], now: OffsetDateTime) -> Answer<Vec<String>> {
    let sql = format!(
        "INSERT INTO tombstones (blob_key, created_at) SELECT DISTINCT wanted.value, ?2 FROM json_each(?1) wanted WHERE {UNREFERENCED}
         ON CONFLICT (blob_key) DO UPDATE SET created_at = excluded.created_at RETURNING blob_key"
    );
    all(connection, &sql, (json_list(keys), nanoseconds(now)), |row| row.get(0))
}

pub(super) fn clear_tombstones(connection: &Connection, keys: &[String]) -> Answer<()> {
    change(connection, "DELETE FROM tombstones WHERE blob_key IN (SELECT value FROM json_each(?1))", [json_list(keys)])?;
    Ok(())
}

pub(super) fn tombstones_before(connection: &Connection, before: OffsetDateTime) -> Answer<Vec<String>> {
    all(connection, "SELECT blob_key FROM tombstones WHERE created_at < ?1", [nanoseconds(before)], |row| row.get(0))
}
