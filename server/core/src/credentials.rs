//! What a request is authenticated by, and the rules of refresh tokens, one-time tokens and API
//! keys, which both stores apply.

use crate::account::Principal;
use crate::ids::{ApiKeyId, SessionId, UserId};
use std::fmt;
use std::str::FromStr;
use time::{Duration, OffsetDateTime};

/// For this long the client that used a refresh token gets the same successor again: its answer may
/// have been lost, or another tab of the same browser was a moment later.
pub const REPEATED_REFRESH: Duration = Duration::seconds(30);

/// Lifetime of a token that resets a password.
pub const RESET_LIFETIME: Duration = Duration::minutes(15);

/// How long a key of a service account is listed after it ended.
pub const KEEP_API_KEYS: Duration = Duration::days(90);

/// What a request is authenticated by. It ends by itself, or by revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Credential {
    /// A login.
    Session(SessionId),
    /// A key of a service account.
    ApiKey(ApiKeyId),
    /// An access token of an identity provider. It ends when it expires, or when its user can act
    /// no more.
    External {
        /// The user.
        user: UserId,
        /// When it expires, in seconds since 1970.
        expires_at: i64,
    },
}

/// What the text of an API key's id begins with.
const API_KEY: &str = "key-";
/// What the text of a token of an identity provider begins with.
const EXTERNAL: &str = "oidc-";
/// The text names no credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a credential")]
pub struct UnknownCredential;

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(id) => id.fmt(f),
            Self::ApiKey(id) => write!(f, "{API_KEY}{id}"),
            Self::External { user, expires_at } => write!(f, "{EXTERNAL}{expires_at}-{user}"),
        }
    }
}

impl FromStr for Credential {
    type Err = UnknownCredential;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = if let Some(id) = text.strip_prefix(API_KEY) {
            id.parse().ok().map(Self::ApiKey)
        } else if let Some(token) = text.strip_prefix(EXTERNAL) {
            external(token)
        } else {
            text.parse().ok().map(Self::Session)
        };
        known.ok_or(UnknownCredential)
    }
}

fn external(text: &str) -> Option<Credential> {
    let (expires_at, user) = text.split_once('-')?;
    let (expires_at, user) = (expires_at.parse().ok()?, user.parse().ok()?);
    Some(Credential::External { user, expires_at })
}

impl Principal {
    /// What it is authenticated by; `None` for the command line.
    pub fn credential(&self) -> Option<Credential> {
        match self {
            Self::User { session_id, .. } => Some(Credential::Session(*session_id)),
            Self::ServiceAccount { key_id, .. } => Some(Credential::ApiKey(*key_id)),
            Self::External { account, expires_at } => {
                Some(Credential::External { user: account.user_id, expires_at: *expires_at })
            }
            Self::Local => None,
        }
    }
}

/// The first use of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshUse {
    /// When it was used.
    pub at: OffsetDateTime,
    /// The client that used it.
    pub client: String,
}

impl RefreshUse {
    /// Whether another use is the same client's repetition, and no theft.
    pub fn may_repeat(&self, client: &str, now: OffsetDateTime) -> bool {
        self.client == client && now - self.at <= REPEATED_REFRESH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_known_by_their_text() {
        let id = uuid::Uuid::from_u128(7);
        let external = Credential::External { user: id.into(), expires_at: 1_900_000_000 };
        let (session, key) = (Credential::Session(id.into()), Credential::ApiKey(id.into()));
        for credential in [session, key, external] {
            assert_eq!(credential.to_string().parse(), Ok(credential));
        }
        for wrong in ["key-", "oidc-", "oidc-5", ""] {
            assert_eq!(wrong.parse::<Credential>(), Err(UnknownCredential));
        }
    }

    #[test]
    fn only_the_same_client_may_repeat_and_for_30_seconds() {
        let at = OffsetDateTime::UNIX_EPOCH;
        let first = RefreshUse { at, client: "a".to_owned() };
        assert!(first.may_repeat("a", at + Duration::seconds(30)));
        assert!(!first.may_repeat("a", at + Duration::seconds(31)));
        assert!(!first.may_repeat("b", at));
    }
}
