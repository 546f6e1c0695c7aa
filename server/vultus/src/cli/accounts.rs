//! Companies and accounts. The commands work on the store, also while nodes serve from it.

use super::operate::{block_on, load};
use super::outcome::{CommandError, Done};
use super::report;
use crate::app;
use crate::config::Config;
use clap::{Args, Subcommand, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::io::BufRead;
use std::path::Path;
use std::process::ExitCode;
use vultus_core::{CompanyId, Role};
use vultus_service::NewUser;

#[derive(Debug, Subcommand)]
pub(crate) enum CompanyCommand {
    /// Add a company; users of other companies cannot see its data
    Add {
        /// Name for people
        #[arg(long)]
        name: String,
    },
    /// List the companies
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user; without --password-stdin a password is generated and printed once
    Add(AddUser),
    /// Remove the locks after failed logins with a name
    Unlock {
        /// Login name
        #[arg(long)]
        email: String,
    },
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
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    Admin,
    Operator,
    Client,
    ClientAdmin,
    ClientOperator,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Admin => Self::Admin,
            RoleName::Operator => Self::Operator,
            RoleName::Client => Self::Client,
            RoleName::ClientAdmin => Self::ClientAdmin,
            RoleName::ClientOperator => Self::ClientOperator,
        }
    }
}

/// `vultus company …`.
pub(super) fn company(config: Option<&Path>, command: &CompanyCommand) -> Done {
    let config = load(config)?;
    match command {
        CompanyCommand::Add { name } => {
            let company = block_on(async {
                let added =
                    app::in_directory(&config, async |users| users.add_company(name).await).await;
                added.map_err(|error| CommandError::because("company add", &error))
            })?;
            report::line(format_args!("company {} added with id {}", company.name, company.id));
        }
        CompanyCommand::List { json: as_json } => {
            let companies = block_on(async {
                let listed =
                    app::in_directory(&config, async |users| users.companies().await).await;
                listed.map_err(|error| CommandError::because("company list", &error))
            })?;
            if *as_json {
                let listed: Vec<_> = companies
                    .iter()
                    .map(|c| json!({"id": c.id.to_string(), "name": c.name}))
                    .collect();
                report::json(&json!({"companies": listed}));
            } else {
                let mut rows = vec![["id", "name"].map(str::to_owned).to_vec()];
                for company in &companies {
                    rows.push(vec![company.id.to_string(), company.name.clone()]);
                }
                report::table(&rows);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `vultus user …`.
pub(super) fn user(config: Option<&Path>, command: &UserCommand) -> Done {
    let config = load(config)?;
    match command {
        UserCommand::Add(add) => add_user(&config, add),
        UserCommand::Unlock { email } => unlock(&config, email),
    }
}

fn unlock(config: &Config, email: &str) -> Done {
    let was_locked = block_on(async {
        let unlocked = app::unlock(config, email).await;
        unlocked.map_err(|error| CommandError::because("user unlock", &error))
    })?;
    report::line(format_args!(
        "{}",
        if was_locked { "unlocked" } else { "there were no failed logins" }
    ));
    Ok(ExitCode::SUCCESS)
}

fn add_user(config: &Config, add: &AddUser) -> Done {
    let password = if add.password_stdin { Some(read_password()?) } else { None };
    let new = NewUser {
        email: add.email.clone(),
        name: add.name.clone(),
        role: add.role.into(),
        is_service: add.service,
        company_id: add.company,
        password,
    };
    let added = block_on(async {
        let added = app::in_directory(config, async |users| users.add_user(new).await).await;
        added.map_err(|error| CommandError::because("user add", &error))
    })?;
    report::line(format_args!("user {} added with id {}", added.user.email, added.user.id));
    if let Some(password) = added.password {
        report::line(format_args!("password: {}  (shown this once)", password.expose_secret()));
    }
    Ok(ExitCode::SUCCESS)
}

fn read_password() -> Result<SecretString, CommandError> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| CommandError::because("reading the password", &error))?;
    Ok(SecretString::from(line.trim_end_matches(['\r', '\n'])))
}
