//! Conversion of single columns: times, identifiers, documents and names.

use rusqlite::Row;
use rusqlite::types::Type;
use std::str::FromStr;
use time::{Duration, OffsetDateTime};
use vultus_store::names::{Named, named};

/// Nanoseconds since 1970 (UTC). Times after the year 2262 become the largest value.
pub(super) fn nanoseconds(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos()).unwrap_or(i64::MAX)
}

/// A time that was stored by [`nanoseconds`].
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

/// A value in text form that may be absent.
pub(super) fn optional_parsed<T>(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<T>>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    if row.get_ref(at)?.data_type() == Type::Null { Ok(None) } else { parsed(row, at).map(Some) }
}

/// A JSON value or document.
pub(super) fn document<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    at: usize,
) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(at)?.as_str()?).map_err(|error| conversion(at, error))
}

fn conversion(at: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error))
}

/// Identifiers as a JSON array, for `json_each`.
pub(super) fn json_list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    serde_json::Value::from_iter(items.into_iter().map(|item| item.to_string())).to_string()
}

/// A value of a closed set, read from its stored name.
pub(super) fn name<T: Named>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    named(row.get_ref(at)?.as_str()?).map_err(|error| conversion(at, error))
}

/// [`name`] of a column that may be NULL.
pub(super) fn optional_name<T: Named>(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<T>> {
    if row.get_ref(at)?.data_type() == Type::Null { Ok(None) } else { name(row, at).map(Some) }
}
