//! Logins, sessions and users.

use super::Services;
use super::errors::stored;
use super::types::{Authenticated, Tokens, ViewerInfo};
use secrecy::SecretString;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use uuid::Uuid;
use vultus_auth::login_name::normal_email;
use vultus_auth::policy::{self, Action};
use vultus_auth::{backoff, tokens};
use vultus_core::{Error, Principal, Result, SessionId, User, UserId};
use vultus_store::{Rotation, Scope, Session};

/// How long a session that was found valid is taken for valid: a revocation elsewhere is effective
/// within this time.
const SESSION_TRUST: Duration = Duration::from_millis(800);
/// Sessions that are remembered before the old ones are forgotten.
const MOST_SESSIONS: usize = 50_000;

/// Sessions that were valid a moment ago.
#[derive(Default)]
pub(super) struct SessionCache(Mutex<HashMap<SessionId, (Instant, User)>>);

impl SessionCache {
    fn get(&self, id: SessionId) -> Option<User> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions
            .get(&id)
            .filter(|(seen, _)| seen.elapsed() < SESSION_TRUST)
            .map(|(_, user)| user.clone())
    }

    fn insert(&self, id: SessionId, user: User) {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= MOST_SESSIONS {
            sessions.retain(|_, (seen, _)| seen.elapsed() < SESSION_TRUST);
        }
        sessions.insert(id, (Instant::now(), user));
    }

    fn forget(&self, id: SessionId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

impl Services {
    /// Tokens for a name and a password. A wrong name and a wrong password look the same, also in
    /// time.
    pub async fn login(&self, email: &str, password: SecretString) -> Result<Tokens> {
        let (services, email) = (self.clone(), email.to_owned());
        // A task: the turn that all logins wait for must not be held by a caller that is not
        // polled.
        self.to_the_end(async move { services.log_in(&email, password).await }).await
    }

    async fn log_in(&self, email: &str, password: SecretString) -> Result<Tokens> {
        let refused = || Error::Unauthenticated("wrong e-mail or password".to_owned());
        let now = self.inner.clock.now();
        // A name that cannot be one goes the same way as one that nobody has.
        let email = normal_email(email).unwrap_or_default();
        let found = stored(self.inner.store.user_by_email(&email).await)?;
        let hash = found.as_ref().map(|found| found.password_hash.clone());
        let right = self.inner.passwords.verify(password, hash).await?;
        // Read again: guesses that waited side by side for their turn must see the failures of
        // those before them.
        let turn = self.inner.failed_logins.clone().lock_owned().await;
        let found = stored(self.inner.store.user_by_email(&email).await)?;
        let locked = match &found {
            Some(found) => found.locked_until,
            None => self.inner.unknown_names.locked_until(&email),
        };
        if let Some(until) = locked.filter(|&until| until > now) {
            return Err(Error::Unavailable {
                message: "too many failed logins; try again later".to_owned(),
                retry_after: (until - now).unsigned_abs(),
            });
        }
        match found {
            Some(found) if right => {
                drop(turn);
                self.begin_session(found.user, now).await
            }
            Some(found) => {
                let until = backoff::lock_after(found.failed_logins + 1).map(|lock| now + lock);
                let services = self.clone();
                // Not waited for: a name that nobody has needs no write, and must not be told apart
                // by that.
                self.inner.to_finish.spawn(async move {
                    if let Err(error) =
                        services.inner.store.record_failed_login(found.user.id, until).await
                    {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "a failed login was not counted"
                        );
                    }
                    drop(turn);
                });
                Err(refused())
            }
            None => {
                self.inner.unknown_names.record(&email, now);
                Err(refused())
            }
        }
    }

    async fn begin_session(&self, user: User, now: OffsetDateTime) -> Result<Tokens> {
        let expires_at = now + self.inner.refresh_lifetime;
        let session = Session {
            id: SessionId(Uuid::now_v7()),
            user_id: user.id,
            created_at: now,
            expires_at,
            revoked: false,
        };
        let refresh_token = tokens::new_refresh_token();
        stored(
            self.inner
                .store
                .create_session(&session, &tokens::refresh_sha256(&refresh_token))
                .await,
        )?;
        self.tokens(user, session, refresh_token, now)
    }

    /// New tokens for a refresh token, which is used up. A second use of an old one revokes the
    /// whole session.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Tokens> {
        let now = self.inner.clock.now();
        let (old, new) = (tokens::refresh_sha256(refresh_token), tokens::new_refresh_token());
        let expires_at = now + self.inner.refresh_lifetime;
        match stored(
            self.inner
                .store
                .rotate_refresh(&old, &tokens::refresh_sha256(&new), now, expires_at)
                .await,
        )? {
            Rotation::Rotated(session, user) => self.tokens(user, session, new, now),
            Rotation::Reused => {
                tracing::warn!("a refresh token was used twice: its session is revoked");
                Err(Error::Unauthenticated(
                    "the refresh token was used before; log in again".to_owned(),
                ))
            }
            Rotation::Unknown => {
                Err(Error::Unauthenticated("the refresh token is not valid".to_owned()))
            }
        }
    }

    fn tokens(
        &self,
        user: User,
        session: Session,
        refresh_token: String,
        now: OffsetDateTime,
    ) -> Result<Tokens> {
        let (access_token, access_expires_at) =
            self.inner.access_tokens.issue(user.id, session.id, now)?;
        Ok(Tokens {
            access_token,
            access_expires_at,
            refresh_token,
            refresh_expires_at: session.expires_at,
            user,
        })
    }

    /// Ends the caller's session: its tokens are void at once.
    pub async fn logout(&self, caller: &Principal) -> Result<()> {
        if let Some(id) = caller.session_id {
            stored(self.inner.store.revoke_session(id).await)?;
            self.inner.sessions.forget(id);
        }
        Ok(())
    }

    /// Who holds this access token.
    pub async fn authenticate(&self, access_token: &str) -> Result<Authenticated> {
        let token = self.inner.access_tokens.verify(access_token, self.inner.clock.now())?;
        let user = self.session_user(token.session_id, token.user_id).await?;
        let principal = Principal {
            user_id: user.id,
            company_id: user.company_id,
            role: user.role,
            session_id: Some(token.session_id),
        };
        Ok(Authenticated { principal, expires_at: token.expires_at })
    }

    /// Whether the caller's session still is what it was: for connections that live long.
    pub async fn still_valid(&self, caller: &Principal) -> bool {
        match caller.session_id {
            Some(id) => self
                .session_user(id, caller.user_id)
                .await
                .is_ok_and(|user| user.role == caller.role),
            None => true,
        }
    }

    async fn session_user(&self, id: SessionId, user_id: UserId) -> Result<User> {
        if let Some(user) = self.inner.sessions.get(id).filter(|user| user.id == user_id) {
            return Ok(user);
        }
        let ended = || Error::Unauthenticated("the session has ended; log in again".to_owned());
        let ids = [user_id];
        let (session, users) =
            tokio::join!(self.inner.store.session(id), self.inner.store.users(&ids));
        let session = stored(session)?
            .filter(|session| !session.revoked && session.user_id == user_id)
            .ok_or_else(ended)?;
        if session.expires_at <= self.inner.clock.now() {
            return Err(ended());
        }
        let user = stored(users)?.pop().ok_or_else(ended)?;
        self.inner.sessions.insert(id, user.clone());
        Ok(user)
    }

    /// The caller, with what the caller may do.
    pub async fn viewer(&self, caller: &Principal) -> Result<ViewerInfo> {
        let user = stored(self.inner.store.users(&[caller.user_id]).await)?.pop();
        let user = user.ok_or_else(|| Error::Unauthenticated("the user is gone".to_owned()))?;
        Ok(ViewerInfo { permissions: policy::permissions(user.role), user })
    }

    /// A user that the caller may see.
    pub async fn user(&self, caller: &Principal, id: UserId) -> Result<Option<User>> {
        Ok(self.users(caller, &[id]).await?.pop())
    }

    /// Those of the users that the caller may see.
    pub async fn users(&self, caller: &Principal, ids: &[UserId]) -> Result<Vec<User>> {
        let scope = policy::authorize(caller, Action::ViewUser)?;
        let mut users = stored(self.inner.store.users(ids).await)?;
        users.retain(|user| match scope {
            Scope::Everything => true,
            Scope::Company(company) => user.company_id == company,
            Scope::Owner(_, owner) => user.id == owner,
        });
        Ok(users)
    }
}
