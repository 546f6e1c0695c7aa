//! Sessions and passwords.

use crate::{SqliteStore, sessions};
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{SessionId, User, UserId};
use vultus_store::{PasswordReset, Refresh, Result, Rotation, Session, Sessions};

#[async_trait]
impl Sessions for SqliteStore {
    async fn create_session(&self, session: &Session, refresh_sha256: &str) -> Result<()> {
        let (session, refresh_sha256) = (session.clone(), refresh_sha256.to_owned());
        self.write_freeing("creating a session", move |c, _| {
            sessions::create_session(c, &session, &refresh_sha256)
        })
        .await
    }

    async fn rotate_refresh(&self, refresh: &Refresh) -> Result<Rotation> {
        let refresh = refresh.clone();
        self.write_freeing("rotating a refresh token", move |c, _| {
            sessions::rotate_refresh(c, &refresh)
        })
        .await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        self.read("reading a session", move |c| sessions::session(c, id)).await
    }

    async fn sessions_with_users(&self, ids: &[SessionId]) -> Result<Vec<(Session, User)>> {
        let ids = ids.to_vec();
        self.read("reading sessions", move |c| sessions::sessions_with_users(c, &ids)).await
    }

    async fn user_sessions(
        &self,
        user: UserId,
        now: OffsetDateTime,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<Session>> {
        self.read("listing sessions", move |c| sessions::user_sessions(c, user, now, after, limit))
            .await
    }

    async fn revoke_session(&self, id: SessionId) -> Result<()> {
        self.write_freeing("revoking a session", move |c, _| sessions::revoke_session(c, id)).await
    }

    async fn revoke_sessions(
        &self,
        user: UserId,
        except: Option<SessionId>,
        now: OffsetDateTime,
    ) -> Result<Vec<SessionId>> {
        self.write_freeing("revoking sessions", move |c, _| {
            sessions::revoke_sessions(c, user, except, now)
        })
        .await
    }

    async fn change_password(
        &self,
        user: UserId,
        old: &str,
        new: &str,
        keep: Option<SessionId>,
    ) -> Result<bool> {
        let (old, new) = (old.to_owned(), new.to_owned());
        self.write_freeing("changing a password", move |c, e| {
            sessions::change_password(c, e, user, &old, &new, keep)
        })
        .await
    }

    async fn create_password_reset(&self, reset: &PasswordReset) -> Result<()> {
        let reset = reset.clone();
        self.write_freeing("storing a token that resets a password", move |c, _| {
            sessions::create_password_reset(c, &reset)
        })
        .await
    }

    async fn password_reset(&self, sha256: &str, now: OffsetDateTime) -> Result<Option<User>> {
        let sha256 = sha256.to_owned();
        self.read("reading a token that resets a password", move |c| {
            sessions::password_reset(c, &sha256, now)
        })
        .await
    }

    async fn use_password_reset(
        &self,
        sha256: &str,
        now: OffsetDateTime,
        new: &str,
    ) -> Result<Option<UserId>> {
        let (sha256, new) = (sha256.to_owned(), new.to_owned());
        self.write_freeing("resetting a password", move |c, e| {
            sessions::use_password_reset(c, e, &sha256, now, &new)
        })
        .await
    }
}
