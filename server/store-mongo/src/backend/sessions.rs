//! Sessions and passwords.

use crate::transaction::without_transaction;
use crate::{Cases, sessions};
use async_trait::async_trait;
use futures::FutureExt;
use time::OffsetDateTime;
use vultus_core::{SessionId, User, UserId};
use vultus_store::{PasswordReset, Refresh, Result, Rotation, Session, Sessions};

#[async_trait]
impl Sessions for Cases {
    async fn create_session(&self, session: &Session, refresh_sha256: &str) -> Result<()> {
        self.attempts("creating a session")
            .run(move |t| sessions::create_session(t, session, refresh_sha256).boxed())
            .await
    }

    async fn rotate_refresh(&self, refresh: &Refresh) -> Result<Rotation> {
        self.attempts("rotating a refresh token")
            .run(move |t| sessions::rotate_refresh(t, refresh).boxed())
            .await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        without_transaction("reading a session", sessions::session(&self.collections, id)).await
    }

    async fn sessions_with_users(&self, ids: &[SessionId]) -> Result<Vec<(Session, User)>> {
        let found = sessions::sessions_with_users(&self.collections, ids);
        without_transaction("reading sessions", found).await
    }

    async fn user_sessions(
        &self,
        user: UserId,
        now: OffsetDateTime,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<Session>> {
        let found = sessions::user_sessions(&self.collections, user, now, after, limit);
        without_transaction("listing sessions", found).await
    }

    async fn revoke_session(&self, id: SessionId) -> Result<()> {
        self.attempts("revoking a session")
            .run(move |t| sessions::revoke_session(t, id).boxed())
            .await
    }

    async fn revoke_sessions(
        &self,
        user: UserId,
        except: Option<SessionId>,
        now: OffsetDateTime,
    ) -> Result<Vec<SessionId>> {
        self.attempts("revoking sessions")
            .run(move |t| sessions::revoke_sessions(t, user, except, now).boxed())
            .await
    }

    async fn change_password(
        &self,
        user: UserId,
        old: &str,
        new: &str,
        keep: Option<SessionId>,
    ) -> Result<bool> {
        self.attempts("changing a password")
            .run(move |t| sessions::change_password(t, user, old, new, keep).boxed())
            .await
    }

    async fn create_password_reset(&self, reset: &PasswordReset) -> Result<()> {
        self.attempts("storing a token that resets a password")
            .run(move |t| sessions::create_password_reset(t, reset).boxed())
            .await
    }

    async fn password_reset(&self, sha256: &str, now: OffsetDateTime) -> Result<Option<User>> {
        let found = sessions::password_reset(&self.collections, sha256, now);
        without_transaction("reading a token that resets a password", found).await
    }

    async fn use_password_reset(
        &self,
        sha256: &str,
        now: OffsetDateTime,
        new: &str,
    ) -> Result<Option<UserId>> {
        self.attempts("resetting a password")
            .run(move |t| sessions::use_password_reset(t, sha256, now, new).boxed())
            .await
    }
}
