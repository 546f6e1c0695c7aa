//! Fails what nobody will judge: runs that wait for the pool of a plugin that was taken away. Only
//! where no other node could have the plugin. A reconciler: each look stands for itself.

use super::run_task::Shared;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vultus_core::AnalysisFailure;
use vultus_pools::run::PoolName;

/// The longest time between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Looks until `stopping`. A pool that was there less than `patience` ago still counts: its plugin
/// may come back, and a node that just started waits for as long.
pub(super) async fn fail_unserved(
    shared: Arc<Shared>,
    patience: Duration,
    stopping: CancellationToken,
) {
    let mut seen: HashMap<PoolName, Instant> = HashMap::new();
    let begun = Instant::now();
    let mut looks =
        tokio::time::interval(patience.clamp(Duration::from_millis(100), LONGEST_PAUSE));
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            now = looks.tick() => {
                seen.extend(shared.pools.pools().into_iter().map(|pool| (pool, now)));
                seen.retain(|_, last| now.duration_since(*last) <= patience);
                if now.duration_since(begun) >= patience {
                    look(&shared, seen.keys(), patience).await;
                }
            }
        }
    }
}

async fn look(shared: &Shared, served: impl Iterator<Item = &PoolName>, patience: Duration) {
    let pools: Vec<String> = served.map(|pool| pool.as_str().to_owned()).collect();
    let now = shared.clock.now();
    match shared.store.fail_unserved(&pools, now - patience, &removed(), now).await {
        Ok(0) => {}
        Ok(failed) => tracing::warn!(
            failed,
            "analyses failed because the plugin that they were asked of is not there any more"
        ),
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "looking for analyses without a plugin failed"
        ),
    }
}

fn removed() -> AnalysisFailure {
    AnalysisFailure {
        code: "ANALYZER_REMOVED".to_owned(),
        message: "The analyzer that was asked for is not installed any more.".to_owned(),
    }
}
