//! Deletion of what is too old to be needed. Only the background task of a node calls it, which
//! knows whether the clock can be trusted.

use super::fault::Answer;
use super::rows::change;
use super::values::nanoseconds;
use rusqlite::Connection;
use time::OffsetDateTime;
use vultus_core::rules::{KEEP_IDEMPOTENCY_KEYS, KEEP_SESSIONS};

/// Deletes a bounded number of rows of each kind, so that other writes need not wait for long.
pub(super) fn forget_expired(connection: &Connection, now: OffsetDateTime) -> Answer<u64> {
    let sessions = "DELETE FROM sessions
        WHERE row IN (SELECT row FROM sessions WHERE expires_at < ?1 LIMIT 500)";
    let keys = "DELETE FROM idempotency WHERE (user_id, operation, key) IN
        (SELECT user_id, operation, key FROM idempotency WHERE created_at < ?1 LIMIT 500)";
    let logins = "DELETE FROM login_attempts WHERE (name_key, origin_key) IN
        (SELECT name_key, origin_key FROM login_attempts WHERE forget_at < ?1 LIMIT 500)";
    let resets = "DELETE FROM password_resets WHERE user_id IN
        (SELECT user_id FROM password_resets WHERE expires_at < ?1 LIMIT 500)";
    let api_keys = "DELETE FROM api_keys
        WHERE row IN (SELECT row FROM api_keys WHERE forget_at < ?1 LIMIT 500)";
    let mut deleted = 0;
    for (sql, before) in [
        (sessions, now - KEEP_SESSIONS),
        (keys, now - KEEP_IDEMPOTENCY_KEYS),
        (logins, now),
        (resets, now),
        (api_keys, now),
    ] {
        deleted += change(connection, sql, [nanoseconds(before)])? as u64;
    }
    Ok(deleted)
}
