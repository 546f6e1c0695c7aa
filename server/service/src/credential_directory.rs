//! Sessions, keys of service accounts and tokens that reset passwords, as their owners and
//! administrators manage them. The command line uses it, too, as [`Principal::Local`].

mod api_keys;
mod sessions;

use crate::audit::{Audit, Caller};
use crate::errors::stored;
use crate::types::PasswordResetToken;
use secrecy::ExposeSecret;
use std::sync::Arc;
use vultus_auth::login_name::normal_email;
use vultus_auth::policy::{self, Action};
use vultus_auth::refresh_tokens::stored_form;
use vultus_auth::secret_tokens;
use vultus_core::clock::Clock;
use vultus_core::credentials::RESET_LIFETIME;
use vultus_core::{Error, Principal, Result, User, UserId};
use vultus_store::audit::{AuditAction, AuditObject, ChainOf, Facts, NewEntry, Origin};
use vultus_store::{PasswordReset, Store};

/// Manages credentials. Cheap to clone.
#[derive(Clone)]
pub struct CredentialDirectory {
    store: Arc<dyn Store>,
    audit: Audit,
    clock: Clock,
    origin: Option<Origin>,
}

impl CredentialDirectory {
    /// A directory over this store.
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        let audit = Audit::new(store.clone(), clock.clone());
        Self { store, audit, clock, origin: None }
    }

    /// The directory for requests from this network.
    pub(crate) fn for_origin(&self, origin: Option<Origin>) -> Self {
        Self { origin, ..self.clone() }
    }

    /// The store for one change of a user's credentials, which the audit log gets an entry about.
    fn recording(
        &self,
        caller: &Principal,
        action: AuditAction,
        user: UserId,
        object: AuditObject,
        after: Facts,
    ) -> Arc<dyn Store> {
        let caller = Caller::new(caller, self.origin);
        let entry = self.audit.entry(&caller, action, ChainOf::User(user));
        self.audit.recording(NewEntry { object: Some(object), after, ..entry })
    }

    /// Makes a token that resets the password of a user within the caller's reach.
    pub async fn create_password_reset(
        &self,
        caller: &Principal,
        user: UserId,
    ) -> Result<PasswordResetToken> {
        let user = self.managed(caller, user).await?;
        policy::authorize_unlimited(caller)?;
        let token = secret_tokens::new_password_reset();
        let expires_at = self.clock.now() + RESET_LIFETIME;
        let sha256 = stored_form(token.expose_secret());
        let reset = PasswordReset { user_id: user.id, sha256, expires_at };
        let (action, object) = (AuditAction::PasswordResetCreated, AuditObject::User(user.id));
        let recording = self.recording(caller, action, user.id, object, Facts::new());
        stored(recording.create_password_reset(&reset).await)?;
        Ok(PasswordResetToken { token, expires_at })
    }

    /// The user with a login name, for the command line.
    pub async fn user_by_email(&self, email: &str) -> Result<User> {
        let email = normal_email(email)
            .ok_or_else(|| Error::invalid("email", "must be of the form name@host"))?;
        let found = stored(self.store.user_by_email(&email).await)?;
        Ok(found.ok_or_else(|| Error::not_found("user", "email"))?.user)
    }

    /// A user that the caller manages; NOT_FOUND for others.
    async fn managed(&self, caller: &Principal, id: UserId) -> Result<User> {
        let scope = policy::authorize_users(caller, Action::ManageUser)?;
        let found = stored(self.store.users(&[id]).await)?.pop();
        found
            .filter(|user| scope.contains(user))
            .ok_or(Error::NotFound { what: "user", argument: None })
    }
}
