//! Maps the configuration onto the options of each layer: the one place that knows both.

use super::limits;
use crate::config::{BlobsConfig, BucketUrl, Config, Decoder, LimitsConfig, Mode, StoreUrl};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vultus_api::http::{HttpOptions, Surroundings};
use vultus_auth::keys::MasterKeySource;
use vultus_blobs::{BucketOptions, MemoryBudget};
use vultus_core::JsonLimits;
use vultus_core::fair::{Share, Shares};
use vultus_core::turns::Turns;
use vultus_dispatch::DispatcherParts;
use vultus_pools::deployment::{DeploymentChoice, DeploymentError, PoolsConfig, WorkerStderr};
use vultus_pools::plugins::{PluginFolder, Scan};
use vultus_service::{CheckerOptions, DecisionOptions, Options, Parts, RequestLimits};

use vultus_worker_protocol::SandboxLevel;

/// At shutdown, running jobs of workers get this long to end.
const DRAIN: Duration = Duration::from_secs(5);

/// Files that are examined at the same time, for each worker that examines: one with the worker,
/// and one that is being decrypted for it.
const EXAMINATIONS_PER_WORKER: usize = 2;

/// Options of the use cases.
pub(super) fn service_options(config: &Config) -> Options {
    Options {
        public_url: config.public_url.clone(),
        access_lifetime: config.tokens.access_seconds,
        refresh_lifetime: config.tokens.refresh_seconds,
        session_lifetime: config.tokens.session_seconds,
        shares: Shares {
            company: Share::percent(config.limits.share.company),
            user: Share::percent(config.limits.share.user),
        },
        websockets: config.limits.connections.websockets,
        uploads: config.limits.uploads,
        downloads: config.limits.downloads,
        checks: config.check.concurrent,
        check_memory_bytes: config.check.memory_bytes,
        company_runs: config.queue.company_runs,
        company_bytes: Some(config.limits.company_bytes).filter(|bytes| *bytes > 0),
        sandbox_required: config.sandbox() == SandboxLevel::Required,
        decisions: decision_options(config),
        checker: checker_options(config),
    }
}

/// Limits of decisions.
pub(super) fn decision_options(config: &Config) -> DecisionOptions {
    let time = |of: Duration| of.try_into().unwrap_or(time::Duration::MAX);
    DecisionOptions {
        undo_within: time(config.decisions.undo_seconds),
        claim: time(config.decisions.claim_seconds),
    }
}

/// Options of the part that judges media.
pub fn checker_options(config: &Config) -> CheckerOptions {
    let mut policies = BTreeMap::new();
    for (analysis_type, analyzer) in &config.analyzers {
        policies.insert(analysis_type.clone(), analyzer.params.clone());
    }
    CheckerOptions {
        policies,
        limits: request_limits(&config.limits),
        upload_memory_bytes: config.blobs.memory_bytes,
        examinations: EXAMINATIONS_PER_WORKER * probe_workers(config),
        require_challenge: config.require_challenge,
    }
}

fn request_limits(limits: &LimitsConfig) -> RequestLimits {
    RequestLimits {
        media_per_request: limits.media_per_request,
        analyses_per_request: limits.analyses_per_request,
        media_per_folder: limits.media_per_folder,
        analyses_per_folder: limits.analyses_per_folder,
        json: JsonLimits {
            bytes: limits.metadata_bytes,
            values: limits.metadata_values,
            depth: limits.metadata_depth,
        },
        wait: limits.wait_ms,
        upload_bytes: limits.media.max_bytes,
        pixels: limits.media.max_pixels,
        video: Duration::from_secs_f64(limits.media.max_seconds),
    }
}

/// Options of the HTTP layer.
pub(super) fn http_options(config: &Config) -> HttpOptions {
    HttpOptions {
        surroundings: match config.mode {
            Mode::Development => Surroundings::Development,
            Mode::Production => Surroundings::Production,
        },
        allowed_origins: config.allowed_origins.clone(),
        limits: limits::request_limits(&config.limits),
        trusted_proxies: config.trusted_proxies.clone(),
        memory: limits::memory_limits(&config.limits),
    }
}

/// What the dispatcher takes: the parts that it shares with the use cases, and its options.
pub(super) fn dispatcher_parts(config: &Config, shared: &Parts) -> DispatcherParts {
    DispatcherParts {
        store: shared.store.clone(),
        blobs: shared.blobs.clone(),
        keyring: shared.keyring.clone(),
        memory: MemoryBudget::new(config.blobs.memory_bytes),
        pools: shared.pools.clone(),
        running: shared.running.clone(),
        clock: shared.clock.clone(),
        turns: Turns::new(config.queue.weights.clone()),
        node: uuid::Uuid::now_v7().to_string(),
        sole_node: matches!(config.store.url, StoreUrl::Sqlite),
        removed_after: config.workers.removed_seconds,
    }
}

/// Options of the bucket of blobs.
pub(super) fn bucket_options(bucket: &BucketUrl, blobs: &BlobsConfig) -> BucketOptions {
    BucketOptions {
        bucket: bucket.name.clone(),
        prefix: bucket.prefix.clone(),
        endpoint: bucket.endpoint.clone(),
        region: bucket.region.clone(),
        access_key: bucket.access_key_id.clone().zip(blobs.s3_secret_key.clone()),
    }
}

/// Options of the background tasks.
#[derive(Debug, Clone, Copy)]
pub(super) struct BackgroundOptions {
    /// Pause between two sweeps of unreferenced files.
    pub(super) sweep_interval: Duration,
    /// Pause between two scans of the plugin folder; `None`: only at the start and on SIGHUP.
    pub(super) plugins_watch: Option<Duration>,
}

pub(super) fn background_options(config: &Config) -> BackgroundOptions {
    let watch = config.plugins.watch_seconds;
    BackgroundOptions {
        sweep_interval: config.sweeper.interval_seconds,
        plugins_watch: (!watch.is_zero()).then_some(watch),
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

/// Configuration of the workers for the command line, which has no data folder and no companies.
pub fn pools_config(config: &Config) -> Result<PoolsConfig, DeploymentError> {
    let pools = pools_with_copies(config, None)?;
    Ok(PoolsConfig { spare_workers: 0, ..pools })
}

/// All third-party plugins in the folder, including those that the lock file does not name, and
/// the pools that open them.
pub fn unlocked_plugins(config: &Config) -> Result<(PoolsConfig, Scan), DeploymentError> {
    let mut without = config.clone();
    without.plugins_dir = None;
    let pools = pools_with_copies(&without, None)?;
    let Some(folder) = &config.plugins_dir else { return Ok((pools, Scan::default())) };
    let folder = PluginFolder::new(folder, false, BTreeMap::new(), None)?;
    let scan = folder.scan_unlocked()?;
    Ok((PoolsConfig { plugin_folder: Some(folder), ..pools }, scan))
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The number of workers that examine uploads.
fn probe_workers(config: &Config) -> usize {
    match config.workers.probe_count {
        0 => (processors() / 4).max(2),
        count => count,
    }
}

/// The same, with plugins loaded from copies in a folder; `None`: in a temporary folder.
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
    let processors = processors();
    pools.workers = match config.workers.count {
        0 => processors,
        count => count,
    };
    pools.probe_workers = probe_workers(config);
    pools.spare_workers = config.workers.spare;
    pools.weights = config.queue.weights.clone();
    pools.threads = config.workers.threads;
    pools.limits = json!(config.limits.media);
    pools.decode = match config.workers.decoder {
        Decoder::Exact => json!({"decoder": "exact"}),
        Decoder::Fast => json!({"decoder": "fast"}),
    };
    pools.memory_bytes = Some(config.workers.memory_bytes);
    pools.cpu_seconds = config.workers.cpu_seconds;
    pools.sandbox = config.sandbox();
    pools.drain_timeout = DRAIN;
    pools.stderr = match config.mode {
        Mode::Development => WorkerStderr::Inherit,
        Mode::Production => WorkerStderr::Discard,
    };
    Ok(pools)
}
