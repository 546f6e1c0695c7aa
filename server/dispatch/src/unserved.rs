//! Fails analyses that no pool can judge, because their plugin was removed. Only for a sole node:
//! another node could have the plugin. A reconciler: each pass is independent of earlier ones.

use super::context::DispatchContext;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vultus_core::AnalysisFailure;
use vultus_pools::run::PoolName;

/// Maximum interval of passes.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);

/// Runs until `stopping`. A pool that existed less than `patience` ago still counts, because its
/// plugin may come back. A node that has just started waits for `patience` too.
pub(super) async fn fail_unserved(
    context: Arc<DispatchContext>,
    patience: Duration,
    stopping: CancellationToken,
) {
    let mut seen: HashMap<PoolName, Instant> = HashMap::new();
    let begun = Instant::now();
    let mut ticks =
        tokio::time::interval(patience.clamp(Duration::from_millis(100), LONGEST_INTERVAL));
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            now = ticks.tick() => {
                seen.extend(context.pools.pools().into_iter().map(|pool| (pool, now)));
                seen.retain(|_, last| now.duration_since(*last) <= patience);
                if now.duration_since(begun) >= patience {
                    fail_removed(&context, seen.keys(), patience).await;
                }
            }
        }
    }
}

async fn fail_removed(
    context: &DispatchContext,
    served: impl Iterator<Item = &PoolName>,
    patience: Duration,
) {
    let pools: Vec<String> = served.map(|pool| pool.as_str().to_owned()).collect();
    let now = context.clock.now();
    match context.store.fail_unserved(&pools, now - patience, &removed(), now).await {
        Ok(0) => {}
        Ok(failed) => tracing::warn!(failed, "analyses failed because their plugin was removed"),
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "failing the analyses of removed plugins did not succeed"
        ),
    }
}

fn removed() -> AnalysisFailure {
    AnalysisFailure {
        code: "ANALYZER_REMOVED".to_owned(),
        message: "The requested analyzer is not installed any more.".to_owned(),
    }
}
