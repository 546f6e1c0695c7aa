//! Companies. The commands work on the store, also while nodes serve from it.

use super::operate::{block_on, load};
use super::outcome::{CommandError, Done};
use super::report;
use crate::app;
use crate::config::Config;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use time::OffsetDateTime;
use vultus_core::{CompanyId, Principal, Result};
use vultus_service::{Company, CompanyState, Directory};

/// Companies that are read at a time.
const PAGE: u32 = 500;

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
        /// Only those with this text in the name
        #[arg(long)]
        search: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change the name of a company
    Rename {
        #[command(flatten)]
        company: One,
        /// The new name
        #[arg(long)]
        name: String,
    },
    /// Suspend a company: within a second its users can do nothing
    Suspend(One),
    /// End the suspension of a company
    Resume(One),
    /// Erase a company with its users, folders, media and analyses; this cannot be undone
    Delete {
        #[command(flatten)]
        company: One,
        /// Confirm that everything is erased
        #[arg(long, required = true)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Id of the company
    #[arg(long = "company", value_name = "ID")]
    id: CompanyId,
}

/// `vultus company …`.
pub(super) fn run(config: Option<&Path>, command: &CompanyCommand) -> Done {
    let config = load(config)?;
    match command {
        CompanyCommand::Add { name } => {
            let add = async |directory: &Directory| {
                directory.create_company(&Principal::Local, name).await
            };
            let company = in_directory(&config, "company add", add)?;
            report::line(format_args!("company {} added with id {}", company.name, company.id));
        }
        CompanyCommand::List { search, json } => list(&config, search.as_deref(), *json)?,
        CompanyCommand::Rename { company, name } => {
            let rename = async |directory: &Directory| {
                directory.rename_company(&Principal::Local, company.id, name).await
            };
            let renamed = in_directory(&config, "company rename", rename)?;
            report::line(format_args!("company {} is named {}", renamed.id, renamed.name));
        }
        CompanyCommand::Suspend(One { id }) => {
            set_state(&config, "company suspend", *id, CompanyState::Suspended)?;
        }
        CompanyCommand::Resume(One { id }) => {
            set_state(&config, "company resume", *id, CompanyState::Active)?;
        }
        CompanyCommand::Delete { company, yes: _ } => {
            block_on(async {
                let erased = app::erase_company(&config, company.id).await;
                erased.map_err(|error| CommandError::because("company delete", &error))
            })?;
            report::line(format_args!("company {} deleted", company.id));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Does something with companies or users; `what` is the command, for its error.
pub(super) fn in_directory<T>(
    config: &Config,
    what: &str,
    work: impl AsyncFnOnce(&Directory) -> Result<T>,
) -> std::result::Result<T, CommandError> {
    block_on(async {
        let done = app::in_directory(config, work).await;
        done.map_err(|error| CommandError::because(what, &error))
    })
}

fn set_state(
    config: &Config,
    what: &str,
    id: CompanyId,
    state: CompanyState,
) -> std::result::Result<(), CommandError> {
    let set = async |directory: &Directory| {
        directory.set_company_state(&Principal::Local, id, state).await
    };
    let company = in_directory(config, what, set)?;
    report::line(format_args!("company {} is {}", company.id, state_of(&company)));
    Ok(())
}

fn state_of(company: &Company) -> &'static str {
    match (company.deleting_at, company.suspended_at) {
        (Some(_), _) => "being deleted",
        (None, Some(_)) => "suspended",
        (None, None) => "active",
    }
}

fn list(
    config: &Config,
    search: Option<&str>,
    as_json: bool,
) -> std::result::Result<(), CommandError> {
    let read_all = async |directory: &Directory| {
        let mut companies: Vec<Company> = Vec::new();
        loop {
            let after = companies.last().map(|company| company.id);
            let search = search.map(str::to_owned);
            let (page, has_more) =
                directory.list_companies(&Principal::Local, search, after, PAGE).await?;
            companies.extend(page);
            if !has_more {
                return Ok(companies);
            }
        }
    };
    let companies = in_directory(config, "company list", read_all)?;
    if as_json {
        let listed = companies.iter().map(|company| {
            json!({
                "id": company.id.to_string(),
                "name": company.name,
                "createdAt": text_of(Some(company.created_at)),
                "suspendedAt": text_of(company.suspended_at),
                "deletingAt": text_of(company.deleting_at),
            })
        });
        report::json(&json!({"companies": listed.collect::<Vec<_>>()}));
        return Ok(());
    }
    let mut rows = vec![["id", "name", "state"].map(str::to_owned).to_vec()];
    for company in &companies {
        rows.push(vec![company.id.to_string(), company.name.clone(), state_of(company).to_owned()]);
    }
    report::table(&rows);
    Ok(())
}

/// A time as text, for JSON.
pub(super) fn text_of(time: Option<OffsetDateTime>) -> Option<String> {
    time?.format(&time::format_description::well_known::Rfc3339).ok()
}
