//! What a plugin file says of itself: read in a worker of its own, which opens nothing else and
//! judges nothing.

use vultus_plugin_api::Manifest;
use vultus_worker_protocol::ToWorker;

use super::folder::{FolderError, FoundPlugin};
use crate::deployment::{PoolsConfig, WorkerStderr};
use crate::process::Spawner;
use crate::{plan, worker_seat};

/// Opens each of `plugins` in a worker of its own. An error says why one cannot be used.
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
        let manifest = one(config, &spawner, &plugin).await;
        described.push((plugin, manifest));
    }
    spawner.all_reaped().await;
    Ok(described)
}

async fn one(
    config: &PoolsConfig,
    spawner: &Spawner,
    plugin: &FoundPlugin,
) -> Result<Manifest, String> {
    let mut worker =
        spawner.spawn().await.map_err(|error| format!("no worker could be started: {error}"))?;
    worker.send(ToWorker::Hello(Box::new(plan::describing(config, plugin))), Vec::new());
    let ready =
        match tokio::time::timeout(config.start_timeout, worker_seat::await_ready(&mut worker))
            .await
        {
            Ok(ready) => ready,
            Err(_) => Err("it was not open in time".to_owned()),
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
        .ok_or_else(|| "the worker says nothing of it".to_owned())?;
    if report.file_sha256 != plugin.sha256 {
        return Err("the worker opened another file".to_owned());
    }
    serde_json::from_value(report.manifest)
        .map_err(|error| format!("its manifest is malformed: {error}"))
}
