//! Changes of passwords: by their users, and by one-time tokens that administrators hand over.

use super::Accounts;
use super::locks::refuse_locked;
use crate::errors::stored;
use crate::types::ClientInfo;
use secrecy::SecretString;
use vultus_auth::passwords::{ChosenPassword, HashOwner};
use vultus_auth::refresh_tokens::stored_form;
use vultus_core::{Error, Principal, Result, User, UserId};
use vultus_store::audit::{Actor, AuditAction, AuditObject, ChainOf, NewEntry, Origin};

const NEW_PASSWORD: &str = "input.newPassword";

fn chosen(password: SecretString, user: &User) -> ChosenPassword {
    let known = vec![user.email.clone(), user.name.clone()];
    ChosenPassword { password, known, argument: NEW_PASSWORD }
}

impl Accounts {
    /// Replaces the caller's password, and ends the caller's other sessions.
    pub(crate) async fn change_password(
        &self,
        caller: &Principal,
        current: SecretString,
        new: SecretString,
        from: &ClientInfo,
    ) -> Result<()> {
        let Principal::User { account, session_id } = caller else {
            return Err(Error::Forbidden("only users that log in have a password".to_owned()));
        };
        let (accounts, user) = (self.clone(), account.user_id);
        let (session, from) = (*session_id, from.clone());
        // Detached for the same reason as a login.
        let work = async move {
            let user = accounts.user(user).await?;
            let old = accounts.verify_current(&user, current, &from).await?;
            let owner = user.company_of_role().into();
            let hash = accounts.0.passwords.hash_chosen(chosen(new, &user), owner).await?;
            let origin = Some(Origin::of(from.address));
            let entry = accounts.about_password(AuditAction::PasswordChanged, user.id, origin);
            let recording = accounts.0.audit.recording(entry);
            let changed = recording.change_password(user.id, &old, &hash, Some(session)).await;
            if stored(changed)? {
                return Ok(());
            }
            Err(Error::Conflict {
                argument: Some("input.currentPassword".to_owned()),
                message: "the password was changed at the same time".to_owned(),
                existing: None,
                reason: None,
            })
        };
        self.0.detached.run_detached(work).await
    }

    /// An entry of the audit log about what a user does with its password.
    fn about_password(
        &self,
        action: AuditAction,
        user: UserId,
        origin: Option<Origin>,
    ) -> NewEntry {
        let (actor, chain) = (Actor::User(user), ChainOf::User(user));
        NewEntry {
            object: Some(AuditObject::User(user)),
            ..self.0.audit.entry_by(actor, origin, action, chain)
        }
    }

    async fn user(&self, id: UserId) -> Result<User> {
        let found = stored(self.0.store.users(&[id]).await)?.pop();
        found.ok_or_else(|| Error::Unauthenticated("the user no longer exists".to_owned()))
    }

    /// Returns the hash of the current password. Wrong ones count as failed logins: an access token
    /// alone must not allow to guess the password.
    async fn verify_current(
        &self,
        user: &User,
        current: SecretString,
        from: &ClientInfo,
    ) -> Result<String> {
        let (state, now) = (&self.0, self.0.clock.now());
        let keys = state.login_keys.keys(&user.email, from.address);
        let counting = state.failed_logins.lock(keys.origin.clone()).await;
        refuse_locked(&stored(state.store.login_attempts(&keys).await)?, now)?;
        let found = stored(state.store.user_by_email(&user.email).await)?;
        let hash = found.map(|found| found.password_hash);
        let is_right = state.passwords.verify(current, hash.clone(), from.address).await?;
        match hash {
            Some(hash) if is_right => Ok(hash),
            _ => {
                let known = Some((user.id, user.company_of_role()));
                self.count_failed_login(keys, known, from.address, now, counting);
                Err(Error::InvalidInput {
                    argument: Some("input.currentPassword".to_owned()),
                    message: "is not the current password".to_owned(),
                    reason: Some("WRONG_PASSWORD".to_owned()),
                })
            }
        }
    }

    /// Sets the password of the user of a one-time token, and ends all sessions of that user.
    pub(crate) async fn reset_password(
        &self,
        token: &str,
        new: SecretString,
        origin: Option<Origin>,
    ) -> Result<()> {
        let invalid = || Error::InvalidInput {
            argument: Some("input.token".to_owned()),
            message: "is not valid, was used, or has expired; ask for a new one".to_owned(),
            reason: Some("RESET_TOKEN_INVALID".to_owned()),
        };
        let (state, now, token) = (&self.0, self.0.clock.now(), stored_form(token));
        let found = stored(state.store.password_reset(&token, now).await)?;
        let user = found.ok_or_else(invalid)?;
        let owner = origin.map_or(HashOwner::Installation, HashOwner::Network);
        let hash = state.passwords.hash_chosen(chosen(new, &user), owner).await?;
        let entry = self.about_password(AuditAction::PasswordReset, user.id, origin);
        let used = state.audit.recording(entry).use_password_reset(&token, now, &hash).await;
        stored(used)?.ok_or_else(invalid)?;
        // Failures with the forgotten password do not lock out its user.
        stored(state.store.unlock_logins(&state.login_keys.name(&user.email)).await)?;
        Ok(())
    }
}
