//! A worker that is reserved for one run.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use vultus_worker_protocol::RunRequest;

use super::pool::{Job, Pool, RETRY_AFTER, RunJob};
use super::run::{RunCancel, RunEnd, RunEvent};

/// A worker that is reserved for one run. Dropping it releases the worker.
#[derive(Debug)]
pub struct FreeWorker {
    pool: Arc<Pool>,
    permit: OwnedSemaphorePermit,
}

impl FreeWorker {
    pub(crate) fn new(pool: Arc<Pool>, permit: OwnedSemaphorePermit) -> Self {
        Self { pool, permit }
    }

    /// Runs analyses on this worker; see [`WorkerPools::run`](super::WorkerPools::run). Dropping
    /// the future cancels the run.
    pub async fn run(
        self,
        request: RunRequest,
        media: Vec<OwnedFd>,
        events: mpsc::Sender<RunEvent>,
        cancel: &RunCancel,
    ) -> RunEnd {
        let (reply, answer) = oneshot::channel();
        let job = RunJob { request, media, events, cancel: cancel.clone(), reply };
        self.pool.submit(self.permit, Job::Run(Box::new(job)));
        let mut guard = CancelOnDrop(Some(cancel));
        let end = answer.await.unwrap_or(RunEnd::Unavailable { retry_after: RETRY_AFTER });
        guard.0 = None;
        end
    }
}

/// Drop guard: cancels the run if the caller drops its future.
struct CancelOnDrop<'a>(Option<&'a RunCancel>);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(cancel) = self.0 {
            cancel.cancel_run();
        }
    }
}
