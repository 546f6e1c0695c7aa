//! Requests with keys of service accounts.

use super::Accounts;
use crate::errors::stored;
use crate::types::Authenticated;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Instant;
use time::{Duration, OffsetDateTime};
use vultus_auth::refresh_tokens::stored_form;
use vultus_core::{ApiKeyId, Error, KeyScope, KeyScopes, Principal, Result, User};
use vultus_store::ApiKey;

/// How long a key that was found valid is treated as valid. A revocation takes effect within this
/// time, on every node.
const KEY_TRUST: std::time::Duration = std::time::Duration::from_millis(800);
/// Number of cached keys from which the expired entries are removed.
const MOST_CACHED: usize = 10_000;
/// Pause between two notes of the use of a key.
const NOTE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(60);
/// A connection that was opened with a key that never expires is closed after this time.
const LONGEST_CONNECTION: Duration = Duration::days(30);

/// Keys that were valid a moment ago, by the stored form of their secrets.
#[derive(Default)]
pub(super) struct KeyCache(Mutex<HashMap<String, Cached>>);

struct Cached {
    seen: Instant,
    key: ApiKey,
    user: User,
}

impl KeyCache {
    fn get(&self, sha256: &str) -> Option<(ApiKey, User)> {
        let keys = self.0.lock();
        let cached = keys.get(sha256)?;
        (cached.seen.elapsed() < KEY_TRUST).then(|| (cached.key.clone(), cached.user.clone()))
    }

    fn insert(&self, sha256: String, key: ApiKey, user: User) {
        let mut keys = self.0.lock();
        if keys.len() >= MOST_CACHED {
            keys.retain(|_, cached| cached.seen.elapsed() < KEY_TRUST);
        }
        keys.insert(sha256, Cached { seen: Instant::now(), key, user });
    }
}

/// When the use of each key was last noted by this node.
#[derive(Default)]
pub(super) struct NotedUses(Mutex<HashMap<ApiKeyId, Instant>>);

impl NotedUses {
    /// Whether a use is to be noted now.
    fn is_due(&self, id: ApiKeyId) -> bool {
        let mut noted = self.0.lock();
        if noted.len() >= MOST_CACHED {
            noted.retain(|_, at| at.elapsed() < NOTE_INTERVAL);
        }
        let is_due = noted.get(&id).is_none_or(|at| at.elapsed() >= NOTE_INTERVAL);
        if is_due {
            noted.insert(id, Instant::now());
        }
        is_due
    }
}

/// The scopes of a key. Names of scopes that this version does not know permit nothing.
pub(crate) fn scopes_of(key: &ApiKey) -> KeyScopes {
    match &key.scopes {
        None => KeyScopes::ALL,
        Some(names) => names.iter().filter_map(|name| name.parse::<KeyScope>().ok()).collect(),
    }
}

/// The principal of a key; `None` if the key has ended or its account cannot act.
pub(crate) fn principal_of_key(
    key: &ApiKey,
    user: &User,
    now: OffsetDateTime,
) -> Option<Principal> {
    key.is_live(now).then(|| Principal::ServiceAccount {
        account: user.into(),
        key_id: key.id,
        scopes: scopes_of(key),
    })
}

fn invalid_key() -> Error {
    let text = "the API key is not valid, has ended, or its account cannot act any more";
    Error::Unauthenticated(text.to_owned())
}

impl Accounts {
    /// The principal of a key that is valid.
    pub(super) async fn principal_of_key(&self, id: ApiKeyId) -> Result<Principal> {
        let now = self.0.clock.now();
        let found = stored(self.0.store.api_keys_with_users(&[id]).await)?.pop();
        let principal = found.and_then(|(key, user)| principal_of_key(&key, &user, now));
        principal.ok_or_else(invalid_key)
    }

    /// Verifies a key.
    pub(super) async fn authenticate_key(&self, secret: &str) -> Result<Authenticated> {
        let (state, now, sha256) = (&self.0, self.0.clock.now(), stored_form(secret));
        let (key, user) = match state.keys.get(&sha256) {
            Some(cached) => cached,
            None => {
                let found = stored(state.store.api_key_by_secret(&sha256).await)?;
                let (key, user) = found.ok_or_else(invalid_key)?;
                state.keys.insert(sha256, key.clone(), user.clone());
                (key, user)
            }
        };
        let principal = principal_of_key(&key, &user, now).ok_or_else(invalid_key)?;
        self.note_use(key.id, now);
        let longest = now + LONGEST_CONNECTION;
        let expires_at = key.expires_at.map_or(longest, |end| end.min(longest));
        Ok(Authenticated { principal, expires_at, signed_by: None })
    }

    /// Notes a use in the background, once a minute.
    fn note_use(&self, id: ApiKeyId, now: OffsetDateTime) {
        if !self.0.noted_uses.is_due(id) {
            return;
        }
        let store = self.0.store.clone();
        self.0.detached.spawn(async move {
            if let Err(error) = store.note_api_key_uses(&[(id, now)]).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not note the use of an API key"
                );
            }
        });
    }
}
