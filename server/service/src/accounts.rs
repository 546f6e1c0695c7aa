//! Logins, sessions and users.

use crate::detached::DetachedWork;
use crate::errors::stored;
use crate::sessions::SessionCache;
use crate::types::{Authenticated, Tokens, ViewerInfo};
use secrecy::SecretString;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use vultus_auth::backoff::UnknownNames;
use vultus_auth::login_name::normal_email;
use vultus_auth::passwords::Passwords;
use vultus_auth::policy::{self, Action};
use vultus_auth::tokens::AccessTokens;
use vultus_auth::{backoff, tokens};
use vultus_core::clock::Clock;
use vultus_core::{Error, Principal, Result, SessionId, User, UserId};
use vultus_store::{Rotation, Scope, Session};

/// The part that logs users in and verifies their tokens. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Accounts(Arc<State>);

struct State {
    store: Arc<dyn vultus_store::Accounts>,
    access_tokens: AccessTokens,
    refresh_lifetime: Duration,
    passwords: Passwords,
    sessions: SessionCache,
    unknown_names: UnknownNames,
    /// Held from the decision about a login until its failure is counted.
    failed_logins: Arc<tokio::sync::Mutex<()>>,
    detached: DetachedWork,
    clock: Clock,
}

/// Lifetimes and secrets of [`Accounts`].
pub(crate) struct Credentials {
    pub(crate) access_tokens: AccessTokens,
    pub(crate) refresh_lifetime: Duration,
    pub(crate) passwords: Passwords,
}

impl Accounts {
    pub(crate) fn new(
        store: Arc<dyn vultus_store::Accounts>,
        credentials: Credentials,
        detached: DetachedWork,
        clock: Clock,
    ) -> Self {
        let Credentials { access_tokens, refresh_lifetime, passwords } = credentials;
        Self(Arc::new(State {
            store,
            access_tokens,
            refresh_lifetime,
            passwords,
            sessions: SessionCache::default(),
            unknown_names: UnknownNames::default(),
            failed_logins: Arc::default(),
            detached,
            clock,
        }))
    }

    pub(crate) async fn login(&self, email: &str, password: SecretString) -> Result<Tokens> {
        let (accounts, email) = (self.clone(), email.to_owned());
        // Detached: a caller that is not polled must not hold the lock that all logins wait for.
        self.0.detached.run_detached(async move { accounts.log_in(&email, password).await }).await
    }

    async fn log_in(&self, email: &str, password: SecretString) -> Result<Tokens> {
        let state = &self.0;
        let now = state.clock.now();
        // An invalid name takes the same path as a valid name without a user.
        let email = normal_email(email).unwrap_or_default();
        let found = stored(state.store.user_by_email(&email).await)?;
        let hash = found.as_ref().map(|found| found.password_hash.clone());
        let is_right = state.passwords.verify(password, hash).await?;
        // Read again under the lock: concurrent guesses must see the failures counted before them.
        let counting = state.failed_logins.clone().lock_owned().await;
        let found = stored(state.store.user_by_email(&email).await)?;
        let locked = match &found {
            Some(found) => found.locked_until,
            None => state.unknown_names.locked_until(&email),
        };
        if let Some(until) = locked.filter(|&until| until > now) {
            return Err(Error::Unavailable {
                message: "too many failed logins; try again later".to_owned(),
                retry_after: (until - now).unsigned_abs(),
            });
        }
        match found {
            Some(found) if is_right => {
                drop(counting);
                return self.begin_session(found.user, now).await;
            }
            Some(found) => {
                let until = backoff::lock_after(found.failed_logins + 1).map(|lock| now + lock);
                self.count_failed_login(found.user.id, until, counting);
            }
            None => state.unknown_names.record(&email, now),
        }
        Err(Error::Unauthenticated("wrong e-mail or password".to_owned()))
    }

    /// Counts a failure in the background. The login does not wait: an unknown name needs no
    /// write, and the difference in time would show which names exist.
    fn count_failed_login(
        &self,
        user: UserId,
        locked_until: Option<OffsetDateTime>,
        counting: tokio::sync::OwnedMutexGuard<()>,
    ) {
        let store = self.0.store.clone();
        self.0.detached.spawn(async move {
            if let Err(error) = store.record_failed_login(user, locked_until).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not count a failed login"
                );
            }
            drop(counting);
        });
    }

    async fn begin_session(&self, user: User, now: OffsetDateTime) -> Result<Tokens> {
        let session = Session {
            id: SessionId(Uuid::now_v7()),
            user_id: user.id,
            created_at: now,
            expires_at: now + self.0.refresh_lifetime,
            revoked: false,
        };
        let refresh_token = tokens::new_refresh_token();
        let refresh_sha256 = tokens::refresh_sha256(&refresh_token);
        stored(self.0.store.create_session(&session, &refresh_sha256).await)?;
        self.issue(user, session, refresh_token, now)
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> Result<Tokens> {
        let now = self.0.clock.now();
        let next_token = tokens::new_refresh_token();
        let old = tokens::refresh_sha256(refresh_token);
        let new = tokens::refresh_sha256(&next_token);
        let expires_at = now + self.0.refresh_lifetime;
        match stored(self.0.store.rotate_refresh(&old, &new, now, expires_at).await)? {
            Rotation::Rotated(session, user) => self.issue(user, session, next_token, now),
            Rotation::Reused => {
                tracing::warn!("a refresh token was used twice; its session is revoked");
                Err(Error::Unauthenticated(
                    "the refresh token was already used; log in again".to_owned(),
                ))
            }
            Rotation::Unknown => {
                Err(Error::Unauthenticated("the refresh token is not valid".to_owned()))
            }
        }
    }

    fn issue(
        &self,
        user: User,
        session: Session,
        refresh_token: String,
        now: OffsetDateTime,
    ) -> Result<Tokens> {
        let (access_token, access_expires_at) =
            self.0.access_tokens.issue(user.id, session.id, now)?;
        Ok(Tokens {
            access_token,
            access_expires_at,
            refresh_token,
            refresh_expires_at: session.expires_at,
            user,
        })
    }

    pub(crate) async fn logout(&self, caller: &Principal) -> Result<()> {
        if let Some(id) = caller.session_id {
            stored(self.0.store.revoke_session(id).await)?;
            self.0.sessions.remove(id);
        }
        Ok(())
    }

    pub(crate) async fn authenticate(&self, access_token: &str) -> Result<Authenticated> {
        let token = self.0.access_tokens.verify(access_token, self.0.clock.now())?;
        let user = self.session_user(token.session_id, token.user_id).await?;
        let principal = Principal {
            user_id: user.id,
            company_id: user.company_id,
            role: user.role,
            session_id: Some(token.session_id),
        };
        Ok(Authenticated { principal, expires_at: token.expires_at })
    }

    async fn session_user(&self, id: SessionId, user_id: UserId) -> Result<User> {
        let state = &self.0;
        if let Some(user) = state.sessions.get(id).filter(|user| user.id == user_id) {
            return Ok(user);
        }
        let ended = || Error::Unauthenticated("the session has ended; log in again".to_owned());
        let ids = [user_id];
        let (session, users) = tokio::join!(state.store.session(id), state.store.users(&ids));
        let session = stored(session)?
            .filter(|session| !session.revoked && session.user_id == user_id)
            .ok_or_else(ended)?;
        if session.expires_at <= state.clock.now() {
            return Err(ended());
        }
        let user = stored(users)?.pop().ok_or_else(ended)?;
        state.sessions.insert(id, user.clone());
        Ok(user)
    }

    pub(crate) async fn viewer(&self, caller: &Principal) -> Result<ViewerInfo> {
        let user = stored(self.0.store.users(&[caller.user_id]).await)?.pop();
        let user =
            user.ok_or_else(|| Error::Unauthenticated("the user no longer exists".to_owned()))?;
        Ok(ViewerInfo { permissions: policy::permissions(user.role), user })
    }

    pub(crate) async fn users(&self, caller: &Principal, ids: &[UserId]) -> Result<Vec<User>> {
        let scope = policy::authorize(caller, Action::ViewUser)?;
        let mut users = stored(self.0.store.users(ids).await)?;
        users.retain(|user| match scope {
            Scope::Everything => true,
            Scope::Company(company) => user.company_id == company,
            Scope::Owner(_, owner) => user.id == owner,
        });
        Ok(users)
    }
}
