//! Entries and signed heads of the audit log.

use super::super::values::{binary, count, counted, id, nanoseconds, time, typed};
use mongodb::bson::{Binary, Uuid};
use serde::{Deserialize, Serialize};
use vultus_store::audit::{AuditEntry, Chain, Hash};
use vultus_store::stored::{V1, Version};

/// An entry.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AuditDocument {
    #[serde(rename = "_id")]
    id: Uuid,
    v: Version,
    chain: Chain,
    at: i64,
    actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// Until it has its place; then the place is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<Binary>,
}

impl From<&AuditEntry> for AuditDocument {
    fn from(entry: &AuditEntry) -> Self {
        Self {
            id: id(entry.id),
            v: V1,
            chain: entry.chain,
            at: nanoseconds(entry.at),
            actor: entry.actor.clone(),
            origin: entry.origin.clone(),
            action: entry.action.clone(),
            object: entry.object.clone(),
            before: entry.before.clone(),
            after: entry.after.clone(),
            waiting: entry.place.is_none().then_some(true),
            number: entry.place.map(|(number, _)| count(number)),
            hash: entry.place.map(|(_, hash)| binary(&hash.0)),
        }
    }
}

impl AuditDocument {
    /// The place of the entry. A hash of another length is a changed one: it equals no hash.
    pub(crate) fn place(&self) -> Option<(u64, Hash)> {
        let stored = self.hash.as_ref().map(|hash| hash.bytes.as_slice()).unwrap_or_default();
        Some((counted(self.number?), Hash(stored.try_into().unwrap_or([0; 32]))))
    }
}

impl From<AuditDocument> for AuditEntry {
    fn from(stored: AuditDocument) -> Self {
        Self {
            place: stored.place(),
            id: typed(stored.id),
            chain: stored.chain,
            at: time(stored.at),
            actor: stored.actor,
            origin: stored.origin,
            action: stored.action,
            object: stored.object,
            before: stored.before,
            after: stored.after,
        }
    }
}

/// The newest signed head of a chain.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AuditHeadDocument {
    #[serde(rename = "_id")]
    pub(crate) chain: Chain,
    pub(crate) v: Version,
    pub(crate) signed: String,
}
