//! Where worker, plugins, runtime and weights are on disk, and how the pools are set up from them.
//! The folder with plugins of third parties is the matter of [`super::plugins`].

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use vultus_worker_protocol::{PluginFile, PluginOrigin, SandboxLevel};

use super::plugins::{FolderError, PluginFolder, Scan};
pub use super::process::WorkerStderr;

/// The built-in plugins by key, providers first.
pub(crate) const BUILT_IN: [&str; 6] =
    ["face_detect", "document", "face_template", "face_match", "liveness", "quality"];
/// Built-in plugins that third-party pools load too where one of their plugins asks for a feature
/// of these (and may).
const PROVIDERS_FOR_OTHERS: [&str; 2] = ["face_detect", "face_template"];
/// Most address space of one worker.
const WORKER_MEMORY_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// CPU time that one run or probe may use, in seconds, over all threads.
const WORKER_CPU_SECONDS: u64 = 300;

/// How the pools are set up. [`PoolsConfig::find`] makes one; every field may be changed
/// afterwards.
#[derive(Debug, Clone)]
pub struct PoolsConfig {
    /// The worker executable.
    pub worker_executable: PathBuf,
    /// Built-in plugins, providers first.
    pub built_in: Vec<PluginFile>,
    /// Built-in plugins that third-party pools load as well where they need them.
    pub providers_for_others: Vec<PluginFile>,
    /// The pools of third parties at the start.
    pub third_party: Scan,
    /// Where they come from, to be looked at again.
    pub plugin_folder: Option<PluginFolder>,
    /// The ONNX Runtime library.
    pub onnxruntime: Option<PathBuf>,
    /// The folder with the weights.
    pub weights_dir: Option<PathBuf>,
    /// Workers of the built-in pool.
    pub workers: usize,
    /// Workers that only probe; 0 lets the built-in pool do it.
    pub probe_workers: usize,
    /// Threads of one inference.
    pub threads: u32,
    /// Media limits as a JSON object; an empty one means the defaults.
    pub limits: Value,
    /// Options of the decoder as a JSON object, such as `{"decoder": "fast"}`; null means the
    /// defaults.
    pub decode: Value,
    /// Most address space of one worker, in bytes; none means no limit.
    pub memory_bytes: Option<u64>,
    /// CPU time that one run or probe may use, in seconds.
    pub cpu_seconds: u64,
    /// What becomes of workers where the kernel does not offer all of the sandbox.
    pub sandbox: SandboxLevel,
    /// From spawning a worker until it must be ready.
    pub start_timeout: Duration,
    /// How long running jobs may go on at shutdown.
    pub drain_timeout: Duration,
    /// Where the standard error of workers goes.
    pub stderr: WorkerStderr,
}

/// What the operator says about the deployment. Everything has a default.
#[derive(Debug, Clone, Default)]
pub struct DeploymentChoice {
    /// Folder with third-party plugins.
    pub plugins_dir: Option<PathBuf>,
    /// Whether only those may be used that its lock file names.
    pub lock_required: bool,
    /// Where workers load copies of them from; none: a temporary folder.
    pub plugin_copies: Option<PathBuf>,
    /// Folder with `weights/` and `runtime/`.
    pub models_dir: Option<PathBuf>,
    /// The ONNX Runtime library, when it is not in `models_dir`.
    pub onnxruntime: Option<PathBuf>,
    /// Settings of plugins, by key: the file's name without `lib`, `vultus_` and `.so`, such as
    /// `face_template`.
    pub plugin_settings: BTreeMap<String, Value>,
}

/// Why a deployment is not usable.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    /// A file that ships with the server is missing.
    #[error("{what} was not found; looked for {}", list(.looked_for))]
    NotFound {
        /// What it is.
        what: String,
        /// Where it was looked for.
        looked_for: Vec<PathBuf>,
    },
    /// A folder or file could not be looked at.
    #[error("looking at {path} failed")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The plugins of third parties cannot be used as a whole.
    #[error(transparent)]
    Plugins(#[from] FolderError),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl PoolsConfig {
    /// Finds the worker, the plugins and the models that belong to the executable that is running.
    pub fn find(choice: &DeploymentChoice) -> Result<Self, DeploymentError> {
        let executable = std::env::current_exe().map_err(|source| DeploymentError::Unreadable {
            path: PathBuf::from("/proc/self/exe"),
            source,
        })?;
        let beside = executable.parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf);
        Self::find_beside(&beside, choice)
    }

    /// The same for executables in the folder `beside`, or in the one above it (where Cargo puts
    /// those that tests start).
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
            probe_workers: 1,
            threads: 1,
            limits: Value::Object(serde_json::Map::new()),
            decode: Value::Null,
            memory_bytes: Some(WORKER_MEMORY_BYTES),
            cpu_seconds: WORKER_CPU_SECONDS,
            sandbox: SandboxLevel::BestEffort,
            start_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(20),
            stderr: WorkerStderr::Discard,
        })
    }
}

/// The key of a plugin file, by which settings and pools are named: the file's name without `lib`,
/// `vultus_` and `.so`.
pub fn plugin_key(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let bare = stem.strip_prefix("lib").unwrap_or(&stem);
    bare.strip_prefix("vultus_").unwrap_or(bare).to_owned()
}

/// The folder with `weights/` and `runtime/`: as chosen, or beside the executable, or in
/// `share/vultus`, or in a folder above.
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

/// Without `..` and links; a path that does not exist stays as it is, for the message that follows.
fn absolute(path: PathBuf) -> PathBuf {
    fs::canonicalize(&path).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugin_keys_are_the_bare_names() {
        assert_eq!(plugin_key(Path::new("/a/libvultus_face_match.so")), "face_match");
        assert_eq!(plugin_key(Path::new("libacme_age.so")), "acme_age");
    }
}
