//! Sessions and passwords.

use super::Result;
use crate::credentials::{PasswordReset, Refresh, Rotation, Session};
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{SessionId, User, UserId};

/// Sessions with their refresh tokens, and changes of passwords.
#[async_trait]
pub trait Sessions: Send + Sync + 'static {
    /// Creates a session with its first refresh token (given by its stored form).
    async fn create_session(&self, session: &Session, refresh_sha256: &str) -> Result<()>;
    /// Replaces a refresh token by a new one, and extends the session. A second use of the old
    /// token revokes the session, unless the same client repeats it at once (see
    /// [`vultus_core::credentials::RefreshUse`]). A token of a user that cannot act is `Unknown`,
    /// and stays as it is.
    async fn rotate_refresh(&self, refresh: &Refresh) -> Result<Rotation>;
    /// Finds a session.
    async fn session(&self, id: SessionId) -> Result<Option<Session>>;
    /// Sessions with their users, in one read. Left out are unknown ids and the sessions of users
    /// that cannot act: deleted or disabled ones, and those of a suspended company.
    async fn sessions_with_users(&self, ids: &[SessionId]) -> Result<Vec<(Session, User)>>;
    /// The sessions of a user that are live at `now`, newest first, at most `limit`, after the
    /// session `after`.
    async fn user_sessions(
        &self,
        user: UserId,
        now: OffsetDateTime,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<Session>>;
    /// Revokes a session.
    async fn revoke_session(&self, id: SessionId) -> Result<()>;
    /// Revokes the sessions of a user that are live at `now`, except one; returns which.
    async fn revoke_sessions(
        &self,
        user: UserId,
        except: Option<SessionId>,
        now: OffsetDateTime,
    ) -> Result<Vec<SessionId>>;
    /// Replaces a password if its hash is still `old`, revokes all sessions of the user except
    /// `keep`, and deletes the tokens that reset the password. Returns false if the hash is another
    /// one.
    async fn change_password(
        &self,
        user: UserId,
        old: &str,
        new: &str,
        keep: Option<SessionId>,
    ) -> Result<bool>;
    /// Stores a token that resets a password. It replaces an earlier one of the same user.
    async fn create_password_reset(&self, reset: &PasswordReset) -> Result<()>;
    /// The user of a token that is valid at `now`.
    async fn password_reset(&self, sha256: &str, now: OffsetDateTime) -> Result<Option<User>>;
    /// Uses a token that is valid at `now`: sets the password of its user and revokes all sessions
    /// of the user. Returns whose it was; `None` if the token is not valid.
    async fn use_password_reset(
        &self,
        sha256: &str,
        now: OffsetDateTime,
        new: &str,
    ) -> Result<Option<UserId>>;
}
