//! Writes that complete although their client disconnects.

use std::time::Duration;
use tokio_util::task::TaskTracker;
use vultus_core::{Error, Result};

/// Maximum time that a shutdown waits for writes that are in progress.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// Runs work in tasks that are independent of the request that started them. Clones share the
/// tasks.
#[derive(Clone, Default)]
pub(crate) struct DetachedWork(TaskTracker);

impl DetachedWork {
    /// Runs `work` to its end, also when the returned future is dropped.
    pub(crate) async fn run_detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let task = self.0.spawn(work);
        task.await.map_err(|error| Error::internal("finishing a request", error))?
    }

    /// Starts `work` without waiting for it.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(work);
    }

    /// Waits until all work has ended, for at most [`SHUTDOWN_DEADLINE`].
    pub(crate) async fn finish(&self) {
        self.0.close();
        if tokio::time::timeout(SHUTDOWN_DEADLINE, self.0.wait()).await.is_err() {
            tracing::warn!("some write requests did not complete before the shutdown deadline");
        }
    }
}
