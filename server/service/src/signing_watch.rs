//! Rereads the keys that sign access tokens, so that a rotation needs no restart of any node.

use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use vultus_auth::keys::KeyError;
use vultus_auth::signing_keys::SigningKeys;
use vultus_core::{Error, Result};

/// Pause between two reads: a key that was replaced at once is refused within a second.
const INTERVAL: Duration = Duration::from_millis(700);

/// Rereads until `stopping` is cancelled.
pub(crate) async fn run(keys: SigningKeys, stopping: CancellationToken) {
    let mut timer = tokio::time::interval(INTERVAL);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_broken = false;
    while stopping.run_until_cancelled(timer.tick()).await.is_some() {
        match reload(keys.clone()).await {
            Ok(true) => tracing::info!("the keys of access tokens have changed"),
            Ok(false) => {}
            // Once, not at each read.
            Err(error) if !is_broken => {
                is_broken = true;
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not read the keys of access tokens; those of before stay in use"
                );
                continue;
            }
            Err(_) => continue,
        }
        is_broken = false;
    }
}

async fn reload(keys: SigningKeys) -> Result<bool> {
    let of_key = |error: KeyError| Error::internal("reading the keys of access tokens", error);
    let read = tokio::task::spawn_blocking(move || keys.reload()).await;
    read.map_err(|error| Error::internal("reading the keys of access tokens", error))?
        .map_err(of_key)
}
