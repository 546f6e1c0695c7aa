//! Background tasks of a node: the sweeper of blobs and the watcher of plugins.

use super::ServeError;
use super::options::BackgroundOptions;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vultus_blobs::Sweeper;
use vultus_pools::plugins;
use vultus_pools::{LoadedPlugin, WorkerPools};
use vultus_service::Services;

/// Tasks that run beside the requests.
pub(super) struct Background {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Background {
    pub(super) fn start(
        sweeper: Sweeper,
        options: BackgroundOptions,
        pools: &WorkerPools,
        services: &Services,
    ) -> Result<Self, ServeError> {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (stopped, interval) = (stop.clone().cancelled_owned(), options.sweep_interval);
        tasks.spawn(async move { sweeper.run(interval, stopped).await });
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
        let services = services.clone();
        let accept = Box::new(move |plugins: &[LoadedPlugin]| services.accept_plugins(plugins));
        tasks.spawn(plugins::watch(
            pools.clone(),
            accept,
            options.plugins_watch,
            asked,
            stop.clone(),
        ));
        Ok(Self { stop, tasks })
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
