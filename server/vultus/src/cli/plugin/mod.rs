//! `vultus plugin`: `new` and `check` for authors of analyzers, `list` and `lock` for operators.

mod check;
mod lock;
mod new;

use super::operate;
use super::outcome::Done;
use clap::Subcommand;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List all analyzers, as a worker loads them
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the lock file: only the files that are in plugins_dir now may be loaded
    Lock {
        /// Write nothing; exit code 1 if the lock file is out of date
        #[arg(long)]
        check: bool,
    },
    /// Create the project of a new analyzer, which builds and passes its tests
    New(new::NewArguments),
    /// Examine a plugin, rule by rule; exit code 0 if all rules hold, 2 if one is broken
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
