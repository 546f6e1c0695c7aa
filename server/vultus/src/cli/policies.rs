//! The policies of companies. The commands work on the store, also while nodes serve from it.

use super::companies::{in_directory, text_of};
use super::operate::load;
use super::outcome::{CommandError, Done};
use super::report;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use vultus_core::{CompanyId, CompanyPolicy, FourEyes, Principal};
use vultus_service::{Directory, NewPolicy};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Print the policy of a company
    Show {
        #[command(flatten)]
        company: One,
        /// The version; absent: the newest one
        #[arg(long)]
        version: Option<u64>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Replace the policy of a company by a new version
    Set {
        #[command(flatten)]
        company: One,
        /// Whether two people decide analyses of a type, such as liveness=blind; may be repeated.
        /// MODE is off, blind or seeing; TYPE `all` is every type without another rule
        #[arg(long = "four-eyes", value_name = "TYPE=MODE")]
        four_eyes: Vec<Rule>,
        /// Fail unless this is the present version
        #[arg(long, value_name = "VERSION")]
        expect: Option<u64>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Id of the company
    #[arg(long = "company", value_name = "ID")]
    id: CompanyId,
}

/// A rule of four eyes.
#[derive(Debug, Clone)]
pub(crate) struct Rule(Option<String>, FourEyes);

impl FromStr for Rule {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "must be TYPE=off, TYPE=blind or TYPE=seeing";
        let (kind, mode) = text.split_once('=').ok_or(FORM)?;
        let mode = match mode {
            "off" => FourEyes::Off,
            "blind" => FourEyes::Blind,
            "seeing" => FourEyes::Seeing,
            _ => return Err(FORM),
        };
        Ok(Self((kind != "all").then(|| kind.to_owned()), mode))
    }
}

fn mode_text(mode: FourEyes) -> &'static str {
    match mode {
        FourEyes::Off => "off",
        FourEyes::Blind => "blind",
        FourEyes::Seeing => "seeing",
    }
}

/// `vultus policy …`.
pub(super) fn run(config: Option<&Path>, command: &PolicyCommand) -> Done {
    let config = load(config)?;
    match command {
        PolicyCommand::Show { company, version, json } => {
            let read = async |directory: &Directory| {
                directory.policy(&Principal::Local, company.id, *version).await
            };
            let found = in_directory(&config, "policy show", read)?;
            let Some(policy) = found else {
                return Err(CommandError::new("policy show: no such company or version"));
            };
            print(&policy, *json);
        }
        PolicyCommand::Set { company, four_eyes, expect } => {
            let change = async |directory: &Directory| {
                let present = directory.policy(&Principal::Local, company.id, None).await?;
                let version = expect.unwrap_or(present.map_or(0, |policy| policy.version));
                let rules = four_eyes.iter();
                let new = NewPolicy {
                    company_id: company.id,
                    expected_version: i64::try_from(version).unwrap_or(i64::MAX),
                    four_eyes: rules.map(|Rule(kind, mode)| (kind.clone(), *mode)).collect(),
                };
                directory.change_policy(&Principal::Local, new).await
            };
            let policy = in_directory(&config, "policy set", change)?;
            let (id, version) = (policy.company_id, policy.version);
            report::line(format_args!("the policy of company {id} has version {version}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(policy: &CompanyPolicy, as_json: bool) {
    let rules = &policy.rules;
    let of_types = rules.four_eyes.iter().map(|(kind, mode)| (kind.as_str(), *mode));
    let all = of_types.chain([("all", rules.four_eyes_otherwise)]);
    if as_json {
        let all: Vec<Value> =
            all.map(|(kind, mode)| json!({"type": kind, "mode": mode_text(mode)})).collect();
        report::json(&json!({
            "companyId": policy.company_id.to_string(),
            "version": policy.version,
            "changedAt": text_of(policy.changed_at),
            "fourEyes": all,
        }));
        return;
    }
    report::line(format_args!("version {}", policy.version));
    let mut rows = vec![["type", "four eyes"].map(str::to_owned).to_vec()];
    rows.extend(all.map(|(kind, mode)| vec![kind.to_owned(), mode_text(mode).to_owned()]));
    report::table(&rows);
}
