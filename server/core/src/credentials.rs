//! What a request is authenticated by, and the rules of refresh tokens, one-time tokens and API
//! keys, which both stores apply.

use crate::account::Principal;
use crate::ids::{ApiKeyId, SessionId};
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
}

/// What the text of an API key's id begins with.
const API_KEY: &str = "key-";

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(id) => id.fmt(f),
            Self::ApiKey(id) => write!(f, "{API_KEY}{id}"),
        }
    }
}

impl FromStr for Credential {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix(API_KEY) {
            Some(id) => id.parse().map(Self::ApiKey),
            None => text.parse().map(Self::Session),
        }
    }
}

impl Principal {
    /// What it is authenticated by; `None` for the command line.
    pub fn credential(&self) -> Option<Credential> {
        match self {
            Self::User { session_id, .. } => Some(Credential::Session(*session_id)),
            Self::ServiceAccount { key_id, .. } => Some(Credential::ApiKey(*key_id)),
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
        for credential in [Credential::Session(id.into()), Credential::ApiKey(id.into())] {
            assert_eq!(credential.to_string().parse(), Ok(credential));
        }
        assert!("key-".parse::<Credential>().is_err());
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
