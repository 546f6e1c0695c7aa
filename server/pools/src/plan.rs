//! Makes the plan of each pool from the options: what its workers load and may do.

use std::path::PathBuf;

use vultus_core::turns::Turns;
use vultus_worker_protocol::{PROTOCOL_VERSION, PluginFile, WorkerSetup};

use super::deployment::PoolsConfig;
use super::plugins::scan::{FoundPlugin, PoolSpec};
use super::pool::PoolPlan;
use super::run::PoolName;

/// The pool of the built-in plugins.
pub(crate) fn built_in(config: &PoolsConfig) -> PoolPlan {
    let plan = plan(config, "built-in", config.built_in.clone(), &config.built_in, config.workers);
    PoolPlan { spare_workers: config.spare_workers, ..plan }
}

/// The pool that only probes.
pub(crate) fn probe(config: &PoolsConfig) -> PoolPlan {
    plan(config, "probe", Vec::new(), &[], config.probe_workers)
}

/// The pool of third-party plugins. It also loads the built-in providers, for their features.
pub(crate) fn third_party(config: &PoolsConfig, spec: &PoolSpec) -> PoolPlan {
    let for_features = |file: &PluginFile| PluginFile { only_for_features: true, ..file.clone() };
    let mut plugins: Vec<PluginFile> =
        config.providers_for_others.iter().map(for_features).collect();
    plugins.extend(spec.plugins.iter().map(|plugin| plugin.file.clone()));
    let own = spec
        .plugins
        .iter()
        .map(|plugin| (PathBuf::from(&plugin.file.path), plugin.source.clone()))
        .collect();
    PoolPlan { own, spec: Some(spec.clone()), ..plan(config, &spec.name, plugins, &[], 1) }
}

/// Setup of a worker that only opens a plugin and reports its manifest.
pub(crate) fn describing(config: &PoolsConfig, plugin: &FoundPlugin) -> WorkerSetup {
    let plan = plan(config, "describing", vec![plugin.file.clone()], &[], 1);
    WorkerSetup { only_describe: true, ..plan.setup }
}

fn plan(
    config: &PoolsConfig,
    name: &str,
    plugins: Vec<PluginFile>,
    own: &[PluginFile],
    workers: usize,
) -> PoolPlan {
    PoolPlan {
        name: PoolName::new(name),
        own: own
            .iter()
            .map(|plugin| (PathBuf::from(&plugin.path), PathBuf::from(&plugin.path)))
            .collect(),
        spec: None,
        workers: workers.max(1),
        spare_workers: 0,
        turns: Turns::new(config.weights.clone()),
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
            only_describe: false,
        },
    }
}
