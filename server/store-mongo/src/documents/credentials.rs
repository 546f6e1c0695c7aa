//! Sessions, tokens and keys.

use super::super::values::{id, nanoseconds, time, typed};
use mongodb::bson::{DateTime, Uuid};
use serde::{Deserialize, Serialize};
use vultus_core::credentials::RefreshUse;
use vultus_store::stored::{V1, Version};
use vultus_store::{ApiKey, Session};

/// A session.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SessionDocument {
    #[serde(rename = "_id")]
    pub(crate) id: Uuid,
    v: Version,
    user_id: Uuid,
    created_at: i64,
    #[serde(default)]
    refreshed_at: Option<i64>,
    expires_at: i64,
    revoked: bool,
    #[serde(default)]
    network: Option<String>,
    #[serde(default)]
    agent: Option<String>,
    /// When the server deletes it.
    forget_at: DateTime,
}

impl SessionDocument {
    /// A new session.
    pub(crate) fn new(session: &Session, forget_at: DateTime) -> Self {
        Self {
            id: id(session.id),
            v: V1,
            user_id: id(session.user_id),
            created_at: nanoseconds(session.created_at),
            refreshed_at: session.refreshed_at.map(nanoseconds),
            expires_at: nanoseconds(session.expires_at),
            revoked: session.revoked,
            network: session.network.clone(),
            agent: session.agent.clone(),
            forget_at,
        }
    }
}

impl From<SessionDocument> for Session {
    fn from(stored: SessionDocument) -> Self {
        Self {
            id: typed(stored.id),
            user_id: typed(stored.user_id),
            created_at: time(stored.created_at),
            refreshed_at: stored.refreshed_at.map(time),
            expires_at: time(stored.expires_at),
            revoked: stored.revoked,
            network: stored.network,
            agent: stored.agent,
        }
    }
}

/// A refresh token. Used tokens are kept, so that a second use is recognized.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TokenDocument {
    #[serde(rename = "_id")]
    pub(crate) sha256: String,
    pub(crate) v: Version,
    pub(crate) session_id: Uuid,
    pub(crate) used: bool,
    #[serde(default)]
    pub(crate) used_at: Option<i64>,
    #[serde(default)]
    pub(crate) used_by: Option<String>,
    /// When the server deletes it.
    pub(crate) forget_at: DateTime,
}

impl TokenDocument {
    /// Its first use, if it is known.
    pub(crate) fn first_use(&self) -> Option<RefreshUse> {
        let client = self.used_by.clone()?;
        Some(RefreshUse { at: time(self.used_at?), client })
    }
}

/// A token that resets the password of a user.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ResetDocument {
    #[serde(rename = "_id")]
    pub(crate) user_id: Uuid,
    pub(crate) v: Version,
    pub(crate) sha256: String,
    pub(crate) expires_at: i64,
    /// When the server deletes it.
    pub(crate) forget_at: DateTime,
}

/// A key of a service account.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ApiKeyDocument {
    #[serde(rename = "_id")]
    id: Uuid,
    v: Version,
    user_id: Uuid,
    pub(crate) sha256: String,
    name: String,
    prefix: String,
    scopes: Option<Vec<String>>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
    /// When the server deletes it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    forget_at: Option<DateTime>,
}

impl ApiKeyDocument {
    /// A new key.
    pub(crate) fn new(key: &ApiKey, sha256: &str, forget_at: Option<DateTime>) -> Self {
        Self {
            id: id(key.id),
            v: V1,
            user_id: id(key.user_id),
            sha256: sha256.to_owned(),
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            scopes: key.scopes.clone(),
            created_at: nanoseconds(key.created_at),
            expires_at: key.expires_at.map(nanoseconds),
            revoked_at: key.revoked_at.map(nanoseconds),
            last_used_at: key.last_used_at.map(nanoseconds),
            forget_at,
        }
    }
}

impl From<ApiKeyDocument> for ApiKey {
    fn from(stored: ApiKeyDocument) -> Self {
        Self {
            id: typed(stored.id),
            user_id: typed(stored.user_id),
            name: stored.name,
            prefix: stored.prefix,
            scopes: stored.scopes,
            created_at: time(stored.created_at),
            expires_at: stored.expires_at.map(time),
            revoked_at: stored.revoked_at.map(time),
            last_used_at: stored.last_used_at.map(time),
        }
    }
}
