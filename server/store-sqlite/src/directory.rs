//! Companies and users, as administrators list and change them.

use super::accounts::{COMPANY, USER, company, company_row, user};
use super::audit;
use super::fault::{Answer, Fault};
use super::rows::{all, change, optional};
use super::values::{json_list, nanoseconds, parsed};
use super::writer::Effects;
use ::time::OffsetDateTime;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
use vultus_core::{CompanyId, FolderId, Role, User, UserId};
use vultus_store::StoreError;
use vultus_store::names::Named;
use vultus_store::{Company, CompanyScope, UserChange, UserFilter, UserScope};

/// Reads rows until one more than `limit` are accepted. The text of a search is compared here,
/// because SQLite knows the upper and lower case of ASCII only.
fn page<T>(
    connection: &Connection,
    sql: &str,
    values: Vec<Value>,
    limit: u32,
    map: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    is_wanted: impl Fn(&T) -> bool,
) -> Answer<(Vec<T>, bool)> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let item = map(row)?;
        if !is_wanted(&item) {
            continue;
        }
        if found.len() == limit as usize {
            return Ok((found, true));
        }
        found.push(item);
    }
    Ok((found, false))
}

/// A search in texts, in any case.
fn search(text: Option<&str>) -> impl Fn(&[&str]) -> bool {
    let wanted = text.map(str::to_lowercase);
    move |texts| {
        wanted
            .as_ref()
            .is_none_or(|wanted| texts.iter().any(|text| text.to_lowercase().contains(wanted)))
    }
}

pub(super) fn list_companies(
    connection: &Connection,
    scope: CompanyScope,
    text: Option<&str>,
    after: Option<CompanyId>,
    limit: u32,
) -> Answer<(Vec<Company>, bool)> {
    let sql = format!(
        "SELECT {COMPANY} FROM companies WHERE id > ?1 AND (?2 IS NULL OR id = ?2) ORDER BY id"
    );
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let values = vec![Value::Text(after), only_company(scope)];
    let is_found = search(text);
    page(connection, &sql, values, limit, company_row, |company| is_found(&[&company.name]))
}

fn only_company(scope: CompanyScope) -> Value {
    match scope {
        CompanyScope::Every => Value::Null,
        CompanyScope::Only(id) => Value::Text(id.to_string()),
    }
}

pub(super) fn companies_by_ids(
    connection: &Connection,
    scope: CompanyScope,
    ids: &[CompanyId],
) -> Answer<Vec<Company>> {
    let sql = format!(
        "SELECT {COMPANY} FROM companies
         WHERE id IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR id = ?2)"
    );
    all(connection, &sql, params![json_list(ids), only_company(scope)], company_row)
}

pub(super) fn rename_company(
    connection: &Connection,
    scope: CompanyScope,
    id: CompanyId,
    name: &str,
) -> Answer<Company> {
    let sql = "UPDATE companies SET name = ?3 WHERE id = ?1 AND (?2 IS NULL OR id = ?2)";
    change(connection, sql, params![id.to_string(), only_company(scope), name])?;
    companies_by_ids(connection, scope, &[id])?.pop().ok_or_else(no_company)
}

fn no_company() -> Fault {
    Fault::Known(StoreError::NotFound("company"))
}

pub(super) fn suspend_company(
    connection: &Connection,
    id: CompanyId,
    since: Option<OffsetDateTime>,
) -> Answer<Company> {
    if company(connection, id)?.deleting_at.is_some() {
        return Err(StoreError::BeingErased.into());
    }
    let sql = "UPDATE companies
               SET suspended_at = CASE WHEN ?2 IS NULL THEN NULL ELSE ifnull(suspended_at, ?2) END
               WHERE id = ?1";
    change(connection, sql, params![id.to_string(), since.map(nanoseconds)])?;
    company(connection, id)
}

pub(super) fn begin_company_erasure(
    connection: &Connection,
    id: CompanyId,
    now: OffsetDateTime,
) -> Answer<()> {
    let sql = "UPDATE companies SET suspended_at = ifnull(suspended_at, ?2),
               deleting_at = ifnull(deleting_at, ?2) WHERE id = ?1";
    match change(connection, sql, (id.to_string(), nanoseconds(now)))? {
        0 => Err(no_company()),
        _ => Ok(()),
    }
}

pub(super) fn erasures(connection: &Connection) -> Answer<Vec<CompanyId>> {
    let sql = "SELECT id FROM companies WHERE deleting_at IS NOT NULL ORDER BY id";
    all(connection, sql, (), |row| parsed(row, 0))
}

pub(super) fn folders_of_company(
    connection: &Connection,
    id: CompanyId,
    limit: u32,
) -> Answer<Vec<FolderId>> {
    let sql = "SELECT id FROM folders WHERE company_id = ?1 LIMIT ?2";
    all(connection, sql, (id.to_string(), limit), |row| parsed(row, 0))
}

pub(super) fn erase_company(
    connection: &Connection,
    effects: &mut Effects,
    id: CompanyId,
    now: OffsetDateTime,
) -> Answer<bool> {
    if !folders_of_company(connection, id, 1)?.is_empty() {
        effects.unchanged = true;
        return Ok(false);
    }
    let users = "SELECT id FROM users WHERE company_id = ?1";
    for user in all(connection, users, [id.to_string()], |row| parsed(row, 0))? {
        erase_user(connection, user, now)?;
    }
    let deleted = change(connection, "DELETE FROM companies WHERE id = ?1", [id.to_string()])?;
    effects.unchanged = deleted == 0;
    audit::delete_chain(connection, id)?;
    Ok(true)
}

pub(super) fn list_users(
    connection: &Connection,
    scope: UserScope,
    filter: &UserFilter,
    after: Option<UserId>,
    limit: u32,
) -> Answer<(Vec<User>, bool)> {
    let sql = format!(
        "SELECT {USER} FROM users u WHERE u.id > ?1 AND u.deleted_at IS NULL
         AND (?2 IS NULL OR u.company_id = ?2) AND (?3 IS NULL OR u.id = ?3)
         AND (?4 IS NULL OR u.company_id = ?4) AND (?5 IS NULL OR u.role = ?5) ORDER BY u.id"
    );
    let text = |text: Option<String>| text.map_or(Value::Null, Value::Text);
    let (company, id) = within(scope);
    let values = vec![
        Value::Text(after.map(|id| id.to_string()).unwrap_or_default()),
        text(company),
        text(id),
        text(filter.company_id.map(|id| id.to_string())),
        text(filter.role.map(|role| role.name().to_owned())),
    ];
    let is_found = search(filter.search.as_deref());
    page(connection, &sql, values, limit, user, |user| is_found(&[&user.name, &user.email]))
}

/// The company and the user to which a scope is limited.
fn within(scope: UserScope) -> (Option<String>, Option<String>) {
    match scope {
        UserScope::Every => (None, None),
        UserScope::OfCompany(company) => (Some(company.to_string()), None),
        UserScope::Only(user) => (None, Some(user.to_string())),
    }
}

/// A user within the scope that is not deleted.
fn user_within(connection: &Connection, scope: UserScope, id: UserId) -> Answer<User> {
    let sql = format!(
        "SELECT {USER} FROM users u WHERE u.id = ?1 AND u.deleted_at IS NULL
         AND (?2 IS NULL OR u.company_id = ?2) AND (?3 IS NULL OR u.id = ?3)"
    );
    let (company, only) = within(scope);
    let found = optional(connection, &sql, (id.to_string(), company, only), user)?;
    found.ok_or(Fault::Known(StoreError::NotFound("user")))
}

/// Fails unless there is an administrator beside this one that can act.
fn keep_an_administrator(connection: &Connection, except: &User) -> Answer<()> {
    if except.role != Role::Admin || except.disabled_at.is_some() {
        return Ok(());
    }
    let sql = "SELECT 1 FROM users WHERE role = ?1 AND id <> ?2 AND disabled_at IS NULL
               AND deleted_at IS NULL LIMIT 1";
    let other = (Role::Admin.name(), except.id.to_string());
    match optional(connection, sql, other, |_| Ok(()))? {
        Some(()) => Ok(()),
        None => Err(StoreError::LastAdministrator.into()),
    }
}

pub(super) fn change_user(
    connection: &Connection,
    scope: UserScope,
    id: UserId,
    changed: &UserChange,
) -> Answer<User> {
    let before = user_within(connection, scope, id)?;
    let id_text = id.to_string();
    match changed {
        UserChange::Name(name) => {
            change(connection, "UPDATE users SET name = ?2 WHERE id = ?1", (id_text, name))?
        }
        UserChange::Role(role, of) => {
            if *role != Role::Admin {
                keep_an_administrator(connection, &before)?;
            }
            if let Some(of) = of {
                company(connection, *of)?;
            }
            let sql = "UPDATE users SET role = ?2, company_id = ?3,
                       is_service = is_service OR ?4 WHERE id = ?1";
            let is_service = *role == Role::ClientService;
            let of = of.map(|of| of.to_string());
            change(connection, sql, (id_text, role.name(), of, is_service))?
        }
        UserChange::MayStart(may_start) => {
            let types = may_start.types().map(json_list);
            change(connection, "UPDATE users SET may_start = ?2 WHERE id = ?1", (id_text, types))?
        }
        UserChange::Disabled(since) => {
            if since.is_some() {
                keep_an_administrator(connection, &before)?;
            }
            let since = since.map(|since| before.disabled_at.unwrap_or(since)).map(nanoseconds);
            change(connection, "UPDATE users SET disabled_at = ?2 WHERE id = ?1", (id_text, since))?
        }
    };
    // Within no company any more, but changed by a caller that reached it before.
    user_within(connection, UserScope::Only(id), id)
}

pub(super) fn delete_user(
    connection: &Connection,
    scope: UserScope,
    id: UserId,
    now: OffsetDateTime,
) -> Answer<()> {
    let user = user_within(connection, scope, id)?;
    keep_an_administrator(connection, &user)?;
    erase_user(connection, id, now)
}

/// Deletes a user with its sessions and idempotency keys. If folders refer to it, an empty row
/// stays.
fn erase_user(connection: &Connection, id: UserId, now: OffsetDateTime) -> Answer<()> {
    let folders = "SELECT 1 FROM folders WHERE owner_id = ?1 LIMIT 1";
    let id = id.to_string();
    if optional(connection, folders, [&id], |_| Ok(()))?.is_none() {
        // Sessions and idempotency keys go with it.
        change(connection, "DELETE FROM users WHERE id = ?1", [&id])?;
        return Ok(());
    }
    for sql in [
        "DELETE FROM sessions WHERE user_id = ?1",
        "DELETE FROM api_keys WHERE user_id = ?1",
        "DELETE FROM password_resets WHERE user_id = ?1",
        "DELETE FROM idempotency WHERE user_id = ?1",
    ] {
        change(connection, sql, [&id])?;
    }
    // The e-mail is unique, and no e-mail looks like an id.
    let sql = "UPDATE users SET email = id, name = '', password_hash = '', may_start = NULL,
               company_id = NULL, deleted_at = ifnull(deleted_at, ?2) WHERE id = ?1";
    change(connection, sql, (&id, nanoseconds(now)))?;
    Ok(())
}
