//! Reads the manifest of a plugin file in a separate worker, which opens only this file and judges
//! nothing.

use vultus_plugin_api::Manifest;
use vultus_worker_protocol::ToWorker;

use super::folder_error::FolderError;
use super::scan::FoundPlugin;
use crate::deployment::{PoolsConfig, WorkerStderr};
use crate::process::{Niceness, Spawner};
use crate::{plan, worker_seat};

/// Opens each plugin in a separate worker and returns its manifest, or why it cannot be used.
pub async fn describe(
    config: &PoolsConfig,
    plugins: Vec<FoundPlugin>,
) -> Result<Vec<(FoundPlugin, Result<Manifest, String>)>, FolderError> {
    let executable = &config.worker_executable;
    let spawner = Spawner::start(executable, WorkerStderr::Discard).map_err(|source| {
        FolderError::Io { doing: "opening the worker executable", path: executable.clone(), source }
    })?;
    let mut described = Vec::with_capacity(plugins.len());
    for plugin in plugins {
        let manifest = manifest_of(config, &spawner, &plugin).await;
        described.push((plugin, manifest));
    }
    spawner.all_reaped().await;
    Ok(described)
}

async fn manifest_of(
    config: &PoolsConfig,
    spawner: &Spawner,
    plugin: &FoundPlugin,
) -> Result<Manifest, String> {
    let mut worker = spawner
        .spawn(Niceness::Normal)
        .await
        .map_err(|error| format!("starting a worker failed: {error}"))?;
    worker.send(ToWorker::Hello(Box::new(plan::describing(config, plugin))), Vec::new());
    let ready =
        match tokio::time::timeout(config.start_timeout, worker_seat::await_ready(&mut worker))
            .await
        {
            Ok(ready) => ready,
            Err(_) => Err("opening the plugin exceeded the time limit".to_owned()),
        };
    worker.end().await;
    let ready = ready?;
    if let Some(refused) = ready.refused.into_iter().next() {
        return Err(refused.detail);
    }
    let report = ready
        .plugins
        .into_iter()
        .next()
        .ok_or_else(|| "the worker did not report the plugin".to_owned())?;
    if report.file_sha256 != plugin.sha256 {
        return Err("the worker opened another file".to_owned());
    }
    serde_json::from_value(report.manifest)
        .map_err(|error| format!("the manifest is malformed: {error}"))
}
