//! Keys of service accounts.

use super::accounts::{ACTIVE, USER, user_at};
use super::fault::Answer;
use super::rows::{all, change, optional};
use super::values::{json_list, nanoseconds, optional_time, parsed, time};
use ::time::OffsetDateTime;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use vultus_core::credentials::KEEP_API_KEYS;
use vultus_core::{ApiKeyId, User, UserId};
use vultus_store::export::ApiKeyRecord;
use vultus_store::{ApiKey, StoreError};

const KEY: &str = "k.id, k.user_id, k.name, k.prefix, k.scopes_doc, k.created_at, k.expires_at,
    k.revoked_at, k.last_used_at";
/// Number of columns of [`KEY`].
const COLUMNS: usize = 9;

fn key(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    let scopes: Option<String> = row.get(4)?;
    let scopes = scopes.map(|text| serde_json::from_str(&text)).transpose();
    let scopes = scopes
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(4, Type::Text, error.into()))?;
    Ok(ApiKey {
        id: parsed(row, 0)?,
        user_id: parsed(row, 1)?,
        name: row.get(2)?,
        prefix: row.get(3)?,
        scopes,
        created_at: time(row, 5)?,
        expires_at: optional_time(row, 6)?,
        revoked_at: optional_time(row, 7)?,
        last_used_at: optional_time(row, 8)?,
    })
}

fn key_with_user(row: &Row<'_>) -> rusqlite::Result<(ApiKey, User)> {
    Ok((key(row)?, user_at(row, COLUMNS)?))
}

pub(super) fn create_api_key(connection: &Connection, key: &ApiKey, sha256: &str) -> Answer<()> {
    let owner = "SELECT 1 FROM users WHERE id = ?1 AND deleted_at IS NULL";
    if optional(connection, owner, [key.user_id.to_string()], |_| Ok(()))?.is_none() {
        return Err(StoreError::NotFound("user").into());
    }
    insert(connection, key, sha256)
}

fn insert(connection: &Connection, key: &ApiKey, sha256: &str) -> Answer<()> {
    let scopes = key.scopes.as_ref().map(serde_json::to_string).transpose()?;
    let ends = [key.expires_at, key.revoked_at].into_iter().flatten().min();
    change(
        connection,
        "INSERT INTO api_keys
         (id, user_id, sha256, name, prefix, scopes_doc, created_at, expires_at, revoked_at,
          last_used_at, forget_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            key.id.to_string(),
            key.user_id.to_string(),
            sha256,
            key.name,
            key.prefix,
            scopes,
            nanoseconds(key.created_at),
            key.expires_at.map(nanoseconds),
            key.revoked_at.map(nanoseconds),
            key.last_used_at.map(nanoseconds),
            ends.map(|end| nanoseconds(end + KEEP_API_KEYS)),
        ],
    )?;
    Ok(())
}

pub(super) fn rotate_api_key(
    connection: &Connection,
    old: ApiKeyId,
    old_ends: OffsetDateTime,
    new: &ApiKey,
    sha256: &str,
) -> Answer<()> {
    let sql = "UPDATE api_keys SET expires_at = min(ifnull(expires_at, ?3), ?3), forget_at = ?4
               WHERE id = ?1 AND revoked_at IS NULL AND ifnull(expires_at > ?2, 1)";
    let (id, now) = (old.to_string(), nanoseconds(new.created_at));
    let forget_at = nanoseconds(old_ends + KEEP_API_KEYS);
    if change(connection, sql, (id, now, nanoseconds(old_ends), forget_at))? == 0 {
        return Err(StoreError::NotFound("key").into());
    }
    insert(connection, new, sha256)
}

pub(super) fn api_key_by_secret(
    connection: &Connection,
    sha256: &str,
) -> Answer<Option<(ApiKey, User)>> {
    let sql = format!(
        "SELECT {KEY}, {USER} FROM api_keys k JOIN users u ON u.id = k.user_id
         WHERE k.sha256 = ?1 AND {ACTIVE}"
    );
    optional(connection, &sql, [sha256], key_with_user)
}

pub(super) fn api_key(connection: &Connection, id: ApiKeyId) -> Answer<Option<(ApiKey, User)>> {
    let sql = format!(
        "SELECT {KEY}, {USER} FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.id = ?1"
    );
    optional(connection, &sql, [id.to_string()], key_with_user)
}

pub(super) fn api_keys_with_users(
    connection: &Connection,
    ids: &[ApiKeyId],
) -> Answer<Vec<(ApiKey, User)>> {
    let sql = format!(
        "SELECT {KEY}, {USER} FROM json_each(?1) wanted
         JOIN api_keys k ON k.id = wanted.value JOIN users u ON u.id = k.user_id AND {ACTIVE}"
    );
    all(connection, &sql, [json_list(ids)], key_with_user)
}

pub(super) fn user_api_keys(
    connection: &Connection,
    user: UserId,
    after: Option<ApiKeyId>,
    limit: u32,
) -> Answer<Vec<ApiKey>> {
    let sql = format!(
        "SELECT {KEY} FROM api_keys k WHERE k.user_id = ?1 AND (?2 IS NULL OR k.id < ?2)
         ORDER BY k.id DESC LIMIT ?3"
    );
    let after = after.map(|after| after.to_string());
    all(connection, &sql, (user.to_string(), after, limit), key)
}

pub(super) fn revoke_api_key(
    connection: &Connection,
    id: ApiKeyId,
    now: OffsetDateTime,
) -> Answer<bool> {
    let exists = "SELECT 1 FROM api_keys WHERE id = ?1";
    if optional(connection, exists, [id.to_string()], |_| Ok(()))?.is_none() {
        return Err(StoreError::NotFound("key").into());
    }
    let sql = "UPDATE api_keys SET revoked_at = ?2, forget_at = min(ifnull(forget_at, ?3), ?3)
               WHERE id = ?1 AND revoked_at IS NULL";
    let forget_at = nanoseconds(now + KEEP_API_KEYS);
    Ok(change(connection, sql, (id.to_string(), nanoseconds(now), forget_at))? == 1)
}

pub(super) fn note_api_key_uses(
    connection: &Connection,
    uses: &[(ApiKeyId, OffsetDateTime)],
) -> Answer<()> {
    for (id, at) in uses {
        let sql = "UPDATE api_keys SET last_used_at = max(ifnull(last_used_at, ?2), ?2)
                   WHERE id = ?1";
        change(connection, sql, (id.to_string(), nanoseconds(*at)))?;
    }
    Ok(())
}

/// All keys, ordered by id.
pub(super) fn all_api_keys(connection: &Connection) -> Answer<Vec<ApiKeyRecord>> {
    let sql = format!("SELECT {KEY}, k.sha256 FROM api_keys k ORDER BY k.id");
    let record = |row: &Row<'_>| Ok(ApiKeyRecord { key: key(row)?, sha256: row.get(COLUMNS)? });
    all(connection, &sql, (), record)
}

/// Inserts a key.
pub(super) fn insert_api_key(connection: &Connection, record: &ApiKeyRecord) -> Answer<()> {
    insert(connection, &record.key, &record.sha256)
}
