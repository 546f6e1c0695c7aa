//! A cache of sessions that were valid a moment ago.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use vultus_core::{Principal, SessionId, User};

/// How long a session that was found valid is treated as valid. A revocation on another node takes
/// effect within this time.
const SESSION_TRUST: Duration = Duration::from_millis(800);
/// Number of cached sessions from which the expired entries are removed.
const MOST_SESSIONS: usize = 50_000;

/// The principal of a user's session.
pub(crate) fn principal_of(user: &User, session: SessionId) -> Principal {
    Principal::User { account: user.into(), session_id: session }
}

/// Sessions that were valid a moment ago, with their users.
#[derive(Default)]
pub(crate) struct SessionCache(Mutex<HashMap<SessionId, (Instant, User)>>);

impl SessionCache {
    /// The user of a session that was found valid within [`SESSION_TRUST`].
    pub(crate) fn get(&self, id: SessionId) -> Option<User> {
        let sessions = self.0.lock();
        let (seen, user) = sessions.get(&id)?;
        (seen.elapsed() < SESSION_TRUST).then(|| user.clone())
    }

    pub(crate) fn insert(&self, id: SessionId, user: User) {
        let mut sessions = self.0.lock();
        if sessions.len() >= MOST_SESSIONS {
            sessions.retain(|_, (seen, _)| seen.elapsed() < SESSION_TRUST);
        }
        sessions.insert(id, (Instant::now(), user));
    }

    pub(crate) fn remove(&self, id: SessionId) {
        self.0.lock().remove(&id);
    }
}
