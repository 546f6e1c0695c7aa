//! Finds worker, built-in plugins, runtime and weights on disk, and holds the options of the pools.
//! [`super::plugins`] deals with the folder of third-party plugins.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use vultus_core::CompanyId;
use vultus_worker_protocol::{PluginFile, PluginOrigin, SandboxLevel};

use super::plugin_key::{BUILT_IN, plugin_key};
use super::plugins::folder::PluginFolder;
use super::plugins::folder_error::FolderError;
use super::plugins::scan::Scan;
pub use super::process::WorkerStderr;

/// Built-in plugins that a third-party pool loads too if one of its plugins requests a feature of
/// them and may use it.
const PROVIDERS_FOR_OTHERS: [&str; 3] = ["face_detect", "face_template", "face_mesh"];
/// Default limit of the address space of one worker: 4 GiB.
const WORKER_MEMORY_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// Default limit of the CPU time of one run or probe over all threads, in seconds.
const WORKER_CPU_SECONDS: u64 = 300;
/// Default time until a spawned worker must be ready.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Default time for running jobs at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Options of the pools. [`PoolsConfig::find`] returns the defaults that each field names; every
/// field may be changed afterwards.
#[derive(Debug, Clone)]
pub struct PoolsConfig {
    /// Path of the worker executable. Default: `vultus-worker` beside the running executable.
    pub worker_executable: PathBuf,
    /// Built-in plugins, providers of features first. Default: all that ship with the server.
    pub built_in: Vec<PluginFile>,
    /// Built-in plugins that third-party pools load too, for their features. Default: the providers
    /// of faces and of face templates.
    pub providers_for_others: Vec<PluginFile>,
    /// The third-party pools at the start. Default: a scan of `plugin_folder`.
    pub third_party: Scan,
    /// Folder of the third-party plugins, which is scanned again during operation. Default: none.
    pub plugin_folder: Option<PluginFolder>,
    /// Path of the ONNX Runtime library. Default: the one in the models folder, if it exists.
    pub onnxruntime: Option<PathBuf>,
    /// Folder with the weights. Default: the one in the models folder, if it exists.
    pub weights_dir: Option<PathBuf>,
    /// Number of workers of the built-in pool, at least 1. Default: the number of CPUs.
    pub workers: usize,
    /// Number of further workers of the built-in pool, which take work only of companies that have
    /// no run in progress. Default: none.
    pub spare_workers: usize,
    /// Weights of companies in the turns for workers; a company without one has weight 1. Default:
    /// none.
    pub weights: HashMap<CompanyId, u32>,
    /// Number of workers that only probe media. 0: the built-in pool probes them. Default: 1.
    pub probe_workers: usize,
    /// Number of threads of one inference, at least 1. Default: 1.
    pub threads: u32,
    /// Media limits as a JSON object. Default: an empty object, which means the worker's defaults.
    pub limits: Value,
    /// Options of the decoder as a JSON object, such as `{"decoder": "fast"}`. Default: null, which
    /// means the worker's defaults.
    pub decode: Value,
    /// Limit of the address space of one worker, in bytes; none means no limit. Default: 4 GiB.
    pub memory_bytes: Option<u64>,
    /// Limit of the CPU time of one run or probe over all threads, in seconds. Default: 300.
    pub cpu_seconds: u64,
    /// What happens to workers if the kernel does not support the whole sandbox. Default: they work
    /// with a partial sandbox.
    pub sandbox: SandboxLevel,
    /// Time from spawning a worker until it must be ready. Default: 30 s.
    pub start_timeout: Duration,
    /// Time that running jobs get at shutdown. Default: 20 s.
    pub drain_timeout: Duration,
    /// Where the standard error of workers goes. Default: discarded.
    pub stderr: WorkerStderr,
}

/// What the operator chooses. Everything has a default.
#[derive(Debug, Clone, Default)]
pub struct DeploymentChoice {
    /// Folder of third-party plugins. Default: none, so that no such plugin is used.
    pub plugins_dir: Option<PathBuf>,
    /// Whether a lock file is required and only plugins that it names may be used. Default: false.
    pub lock_required: bool,
    /// Folder for the copies that workers load. Default: a temporary folder.
    pub plugin_copies: Option<PathBuf>,
    /// Folder with `weights/` and `runtime/`. Default: the first `models` folder that is found
    /// beside or above the executable.
    pub models_dir: Option<PathBuf>,
    /// Path of the ONNX Runtime library. Default: the one in `models_dir`.
    pub onnxruntime: Option<PathBuf>,
    /// Settings of plugins, by [`plugin_key`], such as `face_template`. Default: no settings.
    pub plugin_settings: BTreeMap<String, Value>,
}

/// Why a deployment is not usable.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    /// A file that ships with the server is missing.
    #[error("{what} was not found; looked for {}", list(.looked_for))]
    NotFound {
        /// What is missing.
        what: String,
        /// The paths that were tried.
        looked_for: Vec<PathBuf>,
    },
    /// A folder or file could not be read.
    #[error("reading {path} failed")]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The folder of third-party plugins cannot be used.
    #[error(transparent)]
    Plugins(#[from] FolderError),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl PoolsConfig {
    /// Finds the worker, the plugins and the models of the running executable.
    pub fn find(choice: &DeploymentChoice) -> Result<Self, DeploymentError> {
        let executable = std::env::current_exe().map_err(|source| DeploymentError::Unreadable {
            path: PathBuf::from("/proc/self/exe"),
            source,
        })?;
        let beside = executable.parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf);
        Self::find_beside(&beside, choice)
    }

    /// The same for an executable in the folder `beside`. Also looks in the folder above, where
    /// Cargo puts the executables that tests start.
    pub fn find_beside(beside: &Path, choice: &DeploymentChoice) -> Result<Self, DeploymentError> {
        let above = beside.join("..");
        let worker_executable = first_existing(
            "the worker executable",
            vec![beside.join("vultus-worker"), above.join("vultus-worker")],
        )?;
        let mut built_in = Vec::new();
        for key in BUILT_IN {
            let file = format!("libvultus_{key}.so");
            let places = [
                beside.to_path_buf(),
                beside.join("plugins"),
                above.join("lib/vultus"),
                above.clone(),
            ];
            let path = first_existing(
                &format!("the plugin {key}"),
                places.iter().map(|place| place.join(&file)).collect(),
            )?;
            built_in.push(plugin_file(&path, PluginOrigin::BuiltIn, choice));
        }
        let providers_for_others = BUILT_IN
            .iter()
            .zip(&built_in)
            .filter(|(key, _)| PROVIDERS_FOR_OTHERS.contains(key))
            .map(|(_, file)| file.clone())
            .collect();
        let plugin_folder = match &choice.plugins_dir {
            Some(folder) => Some(PluginFolder::new(
                folder,
                choice.lock_required,
                choice.plugin_settings.clone(),
                choice.plugin_copies.as_deref(),
            )?),
            None => None,
        };
        let third_party =
            plugin_folder.as_ref().map(PluginFolder::scan).transpose()?.unwrap_or_default();
        let models = models_dir(beside, choice);
        let onnxruntime = choice
            .onnxruntime
            .clone()
            .or_else(|| existing(models.as_ref()?.join("runtime/libonnxruntime.so")));
        Ok(Self {
            worker_executable,
            built_in,
            providers_for_others,
            third_party,
            plugin_folder,
            onnxruntime: onnxruntime.map(absolute),
            weights_dir: models.and_then(|models| existing(models.join("weights"))).map(absolute),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            spare_workers: 0,
            weights: HashMap::new(),
            probe_workers: 1,
            threads: 1,
            limits: Value::Object(serde_json::Map::new()),
            decode: Value::Null,
            memory_bytes: Some(WORKER_MEMORY_BYTES),
            cpu_seconds: WORKER_CPU_SECONDS,
            sandbox: SandboxLevel::BestEffort,
            start_timeout: START_TIMEOUT,
            drain_timeout: DRAIN_TIMEOUT,
            stderr: WorkerStderr::Discard,
        })
    }
}

/// The folder with `weights/` and `runtime/`: the chosen one, or the first that exists beside the
/// executable, in `share/vultus`, or in a folder above.
fn models_dir(beside: &Path, choice: &DeploymentChoice) -> Option<PathBuf> {
    if let Some(chosen) = &choice.models_dir {
        return Some(chosen.clone());
    }
    let installed = [beside.join("models"), beside.join("../share/vultus/models")];
    let above = beside.ancestors().skip(1).take(4).map(|folder| folder.join("models"));
    installed
        .into_iter()
        .chain(above)
        .chain(std::iter::once(PathBuf::from("models")))
        .find(|models| models.join("weights").is_dir())
}

fn plugin_file(path: &Path, origin: PluginOrigin, choice: &DeploymentChoice) -> PluginFile {
    let settings = choice.plugin_settings.get(&plugin_key(path)).cloned();
    PluginFile {
        path: absolute(path.to_path_buf()).display().to_string(),
        settings: settings.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        origin,
        grants: Vec::new(),
        only_for_features: false,
    }
}

fn first_existing(what: &str, looked_for: Vec<PathBuf>) -> Result<PathBuf, DeploymentError> {
    match looked_for.iter().find(|path| path.is_file()) {
        Some(path) => Ok(absolute(path.clone())),
        None => Err(DeploymentError::NotFound { what: what.to_owned(), looked_for }),
    }
}

fn existing(path: PathBuf) -> Option<PathBuf> {
    path.exists().then_some(path)
}

/// The path without `..` and links. A path that does not exist stays unchanged, for the error
/// message that follows.
fn absolute(path: PathBuf) -> PathBuf {
    fs::canonicalize(&path).unwrap_or(path)
}
