//! Background tasks of a node: the sweeper of blobs, the watcher of plugins, erasures of companies,
//! the deletion of what has expired, and the return of free memory.

use super::ServeError;
use super::options::BackgroundOptions;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use vultus_blobs::{DiskReserve, Sweeper};
use vultus_core::clock::{Clock, ClockWatch};
use vultus_pools::plugins;
use vultus_pools::{LoadedPlugin, WorkerPools};
use vultus_service::Services;
use vultus_store::Store;

/// Pause between two deletions of what has expired.
const FORGET_INTERVAL: Duration = Duration::from_secs(60);
/// Time without a jump of the clock after which what has expired is deleted.
const STEADY: time::Duration = time::Duration::hours(1);
/// Pause between two looks for erasures of companies that are not complete.
const ERASURES_INTERVAL: Duration = Duration::from_secs(30);
/// Pause between two looks at the free memory of the allocator.
const GIVE_BACK_INTERVAL: Duration = Duration::from_secs(5);

/// Tasks that run beside the requests.
pub(super) struct Background {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Background {
    pub(super) fn start(
        sweeper: Sweeper,
        reserve: Arc<DiskReserve>,
        store: Arc<dyn Store>,
        options: BackgroundOptions,
        pools: &WorkerPools,
        services: &Services,
    ) -> Result<Self, ServeError> {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (stopped, interval) = (stop.clone().cancelled_owned(), options.sweep_interval);
        tasks.spawn(async move { sweeper.run(interval, stopped).await });
        tasks.spawn(reserve.run(stop.clone().cancelled_owned()));
        let mut hang_up = signal(SignalKind::hangup()).map_err(ServeError::Signals)?;
        let (ask, asked) = mpsc::channel(1);
        tasks.spawn({
            let stop = stop.clone();
            async move {
                while let Some(Some(())) = stop.run_until_cancelled(hang_up.recv()).await {
                    // A scan that is already asked for serves all signals so far.
                    let _ = ask.try_send(());
                }
            }
        });
        tasks.spawn(Self::complete_erasures(services.clone(), stop.clone()));
        let services = services.clone();
        let accept = Box::new(move |plugins: &[LoadedPlugin]| services.accept_plugins(plugins));
        tasks.spawn(plugins::watch(
            pools.clone(),
            accept,
            options.plugins_watch,
            asked,
            stop.clone(),
        ));
        tasks.spawn(Self::give_back_memory(stop.clone()));
        tasks.spawn(Self::forget_expired(store, stop.clone()));
        Ok(Self { stop, tasks })
    }

    /// Completes erasures of companies that a node began and did not end.
    async fn complete_erasures(services: Services, stop: CancellationToken) {
        let mut timer = tokio::time::interval(ERASURES_INTERVAL);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(timer.tick()).await.is_some() {
            if let Some(Err(error)) = stop.run_until_cancelled(services.complete_erasures()).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the erasure of a company is not complete yet"
                );
            }
        }
    }

    /// Deletes what has expired, once the clock has been steady for a while: a clock that is ahead
    /// for a moment must delete nothing.
    async fn forget_expired(store: Arc<dyn Store>, stop: CancellationToken) {
        let clock = ClockWatch::default();
        let mut timer = tokio::time::interval(FORGET_INTERVAL);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(timer.tick()).await.is_some() {
            let now = Clock::system().now();
            if !clock.is_steady(now, STEADY) {
                continue;
            }
            loop {
                match store.forget_expired(now).await {
                    Ok(0) => break,
                    Ok(_) if stop.is_cancelled() => return,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "could not delete what has expired"
                        );
                        break;
                    }
                }
            }
        }
    }

    /// Returns memory that a burst of requests left free in the allocator.
    async fn give_back_memory(stop: CancellationToken) {
        let mut timer = tokio::time::interval(GIVE_BACK_INTERVAL);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(timer.tick()).await.is_some() {
            // On a thread: it locks and walks the arenas.
            let returned = tokio::task::spawn_blocking(super::process::give_back_memory).await;
            if let Err(error) = returned {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "returning free memory failed"
                );
            }
        }
    }

    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        while let Some(joined) = self.tasks.join_next().await {
            if let Err(error) = joined {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a background task failed"
                );
            }
        }
    }
}
