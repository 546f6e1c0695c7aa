//! `vultus plugin`: for who writes an analyzer (`new`, `check`) and for who runs a server with some
//! (`list`, `lock`).

mod check;
mod lock;
mod new;

use super::{Done, operate};
use clap::Subcommand;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Open all analyzers in workers and list them
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the lock file: only what is in plugins_dir now may be loaded
    Lock {
        /// Write nothing; exit code 1 when the lock file is not as it would be
        #[arg(long)]
        check: bool,
    },
    /// Write the project of a new analyzer, which builds and passes its own test
    New(new::NewArguments),
    /// Examine a plugin, rule by rule; exit code 0 when all rules hold, 2 when one is broken
    Check(check::CheckArguments),
}

/// Runs the command.
pub(super) fn run(config: Option<&Path>, command: &PluginCommand) -> Done {
    match command {
        PluginCommand::List { json } => operate::list_plugins(config, *json),
        PluginCommand::Lock { check } => lock::run(config, *check),
        PluginCommand::New(new) => new::run(new),
        PluginCommand::Check(check) => check::run(config, check),
    }
}
