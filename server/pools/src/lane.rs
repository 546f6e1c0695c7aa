//! A lane of a pool: workers that take the same jobs, and the queue of these jobs.
//!
//! A permit stands for an idle worker; its holder may put one job into the queue.

use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use vultus_core::turns::Turns;
use vultus_worker_protocol::RunRequest;

use super::run::{RunCancel, RunEnd, RunEvent};
use super::session::ProbeEnd;
use super::turnstile::{Permit, Turnstile};

/// A job for the next free worker.
#[derive(Debug)]
pub(crate) enum Job {
    Probe { medium: OwnedFd, byte_size: u64, limit: Duration, reply: oneshot::Sender<ProbeEnd> },
    Run(Box<RunJob>),
}

/// A run that waits for its worker.
#[derive(Debug)]
pub(crate) struct RunJob {
    pub(crate) request: RunRequest,
    pub(crate) media: Vec<OwnedFd>,
    pub(crate) events: mpsc::Sender<RunEvent>,
    pub(crate) cancel: RunCancel,
    pub(crate) reply: oneshot::Sender<RunEnd>,
}

/// A lane of a pool.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) permits: Turnstile,
    jobs: mpsc::UnboundedSender<Job>,
    queue: AsyncMutex<mpsc::UnboundedReceiver<Job>>,
}

impl Lane {
    /// A lane whose callers take turns under this name.
    pub(crate) fn new(turns: Turns, name: &str) -> Self {
        let (jobs, queue) = mpsc::unbounded_channel();
        Self { permits: Turnstile::new(turns, name), jobs, queue: AsyncMutex::new(queue) }
    }

    /// Queues a job and uses up the permit for it.
    pub(crate) fn submit(&self, permit: Permit, job: Job) {
        permit.spend();
        // The receiver of the queue lives as long as the lane.
        let _ = self.jobs.send(job);
    }

    /// The next job. Cancel safe.
    pub(crate) async fn next_job(&self) -> Option<Job> {
        self.queue.lock().await.recv().await
    }

    /// Drops the queued jobs; their callers get an error.
    pub(crate) async fn drop_jobs(&self) {
        let mut queue = self.queue.lock().await;
        queue.close();
        while queue.recv().await.is_some() {}
    }
}
