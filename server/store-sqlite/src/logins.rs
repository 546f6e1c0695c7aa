//! Counts of logins.

use super::fault::Answer;
use super::rows::{change, optional};
use super::values::{nanoseconds, optional_time};
use ::time::OffsetDateTime;
use rusqlite::{Connection, Row, params};
use vultus_core::logins::{Attempts, Counted, LoginAttempts, LoginKeys, LoginOutcome};

/// The origin in the row of a name as a whole.
const WHOLE_NAME: &str = "";

fn attempts(row: &Row<'_>) -> rusqlite::Result<Attempts> {
    Ok(Attempts {
        failures: row.get(0)?,
        failed_at: optional_time(row, 1)?,
        locked_until: optional_time(row, 2)?,
        succeeded_at: optional_time(row, 3)?,
    })
}

fn read(connection: &Connection, name: &str, origin: &str) -> Answer<Attempts> {
    let sql = "SELECT failures, failed_at, locked_until, succeeded_at FROM login_attempts
               WHERE name_key = ?1 AND origin_key = ?2";
    Ok(optional(connection, sql, [name, origin], attempts)?.unwrap_or_default())
}

pub(super) fn login_attempts(connection: &Connection, keys: &LoginKeys) -> Answer<LoginAttempts> {
    Ok(LoginAttempts {
        name: read(connection, &keys.name, WHOLE_NAME)?,
        origin: read(connection, &keys.name, &keys.origin)?,
    })
}

pub(super) fn record_login(
    connection: &Connection,
    keys: &LoginKeys,
    outcome: LoginOutcome,
    now: OffsetDateTime,
) -> Answer<()> {
    for (origin, counted) in [(WHOLE_NAME, Counted::Name), (keys.origin.as_str(), Counted::Origin)]
    {
        let after = read(connection, &keys.name, origin)?.after(outcome, counted, now);
        change(
            connection,
            "INSERT OR REPLACE INTO login_attempts
             (name_key, origin_key, failures, failed_at, locked_until, succeeded_at, forget_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                keys.name,
                origin,
                after.failures,
                after.failed_at.map(nanoseconds),
                after.locked_until.map(nanoseconds),
                after.succeeded_at.map(nanoseconds),
                nanoseconds(after.forget_at()),
            ],
        )?;
    }
    Ok(())
}

pub(super) fn unlock_logins(connection: &Connection, name: &str) -> Answer<bool> {
    let sql = "UPDATE login_attempts SET failures = 0, locked_until = NULL
               WHERE name_key = ?1 AND failures > 0";
    Ok(change(connection, sql, [name])? > 0)
}
