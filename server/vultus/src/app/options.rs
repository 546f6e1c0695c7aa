//! Maps the configuration onto the options of each layer: the one place that knows both.

use crate::config::{Config, Decoder, LimitsConfig, Mode};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vultus_auth::keys::MasterKeySource;
use vultus_pools::deployment::{DeploymentChoice, DeploymentError, PoolsConfig, WorkerStderr};
use vultus_pools::plugins::{PluginFolder, Scan};
use vultus_service::{CheckerOptions, Options, RequestLimits};
use vultus_worker_protocol::SandboxLevel;

/// At shutdown, jobs of workers that still run get this long to end.
const DRAIN: Duration = Duration::from_secs(5);

/// Options of the use cases.
pub(super) fn service_options(config: &Config) -> Options {
    Options {
        public_url: config.public_url.clone(),
        access_lifetime: config.access_lifetime,
        refresh_lifetime: config.refresh_lifetime,
        uploads: config.limits.uploads,
        checks: config.check.concurrent,
        check_memory_bytes: config.check.memory_bytes,
        sandbox_required: config.workers.sandbox == SandboxLevel::Required,
        checker: checker_options(config),
    }
}

/// Options of the part that judges media.
pub fn checker_options(config: &Config) -> CheckerOptions {
    let policy = |(analysis_type, analyzer): (&String, &crate::config::AnalyzerConfig)| {
        (analysis_type.clone(), analyzer.params.clone())
    };
    CheckerOptions {
        policies: config.analyzers.iter().map(policy).collect(),
        limits: request_limits(&config.limits),
        upload_memory_bytes: config.blobs.memory_bytes,
    }
}

fn request_limits(limits: &LimitsConfig) -> RequestLimits {
    RequestLimits {
        media_per_request: limits.media_per_request,
        analyses_per_request: limits.analyses_per_request,
        media_per_folder: limits.media_per_folder,
        metadata_bytes: limits.metadata_bytes,
        wait: limits.wait,
        upload_bytes: limits.upload_bytes,
        pixels: limits.pixels,
        video: limits.video,
    }
}

pub(super) fn master_key_source(config: &Config, folder: &Path) -> MasterKeySource {
    match (&config.blobs.master_key, &config.blobs.master_key_file) {
        (Some(text), _) => MasterKeySource::Text(text.clone()),
        (None, Some(path)) => MasterKeySource::File(path.clone()),
        (None, None) => MasterKeySource::File(keys_dir(config, folder).join("master.key")),
    }
}

/// The folder with the secret keys.
pub(super) fn keys_dir(config: &Config, folder: &Path) -> PathBuf {
    config.keys_dir.clone().unwrap_or_else(|| folder.join("keys"))
}

/// How the configuration sets the workers up, for the command line, which has no data folder.
pub fn pools_config(config: &Config) -> Result<PoolsConfig, DeploymentError> {
    pools_with_copies(config, None)
}

/// The plugins of third parties that are there, whether the lock file names them or not, with what
/// opens them.
pub fn unlocked_plugins(config: &Config) -> Result<(PoolsConfig, Scan), DeploymentError> {
    let mut without = config.clone();
    without.plugins_dir = None;
    let pools = pools_with_copies(&without, None)?;
    let Some(folder) = &config.plugins_dir else { return Ok((pools, Scan::default())) };
    let folder = PluginFolder::new(folder, false, BTreeMap::new(), None)?;
    let scan = folder.scan_unlocked()?;
    Ok((PoolsConfig { plugin_folder: Some(folder), ..pools }, scan))
}

/// The same with plugins loaded from copies in a folder; none: a temporary one.
pub(super) fn pools_with_copies(
    config: &Config,
    plugin_copies: Option<PathBuf>,
) -> Result<PoolsConfig, DeploymentError> {
    let settings = config
        .analyzers
        .iter()
        .map(|(name, analyzer)| (name.clone(), analyzer.settings.clone().into()));
    let mut pools = PoolsConfig::find(&DeploymentChoice {
        plugins_dir: config.plugins_dir.clone(),
        lock_required: config.mode == Mode::Production,
        plugin_copies,
        models_dir: config.models_dir.clone(),
        onnxruntime: config.onnxruntime.clone(),
        plugin_settings: settings.collect(),
    })?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    pools.workers = config.workers.count.unwrap_or(processors);
    pools.probe_workers = config.workers.probe_count.unwrap_or((processors / 4).max(2));
    pools.threads = config.workers.threads;
    pools.limits = config.limits.media.clone();
    pools.decode = match config.workers.decoder {
        Decoder::Exact => json!({"decoder": "exact"}),
        Decoder::Fast => json!({"decoder": "fast"}),
    };
    pools.memory_bytes = Some(config.workers.memory_bytes);
    pools.cpu_seconds = config.workers.cpu.as_secs();
    pools.sandbox = config.workers.sandbox;
    pools.drain_timeout = DRAIN;
    pools.stderr = match config.mode {
        Mode::Development => WorkerStderr::Inherit,
        Mode::Production => WorkerStderr::Discard,
    };
    Ok(pools)
}
