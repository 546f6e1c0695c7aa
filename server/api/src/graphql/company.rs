//! Companies.

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use time::OffsetDateTime;
use vultus_core::{CompanyId, Error};

use super::context::caller;
use super::page;
use super::scalars::parse_id;
use super::user::{self, UserConnection, UserFilter, UserPage};
use vultus_service::CompanyState;

/// A page of companies.
pub type CompanyConnection = Connection<String, Company>;

/// A company.
#[derive(Debug, Clone)]
pub struct Company(pub(super) vultus_service::Company);

/// A company: its users see nothing of other companies.
#[Object]
impl Company {
    /// Id.
    pub(super) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Time of creation.
    async fn created_at(&self) -> OffsetDateTime {
        self.0.created_at
    }

    /// Since when its users can do nothing; null: they can.
    async fn suspended_at(&self) -> Option<OffsetDateTime> {
        self.0.suspended_at
    }

    /// Since when it is being deleted; null: it is not.
    async fn deleting_at(&self) -> Option<OffsetDateTime> {
        self.0.deleting_at
    }

    /// Its users that you may see, oldest first.
    #[graphql(complexity = "page::weight(first, child_complexity)")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Length of the page: 1 to 100.", default = 20)] first: i32,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Which users.")] filter: Option<UserFilter>,
    ) -> Result<UserConnection> {
        let filter = filter.unwrap_or_default();
        user::list(ctx, UserPage { first, after, filter, company: Some(self.0.id) }).await
    }
}

/// A new company.
#[derive(Debug, InputObject)]
pub struct CreateCompanyInput {
    /// Name: 1 to 200 bytes without control characters.
    name: String,
}

/// Another name for a company.
#[derive(Debug, InputObject)]
pub struct RenameCompanyInput {
    /// The company.
    company_id: ID,
    /// Name: 1 to 200 bytes without control characters.
    name: String,
}

/// A company to suspend.
#[derive(Debug, InputObject)]
pub struct SuspendCompanyInput {
    /// The company.
    company_id: ID,
}

/// A company to resume.
#[derive(Debug, InputObject)]
pub struct ResumeCompanyInput {
    /// The company.
    company_id: ID,
}

/// A company to delete.
#[derive(Debug, InputObject)]
pub struct DeleteCompanyInput {
    /// The company.
    company_id: ID,
}

/// A company after a change.
#[derive(Debug, SimpleObject)]
pub struct CompanyPayload {
    /// The company.
    company: Company,
}

/// A company that was deleted.
#[derive(Debug, SimpleObject)]
pub struct DeleteCompanyPayload {
    /// Its id.
    deleted_id: ID,
}

const COMPANY: &str = "input.companyId";

pub(super) async fn list(
    ctx: &Context<'_>,
    first: i32,
    after: Option<String>,
    search: Option<String>,
) -> Result<CompanyConnection> {
    let (services, principal) = caller(ctx)?;
    let limit = u32::try_from(page::parse_first(first)?).unwrap_or(u32::MAX);
    let after = after.map(|text| parse_cursor::<CompanyId>(&text)).transpose()?;
    let (companies, has_more) = services.list_companies(&principal, search, after, limit).await?;
    let mut connection = Connection::new(after.is_some(), has_more);
    connection.edges.extend(
        companies.into_iter().map(|company| Edge::new(company.id.to_string(), Company(company))),
    );
    Ok(page::counted(ctx, connection)?)
}

/// The id in a cursor of a list that is ordered by ids.
pub(super) fn parse_cursor<T: std::str::FromStr>(text: &str) -> vultus_core::Result<T> {
    text.parse().map_err(|_| Error::invalid("after", "not a valid cursor of this list"))
}

/// The mutations of companies.
#[derive(Default)]
pub struct CompanyMutation;

/// Changes of companies.
#[Object]
impl CompanyMutation {
    /// Creates a company.
    async fn create_company(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The company.")] input: CreateCompanyInput,
    ) -> Result<CompanyPayload> {
        let (services, principal) = caller(ctx)?;
        let company = Company(services.create_company(&principal, &input.name).await?);
        Ok(CompanyPayload { company })
    }

    /// Changes the name of a company.
    async fn rename_company(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The company and its name.")] input: RenameCompanyInput,
    ) -> Result<CompanyPayload> {
        let (services, principal) = caller(ctx)?;
        let id = parse_id(&input.company_id, "company", COMPANY)?;
        let company = Company(services.rename_company(&principal, id, &input.name).await?);
        Ok(CompanyPayload { company })
    }

    /// Suspends a company: within 1 s its users can do nothing, and their links and websockets end.
    async fn suspend_company(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The company.")] input: SuspendCompanyInput,
    ) -> Result<CompanyPayload> {
        set_state(ctx, &input.company_id, CompanyState::Suspended).await
    }

    /// Ends the suspension of a company.
    async fn resume_company(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The company.")] input: ResumeCompanyInput,
    ) -> Result<CompanyPayload> {
        set_state(ctx, &input.company_id, CompanyState::Active).await
    }

    /// Erases a company with its users, folders, media and analyses. This cannot be undone.
    async fn delete_company(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The company.")] input: DeleteCompanyInput,
    ) -> Result<DeleteCompanyPayload> {
        let (services, principal) = caller(ctx)?;
        let id: CompanyId = parse_id(&input.company_id, "company", COMPANY)?;
        services.delete_company(&principal, id).await?;
        Ok(DeleteCompanyPayload { deleted_id: id.into() })
    }
}

async fn set_state(ctx: &Context<'_>, id: &ID, state: CompanyState) -> Result<CompanyPayload> {
    let (services, principal) = caller(ctx)?;
    let id = parse_id(id, "company", COMPANY)?;
    let company = Company(services.set_company_state(&principal, id, state).await?);
    Ok(CompanyPayload { company })
}
