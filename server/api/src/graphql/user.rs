//! Users.

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use secrecy::ExposeSecret;
use time::OffsetDateTime;
use vultus_core::{CompanyId, MayStart, UserId};

use super::account::Role;
use super::company::{Company, parse_cursor};
use super::context::caller;
use super::scalars::{optional_company, parse_id};
use super::{loader, page};
use vultus_service::{NewRole, NewUser, UserState};

/// A page of users.
pub type UserConnection = Connection<String, User>;

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

    /// The user's company; null for roles without one.
    async fn company(&self, ctx: &Context<'_>) -> Result<Option<Company>> {
        match self.0.company_of_role() {
            Some(id) => Ok(loader::company(ctx, id).await?.map(Company)),
            None => Ok(None),
        }
    }

    /// Login name, in lower case.
    async fn email(&self) -> &str {
        &self.0.email
    }

    /// Display name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The role of the user.
    async fn role(&self) -> Role {
        self.0.role.into()
    }

    /// The types of analyses that the user may start, if the role permits it; null: every type.
    async fn may_start(&self) -> Option<&[String]> {
        self.0.may_start.types()
    }

    /// Whether the account belongs to a machine.
    async fn is_service(&self) -> bool {
        self.0.is_service
    }

    /// Time of creation.
    async fn created_at(&self) -> OffsetDateTime {
        self.0.created_at
    }

    /// Since when the user can do nothing; null: it can.
    async fn disabled_at(&self) -> Option<OffsetDateTime> {
        self.0.disabled_at
    }
}

/// Which users to list. All conditions must hold.
#[derive(Debug, Clone, Default, InputObject)]
pub struct UserFilter {
    /// With this role.
    role: Option<Role>,
    /// With this text in the name or the login name, in any case.
    search: Option<String>,
}

/// The page of users that a query requests.
pub(super) struct UserPage {
    pub(super) first: i32,
    pub(super) after: Option<String>,
    pub(super) filter: UserFilter,
    pub(super) company: Option<CompanyId>,
}

pub(super) async fn list(ctx: &Context<'_>, asked: UserPage) -> Result<UserConnection> {
    let (services, principal) = caller(ctx)?;
    let limit = u32::try_from(page::parse_first(asked.first)?).unwrap_or(u32::MAX);
    let after = asked.after.map(|text| parse_cursor::<UserId>(&text)).transpose()?;
    let filter = vultus_service::UserFilter {
        company_id: asked.company,
        role: asked.filter.role.map(Into::into),
        search: asked.filter.search,
    };
    let (users, has_more) = services.list_users(&principal, filter, after, limit).await?;
    let mut connection = Connection::new(after.is_some(), has_more);
    connection
        .edges
        .extend(users.into_iter().map(|user| Edge::new(user.id.to_string(), User(user))));
    Ok(page::counted(ctx, connection)?)
}

/// A new user.
#[derive(InputObject)]
pub struct CreateUserInput {
    /// Login name, of the form `name@host`.
    email: String,
    /// Display name.
    #[graphql(default)]
    name: String,
    /// The role of the user.
    role: Role,
    /// The company of a role that has one; needed if you have none and several companies are
    /// active.
    company_id: Option<ID>,
    /// Whether the account belongs to a machine.
    #[graphql(default)]
    is_service: bool,
    /// The types of analyses that the user may start; null: every type.
    may_start: Option<Vec<String>>,
    /// Password of at least 12 characters. Absent: one is generated and returned.
    #[graphql(secret)]
    password: Option<String>,
}

/// Another name for a user.
#[derive(Debug, InputObject)]
pub struct RenameUserInput {
    /// The user.
    user_id: ID,
    /// Display name.
    name: String,
}

/// Another role for a user.
#[derive(Debug, InputObject)]
pub struct ChangeUserRoleInput {
    /// The user.
    user_id: ID,
    /// The role.
    role: Role,
    /// The company, for a user that had none. Users are not moved from one company to another.
    company_id: Option<ID>,
}

/// Other analyses that a user may start.
#[derive(Debug, InputObject)]
pub struct ChangeUserAnalysesInput {
    /// The user.
    user_id: ID,
    /// The types of analyses; null: every type.
    may_start: Option<Vec<String>>,
}

/// A user to disable.
#[derive(Debug, InputObject)]
pub struct DisableUserInput {
    /// The user.
    user_id: ID,
}

/// A user to enable.
#[derive(Debug, InputObject)]
pub struct EnableUserInput {
    /// The user.
    user_id: ID,
}

/// A user whose locks after failed logins are removed.
#[derive(Debug, InputObject)]
pub struct UnlockUserInput {
    /// The user.
    user_id: ID,
}

/// A user to delete.
#[derive(Debug, InputObject)]
pub struct DeleteUserInput {
    /// The user.
    user_id: ID,
}

/// A new user.
#[derive(SimpleObject)]
pub struct CreateUserPayload {
    /// The user.
    user: User,
    /// The generated password, which is shown this once; null if one was given.
    password: Option<String>,
}

/// A user after a change.
#[derive(Debug, SimpleObject)]
pub struct UserPayload {
    /// The user.
    user: User,
}

/// A user that can log in again.
#[derive(Debug, SimpleObject)]
pub struct UnlockUserPayload {
    /// The user.
    user: User,
    /// Whether there were failed logins.
    was_locked: bool,
}

/// A user that was deleted.
#[derive(Debug, SimpleObject)]
pub struct DeleteUserPayload {
    /// Its id.
    deleted_id: ID,
}

const USER: &str = "input.userId";

/// The mutations of users.
#[derive(Default)]
pub struct UserMutation;

/// Changes of users.
#[Object]
impl UserMutation {
    /// Creates a user.
    async fn create_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user.")] input: CreateUserInput,
    ) -> Result<CreateUserPayload> {
        let (services, principal) = caller(ctx)?;
        let new = NewUser {
            email: input.email,
            name: input.name,
            role: input.role.into(),
            is_service: input.is_service,
            may_start: MayStart::from(input.may_start),
            company_id: optional_company(input.company_id.as_ref(), "input.companyId")?,
            password: input.password.map(Into::into),
        };
        let added = services.create_user(&principal, new).await?;
        let password = added.password.map(|password| password.expose_secret().to_owned());
        Ok(CreateUserPayload { user: User(added.user), password })
    }

    /// Changes the display name of a user.
    async fn rename_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user and its name.")] input: RenameUserInput,
    ) -> Result<UserPayload> {
        let (services, principal) = caller(ctx)?;
        let id = parse_id(&input.user_id, "user", USER)?;
        let user = User(services.rename_user(&principal, id, &input.name).await?);
        Ok(UserPayload { user })
    }

    /// Changes the role of a user. It takes effect within 1 s.
    async fn change_user_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user and its role.")] input: ChangeUserRoleInput,
    ) -> Result<UserPayload> {
        let (services, principal) = caller(ctx)?;
        let id = parse_id(&input.user_id, "user", USER)?;
        let company_id = optional_company(input.company_id.as_ref(), "input.companyId")?;
        let new = NewRole { role: input.role.into(), company_id };
        let user = User(services.change_role(&principal, id, new).await?);
        Ok(UserPayload { user })
    }

    /// Changes which analyses a user may start. It takes effect within 1 s.
    async fn change_user_analyses(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user and its analyses.")] input: ChangeUserAnalysesInput,
    ) -> Result<UserPayload> {
        let (services, principal) = caller(ctx)?;
        let id = parse_id(&input.user_id, "user", USER)?;
        let may_start = MayStart::from(input.may_start);
        let user = User(services.change_may_start(&principal, id, may_start).await?);
        Ok(UserPayload { user })
    }

    /// Disables a user: within 1 s it can do nothing, and its links and websockets end.
    async fn disable_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user.")] input: DisableUserInput,
    ) -> Result<UserPayload> {
        set_state(ctx, &input.user_id, UserState::Disabled).await
    }

    /// Enables a user again.
    async fn enable_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user.")] input: EnableUserInput,
    ) -> Result<UserPayload> {
        set_state(ctx, &input.user_id, UserState::Enabled).await
    }

    /// Removes the locks after failed logins of a user.
    async fn unlock_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user.")] input: UnlockUserInput,
    ) -> Result<UnlockUserPayload> {
        let (services, principal) = caller(ctx)?;
        let id = parse_id(&input.user_id, "user", USER)?;
        let (user, was_locked) = services.unlock_user(&principal, id).await?;
        Ok(UnlockUserPayload { user: User(user), was_locked })
    }

    /// Deletes a user. Its sessions end within 1 s; its folders stay.
    async fn delete_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user.")] input: DeleteUserInput,
    ) -> Result<DeleteUserPayload> {
        let (services, principal) = caller(ctx)?;
        let id: UserId = parse_id(&input.user_id, "user", USER)?;
        services.delete_user(&principal, id).await?;
        Ok(DeleteUserPayload { deleted_id: id.into() })
    }
}

async fn set_state(ctx: &Context<'_>, id: &ID, state: UserState) -> Result<UserPayload> {
    let (services, principal) = caller(ctx)?;
    let id = parse_id(id, "user", USER)?;
    let user = User(services.set_user_state(&principal, id, state).await?);
    Ok(UserPayload { user })
}
