//! Users, logins, and what one may do.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use time::OffsetDateTime;

use super::context::{caller, request};
use vultus_auth::policy;
use vultus_service::{Tokens, ViewerInfo};

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "vultus_core::Role")]
pub enum Role {
    /// All objects of all companies; cannot decide.
    Admin,
    /// Sees all; decides where a person must.
    Operator,
    /// Own folders.
    Client,
    /// All of the own company.
    ClientAdmin,
    /// Decides within the own company.
    ClientOperator,
}

/// Something that can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "policy::Action")]
pub enum Action {
    /// Read folders, media, analyses and artifacts.
    ViewFolder,
    /// Make a folder.
    CreateFolder,
    /// Change a folder's metadata and external id.
    ChangeFolder,
    /// Erase a folder with all in it.
    DeleteFolder,
    /// Add media to a folder.
    AddMedia,
    /// Delete a medium.
    DeleteMedia,
    /// Ask for analyses.
    RequestAnalysis,
    /// Cancel an analysis.
    CancelAnalysis,
    /// Have media judged at once, with nothing stored.
    Check,
    /// Read users.
    ViewUser,
}

/// Over which objects something can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "policy::Reach")]
pub enum Reach {
    /// One's own.
    Own,
    /// Those of one's company.
    Company,
    /// All.
    Everything,
}

/// Something that the viewer may do.
#[derive(Debug, Clone, SimpleObject)]
pub struct Permission {
    /// What.
    action: Action,
    /// Over which objects.
    reach: Reach,
}

/// A person or a machine that logs in.
#[derive(Debug, Clone)]
pub struct User(pub(super) vultus_core::User);

/// A person or a machine that logs in.
#[Object]
impl User {
    /// Id.
    pub(super) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Login name, in lower case.
    async fn email(&self) -> &str {
        &self.0.email
    }

    /// Name for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What the user may do.
    async fn role(&self) -> Role {
        self.0.role.into()
    }

    /// Whether it is a machine's account.
    async fn is_service(&self) -> bool {
        self.0.is_service
    }

    /// When it was made.
    async fn created_at(&self) -> OffsetDateTime {
        self.0.created_at
    }
}

/// Who is asking.
pub struct Viewer(pub(super) ViewerInfo);

/// Who is asking.
#[Object]
impl Viewer {
    /// The user.
    async fn user(&self) -> User {
        User(self.0.user.clone())
    }

    /// What the user may do. What is not listed is refused with FORBIDDEN.
    #[graphql(complexity = "2 + 2 * child_complexity")]
    async fn permissions(&self) -> Vec<Permission> {
        self.0
            .permissions
            .iter()
            .map(|p| Permission { action: p.action.into(), reach: p.reach.into() })
            .collect()
    }
}

/// Credentials of a person or a machine.
#[derive(InputObject)]
pub struct LoginInput {
    /// Login name.
    email: String,
    /// Password.
    #[graphql(secret)]
    password: String,
}

/// A refresh token that was not used before.
#[derive(InputObject)]
pub struct RefreshInput {
    /// The token of the last login or refresh.
    #[graphql(secret)]
    refresh_token: String,
}

/// Tokens after a login or a refresh.
pub struct TokensPayload(Tokens);

/// Tokens after a login or a refresh.
#[Object]
impl TokensPayload {
    /// Goes with every request: `Authorization: Bearer …`, or `X-Forensics-Access-Token`; on a
    /// websocket in `connection_init`.
    async fn access_token(&self) -> &str {
        &self.0.access_token
    }

    /// When the access token expires.
    async fn access_expires_at(&self) -> OffsetDateTime {
        self.0.access_expires_at
    }

    /// Good for one `refresh`. A second use ends the session, since one of the two users must have
    /// stolen it.
    async fn refresh_token(&self) -> &str {
        &self.0.refresh_token
    }

    /// When the refresh token expires.
    async fn refresh_expires_at(&self) -> OffsetDateTime {
        self.0.refresh_expires_at
    }

    /// Who logged in.
    async fn user(&self) -> User {
        User(self.0.user.clone())
    }
}

/// Answer to a logout.
#[derive(Debug, SimpleObject)]
pub struct LogoutPayload {
    /// True: no token of this session is good any more.
    logged_out: bool,
}

pub(super) async fn viewer(ctx: &Context<'_>) -> Result<Viewer> {
    let (services, principal) = caller(ctx)?;
    Ok(Viewer(services.viewer(&principal).await?))
}

pub(super) async fn login(ctx: &Context<'_>, input: LoginInput) -> Result<TokensPayload> {
    Ok(TokensPayload(request(ctx)?.services().login(&input.email, input.password.into()).await?))
}

pub(super) async fn refresh(ctx: &Context<'_>, input: RefreshInput) -> Result<TokensPayload> {
    Ok(TokensPayload(request(ctx)?.services().refresh(&input.refresh_token).await?))
}

pub(super) async fn logout(ctx: &Context<'_>) -> Result<LogoutPayload> {
    let (services, principal) = caller(ctx)?;
    services.logout(&principal).await?;
    Ok(LogoutPayload { logged_out: true })
}
