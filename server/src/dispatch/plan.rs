//! From the configuration to the plan of each pool: what its workers load and are allowed.

use std::path::PathBuf;

use vultus_worker_protocol::{PROTOCOL_VERSION, PluginFile, WorkerSetup};

use super::deployment::{PoolsConfig, plugin_key};
use super::pool::PoolPlan;
use super::run::PoolName;

/// The pool of the built-in plugins.
pub(crate) fn built_in(config: &PoolsConfig) -> PoolPlan {
    plan(config, "built-in", config.built_in.clone(), &config.built_in, config.workers)
}

/// The pool that only probes.
pub(crate) fn probe(config: &PoolsConfig) -> PoolPlan {
    plan(config, "probe", Vec::new(), &[], config.probe_workers)
}

/// The pool of one third-party plugin.
pub(crate) fn third_party(config: &PoolsConfig, plugin: &PluginFile) -> PoolPlan {
    let mut plugins = config.providers_for_others.clone();
    plugins.push(plugin.clone());
    let name = plugin_key(plugin.path.as_ref());
    plan(config, &name, plugins, std::slice::from_ref(plugin), 1)
}

fn plan(config: &PoolsConfig, name: &str, plugins: Vec<PluginFile>, own: &[PluginFile], workers: usize) -> PoolPlan {
    PoolPlan {
        name: PoolName::new(name),
        own: own.iter().map(|plugin| PathBuf::from(&plugin.path)).collect(),
        workers: workers.max(1),
        start_timeout: config.start_timeout,
        setup: WorkerSetup {
            protocol: PROTOCOL_VERSION,
            plugins,
            onnxruntime: config.onnxruntime.as_ref().map(|path| path.display().to_string()),
            weights_dir: config.weights_dir.as_ref().map(|path| path.display().to_string()),
            threads: config.threads.max(1),
            limits: config.limits.clone(),
            decode: config.decode.clone(),
            memory_bytes: config.memory_bytes,
            cpu_seconds: config.cpu_seconds,
            sandbox: config.sandbox,
        },
    }
}
