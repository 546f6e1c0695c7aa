//! Sessions, refresh tokens and passwords.

use super::accounts::{ACTIVE, USER, user, user_at};
use super::fault::Answer;
use super::rows::{all, change, optional};
use super::values::{json_list, nanoseconds, optional_time, parsed, time};
use super::writer::Effects;
use ::time::OffsetDateTime;
use rusqlite::{Connection, Row, params};
use vultus_core::credentials::RefreshUse;
use vultus_core::rules::session_expiry;
use vultus_core::{SessionId, User, UserId};
use vultus_store::export::SessionRecord;
use vultus_store::{PasswordReset, Refresh, Rotation, Session, StoreError};

const SESSION: &str = "s.id, s.user_id, s.created_at, s.refreshed_at, s.expires_at, s.revoked,
    s.network, s.agent";
/// Number of columns of [`SESSION`].
const COLUMNS: usize = 8;

fn session_row(row: &Row<'_>) -> rusqlite::Result<Session> {
    session_at(row, 0)
}

/// The session in the columns from `first` on.
fn session_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Session> {
    Ok(Session {
        id: parsed(row, first)?,
        user_id: parsed(row, first + 1)?,
        created_at: time(row, first + 2)?,
        refreshed_at: optional_time(row, first + 3)?,
        expires_at: time(row, first + 4)?,
        revoked: row.get(first + 5)?,
        network: row.get(first + 6)?,
        agent: row.get(first + 7)?,
    })
}

/// All sessions with their tokens, ordered by id.
pub(super) fn all_sessions(connection: &Connection) -> Answer<Vec<SessionRecord>> {
    let sql = format!("SELECT {SESSION} FROM sessions s ORDER BY s.id");
    let tokens = "SELECT sha256, used FROM refresh_tokens WHERE session_id = ?1 ORDER BY sha256";
    let mut sessions = Vec::new();
    for session in all(connection, &sql, (), session_row)? {
        let refresh_tokens = all(connection, tokens, [session.id.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        sessions.push(SessionRecord { session, refresh_tokens });
    }
    Ok(sessions)
}

fn insert(connection: &Connection, session: &Session) -> Answer<()> {
    change(
        connection,
        "INSERT INTO sessions
         (id, user_id, created_at, refreshed_at, expires_at, revoked, network, agent)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            session.id.to_string(),
            session.user_id.to_string(),
            nanoseconds(session.created_at),
            session.refreshed_at.map(nanoseconds),
            nanoseconds(session.expires_at),
            session.revoked,
            session.network,
            session.agent,
        ],
    )?;
    Ok(())
}

/// Inserts a session with its tokens.
pub(super) fn insert_session(connection: &Connection, record: &SessionRecord) -> Answer<()> {
    insert(connection, &record.session)?;
    let id = record.session.id.to_string();
    for (sha256, used) in &record.refresh_tokens {
        let sql = "INSERT INTO refresh_tokens (sha256, session_id, used) VALUES (?1, ?2, ?3)";
        change(connection, sql, (sha256, &id, used))?;
    }
    Ok(())
}

pub(super) fn create_session(
    connection: &Connection,
    session: &Session,
    refresh_sha256: &str,
) -> Answer<()> {
    let owner = "SELECT 1 FROM users WHERE id = ?1 AND deleted_at IS NULL";
    if optional(connection, owner, [session.user_id.to_string()], |_| Ok(()))?.is_none() {
        return Err(StoreError::NotFound("user").into());
    }
    insert(connection, session)?;
    insert_token(connection, refresh_sha256, session.id)
}

fn insert_token(connection: &Connection, sha256: &str, session: SessionId) -> Answer<()> {
    change(
        connection,
        "INSERT INTO refresh_tokens (sha256, session_id) VALUES (?1, ?2)",
        (sha256, session.to_string()),
    )?;
    Ok(())
}

/// A refresh token, as it is stored.
struct Token {
    session: Session,
    is_used: bool,
    first_use: Option<RefreshUse>,
}

fn token(row: &Row<'_>) -> rusqlite::Result<Token> {
    let at = optional_time(row, COLUMNS + 1)?;
    let client: Option<String> = row.get(COLUMNS + 2)?;
    Ok(Token {
        session: session_row(row)?,
        is_used: row.get(COLUMNS)?,
        first_use: at.zip(client).map(|(at, client)| RefreshUse { at, client }),
    })
}

pub(super) fn rotate_refresh(connection: &Connection, refresh: &Refresh) -> Answer<Rotation> {
    let Refresh { old, new, client, now, expires_at, longest } = refresh;
    let sql = format!(
        "SELECT {SESSION}, t.used, t.used_at, t.used_by
         FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.sha256 = ?1"
    );
    let found = optional(connection, &sql, [old], token)?;
    let Some(Token { session, is_used, first_use }) = found.filter(|t| t.session.is_live(*now))
    else {
        return Ok(Rotation::Unknown);
    };
    let Some(owner) = active_user(connection, session.user_id)? else {
        return Ok(Rotation::Unknown);
    };
    if is_used {
        if first_use.is_some_and(|first| first.may_repeat(client, *now)) {
            return Ok(Rotation::Repeated(session, owner));
        }
        revoke_session(connection, session.id)?;
        return Ok(Rotation::Reused(Session { revoked: true, ..session }));
    }
    let used = "UPDATE refresh_tokens SET used = 1, used_at = ?2, used_by = ?3 WHERE sha256 = ?1";
    change(connection, used, (old, nanoseconds(*now), client))?;
    insert_token(connection, new, session.id)?;
    let expires_at = session_expiry(session.created_at, *expires_at, *longest);
    let extended = "UPDATE sessions SET expires_at = ?2, refreshed_at = ?3 WHERE id = ?1";
    let changes = (session.id.to_string(), nanoseconds(expires_at), nanoseconds(*now));
    change(connection, extended, changes)?;
    let rotated = Session { expires_at, refreshed_at: Some(*now), ..session };
    Ok(Rotation::Rotated(rotated, owner))
}

/// The user, if it can act.
fn active_user(connection: &Connection, id: UserId) -> Answer<Option<User>> {
    let sql = format!("SELECT {USER} FROM users u WHERE u.id = ?1 AND {ACTIVE}");
    optional(connection, &sql, [id.to_string()], user)
}

pub(super) fn session(connection: &Connection, id: SessionId) -> Answer<Option<Session>> {
    let sql = format!("SELECT {SESSION} FROM sessions s WHERE s.id = ?1");
    optional(connection, &sql, [id.to_string()], session_row)
}

pub(super) fn sessions_with_users(
    connection: &Connection,
    ids: &[SessionId],
) -> Answer<Vec<(Session, User)>> {
    let sql = format!(
        "SELECT {SESSION}, {USER} FROM json_each(?1) wanted
         JOIN sessions s ON s.id = wanted.value JOIN users u ON u.id = s.user_id AND {ACTIVE}"
    );
    let row = |row: &Row<'_>| Ok((session_row(row)?, user_at(row, COLUMNS)?));
    all(connection, &sql, [json_list(ids)], row)
}

pub(super) fn user_sessions(
    connection: &Connection,
    user: UserId,
    now: OffsetDateTime,
    after: Option<SessionId>,
    limit: u32,
) -> Answer<Vec<Session>> {
    let sql = format!(
        "SELECT {SESSION} FROM sessions s
         WHERE s.user_id = ?1 AND NOT s.revoked AND s.expires_at > ?2
           AND (?3 IS NULL OR s.id < ?3)
         ORDER BY s.id DESC LIMIT ?4"
    );
    let after = after.map(|after| after.to_string());
    all(connection, &sql, (user.to_string(), nanoseconds(now), after, limit), session_row)
}

pub(super) fn revoke_session(connection: &Connection, id: SessionId) -> Answer<()> {
    match change(connection, "UPDATE sessions SET revoked = 1 WHERE id = ?1", [id.to_string()])? {
        0 => Err(StoreError::NotFound("session").into()),
        _ => Ok(()),
    }
}

pub(super) fn revoke_sessions(
    connection: &Connection,
    user: UserId,
    except: Option<SessionId>,
    now: OffsetDateTime,
) -> Answer<Vec<SessionId>> {
    let (user, except) = (user.to_string(), except.map(|except| except.to_string()));
    let live = "SELECT id FROM sessions
         WHERE user_id = ?1 AND NOT revoked AND expires_at > ?2 AND id IS NOT ?3 ORDER BY id";
    let revoked = all(connection, live, (&user, nanoseconds(now), &except), |row| parsed(row, 0))?;
    let sql = "UPDATE sessions SET revoked = 1 WHERE user_id = ?1 AND id IS NOT ?2";
    change(connection, sql, (&user, &except))?;
    Ok(revoked)
}

pub(super) fn change_password(
    connection: &Connection,
    effects: &mut Effects,
    user: UserId,
    old: &str,
    new: &str,
    keep: Option<SessionId>,
) -> Answer<bool> {
    let sql = "UPDATE users SET password_hash = ?3
               WHERE id = ?1 AND password_hash = ?2 AND deleted_at IS NULL";
    if change(connection, sql, (user.to_string(), old, new))? == 0 {
        effects.unchanged = true;
        return Ok(false);
    }
    end_access(connection, user, keep)?;
    Ok(true)
}

/// Revokes the sessions of a user and deletes the tokens that reset the password.
fn end_access(connection: &Connection, user: UserId, keep: Option<SessionId>) -> Answer<()> {
    let (user, keep) = (user.to_string(), keep.map(|keep| keep.to_string()));
    let sql = "UPDATE sessions SET revoked = 1 WHERE user_id = ?1 AND id IS NOT ?2";
    change(connection, sql, (&user, keep))?;
    change(connection, "DELETE FROM password_resets WHERE user_id = ?1", [&user])?;
    Ok(())
}

pub(super) fn create_password_reset(connection: &Connection, reset: &PasswordReset) -> Answer<()> {
    let PasswordReset { user_id, sha256, expires_at } = reset;
    let owner = "SELECT 1 FROM users WHERE id = ?1 AND deleted_at IS NULL";
    if optional(connection, owner, [user_id.to_string()], |_| Ok(()))?.is_none() {
        return Err(StoreError::NotFound("user").into());
    }
    let sql = "INSERT OR REPLACE INTO password_resets (user_id, sha256, expires_at)
               VALUES (?1, ?2, ?3)";
    change(connection, sql, (user_id.to_string(), sha256, nanoseconds(*expires_at)))?;
    Ok(())
}

pub(super) fn password_reset(
    connection: &Connection,
    sha256: &str,
    now: OffsetDateTime,
) -> Answer<Option<User>> {
    let sql = format!(
        "SELECT {USER} FROM password_resets r JOIN users u ON u.id = r.user_id
         WHERE r.sha256 = ?1 AND r.expires_at > ?2 AND u.deleted_at IS NULL"
    );
    optional(connection, &sql, (sha256, nanoseconds(now)), user)
}

pub(super) fn use_password_reset(
    connection: &Connection,
    effects: &mut Effects,
    sha256: &str,
    now: OffsetDateTime,
    new: &str,
) -> Answer<Option<UserId>> {
    let Some(owner) = password_reset(connection, sha256, now)? else {
        effects.unchanged = true;
        return Ok(None);
    };
    let sql = "UPDATE users SET password_hash = ?2 WHERE id = ?1";
    change(connection, sql, (owner.id.to_string(), new))?;
    end_access(connection, owner.id, None)?;
    Ok(Some(owner.id))
}
