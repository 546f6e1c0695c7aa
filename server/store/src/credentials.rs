//! Arguments and results of the use cases of sessions, passwords and keys.

use time::{Duration, OffsetDateTime};
use vultus_core::{ApiKeyId, SessionId, User, UserId};

/// A session: a login, and all refresh tokens that descend from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Id.
    pub id: SessionId,
    /// The user.
    pub user_id: UserId,
    /// When it began.
    pub created_at: OffsetDateTime,
    /// When its newest refresh token was issued; absent before the first refresh.
    pub refreshed_at: Option<OffsetDateTime>,
    /// Expiry of its newest refresh token.
    pub expires_at: OffsetDateTime,
    /// Whether it was revoked.
    pub revoked: bool,
    /// The network from which it was begun, such as `203.0.113.0/24`.
    pub network: Option<String>,
    /// The program with which it was begun, as the client named it.
    pub agent: Option<String>,
}

impl Session {
    /// Whether its tokens are valid at `now`.
    pub fn is_live(&self, now: OffsetDateTime) -> bool {
        !self.revoked && self.expires_at > now
    }
}

/// An exchange of a refresh token. Tokens are given by their stored form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    /// The token.
    pub old: String,
    /// Its successor.
    pub new: String,
    /// Identifies the client.
    pub client: String,
    /// Time of the exchange.
    pub now: OffsetDateTime,
    /// Expiry of the session after it.
    pub expires_at: OffsetDateTime,
    /// The session ends at the latest this long after its beginning.
    pub longest: Duration,
}

/// Result of rotating a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The token was current; the new one replaces it.
    Rotated(Session, User),
    /// The same client used the token a moment ago; the new one has replaced it already.
    Repeated(Session, User),
    /// The token was used before; the session is now revoked.
    Reused(Session),
    /// Unknown, expired or revoked.
    Unknown,
}

/// A token that resets a password once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordReset {
    /// The user.
    pub user_id: UserId,
    /// Stored form of the token.
    pub sha256: String,
    /// When it expires.
    pub expires_at: OffsetDateTime,
}

/// A key of a service account. Its secret is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Id.
    pub id: ApiKeyId,
    /// The service account.
    pub user_id: UserId,
    /// Name for people.
    pub name: String,
    /// The beginning of the secret, by which people recognize it.
    pub prefix: String,
    /// What it may do of what the account may; absent: everything.
    pub scopes: Option<Vec<String>>,
    /// Time of creation.
    pub created_at: OffsetDateTime,
    /// When it expires; absent: never.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
    /// When it was last used, to a minute.
    pub last_used_at: Option<OffsetDateTime>,
}

impl ApiKey {
    /// Whether it is valid at `now`.
    pub fn is_live(&self, now: OffsetDateTime) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}
