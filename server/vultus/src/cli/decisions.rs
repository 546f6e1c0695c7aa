//! Decisions of people, as an operator of the server sees them: what waits, what was decided. The
//! command line takes no decisions, because a decision has a person. The commands work on the
//! store, also while nodes serve from it.

use super::companies::text_of;
use super::operate::{block_on, load};
use super::outcome::{CommandError, Done};
use super::report;
use crate::app;
use crate::config::Config;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use time::Duration;
use vultus_core::clock::Clock;
use vultus_core::{AnalysisId, CompanyId, Principal};
use vultus_service::{CaseCursor, DecisionDesk, FullCase, OperatorFigures, WantedCases};

/// Cases that are read at a time.
const PAGE: u32 = 100;

#[derive(Debug, Subcommand)]
pub(crate) enum DecisionCommand {
    /// List the cases that wait for a decision, oldest first
    List(ListArguments),
    /// End the claim of a case, so that another person can claim it
    Release {
        /// Id of the analysis
        analysis: AnalysisId,
    },
    /// Take the newest decision on an analysis back
    Undo {
        /// Id of the analysis
        analysis: AnalysisId,
        /// The revision of the analysis that you saw
        #[arg(long, value_name = "REVISION")]
        revision: i64,
    },
    /// Print how many cases each operator decided, how fast, and how often the machine had decided
    /// the same
    Figures {
        /// Of the last days
        #[arg(long, value_name = "DAYS", default_value_t = 30,
            value_parser = clap::value_parser!(i64).range(1..=366))]
        days: i64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only those of this company
    #[arg(long, value_name = "ID")]
    company: Option<CompanyId>,
    /// Only those of this type of analyses
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only those with this reason code
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// Only those that have waited for these minutes
    #[arg(long, value_name = "MINUTES")]
    older_than: Option<i64>,
    /// Print at most this number of cases
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `vultus decision …`.
pub(super) fn run(config: Option<&Path>, command: &DecisionCommand) -> Done {
    let config = load(config)?;
    match command {
        DecisionCommand::List(wanted) => list(&config, wanted)?,
        DecisionCommand::Release { analysis } => {
            with(&config, "decision release", async |desk| {
                desk.release(&Principal::Local, *analysis).await
            })?;
            report::line(format_args!("case {analysis} released"));
        }
        DecisionCommand::Undo { analysis, revision } => {
            let (after, _) = with(&config, "decision undo", async |desk| {
                desk.undo(&Principal::Local, *analysis, *revision).await
            })?;
            let revision = after.revision;
            report::line(format_args!("decision undone; the revision is {revision}"));
        }
        DecisionCommand::Figures { days, json } => {
            let figures = with(&config, "decision figures", async |desk| {
                let now = Clock::system().now();
                desk.figures(&Principal::Local, now - Duration::days(*days), now).await
            })?;
            print_figures(&figures, *json);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `work` with the decisions of the store.
fn with<T>(
    config: &Config,
    command: &str,
    work: impl AsyncFnOnce(&DecisionDesk) -> vultus_core::Result<T>,
) -> Result<T, CommandError> {
    block_on(async {
        let done = app::in_decisions(config, work).await;
        done.map_err(|error| CommandError::because(command, &error))
    })
}

fn list(config: &Config, arguments: &ListArguments) -> Result<(), CommandError> {
    let now = Clock::system().now();
    let wanted = WantedCases {
        company_id: arguments.company,
        kind: arguments.kind.clone(),
        reason_code: arguments.reason.clone(),
        waits_before: arguments.older_than.map(|minutes| now - Duration::minutes(minutes)),
        free: false,
    };
    let read = async |desk: &DecisionDesk| {
        let mut cases: Vec<FullCase> = Vec::new();
        while cases.len() < arguments.limit {
            let after = cases.last().map(|last| CaseCursor {
                waits_since: last.case.waits_since,
                id: last.case.analysis_id,
            });
            let (page, more) =
                desk.list_cases(&Principal::Local, wanted.clone(), after, PAGE).await?;
            cases.extend(page);
            if !more {
                break;
            }
        }
        cases.truncate(arguments.limit);
        Ok(cases)
    };
    let cases = with(config, "decision list", read)?;
    if arguments.json {
        let cases: Vec<Value> = cases.iter().map(json_of).collect();
        report::json(&json!({ "cases": cases }));
        return Ok(());
    }
    let heading = ["analysis", "type", "waits since", "reasons", "decided", "claimed until"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for full in &cases {
        let claim = full.case.claim.filter(|claim| claim.until > now);
        rows.push(vec![
            full.case.analysis_id.to_string(),
            full.analysis.kind.clone(),
            report::time(full.case.waits_since),
            codes(full).join(" "),
            full.analysis.decisions.taken.len().to_string(),
            claim.map_or_else(|| "-".to_owned(), |claim| report::time(claim.until)),
        ]);
    }
    report::table(&rows);
    Ok(())
}

fn codes(full: &FullCase) -> Vec<&str> {
    full.analysis.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

fn json_of(full: &FullCase) -> Value {
    json!({
        "analysisId": full.case.analysis_id.to_string(),
        "folderId": full.analysis.folder_id.to_string(),
        "type": full.analysis.kind,
        "revision": full.analysis.revision,
        "waitsSince": text_of(Some(full.case.waits_since)),
        "reasons": codes(full),
        "decisionsTaken": full.analysis.decisions.taken.len(),
        "claimedUntil": text_of(full.case.claim.map(|claim| claim.until)),
    })
}

fn print_figures(figures: &[OperatorFigures], as_json: bool) {
    if as_json {
        let figures: Vec<Value> = figures
            .iter()
            .map(|of| {
                json!({
                    "userId": of.user_id.to_string(),
                    "accepted": of.accepted,
                    "declined": of.declined,
                    "medianMs": of.median_ms,
                    "agreed": of.agreed,
                    "disagreed": of.disagreed,
                })
            })
            .collect();
        report::json(&json!({ "operators": figures }));
        return;
    }
    let heading = ["user", "accepted", "declined", "median s", "agreed", "disagreed"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for of in figures {
        let seconds = of.median_ms.map(|milliseconds| format!("{}", milliseconds / 1000));
        rows.push(vec![
            of.user_id.to_string(),
            of.accepted.to_string(),
            of.declined.to_string(),
            seconds.unwrap_or_else(|| "-".to_owned()),
            of.agreed.to_string(),
            of.disagreed.to_string(),
        ]);
    }
    report::table(&rows);
}
