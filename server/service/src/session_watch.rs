//! Watches the sessions and API keys of open websockets: one read of the store for all of them,
//! several times a second. A socket thus loses its rights within a second, on whichever node they
//! were taken away.

use crate::accounts::{external_principal, principal_of_key};
use crate::sessions::principal_of;
use crate::types::Authenticated;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use vultus_auth::signing_keys::SigningKeys;
use vultus_core::clock::Clock;
use vultus_core::credentials::Credential;
use vultus_core::{CompanyId, Principal, User, UserId};
use vultus_store::{CompanyScope, Store};

/// Pause between two reads.
const INTERVAL: Duration = Duration::from_millis(400);
/// How long the result of a read counts.
const TRUST: Duration = Duration::from_millis(900);
/// Maximum number of sessions in one read.
const BATCH: usize = 500;

/// The watched sessions. Clones share them.
#[derive(Clone)]
pub(crate) struct SessionWatch(Arc<State>);

struct State {
    store: Arc<dyn Store>,
    clock: Clock,
    signing: SigningKeys,
    sessions: Mutex<HashMap<Credential, Watched>>,
}

struct Watched {
    watchers: usize,
    seen: watch::Sender<Seen>,
}

/// What the newest read told about a session.
#[derive(Debug, Clone)]
struct Seen {
    /// The principal; `None` if the session has ended.
    principal: Option<Principal>,
    at: Instant,
}

/// What is known about the rights of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// They are those of the opening.
    Unchanged,
    /// The session has ended, the token has expired, or the principal has changed.
    Changed,
    /// The store has not answered for some time.
    Unknown,
}

/// The session of an open socket, until it is dropped.
pub struct WatchedSession {
    watch: SessionWatch,
    id: Credential,
    principal: Principal,
    /// The key of this server that signed the token.
    signed_by: Option<String>,
    expires: Instant,
    seen: watch::Receiver<Seen>,
}

impl SessionWatch {
    pub(crate) fn new(store: Arc<dyn Store>, signing: SigningKeys, clock: Clock) -> Self {
        Self(Arc::new(State { store, clock, signing, sessions: Mutex::default() }))
    }

    /// Wakes all sockets: those whose token is of a key that was replaced at once are closed.
    fn keys_changed(&self) {
        for watched in self.0.sessions.lock().values() {
            watched.seen.send_modify(|_| {});
        }
    }

    /// Watches the session of a token that has just been verified; `None` without a session.
    pub(crate) fn watch(&self, of: &Authenticated) -> Option<WatchedSession> {
        let id = of.principal.credential()?;
        let lifetime = (of.expires_at - self.0.clock.now()).max(time::Duration::ZERO);
        let seen = Seen { principal: Some(of.principal.clone()), at: Instant::now() };
        let mut sessions = self.0.sessions.lock();
        let watched = sessions
            .entry(id)
            .or_insert_with(|| Watched { watchers: 0, seen: watch::Sender::new(seen) });
        watched.watchers += 1;
        Some(WatchedSession {
            watch: self.clone(),
            id,
            principal: of.principal.clone(),
            signed_by: of.signed_by.clone(),
            expires: Instant::now() + lifetime.unsigned_abs(),
            seen: watched.seen.subscribe(),
        })
    }

    /// Reads the watched sessions until `stopping` is cancelled.
    pub(crate) async fn run(self, stopping: CancellationToken) {
        let mut timer = tokio::time::interval(INTERVAL);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sole = self.0.signing.sole(self.0.clock.now());
        while stopping.run_until_cancelled(timer.tick()).await.is_some() {
            let now_sole = self.0.signing.sole(self.0.clock.now());
            if now_sole != sole {
                sole = now_sole;
                self.keys_changed();
            }
            let ids: Vec<Credential> = self.0.sessions.lock().keys().copied().collect();
            for batch in ids.chunks(BATCH) {
                self.read(batch).await;
            }
        }
    }

    async fn read(&self, ids: &[Credential]) {
        let at = Instant::now();
        let found = match self.principals(ids).await {
            Ok(found) => found,
            Err(error) => {
                // Sockets notice that what is known of their sessions grows old.
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not read the sessions of websockets"
                );
                return;
            }
        };
        let sessions = self.0.sessions.lock();
        for id in ids {
            let principal = found.get(id).cloned();
            if let Some(watched) = sessions.get(id) {
                watched.seen.send_if_modified(|seen| {
                    let is_news = seen.principal != principal;
                    *seen = Seen { principal, at };
                    is_news
                });
            }
        }
    }

    /// The principals of those credentials that have not ended.
    async fn principals(
        &self,
        ids: &[Credential],
    ) -> vultus_store::Result<HashMap<Credential, Principal>> {
        let (mut sessions, mut keys, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
        for id in ids {
            match id {
                Credential::Session(id) => sessions.push(*id),
                Credential::ApiKey(id) => keys.push(*id),
                Credential::External { user, expires_at } => tokens.push((*user, *expires_at)),
            }
        }
        let (store, now) = (&self.0.store, self.0.clock.now());
        let mut found = HashMap::with_capacity(ids.len());
        if !sessions.is_empty() {
            for (session, user) in store.sessions_with_users(&sessions).await? {
                if session.is_live(now) {
                    let principal = principal_of(&user, session.id);
                    found.insert(Credential::Session(session.id), principal);
                }
            }
        }
        if !keys.is_empty() {
            for (key, user) in store.api_keys_with_users(&keys).await? {
                if let Some(principal) = principal_of_key(&key, &user, now) {
                    found.insert(Credential::ApiKey(key.id), principal);
                }
            }
        }
        self.principals_of_tokens(&tokens, &mut found).await?;
        Ok(found)
    }

    /// Adds the principals of tokens of identity providers whose users can act.
    async fn principals_of_tokens(
        &self,
        tokens: &[(UserId, i64)],
        found: &mut HashMap<Credential, Principal>,
    ) -> vultus_store::Result<()> {
        if tokens.is_empty() {
            return Ok(());
        }
        let ids: Vec<UserId> = tokens.iter().map(|(user, _)| *user).collect();
        let users = self.0.store.users(&ids).await?;
        let of_users: BTreeSet<CompanyId> =
            users.iter().filter_map(User::company_of_role).collect();
        let of_users: Vec<CompanyId> = of_users.into_iter().collect();
        let companies = self.0.store.companies_by_ids(CompanyScope::Every, &of_users).await?;
        let is_active = |id| companies.iter().any(|it| it.id == id && it.suspended_at.is_none());
        let now = self.0.clock.now().unix_timestamp();
        let users: HashMap<UserId, &User> = users.iter().map(|user| (user.id, user)).collect();
        for (id, expires_at) in tokens {
            let Some(user) = users.get(id).filter(|user| user.disabled_at.is_none()) else {
                continue;
            };
            if *expires_at > now && user.company_of_role().is_none_or(is_active) {
                let credential = Credential::External { user: *id, expires_at: *expires_at };
                found.insert(credential, external_principal(user, *expires_at));
            }
        }
        Ok(())
    }
}

impl WatchedSession {
    /// The principal at the opening.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What is known at present.
    pub fn standing(&self) -> Standing {
        let seen = self.seen.borrow().clone();
        if self.is_over(&seen) {
            Standing::Changed
        } else if seen.at.elapsed() <= TRUST {
            Standing::Unchanged
        } else {
            Standing::Unknown
        }
    }

    /// Completes when the rights of the socket are no longer those of its opening.
    pub async fn changed(&self) {
        let mut seen = self.seen.clone();
        let over = seen.wait_for(|seen| self.is_over(seen));
        // The sender lives as long as a session is watched.
        let _ = tokio::time::timeout_at(self.expires, over).await;
    }

    fn is_over(&self, seen: &Seen) -> bool {
        let (signing, now) = (&self.watch.0.signing, self.watch.0.clock.now());
        seen.principal.as_ref() != Some(&self.principal)
            || Instant::now() >= self.expires
            || self.signed_by.as_ref().is_some_and(|key| !signing.is_accepted(key, now))
    }
}

impl Drop for WatchedSession {
    fn drop(&mut self) {
        let mut sessions = self.watch.0.sessions.lock();
        if let Some(watched) = sessions.get_mut(&self.id) {
            watched.watchers -= 1;
            if watched.watchers == 0 {
                sessions.remove(&self.id);
            }
        }
    }
}
