//! Sessions and passwords.

use crate::MongoStore;
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{SessionId, User, UserId};
use vultus_store::{PasswordReset, Refresh, Result, Rotation, Session, Sessions};

#[async_trait]
impl Sessions for MongoStore {
    async fn create_session(&self, session: &Session, refresh_sha256: &str) -> Result<()> {
        let (session, refresh_sha256) = (session.clone(), refresh_sha256.to_owned());
        self.run(|cases| async move { cases.create_session(&session, &refresh_sha256).await }).await
    }

    async fn rotate_refresh(&self, refresh: &Refresh) -> Result<Rotation> {
        let refresh = refresh.clone();
        self.run(|cases| async move { cases.rotate_refresh(&refresh).await }).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        self.run(|cases| async move { cases.session(id).await }).await
    }

    async fn sessions_with_users(&self, ids: &[SessionId]) -> Result<Vec<(Session, User)>> {
        let ids = ids.to_vec();
        self.run(|cases| async move { cases.sessions_with_users(&ids).await }).await
    }

    async fn user_sessions(
        &self,
        user: UserId,
        now: OffsetDateTime,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<Session>> {
        self.run(|cases| async move { cases.user_sessions(user, now, after, limit).await }).await
    }

    async fn revoke_session(&self, id: SessionId) -> Result<()> {
        self.run(|cases| async move { cases.revoke_session(id).await }).await
    }

    async fn revoke_sessions(
        &self,
        user: UserId,
        except: Option<SessionId>,
        now: OffsetDateTime,
    ) -> Result<Vec<SessionId>> {
        self.run(|cases| async move { cases.revoke_sessions(user, except, now).await }).await
    }

    async fn change_password(
        &self,
        user: UserId,
        old: &str,
        new: &str,
        keep: Option<SessionId>,
    ) -> Result<bool> {
        let (old, new) = (old.to_owned(), new.to_owned());
        self.run(|cases| async move { cases.change_password(user, &old, &new, keep).await }).await
    }

    async fn create_password_reset(&self, reset: &PasswordReset) -> Result<()> {
        let reset = reset.clone();
        self.run(|cases| async move { cases.create_password_reset(&reset).await }).await
    }

    async fn password_reset(&self, sha256: &str, now: OffsetDateTime) -> Result<Option<User>> {
        let sha256 = sha256.to_owned();
        self.run(|cases| async move { cases.password_reset(&sha256, now).await }).await
    }

    async fn use_password_reset(
        &self,
        sha256: &str,
        now: OffsetDateTime,
        new: &str,
    ) -> Result<Option<UserId>> {
        let (sha256, new) = (sha256.to_owned(), new.to_owned());
        self.run(|cases| async move { cases.use_password_reset(&sha256, now, &new).await }).await
    }
}
