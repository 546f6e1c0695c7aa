//! Companies and users.

use super::fault::{Answer, Fault};
use super::rows::{all, change, optional};
use super::values::{
    document, json_list, name, nanoseconds, optional_parsed, optional_time, parsed, time,
};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use vultus_core::{CompanyId, MayStart, User, UserId};
use vultus_store::StoreError;
use vultus_store::names::Named;
use vultus_store::{Company, UserWithPassword};

/// Columns of [`user`], of `users u`.
pub(super) const USER: &str =
    "u.id, u.company_id, u.email, u.name, u.role, u.is_service, u.created_at,
    u.may_start, u.disabled_at";
/// Number of the columns [`USER`].
const USER_COLUMNS: usize = 9;
/// Condition of users that can act: not deleted, not disabled, and of no suspended company.
pub(super) const ACTIVE: &str = "u.deleted_at IS NULL AND u.disabled_at IS NULL AND NOT EXISTS
    (SELECT 1 FROM companies c WHERE c.id = u.company_id AND c.suspended_at IS NOT NULL)";
/// [`USER`] with the columns of [`user_with_password`].
const USER_ROW: &str = "u.id, u.company_id, u.email, u.name, u.role, u.is_service, u.created_at,
    u.may_start, u.disabled_at, u.password_hash, u.deleted_at";

/// The user in the columns from `first` on.
pub(super) fn user_at(row: &Row<'_>, first: usize) -> rusqlite::Result<User> {
    Ok(User {
        id: parsed(row, first)?,
        company_id: optional_parsed(row, first + 1)?,
        email: row.get(first + 2)?,
        name: row.get(first + 3)?,
        role: name(row, first + 4)?,
        is_service: row.get(first + 5)?,
        created_at: time(row, first + 6)?,
        may_start: match row.get_ref(first + 7)?.data_type() {
            Type::Null => MayStart::Every,
            _ => MayStart::only(document(row, first + 7)?),
        },
        disabled_at: optional_time(row, first + 8)?,
    })
}

/// The user in the first columns.
pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    user_at(row, 0)
}

pub(super) fn create_company(connection: &Connection, company: &Company) -> Answer<()> {
    let made = change(
        connection,
        "INSERT INTO companies (id, name, wrapped_key, created_at, suspended_at, deleting_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING",
        params![
            company.id.to_string(),
            company.name,
            company.wrapped_key,
            nanoseconds(company.created_at),
            company.suspended_at.map(nanoseconds),
            company.deleting_at.map(nanoseconds),
        ],
    )?;
    if made == 1 {
        Ok(())
    } else {
        Err(StoreError::Duplicate { what: "company", existing: company.id.to_string() }.into())
    }
}

pub(super) const COMPANY: &str =
    "id, name, ifnull(wrapped_key, x''), created_at, suspended_at, deleting_at";

pub(super) fn company_row(row: &Row<'_>) -> rusqlite::Result<Company> {
    Ok(Company {
        id: parsed(row, 0)?,
        name: row.get(1)?,
        wrapped_key: row.get(2)?,
        created_at: time(row, 3)?,
        suspended_at: optional_time(row, 4)?,
        deleting_at: optional_time(row, 5)?,
    })
}

pub(super) fn company(connection: &Connection, id: CompanyId) -> Answer<Company> {
    let sql = format!("SELECT {COMPANY} FROM companies WHERE id = ?1");
    optional(connection, &sql, [id.to_string()], company_row)?
        .ok_or(Fault::Known(StoreError::NotFound("company")))
}

pub(super) fn companies(connection: &Connection) -> Answer<Vec<Company>> {
    all(connection, &format!("SELECT {COMPANY} FROM companies ORDER BY id"), (), company_row)
}

pub(super) fn replace_company_key(
    connection: &Connection,
    id: CompanyId,
    old: &[u8],
    new: &[u8],
) -> Answer<bool> {
    let sql =
        "UPDATE companies SET wrapped_key = ?3 WHERE id = ?1 AND ifnull(wrapped_key, x'') = ?2";
    Ok(change(connection, sql, (id.to_string(), old, new))? == 1)
}

/// The company that is active, if there is exactly one.
pub(super) fn only_active_company(connection: &Connection) -> Answer<Option<CompanyId>> {
    let sql = "SELECT id FROM companies WHERE suspended_at IS NULL LIMIT 2";
    let found: Vec<CompanyId> = all(connection, sql, (), |row| parsed(row, 0))?;
    Ok(<[CompanyId; 1]>::try_from(found).ok().map(|[only]| only))
}

pub(super) fn create_user(connection: &Connection, user: &User, password_hash: &str) -> Answer<()> {
    let taken = "SELECT id FROM users WHERE email = ?1";
    if let Some(existing) = optional(connection, taken, [&user.email], |row| row.get(0))? {
        return Err(StoreError::Duplicate { what: "email", existing }.into());
    }
    let company_id = user.company_of_role();
    if let Some(id) = company_id {
        company(connection, id)?;
    }
    change(
        connection,
        "INSERT INTO users
         (id, company_id, email, name, role, is_service, password_hash, created_at, may_start,
          disabled_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            user.id.to_string(),
            company_id.map(|id| id.to_string()),
            user.email,
            user.name,
            user.role.name(),
            user.is_service,
            password_hash,
            nanoseconds(user.created_at),
            user.may_start.types().map(json_list),
            user.disabled_at.map(nanoseconds),
        ],
    )?;
    Ok(())
}

pub(super) fn count_users(connection: &Connection) -> Answer<u64> {
    let sql = "SELECT count(*) FROM users WHERE deleted_at IS NULL";
    Ok(connection.query_row(sql, (), |row| row.get(0))?)
}

pub(super) fn user_by_email(
    connection: &Connection,
    email: &str,
) -> Answer<Option<UserWithPassword>> {
    let sql = format!("SELECT {USER_ROW} FROM users u WHERE u.email = ?1");
    optional(connection, &sql, [email], user_with_password)
}

fn user_with_password(row: &Row<'_>) -> rusqlite::Result<UserWithPassword> {
    Ok(UserWithPassword {
        user: user(row)?,
        password_hash: row.get(USER_COLUMNS)?,
        deleted_at: optional_time(row, USER_COLUMNS + 1)?,
    })
}

/// All users, ordered by id.
pub(super) fn all_users(connection: &Connection) -> Answer<Vec<UserWithPassword>> {
    let sql = format!("SELECT {USER_ROW} FROM users u ORDER BY u.id");
    all(connection, &sql, (), user_with_password)
}

/// Inserts a user.
pub(super) fn insert_user(connection: &Connection, user: &UserWithPassword) -> Answer<()> {
    create_user(connection, &user.user, &user.password_hash)?;
    let deleted_at = user.deleted_at.map(nanoseconds);
    let sql = "UPDATE users SET deleted_at = ?2 WHERE id = ?1";
    change(connection, sql, (user.user.id.to_string(), deleted_at))?;
    Ok(())
}

pub(super) fn users(connection: &Connection, ids: &[UserId]) -> Answer<Vec<User>> {
    let sql = format!(
        "SELECT {USER} FROM json_each(?1) wanted JOIN users u ON u.id = wanted.value
         WHERE u.deleted_at IS NULL ORDER BY wanted.key"
    );
    all(connection, &sql, [json_list(ids)], user)
}
