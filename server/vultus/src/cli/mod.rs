//! The command line. Prints text for people and JSON for programs; contains no logic of the domain.

mod audit;
mod check;
mod companies;
mod credentials;
mod decisions;
mod eval;
mod local;
mod models;
mod operate;
mod outcome;
mod plugin;
mod policies;
mod report;
mod signing_keys;
mod store;
mod users;

use clap::{Parser, Subcommand};
use outcome::FAILURE;
use std::path::PathBuf;
use std::process::ExitCode;

/// Open, self-hosted face-biometrics server.
#[derive(Debug, Parser)]
#[command(name = "vultus", version, about)]
pub struct Arguments {
    /// Configuration file (TOML). Default: the file that VULTUS_CONFIG names, or else no file
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(operate::ServeArguments),
    /// Judge media without a server; nothing is stored
    Check(check::CheckArguments),
    /// Measure error rates on labelled data
    #[command(subcommand)]
    Eval(eval::EvalCommand),
    /// Add, list, rename, suspend and delete companies
    #[command(subcommand)]
    Company(companies::CompanyCommand),
    /// Print and change the policies of companies
    #[command(subcommand)]
    Policy(policies::PolicyCommand),
    /// List the cases that wait for a person; release claims, undo decisions, print figures
    #[command(subcommand)]
    Decision(decisions::DecisionCommand),
    /// Add, list, change, unlock and delete users
    #[command(subcommand)]
    User(users::UserCommand),
    /// Create, list, rotate and revoke the keys of service accounts
    #[command(subcommand)]
    Key(credentials::KeyCommand),
    /// List and revoke sessions
    #[command(subcommand)]
    Session(credentials::SessionCommand),
    /// List and rotate the keys that sign access tokens
    #[command(subcommand)]
    SigningKey(signing_keys::SigningKeyCommand),
    /// Read and verify the audit log
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// List the analyzers of this server; create and examine your own
    #[command(subcommand, visible_alias = "plugins")]
    Plugin(plugin::PluginCommand),
    /// Verify the neural models; install one from a file
    #[command(subcommand)]
    Models(models::ModelsCommand),
    /// Back up, restore, copy, verify and migrate all stored data
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Print the GraphQL schema
    Schema,
    /// Check and print the configuration
    #[command(subcommand)]
    Config(operate::ConfigCommand),
    /// Run a worker process (for the server only)
    #[command(hide = true)]
    Worker {
        /// Arguments of the worker
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
}

/// Runs a command and returns its exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    let config = arguments.config.as_deref();
    let done = match arguments.command {
        Command::Serve(serve) => operate::serve(config, &serve),
        Command::Check(check) => check::run(config, &check),
        Command::Eval(eval) => eval::run(config, &eval),
        Command::Company(company) => companies::run(config, &company),
        Command::Policy(policy) => policies::run(config, &policy),
        Command::Decision(decision) => decisions::run(config, &decision),
        Command::User(user) => users::run(config, &user),
        Command::Key(command) => credentials::key(config, &command),
        Command::Session(command) => credentials::session(config, &command),
        Command::SigningKey(command) => signing_keys::run(config, &command),
        Command::Audit(command) => audit::run(config, &command),
        Command::Plugin(command) => plugin::run(config, &command),
        Command::Models(command) => models::run(config, &command),
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
