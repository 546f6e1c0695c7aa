//! The commands of the operator: serve, analyzers, models, schema, configuration.

use super::outcome::{CommandError, Done};
use super::report;
use crate::app::{self, NodeRole};
use crate::config::{self, Config, sources};
use crate::telemetry;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::ffi::OsString;
use std::future::Future;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;
use vultus_pools::deployment::{DeploymentChoice, PoolsConfig};
use vultus_pools::{LoadedPlugin, WorkerPools};
use vultus_worker_protocol::RefusedPlugin;

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// What this node does in a cluster
    #[arg(long, value_enum, default_value = "all")]
    role: RoleOfNode,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleOfNode {
    /// Take requests; other nodes judge stored media
    Api,
    /// Judge stored media; serve only the health check
    Work,
    /// Both
    All,
}

impl From<RoleOfNode> for NodeRole {
    fn from(role: RoleOfNode) -> Self {
        match role {
            RoleOfNode::Api => Self::Api,
            RoleOfNode::Work => Self::Work,
            RoleOfNode::All => Self::All,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration and report all problems
    Check,
    /// Print every key with the value that applies
    Print,
    /// Print an example file: every key with its meaning and default
    Example,
}

/// Reads the configuration.
pub(super) fn load(config: Option<&Path>) -> Result<Config, CommandError> {
    sources::load(config).map_err(|error| CommandError::because("configuration", &error))
}

/// Runs a future to completion.
pub(super) fn block_on<T>(
    future: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| CommandError::because("starting the runtime", &error))?.block_on(future)
}

/// `vultus serve`.
pub(super) fn serve(config: Option<&Path>, arguments: &ServeArguments) -> Done {
    let config = load(config)?;
    telemetry::start(&config.log);
    app::prepare(config.mode)
        .map_err(|error| CommandError::because("preparing the process", &error))?;
    block_on(async {
        let stop = app::stop_signal()
            .map_err(|error| CommandError::because("waiting for signals", &error))?;
        let ready = |address| report::line(format_args!("Vultus is ready at http://{address}/"));
        app::serve(config, arguments.role.into(), ready, stop)
            .await
            .map_err(|error| CommandError::because("serve", &error))?;
        Ok(ExitCode::SUCCESS)
    })
}

/// `vultus plugin list`, also `vultus plugins list`.
pub(super) fn list_plugins(config: Option<&Path>, as_json: bool) -> Done {
    let config = load(config)?;
    let mut pools_config =
        app::pools_config(&config).map_err(|error| CommandError::because("plugin list", &error))?;
    (pools_config.workers, pools_config.probe_workers) = (1, 0);
    let (plugins, refused) = block_on(async {
        let pools = WorkerPools::start(pools_config)
            .await
            .map_err(|error| CommandError::because("plugin list", &error))?;
        let listed = (pools.plugins(), pools.refused());
        pools.shutdown().await;
        Ok(listed)
    })?;
    if as_json {
        report::json(&plugins_json(&plugins, &refused));
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows =
        vec![["plugin", "version", "analyses", "provides", "sha256"].map(str::to_owned).to_vec()];
    for plugin in &plugins {
        let manifest = &plugin.manifest;
        let analyses: Vec<&str> =
            manifest.analyses.iter().map(|analysis| analysis.kind.as_str()).collect();
        let provides: Vec<&str> =
            manifest.provides.iter().map(|provided| provided.feature.as_str()).collect();
        let sha256 = plugin.file_sha256.chars().take(16).collect();
        rows.push(vec![
            manifest.id.clone(),
            manifest.version.clone(),
            analyses.join(", "),
            provides.join(", "),
            sha256,
        ]);
    }
    report::table(&rows);
    for refusal in &refused {
        report::line(format_args!("refused: {}: {}", refusal.path, refusal.detail));
    }
    Ok(ExitCode::SUCCESS)
}

fn plugins_json(plugins: &[LoadedPlugin], refused: &[RefusedPlugin]) -> serde_json::Value {
    let mut listed = Vec::new();
    for plugin in plugins {
        listed.push(json!({
            "manifest": plugin.manifest,
            "path": plugin.path,
            "sha256": plugin.file_sha256,
            "weights": plugin.weights,
        }));
    }
    let mut not_loaded = Vec::new();
    for refusal in refused {
        not_loaded.push(json!({"path": refusal.path, "reason": refusal.detail}));
    }
    json!({"plugins": listed, "refused": not_loaded})
}

/// `vultus schema`.
pub(super) fn print_schema() -> Done {
    report::line(vultus_api::graphql::sdl().trim_end());
    Ok(ExitCode::SUCCESS)
}

/// `vultus config check`.
pub(super) fn check_config(config: Option<&Path>) -> Done {
    load(config)?;
    report::line("the configuration is valid");
    Ok(ExitCode::SUCCESS)
}

/// `vultus config print`.
pub(super) fn print_config(config: Option<&Path>) -> Done {
    let effective = sources::effective(config);
    let effective = effective.map_err(|error| CommandError::because("configuration", &error))?;
    report::line(effective.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// `vultus config example`.
pub(super) fn print_example() -> Done {
    report::line(config::example().trim_end());
    Ok(ExitCode::SUCCESS)
}

/// `vultus worker`: replaces this process by the worker executable beside it.
pub(super) fn become_worker(arguments: &[OsString]) -> Done {
    let found = PoolsConfig::find(&DeploymentChoice::default())
        .map_err(|error| CommandError::because("worker", &error))?;
    let path = found.worker_executable;
    #[expect(clippy::disallowed_methods, reason = "replaces this process; starts no other one")]
    let mut command = std::process::Command::new(&path);
    let error = command.args(arguments).exec();
    Err(CommandError::because(&format!("starting {}", path.display()), &error))
}
