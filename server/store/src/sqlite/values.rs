//! Single values as columns: times, identifiers and names of states. Stored names never follow a renaming of the domain.

use rusqlite::Row;
use rusqlite::types::Type;
use std::str::FromStr;
use time::{Duration, OffsetDateTime};
use vultus_core::{AnalysisState, Resolution, Role};

/// A stored name that nothing has.
#[derive(Debug, thiserror::Error)]
#[error("unknown {what} in the store")]
struct UnknownName {
    what: &'static str,
}

/// Nanoseconds since 1970 (UTC); times after the year 2262 are stored as then.
pub(super) fn nanoseconds(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos()).unwrap_or(i64::MAX)
}

/// A time out of [`nanoseconds`].
pub(super) fn time(row: &Row<'_>, at: usize) -> rusqlite::Result<OffsetDateTime> {
    Ok(OffsetDateTime::UNIX_EPOCH + Duration::nanoseconds(row.get(at)?))
}

/// A time that may be absent.
pub(super) fn optional_time(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<OffsetDateTime>> {
    let stored: Option<i64> = row.get(at)?;
    Ok(stored.map(|stored| OffsetDateTime::UNIX_EPOCH + Duration::nanoseconds(stored)))
}

/// A value in text form, such as an identifier.
pub(super) fn parsed<T>(row: &Row<'_>, at: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = row.get_ref(at)?.as_str()?;
    text.parse().map_err(|error: T::Err| conversion(at, error))
}

/// A JSON value or document.
pub(super) fn document<T: serde::de::DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(at)?.as_str()?).map_err(|error| conversion(at, error))
}

fn conversion(at: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error))
}

/// Identifiers as a JSON array, for `json_each`.
pub(super) fn json_list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    serde_json::Value::from_iter(items.into_iter().map(|item| item.to_string())).to_string()
}

/// A role's stored name.
pub(super) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Admin => "ADMIN",
        Role::Operator => "OPERATOR",
        Role::Client => "CLIENT",
        Role::ClientAdmin => "CLIENT_ADMIN",
        Role::ClientOperator => "CLIENT_OPERATOR",
    }
}

/// A role out of its stored name.
pub(super) fn role(row: &Row<'_>, at: usize) -> rusqlite::Result<Role> {
    const ALL: [Role; 5] = [Role::Admin, Role::Operator, Role::Client, Role::ClientAdmin, Role::ClientOperator];
    named(row, at, "role", &ALL, role_name)
}

/// A state's stored name.
pub(super) fn state_name(state: AnalysisState) -> &'static str {
    match state {
        AnalysisState::Queued => "QUEUED",
        AnalysisState::Running => "RUNNING",
        AnalysisState::Finished => "FINISHED",
        AnalysisState::Failed => "FAILED",
        AnalysisState::Cancelled => "CANCELLED",
    }
}

/// A state out of its stored name.
pub(super) fn state(row: &Row<'_>, at: usize) -> rusqlite::Result<AnalysisState> {
    const ALL: [AnalysisState; 5] =
        [AnalysisState::Queued, AnalysisState::Running, AnalysisState::Finished, AnalysisState::Failed, AnalysisState::Cancelled];
    named(row, at, "state of an analysis", &ALL, state_name)
}

/// A resolution's stored name.
pub(super) fn resolution_name(resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::Success => "SUCCESS",
        Resolution::OperatorRequired => "OPERATOR_REQUIRED",
        Resolution::Declined => "DECLINED",
    }
}

/// A resolution, which may be absent, out of its stored name.
pub(super) fn resolution(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Resolution>> {
    const ALL: [Resolution; 3] = [Resolution::Success, Resolution::OperatorRequired, Resolution::Declined];
    if row.get_ref(at)?.data_type() == Type::Null {
        return Ok(None);
    }
    named(row, at, "resolution", &ALL, resolution_name).map(Some)
}

fn named<T: Copy>(row: &Row<'_>, at: usize, what: &'static str, all: &[T], name: fn(T) -> &'static str) -> rusqlite::Result<T> {
    let text = row.get_ref(at)?.as_str()?;
    all.iter().copied().find(|item| name(*item) == text).ok_or_else(|| conversion(at, UnknownName { what }))
}
