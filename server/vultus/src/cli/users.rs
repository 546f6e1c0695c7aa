//! Users. The commands work on the store, also while nodes serve from it.

use super::companies::{in_directory, text_of};
use super::credentials::reset_password;
use super::operate::load;
use super::outcome::{CommandError, Done};
use super::report;
use crate::config::Config;
use clap::{Args, Subcommand, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::io::BufRead;
use std::path::Path;
use std::process::ExitCode;
use vultus_core::{CompanyId, MayStart, Principal, Result, Role, User};
use vultus_service::{Directory, NewRole, NewUser, UserFilter, UserState};

/// Users that are read at a time.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user; without --password-stdin a password is generated and printed once
    Add(AddUser),
    /// List the users
    List(ListUsers),
    /// Change the name of a user
    Rename {
        #[command(flatten)]
        user: One,
        /// The new name
        #[arg(long)]
        name: String,
    },
    /// Change the role of a user
    Role {
        #[command(flatten)]
        user: One,
        /// What the user may do
        #[arg(long, value_enum)]
        role: RoleName,
        /// Id of the company, for a user that has none
        #[arg(long, value_name = "ID")]
        company: Option<CompanyId>,
    },
    /// Limit the analyses that a user may start; without --analysis it may start every type
    MayStart {
        #[command(flatten)]
        user: One,
        /// A type of analyses that the user may start; may be repeated
        #[arg(long = "analysis", value_name = "TYPE")]
        analyses: Vec<String>,
    },
    /// Disable a user: within a second it can do nothing
    Disable(One),
    /// Enable a user again
    Enable(One),
    /// Delete a user; its folders stay
    Delete(One),
    /// Remove the locks after failed logins with a name
    Unlock(One),
    /// Make a token with which a user sets a new password within 15 minutes
    ResetPassword(One),
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Login name
    #[arg(long)]
    email: String,
}

#[derive(Debug, Args)]
pub(crate) struct ListUsers {
    /// Only those of the company with this id
    #[arg(long, value_name = "ID")]
    company: Option<CompanyId>,
    /// Only those with this role
    #[arg(long, value_enum)]
    role: Option<RoleName>,
    /// Only those with this text in the name or login name
    #[arg(long)]
    search: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AddUser {
    /// Login name
    #[arg(long)]
    email: String,
    /// Name for people
    #[arg(long, default_value = "")]
    name: String,
    /// Id of the company that the user belongs to; absent: the default company
    #[arg(long, value_name = "ID")]
    company: Option<CompanyId>,
    /// What the user may do
    #[arg(long, value_enum, default_value = "client")]
    role: RoleName,
    /// A machine account
    #[arg(long)]
    service: bool,
    /// A type of analyses that the user may start; may be repeated. Absent: every type
    #[arg(long = "analysis", value_name = "TYPE")]
    analyses: Vec<String>,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RoleName {
    Admin,
    Operator,
    Client,
    ClientService,
    ClientOperator,
    ClientAdmin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Admin => Self::Admin,
            RoleName::Operator => Self::Operator,
            RoleName::Client => Self::Client,
            RoleName::ClientService => Self::ClientService,
            RoleName::ClientOperator => Self::ClientOperator,
            RoleName::ClientAdmin => Self::ClientAdmin,
        }
    }
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        match role {
            Role::Admin => Self::Admin,
            Role::Operator => Self::Operator,
            Role::Client => Self::Client,
            Role::ClientService => Self::ClientService,
            Role::ClientOperator => Self::ClientOperator,
            Role::ClientAdmin => Self::ClientAdmin,
        }
    }
}

/// A role as it is given to a command.
fn name_of(role: Role) -> String {
    let value = RoleName::from(role).to_possible_value();
    value.map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// `vultus user …`.
pub(super) fn run(config: Option<&Path>, command: &UserCommand) -> Done {
    let config = load(config)?;
    let caller = &Principal::Local;
    match command {
        UserCommand::Add(add) => add_user(&config, add)?,
        UserCommand::List(wanted) => list(&config, wanted)?,
        UserCommand::Rename { user, name } => {
            let work = async |directory: &Directory, user: User| {
                directory.rename_user(caller, user.id, name).await
            };
            let user = with_user(&config, "user rename", user, work)?;
            report::line(format_args!("user {} is named {}", user.email, user.name));
        }
        UserCommand::Role { user, role, company } => {
            let new = NewRole { role: (*role).into(), company_id: *company };
            let work = async |directory: &Directory, user: User| {
                directory.change_role(caller, user.id, new).await
            };
            let user = with_user(&config, "user role", user, work)?;
            report::line(format_args!("user {} has the role {}", user.email, name_of(user.role)));
        }
        UserCommand::MayStart { user, analyses } => {
            let work = async |directory: &Directory, user: User| {
                directory.change_may_start(caller, user.id, may_start(analyses)).await
            };
            let user = with_user(&config, "user may-start", user, work)?;
            let types = user.may_start.types().map_or("every type".to_owned(), |t| t.join(", "));
            report::line(format_args!("user {} may start {types}", user.email));
        }
        UserCommand::Disable(user) => {
            set_state(&config, "user disable", user, UserState::Disabled)?;
        }
        UserCommand::Enable(user) => set_state(&config, "user enable", user, UserState::Enabled)?,
        UserCommand::Delete(user) => {
            let work = async |directory: &Directory, user: User| {
                directory.delete_user(caller, user.id).await.map(|()| user)
            };
            let user = with_user(&config, "user delete", user, work)?;
            report::line(format_args!("user {} deleted", user.email));
        }
        UserCommand::ResetPassword(user) => return reset_password(&config, &user.email),
        UserCommand::Unlock(user) => {
            let work = async |directory: &Directory, user: User| {
                directory.unlock_user(caller, user.id).await
            };
            let (_, was_locked) = with_user(&config, "user unlock", user, work)?;
            let text = if was_locked { "unlocked" } else { "there were no failed logins" };
            report::line(format_args!("{text}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Does something with the user that the arguments name.
fn with_user<T>(
    config: &Config,
    what: &str,
    user: &One,
    work: impl AsyncFnOnce(&Directory, User) -> Result<T>,
) -> std::result::Result<T, CommandError> {
    in_directory(config, what, async |directory: &Directory| {
        let found = directory.user_by_email(&Principal::Local, &user.email).await?;
        work(directory, found).await
    })
}

fn set_state(
    config: &Config,
    what: &str,
    user: &One,
    state: UserState,
) -> std::result::Result<(), CommandError> {
    let work = async |directory: &Directory, user: User| {
        directory.set_user_state(&Principal::Local, user.id, state).await
    };
    let user = with_user(config, what, user, work)?;
    let shown = if user.disabled_at.is_some() { "disabled" } else { "enabled" };
    report::line(format_args!("user {} is {shown}", user.email));
    Ok(())
}

/// The types of an argument that may be absent.
fn may_start(types: &[String]) -> MayStart {
    if types.is_empty() { MayStart::Every } else { MayStart::only(types.to_vec()) }
}

fn list(config: &Config, wanted: &ListUsers) -> std::result::Result<(), CommandError> {
    let filter = UserFilter {
        company_id: wanted.company,
        role: wanted.role.map(Role::from),
        search: wanted.search.clone(),
    };
    let read_all = async |directory: &Directory| {
        let mut users: Vec<User> = Vec::new();
        loop {
            let after = users.last().map(|user| user.id);
            let (page, has_more) =
                directory.list_users(&Principal::Local, filter.clone(), after, PAGE).await?;
            users.extend(page);
            if !has_more {
                return Ok(users);
            }
        }
    };
    let users = in_directory(config, "user list", read_all)?;
    let company_of = |user: &User| user.company_id.map(|id| id.to_string());
    if wanted.json {
        let listed = users.iter().map(|user| {
            json!({
                "id": user.id.to_string(),
                "email": user.email,
                "name": user.name,
                "role": name_of(user.role),
                "companyId": company_of(user),
                "service": user.is_service,
                "mayStart": user.may_start.types(),
                "createdAt": text_of(Some(user.created_at)),
                "disabledAt": text_of(user.disabled_at),
            })
        });
        report::json(&json!({"users": listed.collect::<Vec<_>>()}));
        return Ok(());
    }
    let mut rows = vec![["id", "email", "role", "company", "state"].map(str::to_owned).to_vec()];
    for user in &users {
        let state = if user.disabled_at.is_some() { "disabled" } else { "enabled" };
        rows.push(vec![
            user.id.to_string(),
            user.email.clone(),
            name_of(user.role),
            company_of(user).unwrap_or_default(),
            state.to_owned(),
        ]);
    }
    report::table(&rows);
    Ok(())
}

fn add_user(config: &Config, add: &AddUser) -> std::result::Result<(), CommandError> {
    let password = if add.password_stdin { Some(read_password()?) } else { None };
    let new = NewUser {
        email: add.email.clone(),
        name: add.name.clone(),
        role: add.role.into(),
        is_service: add.service,
        may_start: may_start(&add.analyses),
        company_id: add.company,
        password,
    };
    let create = async |directory: &Directory| directory.create_user(&Principal::Local, new).await;
    let added = in_directory(config, "user add", create)?;
    report::line(format_args!("user {} added with id {}", added.user.email, added.user.id));
    if let Some(password) = added.password {
        report::line(format_args!("password: {}  (shown this once)", password.expose_secret()));
    }
    Ok(())
}

fn read_password() -> std::result::Result<SecretString, CommandError> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| CommandError::because("reading the password", &error))?;
    Ok(SecretString::from(line.trim_end_matches(['\r', '\n'])))
}
