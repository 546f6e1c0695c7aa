//! Lists of sessions, and their revocation: by their users, and by administrators.

use super::CredentialDirectory;
use crate::errors::stored;
use vultus_core::{Error, Principal, Result, SessionId, UserId};
use vultus_store::Session;
use vultus_store::audit::{AuditAction, AuditObject, Facts};

impl CredentialDirectory {
    /// The live sessions of the caller, or of a user within the caller's reach, newest first, and
    /// whether there are more.
    pub async fn list_sessions(
        &self,
        caller: &Principal,
        user: Option<UserId>,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<(Vec<Session>, bool)> {
        let user = self.own_or_managed(caller, user).await?;
        let (store, now) = (&self.store, self.clock.now());
        let limit_and_one = limit.saturating_add(1);
        let mut found = stored(store.user_sessions(user, now, after, limit_and_one).await)?;
        let has_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        Ok((found, has_more))
    }

    /// The caller itself, or a user that the caller manages.
    async fn own_or_managed(&self, caller: &Principal, user: Option<UserId>) -> Result<UserId> {
        match (caller, user) {
            (Principal::User { account, .. } | Principal::External { account, .. }, None) => {
                Ok(account.user_id)
            }
            (Principal::User { account, .. } | Principal::External { account, .. }, Some(id))
                if account.user_id == id =>
            {
                Ok(id)
            }
            (_, Some(id)) => Ok(self.managed(caller, id).await?.id),
            (_, None) => Err(Error::invalid("userId", "name a user: an API key has no sessions")),
        }
    }

    /// Revokes a session of the caller, or of a user within the caller's reach.
    pub async fn revoke_session(&self, caller: &Principal, id: SessionId) -> Result<()> {
        let missing = || Error::NotFound { what: "session", argument: None };
        let session = stored(self.store.session(id).await)?.ok_or_else(missing)?;
        match self.own_or_managed(caller, Some(session.user_id)).await {
            Ok(_) => {}
            // A foreign session looks like a missing one.
            Err(Error::NotFound { .. } | Error::Forbidden(_)) => return Err(missing()),
            Err(other) => return Err(other),
        }
        let (action, object) = (AuditAction::SessionRevoked, AuditObject::Session(id));
        let recording = self.recording(caller, action, session.user_id, object, Facts::new());
        stored(recording.revoke_session(id).await)
    }

    /// Revokes the sessions of the caller apart from the present one, or all sessions of another
    /// user within the caller's reach. Returns how many.
    pub async fn revoke_sessions(&self, caller: &Principal, user: Option<UserId>) -> Result<u64> {
        let user = self.own_or_managed(caller, user).await?;
        let except = caller.session_id().filter(|_| caller.user_id() == Some(user));
        let (action, object) = (AuditAction::SessionsRevoked, AuditObject::User(user));
        let recording = self.recording(caller, action, user, object, Facts::new());
        let revoked = recording.revoke_sessions(user, except, self.clock.now()).await;
        Ok(stored(revoked)?.len() as u64)
    }
}
