//! Conversion of single values in documents: times, identifiers, JSON.

use mongodb::bson::{Binary, Bson, Uuid, spec::BinarySubtype};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use time::{Duration, OffsetDateTime};
use vultus_core::{JsonText, Part};

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

ids!(
    CompanyId,
    UserId,
    SessionId,
    ApiKeyId,
    FolderId,
    MediaId,
    AnalysisId,
    GroupId,
    RunId,
    ArtifactId,
    AuditEntryId
);

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
/// it can become an operator. A projection may leave it out.
#[derive(Debug, Clone)]
pub(super) struct Json<T>(pub(super) Part<T>);

/// What a field may hold.
pub(super) trait JsonField: Sized {
    fn text(&self) -> Option<&str>;
    fn of(stored: Option<String>) -> Option<Self>;
}

impl JsonField for JsonText {
    fn text(&self) -> Option<&str> {
        Some(self.as_str())
    }

    fn of(stored: Option<String>) -> Option<Self> {
        stored.map(Self::stored)
    }
}

impl JsonField for Option<JsonText> {
    fn text(&self) -> Option<&str> {
        self.as_ref().map(JsonText::as_str)
    }

    fn of(stored: Option<String>) -> Option<Self> {
        Some(stored.map(JsonText::stored))
    }
}

impl<T> Default for Json<T> {
    fn default() -> Self {
        Self(Part::LeftOut)
    }
}

impl<T: JsonField> Serialize for Json<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.read().map_err(ser::Error::custom)?.text().serialize(serializer)
    }
}

impl<'de, T: JsonField> Deserialize<'de> for Json<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Option::<String>::deserialize(deserializer)?;
        let field = T::of(stored).ok_or_else(|| de::Error::custom("JSON is missing"))?;
        Ok(Self(Part::Read(field)))
    }
}
