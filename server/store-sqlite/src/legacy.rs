//! Files of versions before encryption: which folders have plain blobs, and how a folder gets its
//! key once its blobs are encrypted.

use super::fault::Answer;
use super::folder_state::{Settles, touch};
use super::rows::{all, change, optional};
use super::values::parsed;
use super::{Options, SqliteStore, open_reader, schema};
use rusqlite::Connection;
use std::path::Path;
use vultus_core::FolderId;
use vultus_store::Result;
use vultus_store::SchemaState;

impl SqliteStore {
    /// The schema version of a file, and how many folders have plain blobs. Changes nothing. Blocks
    /// the thread for a moment.
    pub fn inspect(path: &Path) -> Result<(SchemaState, u64)> {
        let newest = schema::NEWEST;
        if !path.exists() {
            return Ok((SchemaState { version: 0, newest }, 0));
        }
        inspect(path, newest).map_err(|fault| fault.into_store("inspecting the data"))
    }

    /// Ids of at most `limit` folders whose blobs are plain.
    pub async fn plain_folders(&self, limit: u32) -> Result<Vec<FolderId>> {
        let sql = "SELECT id FROM folders WHERE wrapped_key IS NULL ORDER BY id LIMIT ?1";
        self.read("searching plain media", move |c| all(c, sql, [limit], |row| parsed(row, 0)))
            .await
    }

    /// Number of folders with plain blobs.
    pub async fn count_plain_folders(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM folders WHERE wrapped_key IS NULL";
        self.read("counting plain media", move |c| Ok(c.query_row(sql, (), |row| row.get(0))?))
            .await
    }

    /// Sets the key of a plain folder and replaces the blob keys of its references (pairs of old
    /// and new) in one transaction. Returns false if the folder has a key already or does not
    /// exist.
    pub async fn give_folder_key(
        &self,
        id: FolderId,
        wrapped_key: &[u8],
        renamed: &[(String, String)],
    ) -> Result<bool> {
        let (wrapped_key, renamed) = (wrapped_key.to_vec(), renamed.to_vec());
        self.write("setting the key of a folder", move |c, effects| {
            if !give_key(c, id, &wrapped_key, &renamed)? {
                return Ok(false);
            }
            touch(c, effects, id, Settles::No, None)?;
            Ok(true)
        })
        .await
    }
}

fn give_key(
    connection: &Connection,
    id: FolderId,
    wrapped_key: &[u8],
    renamed: &[(String, String)],
) -> Answer<bool> {
    let sql =
        "UPDATE folders SET wrapped_key = ?2 WHERE id = ?1 AND wrapped_key IS NULL RETURNING id";
    let given: Option<String> =
        optional(connection, sql, (id.to_string(), wrapped_key), |row| row.get(0))?;
    if given.is_none() {
        return Ok(false);
    }
    for (old, new) in renamed {
        let of_folder = || (id.to_string(), old, new);
        change(
            connection,
            "UPDATE media SET blob_key = ?3 WHERE folder_id = ?1 AND blob_key = ?2",
            of_folder(),
        )?;
        change(
            connection,
            "UPDATE media SET thumbnail_key = ?3 WHERE folder_id = ?1 AND thumbnail_key = ?2",
            of_folder(),
        )?;
        let sql = "UPDATE artifacts SET blob_key = ?3 WHERE blob_key = ?2
                   AND analysis_id IN (SELECT id FROM analyses WHERE folder_id = ?1)";
        change(connection, sql, of_folder())?;
    }
    Ok(true)
}

fn inspect(path: &Path, newest: usize) -> Answer<(SchemaState, u64)> {
    let connection = open_reader(path, Options::default())?;
    let version: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let plain = match version {
        0 => "SELECT 0",
        // Version 1 has no keys.
        1 => "SELECT count(*) FROM folders",
        _ => "SELECT count(*) FROM folders WHERE wrapped_key IS NULL",
    };
    let plain = connection.query_row(plain, (), |row| row.get(0))?;
    Ok((SchemaState { version, newest }, plain))
}
