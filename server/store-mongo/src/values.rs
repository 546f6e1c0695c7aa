//! Conversion of single values in documents: times, identifiers, JSON.

use mongodb::bson::{Binary, Bson, Uuid, spec::BinarySubtype};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::{Duration, OffsetDateTime};

/// An identifier of the domain as it is stored.
pub(super) fn id(id: impl Id) -> Uuid {
    Uuid::from_bytes(id.uuid().into_bytes())
}

/// An identifier of the domain, read from a document.
pub(super) fn typed<T: From<uuid::Uuid>>(id: Uuid) -> T {
    uuid::Uuid::from_bytes(id.bytes()).into()
}

/// The identifiers of the domain.
pub(super) trait Id {
    /// Its UUID.
    fn uuid(&self) -> uuid::Uuid;
}

impl<T: Id> Id for &T {
    fn uuid(&self) -> uuid::Uuid {
        (*self).uuid()
    }
}

macro_rules! ids {
    ($($name:ident),+) => {$(
        impl Id for vultus_core::$name {
            fn uuid(&self) -> uuid::Uuid {
                self.0
            }
        }
    )+};
}

ids!(CompanyId, UserId, SessionId, FolderId, MediaId, AnalysisId, GroupId, RunId, ArtifactId);

/// Identifiers as an array, for `$in`.
pub(super) fn ids<T: Id>(items: impl IntoIterator<Item = T>) -> Vec<Bson> {
    items.into_iter().map(|item| id(item).into()).collect()
}

/// Bytes in a document.
pub(super) fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

/// Nanoseconds since 1970 (UTC). Times after the year 2262 become the largest value.
pub(super) fn nanoseconds(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos()).unwrap_or(i64::MAX)
}

/// A time that was stored by [`nanoseconds`].
pub(super) fn time(stored: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::nanoseconds(stored)
}

/// A count or size as it is stored. Larger values than the type of the document do not occur.
pub(super) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count, read from a document.
pub(super) fn counted(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or_default()
}

/// A small count, read from a document.
pub(super) fn few(stored: i64) -> u32 {
    u32::try_from(stored).unwrap_or_default()
}

/// JSON as text: numbers, depth and names of keys (`$`, dots, NUL) are kept exactly, and no part of
/// it can become an operator.
#[derive(Debug, Clone)]
pub(super) struct Json(pub(super) serde_json::Value);

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        serde_json::from_str(&text).map(Self).map_err(de::Error::custom)
    }
}
