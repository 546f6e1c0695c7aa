//! Users of identity providers: their access tokens, and their logins.
//!
//! A token is verified at each request; its user is read from the store, at most 800 ms ago, so
//! that a change of its rights takes effect within a second.

use super::Accounts;
use crate::audit::of_optional_company;
use crate::errors::{of_store, stored};
use crate::types::{Authenticated, ClientInfo, Tokens};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;
use vultus_auth::passwords;
use vultus_core::{CompanyId, Error, MayStart, Principal, Result, Role, User, UserId};
use vultus_oidc::{BegunLogin, Identity, Issuer, LoginSecret, Standing};
use vultus_store::audit::{Actor, AuditAction, AuditObject, Facts, NewEntry, Origin};
use vultus_store::names::Named;
use vultus_store::{StoreError, UserChange, UserScope};

/// How long a user that was read is treated as current. A change takes effect within this time, on
/// every node.
const USER_TRUST: Duration = Duration::from_millis(800);
/// Number of cached users from which the expired entries are removed.
const MOST_CACHED: usize = 10_000;

/// Users that could act a moment ago, by login name.
#[derive(Default)]
pub(super) struct ExternalUsers(Mutex<HashMap<String, (Instant, User)>>);

impl ExternalUsers {
    fn get(&self, name: &str) -> Option<User> {
        let users = self.0.lock();
        let (seen, user) = users.get(name)?;
        (seen.elapsed() < USER_TRUST).then(|| user.clone())
    }

    fn insert(&self, name: &str, user: User) {
        let mut users = self.0.lock();
        if users.len() >= MOST_CACHED {
            users.retain(|_, (seen, _)| seen.elapsed() < USER_TRUST);
        }
        users.insert(name.to_owned(), (Instant::now(), user));
    }
}

/// The answer of a provider to a login, as the browser brings it.
#[derive(Debug)]
pub struct LoginAnswer {
    /// What the browser kept since the beginning.
    pub secret: LoginSecret,
    /// The state that the provider sent back.
    pub state: String,
    /// The code.
    pub code: String,
    /// The page to which the provider sent the browser.
    pub redirect: Url,
}

/// The principal of a user with a token that expires at `expires_at`.
pub(crate) fn external_principal(user: &User, expires_at: i64) -> Principal {
    Principal::External { account: user.into(), expires_at }
}

impl Accounts {
    /// Verifies an access token of an identity provider.
    pub(super) async fn authenticate_external(
        &self,
        token: &str,
        issuer: &Issuer,
    ) -> Result<Authenticated> {
        let now = self.0.clock.now();
        let bearer = issuer.verify_bearer(token, now).await?;
        let identity = &bearer.identity;
        let user = match self.0.external_users.get(&identity.login_name) {
            Some(user) => user,
            None => {
                let user = self.user_of(issuer, identity, None).await?;
                if !self.can_act(&user).await? {
                    return Err(cannot_act());
                }
                self.0.external_users.insert(&identity.login_name, user.clone());
                user
            }
        };
        if !is_as_claimed(&user, &identity.standing) {
            return Err(Error::TokenRefused {
                reason: "RIGHTS_CHANGED",
                message: "role or company of the token are not those of its user; log in again",
            });
        }
        let expires_at = OffsetDateTime::from_unix_timestamp(bearer.expires_at)
            .map_err(|_| Error::from(vultus_auth::foreign_tokens::Refusal::Malformed))?;
        let principal = external_principal(&user, bearer.expires_at);
        Ok(Authenticated { principal, expires_at, signed_by: None })
    }

    /// The principal of a token that was verified before; for links.
    pub(super) async fn external_principal(&self, id: UserId, ends: i64) -> Result<Principal> {
        let user = stored(self.0.store.users(&[id]).await)?.pop();
        let user = user.filter(|_| ends > self.0.clock.now().unix_timestamp());
        let user = user.ok_or_else(cannot_act)?;
        if self.can_act(&user).await? {
            Ok(external_principal(&user, ends))
        } else {
            Err(cannot_act())
        }
    }

    /// Begins a login with an identity provider, which sends the browser back to `redirect`.
    pub(crate) async fn begin_external_login(
        &self,
        provider: &str,
        redirect: &Url,
    ) -> Result<BegunLogin> {
        self.0.issuers.for_login(provider)?.begin_login(redirect).await
    }

    /// Completes it: begins a session as a login with a password does.
    pub(crate) async fn complete_external_login(
        &self,
        provider: &str,
        answer: LoginAnswer,
        from: &ClientInfo,
    ) -> Result<Tokens> {
        let issuer = self.0.issuers.for_login(provider)?.clone();
        let (accounts, from) = (self.clone(), from.clone());
        // Detached: the code is valid once, and a client that leaves must not waste it half-way.
        let work = async move {
            let LoginAnswer { secret, state, code, redirect } = answer;
            let now = accounts.0.clock.now();
            let identity = issuer.complete_login(&secret, &state, code, &redirect, now).await?;
            let origin = Some(Origin::of(from.address));
            let user = accounts.user_of(&issuer, &identity, origin).await?;
            accounts.refuse_inactive(&user).await?;
            let user = accounts.with_claimed_rights(user, &issuer, &identity, origin).await?;
            accounts.begin_session(user, &from, now).await
        };
        self.0.detached.run_detached(work).await
    }

    /// The user of an identity. One that has none yet gets one, if the configuration says so.
    async fn user_of(
        &self,
        issuer: &Issuer,
        identity: &Identity,
        origin: Option<Origin>,
    ) -> Result<User> {
        let name = match identity.standing {
            Standing::Existing(_) => identity.email.as_deref(),
            Standing::Created { .. } => Some(identity.login_name.as_str()),
        };
        let found = match name {
            Some(name) => stored(self.0.store.user_by_email(name).await)?,
            None => None,
        };
        match (found, identity.standing) {
            (Some(found), Standing::Existing(company)) => {
                let is_within = company.is_none() || found.user.company_of_role() == company;
                is_within.then_some(found.user).ok_or_else(no_user)
            }
            (Some(found), Standing::Created { .. }) => Ok(found.user),
            (None, Standing::Existing(_)) => Err(no_user()),
            (None, Standing::Created { role, company, .. }) => {
                self.create_external_user(issuer, identity, role, company, origin).await
            }
        }
    }

    async fn create_external_user(
        &self,
        issuer: &Issuer,
        identity: &Identity,
        role: Role,
        company_id: Option<CompanyId>,
        origin: Option<Origin>,
    ) -> Result<User> {
        let user = User {
            id: UserId(Uuid::now_v7()),
            company_id,
            email: identity.login_name.clone(),
            name: identity.name.clone(),
            role,
            is_service: role == Role::ClientService,
            may_start: MayStart::Every,
            created_at: self.0.clock.now(),
            disabled_at: None,
        };
        // No one knows this password: the user logs in with the provider.
        let hash = self.0.passwords.hash(passwords::generate(), company_id.into()).await?;
        let after = Facts::new().code("role", role.name()).flag("service", user.is_service);
        let entry = NewEntry {
            after: after.code("provider", &issuer.options().name),
            ..self.about_external(AuditAction::UserCreated, &user, origin)
        };
        match self.0.audit.recording(entry).create_user(&user, &hash).await {
            Ok(()) => Ok(user),
            // Another request of the same user was first.
            Err(StoreError::Duplicate { .. }) => {
                let found = stored(self.0.store.user_by_email(&user.email).await)?;
                found.map(|found| found.user).ok_or_else(no_user)
            }
            Err(StoreError::NotFound("company")) => {
                Err(Error::Forbidden("the company of this account does not exist here".to_owned()))
            }
            Err(error) => Err(of_store(error)),
        }
    }

    /// Gives a user that logs in the role that its provider claims now.
    async fn with_claimed_rights(
        &self,
        user: User,
        issuer: &Issuer,
        identity: &Identity,
        origin: Option<Origin>,
    ) -> Result<User> {
        let Standing::Created { role, is_claimed, company } = identity.standing else {
            return Ok(user);
        };
        if is_as_claimed(&user, &identity.standing) {
            return Ok(user);
        }
        let old = user.company_of_role();
        let stays = old.is_none() || company.is_none() || old == company;
        if !is_claimed || !stays {
            let text = "users are not moved from one company to another";
            return Err(Error::Forbidden(text.to_owned()));
        }
        let entry = NewEntry {
            before: Facts::new().code("role", user.role.name()),
            after: Facts::new().code("role", role.name()).code("provider", &issuer.options().name),
            ..self.about_external(AuditAction::UserRoleChanged, &user, origin)
        };
        let change = UserChange::Role(role, company);
        let recording = self.0.audit.recording(entry);
        stored(recording.change_user(UserScope::Every, user.id, &change).await)
    }

    /// An entry about what a user of a provider causes by coming here.
    fn about_external(&self, action: AuditAction, user: &User, origin: Option<Origin>) -> NewEntry {
        let chain = of_optional_company(user.company_of_role());
        NewEntry {
            object: Some(AuditObject::User(user.id)),
            ..self.0.audit.entry_by(Actor::User(user.id), origin, action, chain)
        }
    }

    async fn can_act(&self, user: &User) -> Result<bool> {
        match self.refuse_inactive(user).await {
            Ok(()) => Ok(true),
            Err(Error::Forbidden(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }
}

/// Whether a user is what the claims say. A fixed role is that of the beginning only.
fn is_as_claimed(user: &User, standing: &Standing) -> bool {
    match standing {
        Standing::Existing(company) => company.is_none() || user.company_of_role() == *company,
        Standing::Created { role, is_claimed: true, company } => {
            user.role == *role && user.company_of_role() == *company
        }
        Standing::Created { is_claimed: false, company, .. } => {
            !user.role.is_of_company() || user.company_of_role() == *company
        }
    }
}

fn cannot_act() -> Error {
    Error::TokenRefused {
        reason: "USER_CANNOT_ACT",
        message: "the user of this token is disabled or deleted, or its company is suspended",
    }
}

fn no_user() -> Error {
    Error::Forbidden("no user here belongs to this account of the identity provider".to_owned())
}
