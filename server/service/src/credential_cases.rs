//! The methods of [`Services`] on passwords, sessions and API keys.

use crate::credential_directory::CredentialDirectory;
use crate::services::Services;
use crate::types::{ClientInfo, CreatedApiKey, NewApiKey, PasswordResetToken};
use secrecy::SecretString;
use time::{Duration, OffsetDateTime};
use vultus_core::{ApiKeyId, Principal, Result, SessionId, UserId};
use vultus_store::{ApiKey, Session};

impl Services {
    /// The directory for the network that the request came from.
    fn credentials(&self) -> CredentialDirectory {
        self.0.credentials.for_origin(self.origin())
    }
}

/// Passwords.
impl Services {
    /// Replaces the caller's password, and ends the caller's other sessions.
    pub async fn change_password(
        &self,
        caller: &Principal,
        current: SecretString,
        new: SecretString,
        from: &ClientInfo,
    ) -> Result<()> {
        self.0.accounts.change_password(caller, current, new, from).await
    }

    /// Makes a token that resets the password of a user within the caller's reach.
    pub async fn create_password_reset(
        &self,
        caller: &Principal,
        user: UserId,
    ) -> Result<PasswordResetToken> {
        self.credentials().create_password_reset(caller, user).await
    }

    /// Sets the password of the user of a one-time token, and ends all sessions of that user.
    pub async fn reset_password(&self, token: &str, new: SecretString) -> Result<()> {
        self.0.accounts.reset_password(token, new, self.origin()).await
    }
}

/// Sessions.
impl Services {
    /// The live sessions of the caller, or of a user within the caller's reach, newest first, and
    /// whether there are more.
    pub async fn list_sessions(
        &self,
        caller: &Principal,
        user: Option<UserId>,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<(Vec<Session>, bool)> {
        self.credentials().list_sessions(caller, user, after, limit).await
    }

    /// Revokes a session of the caller, or of a user within the caller's reach.
    pub async fn revoke_session(&self, caller: &Principal, id: SessionId) -> Result<()> {
        self.credentials().revoke_session(caller, id).await
    }

    /// Revokes the sessions of the caller apart from the present one, or all sessions of another
    /// user within the caller's reach. Returns how many.
    pub async fn revoke_sessions(&self, caller: &Principal, user: Option<UserId>) -> Result<u64> {
        self.credentials().revoke_sessions(caller, user).await
    }
}

/// API keys.
impl Services {
    /// Creates a key of a service account within the caller's reach.
    pub async fn create_api_key(
        &self,
        caller: &Principal,
        new: NewApiKey,
    ) -> Result<CreatedApiKey> {
        self.credentials().create_api_key(caller, new).await
    }

    /// Creates a key that replaces another one, which works for `overlap` longer.
    pub async fn rotate_api_key(
        &self,
        caller: &Principal,
        id: ApiKeyId,
        overlap: Duration,
        expires_at: Option<OffsetDateTime>,
    ) -> Result<CreatedApiKey> {
        self.credentials().rotate_api_key(caller, id, overlap, expires_at).await
    }

    /// Revokes a key.
    pub async fn revoke_api_key(&self, caller: &Principal, id: ApiKeyId) -> Result<ApiKey> {
        self.credentials().revoke_api_key(caller, id).await
    }

    /// The keys of an account within the caller's reach, newest first, and whether there are more.
    pub async fn list_api_keys(
        &self,
        caller: &Principal,
        user: UserId,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Result<(Vec<ApiKey>, bool)> {
        self.credentials().list_api_keys(caller, user, after, limit).await
    }
}
