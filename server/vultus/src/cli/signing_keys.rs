//! The keys that sign access tokens. Running nodes notice a rotation by themselves.

use super::audit::record_change;
use super::operate::load;
use super::outcome::{CommandError, Done};
use super::report;
use crate::app;
use clap::Subcommand;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use time::Duration;
use vultus_auth::signing_keys::{KeyState, Overlap};
use vultus_core::clock::Clock;
use vultus_store::audit::{AuditAction, Facts};

#[derive(Debug, Subcommand)]
pub(crate) enum SigningKeyCommand {
    /// List the keys and what they do at present
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a new key; tokens of the old one stay valid until they expire
    Rotate {
        /// Seconds until the new key signs: all nodes and verifiers of tokens must know it by then
        #[arg(
            long,
            default_value_t = 60,
            value_parser = clap::value_parser!(i64).range(0..=2_592_000),
        )]
        after: i64,
        /// Use the new key now, and refuse all tokens of older ones: others may know the old key
        #[arg(long, conflicts_with = "after")]
        at_once: bool,
    },
}

/// `vultus signing-key …`.
pub(super) fn run(config: Option<&Path>, command: &SigningKeyCommand) -> Done {
    let config = load(config)?;
    let keys =
        app::signing_keys(&config).map_err(|error| CommandError::because("signing-key", &error))?;
    let (now, lifetime) = (Clock::system().now(), config.tokens.access_seconds);
    match command {
        SigningKeyCommand::List { json: as_json } => {
            let lifetime = Duration::try_from(lifetime).unwrap_or(Duration::DAY);
            let mut rows = vec![["id", "signs from", "state"].map(str::to_owned).to_vec()];
            let mut listed = Vec::new();
            for key in keys.list(lifetime, now) {
                let from = key.signs_from.map(report::time);
                let state = name(key.state);
                listed.push(json!({"id": key.id, "signsFrom": from, "state": state}));
                let from = from.unwrap_or_else(|| "the beginning".to_owned());
                rows.push(vec![key.id, from, state.to_owned()]);
            }
            if *as_json {
                report::json(&json!({"keys": listed}));
            } else {
                report::table(&rows);
            }
        }
        SigningKeyCommand::Rotate { after, at_once } => {
            let (signs_from, overlap) = match at_once {
                true => (now, Overlap::None),
                false => (now + Duration::seconds(*after), Overlap::UntilExpiry),
            };
            let id = keys.rotate(signs_from, overlap, now);
            let id = id.map_err(|error| CommandError::because("signing-key rotate", &error))?;
            report::line(format_args!("key {id} signs from {}", report::time(signs_from)));
            let facts = Facts::new().code("key", &id.to_string()).time("signsFrom", signs_from);
            let facts = facts.flag("atOnce", *at_once);
            record_change(&config, AuditAction::SigningKeyRotated, Facts::new(), facts)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn name(state: KeyState) -> &'static str {
    match state {
        KeyState::Next => "next",
        KeyState::Signs => "signs",
        KeyState::Verifies => "verifies",
        KeyState::Retired => "retired",
    }
}
