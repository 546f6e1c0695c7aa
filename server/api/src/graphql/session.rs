//! Sessions: lists and revocation.

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use time::OffsetDateTime;
use vultus_core::{SessionId, UserId};

use super::context::caller;
use super::page;
use super::scalars::parse_id;

/// A page of sessions.
pub type SessionConnection = Connection<String, Session>;

/// A login that has not ended, with all tokens that descend from it.
pub struct Session {
    stored: vultus_service::Session,
    is_current: bool,
}

/// A login that has not ended, with all tokens that descend from it.
#[Object]
impl Session {
    /// Id.
    async fn id(&self) -> ID {
        self.stored.id.into()
    }

    /// When it began.
    async fn created_at(&self) -> OffsetDateTime {
        self.stored.created_at
    }

    /// When its tokens were last refreshed; null before the first refresh.
    async fn refreshed_at(&self) -> Option<OffsetDateTime> {
        self.stored.refreshed_at
    }

    /// When it ends unless its tokens are refreshed.
    async fn expires_at(&self) -> OffsetDateTime {
        self.stored.expires_at
    }

    /// The network from which it was begun.
    async fn network(&self) -> Option<&str> {
        self.stored.network.as_deref()
    }

    /// The program with which it was begun, as it named itself.
    async fn agent(&self) -> Option<&str> {
        self.stored.agent.as_deref()
    }

    /// Whether it is the session of this request.
    async fn is_current(&self) -> bool {
        self.is_current
    }
}

/// A session to revoke.
#[derive(Debug, InputObject)]
pub struct RevokeSessionInput {
    /// The session.
    session_id: ID,
}

/// The revoked session.
#[derive(Debug, SimpleObject)]
pub struct RevokeSessionPayload {
    /// Id of the revoked session.
    revoked_id: ID,
}

/// Whose sessions to revoke.
#[derive(Debug, InputObject)]
pub struct RevokeSessionsInput {
    /// The user; omit it for your own sessions apart from the present one.
    user_id: Option<ID>,
}

/// The revoked sessions.
#[derive(Debug, SimpleObject)]
pub struct RevokeSessionsPayload {
    /// How many were revoked.
    revoked_count: i32,
}

pub(super) async fn list(
    ctx: &Context<'_>,
    user_id: Option<ID>,
    first: i32,
    after: Option<String>,
) -> Result<SessionConnection> {
    let (services, principal) = caller(ctx)?;
    let limit = page::parse_first(first)?;
    let user = user_id.map(|id| parse_id::<UserId>(&id, "user", "userId")).transpose()?;
    let has_previous = after.is_some();
    let after = after.map(|after| page::id_cursor::<SessionId>(&after)).transpose()?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let listed = services.list_sessions(&principal, user, after, limit).await;
    let (sessions, has_more) = listed.map_err(|error| error.at("userId"))?;
    let mut connection = Connection::new(has_previous, has_more);
    for stored in sessions {
        let is_current = principal.session_id() == Some(stored.id);
        let cursor = stored.id.to_string();
        connection.edges.push(Edge::new(cursor, Session { stored, is_current }));
    }
    Ok(page::counted(ctx, connection)?)
}

pub(super) async fn revoke(
    ctx: &Context<'_>,
    input: RevokeSessionInput,
) -> Result<RevokeSessionPayload> {
    let (services, principal) = caller(ctx)?;
    let id: SessionId = parse_id(&input.session_id, "session", "input.sessionId")?;
    let revoked = services.revoke_session(&principal, id).await;
    revoked.map_err(|error| error.at("input.sessionId"))?;
    Ok(RevokeSessionPayload { revoked_id: id.into() })
}

pub(super) async fn revoke_all(
    ctx: &Context<'_>,
    input: RevokeSessionsInput,
) -> Result<RevokeSessionsPayload> {
    let (services, principal) = caller(ctx)?;
    let user =
        input.user_id.map(|id| parse_id::<UserId>(&id, "user", "input.userId")).transpose()?;
    let revoked = services.revoke_sessions(&principal, user).await;
    let revoked = revoked.map_err(|error| error.at("input.userId"))?;
    Ok(RevokeSessionsPayload { revoked_count: i32::try_from(revoked).unwrap_or(i32::MAX) })
}
