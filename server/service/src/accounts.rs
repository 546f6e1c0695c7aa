//! Logins, and the credentials of requests.

mod api_keys;
mod external;
mod locks;
mod passwords;

use api_keys::{KeyCache, NotedUses};
pub(crate) use api_keys::{principal_of_key, scopes_of};
use external::ExternalUsers;
pub use external::LoginAnswer;
pub(crate) use external::external_principal;
use locks::{refuse_locked, too_many_failures};

use crate::audit::{Audit, Caller, of_optional_company};
use crate::detached::DetachedWork;
use crate::errors::{of_store, stored};
use crate::keyed_locks::{KeyedLock, KeyedLocks};
use crate::sessions::{SessionCache, principal_of};
use crate::types::{Authenticated, ClientInfo, Tokens, ViewerInfo};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Instant;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use vultus_auth::brakes::{AddressBrake, LoginKeyring};
use vultus_auth::login_name::normal_email;
use vultus_auth::passwords::Passwords;
use vultus_auth::policy;
use vultus_auth::refresh_tokens::{RefreshTokens, stored_form};
use vultus_auth::secret_tokens;
use vultus_auth::signing_keys::PublicJwk;
use vultus_auth::tokens::AccessTokens;
use vultus_core::clock::Clock;
use vultus_core::credentials::Credential;
use vultus_core::logins::{LoginKeys, LoginOutcome};
use vultus_core::{CompanyId, Error, Principal, Result, SessionId, User, UserId};
use vultus_oidc::Issuers;
use vultus_store::audit::{Actor, AuditAction, AuditObject, ChainOf, NewEntry, Origin};
use vultus_store::{Refresh, Rotation, Session, Store};

/// The part that logs users in and verifies their tokens. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Accounts(Arc<State>);

struct State {
    store: Arc<dyn Store>,
    audit: Audit,
    access_tokens: AccessTokens,
    refresh_tokens: RefreshTokens,
    refresh_lifetime: Duration,
    session_lifetime: Duration,
    passwords: Passwords,
    sessions: SessionCache,
    keys: KeyCache,
    issuers: Issuers,
    external_users: ExternalUsers,
    noted_uses: NotedUses,
    login_keys: Arc<LoginKeyring>,
    addresses: AddressBrake,
    /// Held from the decision about a login until its failure is counted, by the key of the name
    /// with the address: a flood of failures elsewhere delays no login.
    failed_logins: KeyedLocks<String>,
    detached: DetachedWork,
    clock: Clock,
}

/// Lifetimes and secrets of [`Accounts`].
pub(crate) struct Credentials {
    pub(crate) access_tokens: AccessTokens,
    pub(crate) refresh_tokens: RefreshTokens,
    pub(crate) refresh_lifetime: Duration,
    pub(crate) session_lifetime: Duration,
    pub(crate) passwords: Passwords,
    pub(crate) login_keys: Arc<LoginKeyring>,
    pub(crate) issuers: Issuers,
}

impl Accounts {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        audit: Audit,
        credentials: Credentials,
        detached: DetachedWork,
        clock: Clock,
    ) -> Self {
        let Credentials {
            access_tokens,
            refresh_tokens,
            refresh_lifetime,
            session_lifetime,
            passwords,
            login_keys,
            issuers,
        } = credentials;
        Self(Arc::new(State {
            store,
            audit,
            access_tokens,
            refresh_tokens,
            refresh_lifetime,
            session_lifetime,
            passwords,
            sessions: SessionCache::default(),
            keys: KeyCache::default(),
            issuers,
            external_users: ExternalUsers::default(),
            noted_uses: NotedUses::default(),
            login_keys,
            addresses: AddressBrake::default(),
            failed_logins: KeyedLocks::default(),
            detached,
            clock,
        }))
    }

    pub(crate) async fn login(
        &self,
        email: &str,
        password: SecretString,
        from: &ClientInfo,
    ) -> Result<Tokens> {
        let (accounts, email, from) = (self.clone(), email.to_owned(), from.clone());
        // Detached: a caller that is not polled must not hold the lock that all logins wait for.
        let work = async move { accounts.log_in(&email, password, &from).await };
        self.0.detached.run_detached(work).await
    }

    async fn log_in(
        &self,
        email: &str,
        password: SecretString,
        client: &ClientInfo,
    ) -> Result<Tokens> {
        let (state, from) = (&self.0, client.address);
        let now = state.clock.now();
        // An invalid name takes the same path as a valid name without a user.
        let email = normal_email(email).unwrap_or_default();
        let keys = state.login_keys.keys(&email, from);
        let attempts = stored(state.store.login_attempts(&keys).await)?;
        refuse_locked(&attempts, now)?;
        // What others of its address did does not affect a user that is known there.
        let is_charged = !attempts.is_familiar(now);
        if is_charged {
            state.addresses.charge(from, Instant::now()).map_err(too_many_failures)?;
        }
        let found = stored(state.store.user_by_email(&email).await)?;
        let known = found.as_ref().map(|found| (found.user.id, found.user.company_of_role()));
        let hash = found.as_ref().map(|found| found.password_hash.clone());
        let is_right = state.passwords.verify(password, hash, from).await?;
        // Read again under the lock: concurrent guesses must see the failures counted before them.
        let counting = state.failed_logins.lock(keys.origin.clone()).await;
        refuse_locked(&stored(state.store.login_attempts(&keys).await)?, now)?;
        match found {
            Some(found) if is_right => {
                if is_charged {
                    state.addresses.refund(from);
                }
                stored(state.store.record_login(&keys, LoginOutcome::Succeeded, now).await)?;
                drop(counting);
                self.refuse_inactive(&found.user).await?;
                self.begin_session(found.user, client, now).await
            }
            _ => {
                self.count_failed_login(keys, known, from, now, counting);
                Err(Error::Unauthenticated("wrong e-mail or password".to_owned()))
            }
        }
    }

    /// Refuses a user that cannot act. Only the right password gets this answer.
    async fn refuse_inactive(&self, user: &User) -> Result<()> {
        let refused = |text: &str| Err(Error::Forbidden(text.to_owned()));
        if user.disabled_at.is_some() {
            return refused("this account is disabled");
        }
        let Some(company) = user.company_of_role() else { return Ok(()) };
        match stored(self.0.store.company(company).await)?.suspended_at {
            Some(_) => refused("the company of this account is suspended"),
            None => Ok(()),
        }
    }

    /// Counts a failure in the background: a slow store does not delay the answer. Names that no
    /// user has (`known` is absent) are countless, so that their entries in the audit log are few.
    fn count_failed_login(
        &self,
        keys: LoginKeys,
        known: Option<(UserId, Option<CompanyId>)>,
        from: std::net::IpAddr,
        now: OffsetDateTime,
        counting: KeyedLock<String>,
    ) {
        let (store, audit) = (self.0.store.clone(), self.0.audit.clone());
        let (user, company) = known.unzip();
        let chain = of_optional_company(company.flatten());
        let origin = Some(Origin::of(from));
        let entry = NewEntry {
            object: user.map(AuditObject::User),
            ..audit.entry_by(Actor::Unknown, origin, AuditAction::LoginFailed, chain)
        };
        self.0.detached.spawn(async move {
            let counted = match user {
                Some(_) => {
                    let recording = audit.recording(entry);
                    stored(recording.record_login(&keys, LoginOutcome::Failed, now).await)
                }
                None => match store.record_login(&keys, LoginOutcome::Failed, now).await {
                    Ok(()) => audit.record_once(vec![entry]).await,
                    Err(error) => Err(of_store(error)),
                },
            };
            if let Err(error) = counted {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not count a failed login"
                );
            }
            drop(counting);
        });
    }

    async fn begin_session(
        &self,
        user: User,
        client: &ClientInfo,
        now: OffsetDateTime,
    ) -> Result<Tokens> {
        let session = Session {
            id: SessionId(Uuid::now_v7()),
            user_id: user.id,
            created_at: now,
            refreshed_at: None,
            expires_at: now + self.0.refresh_lifetime.min(self.0.session_lifetime),
            revoked: false,
            network: Some(client.network()),
            agent: client.agent.clone(),
        };
        let refresh_token = self.0.refresh_tokens.first();
        let sha256 = stored_form(&refresh_token);
        let entry = self.about_session(AuditAction::LoggedIn, &session, &user, client);
        stored(self.0.audit.recording(entry).create_session(&session, &sha256).await)?;
        self.issue(user, session, refresh_token, now)
    }

    pub(crate) async fn refresh(&self, refresh_token: &str, client: &ClientInfo) -> Result<Tokens> {
        let (state, now) = (&self.0, self.0.clock.now());
        let next_token = state.refresh_tokens.successor(refresh_token);
        let refresh = Refresh {
            old: stored_form(refresh_token),
            new: stored_form(&next_token),
            client: state
                .refresh_tokens
                .client(client.address, client.agent.as_deref().unwrap_or_default()),
            now,
            expires_at: now + state.refresh_lifetime,
            longest: state.session_lifetime,
        };
        match stored(state.store.rotate_refresh(&refresh).await)? {
            Rotation::Rotated(session, user) | Rotation::Repeated(session, user) => {
                let action = AuditAction::SessionRefreshed;
                let entry = self.about_session(action, &session, &user, client);
                state.audit.record(&[entry]).await?;
                self.issue(user, session, next_token, now)
            }
            Rotation::Reused(session) => {
                state.sessions.remove(session.id);
                let (chain, action) =
                    (ChainOf::User(session.user_id), AuditAction::RefreshTokenReused);
                let origin = Some(Origin::of(client.address));
                let entry = NewEntry {
                    object: Some(AuditObject::Session(session.id)),
                    ..state.audit.entry_by(Actor::Unknown, origin, action, chain)
                };
                state.audit.record_once(vec![entry]).await?;
                tracing::warn!(
                    session = %session.id,
                    "a refresh token was used twice; its session is revoked"
                );
                Err(Error::Unauthenticated(
                    "the refresh token was already used; log in again".to_owned(),
                ))
            }
            Rotation::Unknown => {
                Err(Error::Unauthenticated("the refresh token is not valid".to_owned()))
            }
        }
    }

    /// An entry of the audit log about what a user does with its session.
    fn about_session(
        &self,
        action: AuditAction,
        session: &Session,
        user: &User,
        client: &ClientInfo,
    ) -> NewEntry {
        let chain = of_optional_company(user.company_of_role());
        let (actor, origin) = (Actor::User(user.id), Some(Origin::of(client.address)));
        NewEntry {
            object: Some(AuditObject::Session(session.id)),
            ..self.0.audit.entry_by(actor, origin, action, chain)
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

    pub(crate) async fn logout(&self, caller: &Caller) -> Result<()> {
        if let Some(id) = caller.session_id() {
            let chain = of_optional_company(caller.company_id());
            let entry = NewEntry {
                object: Some(AuditObject::Session(id)),
                ..self.0.audit.entry(caller, AuditAction::LoggedOut, chain)
            };
            stored(self.0.audit.recording(entry).revoke_session(id).await)?;
            self.0.sessions.remove(id);
        }
        Ok(())
    }

    pub(crate) fn public_keys(&self) -> Vec<PublicJwk> {
        self.0.access_tokens.public_keys(self.0.clock.now())
    }

    /// The principal of a credential; UNAUTHENTICATED if it has ended or its user cannot act.
    pub(crate) async fn principal_of(&self, credential: Credential) -> Result<Principal> {
        match credential {
            Credential::Session(id) => Ok(principal_of(&self.session_user(id).await?, id)),
            Credential::ApiKey(id) => self.principal_of_key(id).await,
            Credential::External { user, expires_at } => {
                self.external_principal(user, expires_at).await
            }
        }
    }

    /// Verifies an access token, of this server or of an identity provider, or an API key.
    pub(crate) async fn authenticate(&self, text: &str) -> Result<Authenticated> {
        if secret_tokens::is_api_key(text) {
            return self.authenticate_key(text).await;
        }
        if let Some(issuer) = self.0.issuers.of_token(text) {
            return self.authenticate_external(text, issuer?).await;
        }
        let token = self.0.access_tokens.verify(text, self.0.clock.now())?;
        let user = self.session_user(token.session_id).await?;
        if user.id != token.user_id {
            return Err(session_ended());
        }
        let principal = principal_of(&user, token.session_id);
        let signed_by = AccessTokens::key_id(text);
        Ok(Authenticated { principal, expires_at: token.expires_at, signed_by })
    }

    async fn session_user(&self, id: SessionId) -> Result<User> {
        let state = &self.0;
        if let Some(user) = state.sessions.get(id) {
            return Ok(user);
        }
        let found = stored(state.store.sessions_with_users(&[id]).await)?.pop();
        let now = state.clock.now();
        let valid = |(session, _): &(Session, User)| !session.revoked && session.expires_at > now;
        let (_, user) = found.filter(valid).ok_or_else(session_ended)?;
        state.sessions.insert(id, user.clone());
        Ok(user)
    }

    pub(crate) async fn viewer(&self, caller: &Principal) -> Result<ViewerInfo> {
        let ids: Vec<UserId> = caller.user_id().into_iter().collect();
        let user = stored(self.0.store.users(&ids).await)?.pop();
        let user =
            user.ok_or_else(|| Error::Unauthenticated("the user no longer exists".to_owned()))?;
        Ok(ViewerInfo { permissions: policy::permissions(caller), user })
    }
}

fn session_ended() -> Error {
    let text = "the session has ended, or its user cannot act any more; log in again";
    Error::Unauthenticated(text.to_owned())
}
