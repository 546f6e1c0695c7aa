//! The command line. Prints for people on a terminal and as JSON for programs; holds no logic of
//! the domain.

mod accounts;
mod check;
mod eval;
mod local;
mod operate;
mod plugin;
mod report;
mod store;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit code of a fault; verdicts have codes of their own (see [`check`]).
const FAILURE: u8 = 1;

/// Open, self-hosted face-biometrics server.
#[derive(Debug, Parser)]
#[command(name = "vultus", version, about)]
pub struct Arguments {
    /// Configuration file (TOML); without one the file that VULTUS_CONFIG names, or defaults
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(operate::ServeArguments),
    /// Judge media with no server: nothing is stored
    Check(check::CheckArguments),
    /// Measure error rates on labelled data
    #[command(subcommand)]
    Eval(eval::EvalCommand),
    /// Companies
    #[command(subcommand)]
    Company(accounts::CompanyCommand),
    /// Accounts
    #[command(subcommand)]
    User(accounts::UserCommand),
    /// Analyzers: list those of this server, write and examine one of your own
    #[command(subcommand, visible_alias = "plugins")]
    Plugin(plugin::PluginCommand),
    /// Neural models
    #[command(subcommand)]
    Models(operate::ModelsCommand),
    /// The stored data as a whole
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Print the GraphQL schema
    Schema,
    /// Configuration
    #[command(subcommand)]
    Config(operate::ConfigCommand),
    /// Run a worker process (started by the server, not by people)
    #[command(hide = true)]
    Worker {
        /// Passed on to the worker
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
}

/// Runs a command and gives its exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    let config = arguments.config.as_deref();
    let done = match arguments.command {
        Command::Serve(serve) => operate::serve(config, &serve),
        Command::Check(check) => check::run(config, &check),
        Command::Eval(eval) => eval::run(config, &eval),
        Command::Company(company) => accounts::company(config, &company),
        Command::User(user) => accounts::user(config, &user),
        Command::Plugin(command) => plugin::run(config, &command),
        Command::Models(operate::ModelsCommand::Verify { json }) => {
            operate::verify_models(config, json)
        }
        Command::Store(command) => store::run(config, &command),
        Command::Schema => operate::print_schema(),
        Command::Config(operate::ConfigCommand::Check) => operate::check_config(config),
        Command::Config(operate::ConfigCommand::Print) => operate::print_config(config),
        Command::Config(operate::ConfigCommand::Example) => operate::print_example(),
        Command::Worker { arguments } => operate::become_worker(&arguments),
    };
    done.unwrap_or_else(|error| {
        report::error(&error);
        ExitCode::from(FAILURE)
    })
}

/// What a command says when it cannot do its work.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CommandError(String);

impl CommandError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// `doing`, then the error with all of its causes.
    fn because(doing: &str, error: &dyn std::error::Error) -> Self {
        let mut text = format!("{doing}: {error}");
        let mut cause = error.source();
        while let Some(inner) = cause {
            let inner_text = inner.to_string();
            if !text.contains(&inner_text) {
                text.push_str(": ");
                text.push_str(&inner_text);
            }
            cause = inner.source();
        }
        Self(text)
    }
}

type Done = Result<ExitCode, CommandError>;
