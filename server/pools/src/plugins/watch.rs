//! Looks at the plugin folder from time to time, and brings what changed into use. A reconciler:
//! each look stands for itself.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::folder::{FolderError, PluginFolder, Scan};
use super::reload::Accept;
use crate::worker_pools::WorkerPools;

/// Watches until `stop`, every `interval` (none: not by itself), and whenever `asked` says so. A
/// change is heeded once the folder looks the same twice, so that a file is not taken while it is
/// being written.
pub async fn watch(
    pools: WorkerPools,
    accept: Box<Accept>,
    interval: Option<Duration>,
    mut asked: mpsc::Receiver<()>,
    stop: CancellationToken,
) {
    let Some(folder) = pools.plugin_folder().cloned() else { return };
    let mut looks = interval.map(tokio::time::interval);
    if let Some(looks) = &mut looks {
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    // What was in use at the start was looked at before that: the first look finds out whether it
    // is still so.
    let (mut applied, mut last) = (None, None);
    loop {
        let by_request = tokio::select! {
            () = stop.cancelled() => return,
            Some(()) = asked.recv() => true,
            () = tick(&mut looks) => false,
        };
        let now = match of_folder(&folder, PluginFolder::signature).await {
            Ok(signature) => Some(signature),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the plugin folder cannot be looked at"
                );
                continue;
            }
        };
        let settled = now == last;
        last.clone_from(&now);
        if !by_request && (!settled || now == applied) {
            continue;
        }
        match of_folder(&folder, PluginFolder::scan).await {
            Ok(scan) => apply(&pools, scan, &accept, by_request).await,
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the plugins stay as they are"
            ),
        }
        applied = now;
    }
}

async fn apply(pools: &WorkerPools, scan: Scan, accept: &Accept, again: bool) {
    let reloaded = pools.use_plugins(scan, accept, again).await;
    for pool in &reloaded.in_use {
        tracing::info!(pool, "plugins of a pool came into use");
    }
    for pool in &reloaded.taken_out {
        tracing::info!(pool, "plugins of a pool were taken out of use");
    }
    for refused in &reloaded.refused {
        tracing::warn!(path = refused.path, detail = refused.detail, "a plugin is not used");
    }
}

async fn tick(looks: &mut Option<tokio::time::Interval>) {
    match looks {
        Some(looks) => drop(looks.tick().await),
        None => std::future::pending().await,
    }
}

/// Files are looked at off the threads that serve requests.
async fn of_folder<T: Send + 'static>(
    folder: &PluginFolder,
    look: fn(&PluginFolder) -> Result<T, FolderError>,
) -> Result<T, FolderError> {
    let folder = folder.clone();
    let looked = tokio::task::spawn_blocking(move || look(&folder)).await;
    looked.unwrap_or_else(|error| Err(FolderError::Ended(error.to_string())))
}
