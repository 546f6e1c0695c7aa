//! Roles, logins and permissions.

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};
use time::OffsetDateTime;

use super::context::{caller, request};
use super::user::User;
use vultus_auth::policy;
use vultus_service::{Tokens, ViewerInfo};

/// Role of a user: it determines the permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "vultus_core::Role")]
pub enum Role {
    /// Administers all companies; takes no decisions. Has no company.
    Admin,
    /// Sees all companies; takes the decisions that need a person. Has no company.
    Operator,
    /// Works with the folders that the user created.
    Client,
    /// A machine that works with all folders of its company.
    ClientService,
    /// Takes decisions within the user's company.
    ClientOperator,
    /// Administers the user's company.
    ClientAdmin,
}

/// An action that a role may permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "policy::Action")]
pub enum Action {
    /// Read companies.
    ViewCompany,
    /// Create a company.
    CreateCompany,
    /// Rename a company.
    ChangeCompany,
    /// Suspend and resume a company.
    SuspendCompany,
    /// Erase a company with everything that belongs to it.
    DeleteCompany,
    /// Read the policies of companies.
    ViewPolicy,
    /// Change the policy of a company.
    ChangePolicy,
    /// Read folders, media, analyses and artifacts.
    ViewFolder,
    /// Create a folder.
    CreateFolder,
    /// Change a folder's metadata and external id.
    ChangeFolder,
    /// Erase a folder with its contents.
    DeleteFolder,
    /// Add media to a folder.
    AddMedia,
    /// Delete a medium.
    DeleteMedia,
    /// Request analyses, of the types that the user may start.
    RequestAnalysis,
    /// Cancel an analysis.
    CancelAnalysis,
    /// Run an instant check, which stores nothing.
    Check,
    /// Read which cases wait for a decision, and figures of decisions.
    ViewCase,
    /// Claim and decide cases, release own claims and undo own decisions.
    Decide,
    /// Undo decisions of others, and release cases that others have claimed.
    ManageDecisions,
    /// Read users.
    ViewUser,
    /// Create a user.
    CreateUser,
    /// Change a user's name.
    ChangeUser,
    /// Change a user's role and analyses, disable, enable and unlock a user.
    ManageUser,
    /// Delete a user.
    DeleteUser,
    /// Read the audit log.
    ViewAudit,
}

/// The objects on which an action is permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "policy::Reach")]
pub enum Reach {
    /// Those that the user created; of users the user alone.
    Own,
    /// Those of the user's company.
    Company,
    /// All objects.
    Everything,
}

/// A permission of the viewer.
#[derive(Debug, Clone, SimpleObject)]
pub struct Permission {
    /// The action.
    action: Action,
    /// The objects on which it is permitted.
    reach: Reach,
}

/// The user who sends the request.
pub struct Viewer(pub(super) ViewerInfo);

/// The user who sends the request.
#[Object]
impl Viewer {
    /// The user.
    async fn user(&self) -> User {
        User(self.0.user.clone())
    }

    /// The permissions of the request's credentials. Any other action is refused with FORBIDDEN.
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

/// An unused refresh token.
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
    /// To be sent with every request: `Authorization: Bearer …`, or `X-Forensics-Access-Token`;
    /// on a websocket in `connection_init`.
    async fn access_token(&self) -> &str {
        &self.0.access_token
    }

    /// When the access token expires.
    async fn access_expires_at(&self) -> OffsetDateTime {
        self.0.access_expires_at
    }

    /// Valid for one `refresh`. The same client may repeat it for 30 s if the answer was lost; any
    /// other second use ends the session, since the token must have been stolen.
    async fn refresh_token(&self) -> &str {
        &self.0.refresh_token
    }

    /// When the refresh token expires.
    async fn refresh_expires_at(&self) -> OffsetDateTime {
        self.0.refresh_expires_at
    }

    /// The user who logged in.
    async fn user(&self) -> User {
        User(self.0.user.clone())
    }
}

/// Answer to a logout.
#[derive(Debug, SimpleObject)]
pub struct LogoutPayload {
    /// True: all tokens of this session are revoked.
    logged_out: bool,
}

pub(super) async fn viewer(ctx: &Context<'_>) -> Result<Viewer> {
    let (services, principal) = caller(ctx)?;
    Ok(Viewer(services.viewer(&principal).await?))
}

pub(super) async fn login(ctx: &Context<'_>, input: LoginInput) -> Result<TokensPayload> {
    let (request, password) = (request(ctx)?, input.password.into());
    Ok(TokensPayload(request.services().login(&input.email, password, request.client()).await?))
}

pub(super) async fn refresh(ctx: &Context<'_>, input: RefreshInput) -> Result<TokensPayload> {
    let request = request(ctx)?;
    let refreshed = request.services().refresh(&input.refresh_token, request.client()).await;
    Ok(TokensPayload(refreshed?))
}

pub(super) async fn logout(ctx: &Context<'_>) -> Result<LogoutPayload> {
    let (services, principal) = caller(ctx)?;
    services.logout(&principal).await?;
    Ok(LogoutPayload { logged_out: true })
}
