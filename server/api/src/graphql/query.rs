//! The root of queries.

use std::sync::Arc;

use async_graphql::{Context, ID, Interface, Object, Result};
use time::OffsetDateTime;
use vultus_core::{AnalysisId, CompanyId, Error, FolderId, MediaId, Principal, UserId};

use super::account::{self, Viewer};
use super::analysis_objects::{
    CustomAnalysis, DocumentAnalysis, FaceMatchAnalysis, GesturesAnalysis, LivenessAnalysis,
    QualityAnalysis,
};
use super::api_key::{self, ApiKeyConnection};
use super::audit::{self, AuditConnection, AuditFilter};
use super::case::{self, CaseConnection, CaseFilter, DecisionFigures};
use super::company::{self, Company, CompanyConnection};
use super::company_policy::{self, CompanyPolicy};
use super::context::{caller, request};
use super::folder::{self, Folder, FolderConnection, FolderFilter, FolderOrder, FolderPage};
use super::info::{self, Analyzer, ServerInfo};
use super::media::{self, Image, Media, ShotSet, Video};
use super::page;
use super::scalars::optional_company;
use super::session::{self, SessionConnection};
use super::typed_analyses::{self, Analysis};
use super::user::{self, User, UserConnection, UserFilter, UserPage};
use vultus_service::{Selection, Services};

/// An object with an id. All concrete types are listed here: with nested interfaces the library
/// would refuse `node { ... on CustomAnalysis }`.
#[derive(Debug, Clone, Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Id: a UUID that is unique over all types."))]
pub enum Node {
    /// A company.
    Company(Company),
    /// A user.
    User(User),
    /// A folder.
    Folder(Folder),
    /// A picture.
    Image(Image),
    /// A video.
    Video(Video),
    /// A shot set.
    ShotSet(ShotSet),
    /// A liveness analysis.
    Liveness(LivenessAnalysis),
    /// A face match.
    FaceMatch(FaceMatchAnalysis),
    /// A document analysis.
    Document(DocumentAnalysis),
    /// A gestures analysis.
    Gestures(GesturesAnalysis),
    /// A quality analysis.
    Quality(QualityAnalysis),
    /// An analysis of another type.
    Custom(CustomAnalysis),
}

impl From<Media> for Node {
    fn from(medium: Media) -> Self {
        match medium {
            Media::Image(image) => Self::Image(image),
            Media::Video(video) => Self::Video(video),
            Media::ShotSet(set) => Self::ShotSet(set),
        }
    }
}

impl From<Analysis> for Node {
    fn from(analysis: Analysis) -> Self {
        match analysis {
            Analysis::Liveness(analysis) => Self::Liveness(analysis),
            Analysis::FaceMatch(analysis) => Self::FaceMatch(analysis),
            Analysis::Document(analysis) => Self::Document(analysis),
            Analysis::Gestures(analysis) => Self::Gestures(analysis),
            Analysis::Quality(analysis) => Self::Quality(analysis),
            Analysis::Custom(analysis) => Self::Custom(analysis),
        }
    }
}

async fn find_analysis(
    services: &Services,
    principal: &Principal,
    id: &ID,
) -> vultus_core::Result<Option<Analysis>> {
    let Ok(id) = id.parse::<AnalysisId>() else { return Ok(None) };
    let found = services.analysis(principal, id).await?;
    Ok(found.map(|(analysis, artifacts)| typed_analyses::of(analysis, artifacts, None)))
}

async fn find_folder(
    ctx: &Context<'_>,
    services: &Services,
    principal: &Principal,
    id: &ID,
) -> vultus_core::Result<Option<Folder>> {
    let Ok(id) = id.parse::<FolderId>() else { return Ok(None) };
    let found = services.folder(principal, id, request(ctx)?.selection()).await?;
    Ok(found.map(|contents| Folder(Arc::new(contents))))
}

async fn find_medium(
    ctx: &Context<'_>,
    services: &Services,
    principal: &Principal,
    id: &ID,
) -> vultus_core::Result<Option<Media>> {
    let Ok(id) = id.parse::<MediaId>() else { return Ok(None) };
    let Some(medium) = services.medium(principal, id).await? else { return Ok(None) };
    let selection = Selection { media: true, ..request(ctx)?.selection() };
    let contents = services.folder(principal, medium.folder_id, selection).await?;
    Ok(contents.and_then(|contents| media::in_folder(&Arc::new(contents), id)))
}

async fn find_user(
    services: &Services,
    principal: &Principal,
    id: &ID,
) -> vultus_core::Result<Option<User>> {
    let Ok(id) = id.parse::<UserId>() else { return Ok(None) };
    match services.users(principal, &[id]).await {
        Ok(mut users) => Ok(users.pop().map(User)),
        // A role that sees no users gets null instead of an error, since it may see other objects.
        Err(Error::Forbidden(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

async fn find_company(
    services: &Services,
    principal: &Principal,
    id: &ID,
) -> vultus_core::Result<Option<Company>> {
    let Ok(id) = id.parse::<CompanyId>() else { return Ok(None) };
    match services.companies(principal, &[id]).await {
        Ok(mut companies) => Ok(companies.pop().map(Company)),
        // As for users.
        Err(Error::Forbidden(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// The root of queries.
pub struct Query;

/// Queries. An object that you may not see is null, as if it did not exist.
#[Object]
impl Query {
    /// The user who sends the request, with permissions.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer> {
        account::viewer(ctx).await
    }

    /// An object by its id.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id.")] id: ID,
    ) -> Result<Option<Node>> {
        let (services, principal) = caller(ctx)?;
        let (folder, medium, analysis, user, company) = tokio::try_join!(
            find_folder(ctx, services, &principal, &id),
            find_medium(ctx, services, &principal, &id),
            find_analysis(services, &principal, &id),
            find_user(services, &principal, &id),
            find_company(services, &principal, &id),
        )?;
        let node = folder
            .map(Node::from)
            .or(medium.map(Node::from))
            .or(analysis.map(Node::from))
            .or(user.map(Node::from))
            .or(company.map(Node::from));
        Ok(node)
    }

    /// A folder by its id.
    async fn folder(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id.")] id: ID,
    ) -> Result<Option<Folder>> {
        let (services, principal) = caller(ctx)?;
        Ok(find_folder(ctx, services, &principal, &id).await?)
    }

    /// A folder of a company by the client's key.
    async fn folder_by_external_id(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client's key.")] external_id: String,
        #[graphql(desc = "The company; needed if you have none and several companies are active.")]
        company_id: Option<ID>,
    ) -> Result<Option<Folder>> {
        let (services, principal) = caller(ctx)?;
        let company = optional_company(company_id.as_ref(), "companyId")?;
        let found = services
            .folder_by_external_id(&principal, company, &external_id, request(ctx)?.selection())
            .await?;
        Ok(found.map(|contents| Folder(Arc::new(contents))))
    }

    /// Folders, by default newest first.
    #[graphql(complexity = "page::weight(first, child_complexity)")]
    async fn folders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Length of the page: 1 to 100.", default = 20)] first: i32,
        #[graphql(desc = "The cursor after which the page starts; valid for one order.")]
        after: Option<String>,
        #[graphql(desc = "Which folders.")] filter: Option<FolderFilter>,
        #[graphql(desc = "The order.", default)] order_by: FolderOrder,
    ) -> Result<FolderConnection> {
        folder::list(
            ctx,
            FolderPage { first, after, filter: filter.unwrap_or_default(), order: order_by },
        )
        .await
    }

    /// A company by its id.
    async fn company(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id.")] id: ID,
    ) -> Result<Option<Company>> {
        let (services, principal) = caller(ctx)?;
        Ok(find_company(services, &principal, &id).await?)
    }

    /// The companies that you may see, oldest first.
    #[graphql(complexity = "page::weight(first, child_complexity)")]
    async fn companies(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Length of the page: 1 to 100.", default = 20)] first: i32,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Only those with this text in the name, in any case.")] search: Option<
            String,
        >,
    ) -> Result<CompanyConnection> {
        company::list(ctx, first, after, search).await
    }

    /// The policy of a company.
    async fn company_policy(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The company.")] company_id: ID,
        #[graphql(desc = "The version; omit it for the newest one.")] version: Option<i32>,
    ) -> Result<Option<CompanyPolicy>> {
        company_policy::policy(ctx, &company_id, version).await
    }

    /// A user by its id.
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id.")] id: ID,
    ) -> Result<Option<User>> {
        let (services, principal) = caller(ctx)?;
        Ok(find_user(services, &principal, &id).await?)
    }

    /// The users that you may see, oldest first.
    #[graphql(complexity = "page::weight(first, child_complexity)")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Length of the page: 1 to 100.", default = 20)] first: i32,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Which users.")] filter: Option<UserFilter>,
    ) -> Result<UserConnection> {
        let filter = filter.unwrap_or_default();
        user::list(ctx, UserPage { first, after, filter, company: None }).await
    }

    /// The sessions of a user that have not ended, newest first.
    #[graphql(complexity = "page::weight(first, child_complexity)")]
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A user that you manage; omit it for your own sessions.")] user_id: Option<
            ID,
        >,
        #[graphql(desc = "Length of the page: 1 to 100.", default = 20)] first: i32,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
    ) -> Result<SessionConnection> {
        session::list(ctx, user_id, first, after).await
    }

    /// The keys of a service account that you manage, newest first.
    #[graphql(complexity = "page::weight(first, child_complexity)")]
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The service account.")] user_id: ID,
        #[graphql(desc = "Length of the page: 1 to 100.", default = 20)] first: i32,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
    ) -> Result<ApiKeyConnection> {
        api_key::list(ctx, user_id, first, after).await
    }

    /// An analysis by its id.
    async fn analysis(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id.")] id: ID,
    ) -> Result<Option<Analysis>> {
        let (services, principal) = caller(ctx)?;
        Ok(find_analysis(services, &principal, &id).await?)
    }

    /// The cases that wait for the decision of a person, oldest first.
    #[graphql(complexity = "page::weight(first, child_complexity)")]
    async fn cases(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Length of the page: 1 to 100.", default = 20)] first: i32,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Which cases.")] filter: Option<CaseFilter>,
    ) -> Result<CaseConnection> {
        case::list(ctx, first, after, filter.unwrap_or_default()).await
    }

    /// Figures of the people who decide; yours alone unless you manage decisions.
    #[graphql(complexity = "1 + 4 * child_complexity")]
    async fn decision_figures(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Decisions at or after this time.")] from: OffsetDateTime,
        #[graphql(desc = "Decisions before this time, at most 366 days later.")]
        before: OffsetDateTime,
    ) -> Result<Vec<DecisionFigures>> {
        case::figures(ctx, from, before).await
    }

    /// The audit log, newest entries first. Entries appear within a second.
    #[graphql(complexity = "page::weight(first, child_complexity)")]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Length of the page: 1 to 100.", default = 20)] first: i32,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Which entries.")] filter: Option<AuditFilter>,
    ) -> Result<AuditConnection> {
        audit::list(ctx, first, after, filter.unwrap_or_default()).await
    }

    /// The loaded plugins.
    #[graphql(complexity = "1 + 2 * child_complexity")]
    async fn analyzers(&self, ctx: &Context<'_>) -> Result<Vec<Analyzer>> {
        info::analyzers(ctx).await
    }

    /// The server, with the limits that clients should know.
    async fn server_info(&self, ctx: &Context<'_>) -> Result<ServerInfo> {
        info::server_info(ctx).await
    }
}
