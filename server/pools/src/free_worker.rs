//! A worker that is reserved for one run.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use vultus_core::CompanyId;
use vultus_worker_protocol::RunRequest;

use super::busy::BusyGuard;
use super::lane::{Job, Lane, RunJob};
use super::pool::{Pool, RETRY_AFTER};
use super::run::{RunCancel, RunEnd, RunEvent};
use super::turnstile::Permit;

/// A worker that is reserved for one run. Dropping it releases the worker.
#[derive(Debug)]
pub struct FreeWorker {
    pool: Arc<Pool>,
    lane: Arc<Lane>,
    permit: Permit,
    /// Who took the permit in turn.
    asked_by: CompanyId,
    busy: Option<BusyGuard>,
}

impl FreeWorker {
    pub(crate) fn new(
        pool: Arc<Pool>,
        lane: Arc<Lane>,
        permit: Permit,
        asked_by: CompanyId,
    ) -> Self {
        Self { pool, lane, permit, asked_by, busy: None }
    }

    /// The run is of this company, which has a run in progress from now on.
    #[must_use]
    pub fn for_company(self, company: CompanyId) -> Self {
        let busy = Some(self.pool.busy.begin(company));
        Self { busy, ..self }
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
        let begun = Instant::now();
        let (reply, answer) = oneshot::channel();
        let job = RunJob { request, media, events, cancel: cancel.clone(), reply };
        self.lane.submit(self.permit, Job::Run(Box::new(job)));
        let mut guard = CancelOnDrop(Some(cancel));
        let end = answer.await.unwrap_or(RunEnd::Unavailable { retry_after: RETRY_AFTER });
        guard.0 = None;
        self.lane.permits.ended(self.asked_by, begun.elapsed());
        drop(self.busy);
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
