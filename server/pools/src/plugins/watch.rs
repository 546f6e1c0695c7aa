//! Watches the plugin folder and brings changes into use. A reconciler: each pass is independent of
//! earlier ones.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::folder::PluginFolder;
use super::folder_error::FolderError;
use super::reload::{Accept, QuarantinedPools};
use super::scan::Scan;
use crate::worker_pools::WorkerPools;

/// Watches until `stop`: at every `interval` (none: never) and on every message in `requested`. A
/// change takes effect once two passes see the same files, so that a file is not used while it is
/// being written.
pub async fn watch(
    pools: WorkerPools,
    accept: Box<Accept>,
    interval: Option<Duration>,
    mut requested: mpsc::Receiver<()>,
    stop: CancellationToken,
) {
    let Some(folder) = pools.plugin_folder().cloned() else { return };
    let mut ticks = interval.map(tokio::time::interval);
    if let Some(ticks) = &mut ticks {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    // The plugins in use were scanned before the start, so the first pass applies its result.
    let (mut applied, mut last) = (None, None);
    loop {
        let by_request = tokio::select! {
            () = stop.cancelled() => return,
            Some(()) = requested.recv() => true,
            () = tick(&mut ticks) => false,
        };
        let now = match of_folder(&folder, PluginFolder::signature).await {
            Ok(signature) => Some(signature),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the plugin folder cannot be read"
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
            Ok(scan) if by_request => {
                apply(&pools, scan, &accept, QuarantinedPools::Restart).await;
            }
            Ok(scan) => apply(&pools, scan, &accept, QuarantinedPools::Keep).await,
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "reading the plugin folder failed; the plugins stay unchanged"
            ),
        }
        applied = now;
    }
}

async fn apply(pools: &WorkerPools, scan: Scan, accept: &Accept, quarantined: QuarantinedPools) {
    let reloaded = pools.use_plugins(scan, accept, quarantined).await;
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

async fn tick(ticks: &mut Option<tokio::time::Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    }
}

/// Reads files on a thread for blocking work.
async fn of_folder<T: Send + 'static>(
    folder: &PluginFolder,
    read: fn(&PluginFolder) -> Result<T, FolderError>,
) -> Result<T, FolderError> {
    let folder = folder.clone();
    let result = tokio::task::spawn_blocking(move || read(&folder)).await;
    result.unwrap_or_else(|error| Err(FolderError::Ended(error.to_string())))
}
