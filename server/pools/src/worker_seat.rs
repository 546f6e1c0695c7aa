//! A place for one worker in a pool: keeps a worker there, gives it jobs, replaces it when it dies.

use std::sync::Arc;
use std::time::Duration;

use vultus_worker_protocol::ToWorker;

use super::breaker::Admission;
use super::inbound::WorkerMessage;
use super::pool::{Job, Pool, RunJob, Start};
use super::process::{Inbound, Worker};
use super::run::RunEnd;
use super::session::{self, WorkerFate};

/// The first restart after a death is immediate; then the pause doubles from here ...
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// ... up to here.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often a worker of a pool that is out of use looks whether its offer came back.
const WITHDRAWAL_POLL: Duration = Duration::from_millis(20);

/// Keeps one worker of `pool` alive until the pool stops.
pub(crate) async fn keep(pool: Arc<Pool>) {
    let mut seat = WorkerSeat { pool, deaths: 0, owes_permit: false };
    while seat.wait_for_turn().await {
        match seat.start_worker().await {
            Ok(worker) => {
                seat.pool.start.send_replace(Start::Ready);
                seat.serve(worker).await;
            }
            Err(detail) => seat.could_not_start(detail),
        }
    }
}

struct WorkerSeat {
    pool: Arc<Pool>,
    /// Deaths since the last job that ended well.
    deaths: u32,
    /// Its permit is with a caller though its worker died: the next worker must not add another
    /// one.
    owes_permit: bool,
}

impl WorkerSeat {
    /// Back-off and breaker. False once the pool stops.
    async fn wait_for_turn(&self) -> bool {
        let mut pause = match self.deaths {
            0 | 1 => Duration::ZERO,
            more => FIRST_PAUSE.saturating_mul(1 << (more - 2).min(10)).min(LONGEST_PAUSE),
        };
        loop {
            tokio::select! {
                biased;
                () = self.pool.stop.cancelled() => return false,
                // Unless somebody holds its offer to work.
                () = self.pool.retired.cancelled(), if !self.owes_permit => return false,
                () = tokio::time::sleep(pause) => {}
            }
            match self.pool.admit() {
                Admission::Go => return true,
                Admission::Wait(wait) => pause = wait,
            }
        }
    }

    async fn start_worker(&self) -> Result<Worker, String> {
        let mut worker = self
            .pool
            .spawner
            .spawn()
            .await
            .map_err(|error| format!("spawning it failed: {error}"))?;
        worker.send(ToWorker::Hello(Box::new(self.pool.plan.setup.clone())), Vec::new());
        let ready = tokio::select! {
            ready = await_ready(&mut worker) => ready,
            () = tokio::time::sleep(self.pool.plan.start_timeout) => Err("it was not ready in time".to_owned()),
            () = self.pool.stop.cancelled() => Err("the pool stops".to_owned()),
        };
        match ready.and_then(|ready| self.pool.admit_worker(ready)) {
            Ok(()) => {
                tracing::debug!(pool = %self.pool.plan.name, pid = worker.pid(), "worker ready");
                Ok(worker)
            }
            Err(detail) => {
                worker.end().await;
                Err(detail)
            }
        }
    }

    fn could_not_start(&mut self, detail: String) {
        if self.pool.stop.is_cancelled() {
            return;
        }
        tracing::error!(pool = %self.pool.plan.name, detail, "a worker could not start");
        self.deaths += 1;
        self.pool.crashed();
        self.pool.start.send_if_modified(|start| {
            let first = *start == Start::Pending;
            if first {
                *start = Start::Failed(detail);
            }
            first
        });
    }

    /// Gives jobs to a ready worker until it is no more, or the pool stops.
    async fn serve(&mut self, mut worker: Worker) {
        loop {
            if !std::mem::take(&mut self.owes_permit) {
                self.pool.permits.add_permits(1);
            }
            let job = tokio::select! {
                biased;
                () = self.pool.stop.cancelled() => return worker.end().await,
                () = withdrawn(&self.pool) => return worker.end().await,
                detail = await_death(&mut worker) => {
                    self.owes_permit = self.pool.permits.forget_permits(1) == 0;
                    return self.bury(worker, WorkerFate::Crashed, &detail).await;
                }
                job = self.pool.next_job() => match job {
                    Some(job) => job,
                    None => return worker.end().await,
                },
            };
            let fate = do_job(&mut worker, job, &self.pool).await;
            if fate != WorkerFate::Lives {
                return self.bury(worker, fate, "during a job").await;
            }
            self.deaths = 0;
            self.pool.survived();
        }
    }

    async fn bury(&mut self, worker: Worker, fate: WorkerFate, detail: &str) {
        let pid = worker.pid();
        worker.end().await;
        match fate {
            WorkerFate::Crashed | WorkerFate::Hung => {
                tracing::warn!(pool = %self.pool.plan.name, pid, ?fate, detail, "a worker was lost");
                self.deaths += 1;
                self.pool.crashed();
            }
            WorkerFate::DiedDecoding => {
                tracing::warn!(pool = %self.pool.plan.name, pid, "a worker died over a medium");
                self.pool.undecided();
            }
            WorkerFate::Spent | WorkerFate::Lives => self.pool.undecided(),
        }
    }
}

/// Done once the pool is out of use and nobody holds this worker's offer to work.
async fn withdrawn(pool: &Pool) {
    pool.retired.cancelled().await;
    while !pool.withdraw_offer() {
        tokio::time::sleep(WITHDRAWAL_POLL).await;
    }
}

async fn do_job(worker: &mut Worker, job: Job, pool: &Pool) -> WorkerFate {
    match job {
        Job::Probe { medium, byte_size, limit, reply } => {
            let (end, fate) = session::probe(worker, medium, byte_size, limit).await;
            // A caller that went away needs no answer.
            let _ = reply.send(end);
            fate
        }
        Job::Run(job) => {
            let RunJob { request, media, events, cancel, reply } = *job;
            let analyzer_of = |kind: &str| pool.analyzer(kind);
            let (end, fate) = session::run(
                worker,
                request,
                media,
                &events,
                cancel.watch(),
                analyzer_of,
                &pool.statistics,
            )
            .await;
            if let (RunEnd::Done(cost), WorkerFate::Lives) = (&end, fate) {
                pool.costs.add(*cost);
            }
            drop(events);
            let _ = reply.send(end);
            fate
        }
    }
}

/// Waits for what a worker says first.
pub(crate) async fn await_ready(
    worker: &mut Worker,
) -> Result<vultus_worker_protocol::WorkerReady, String> {
    loop {
        match worker.receive().await {
            Inbound::Gone(detail) => return Err(format!("it ended before it was ready: {detail}")),
            Inbound::Message(message) => match *message {
                WorkerMessage::Ready(ready) => return Ok(*ready),
                WorkerMessage::Unfit(detail) => return Err(detail),
                WorkerMessage::Log { plugin, level, text } => session::log(&plugin, level, &text),
                _ => return Err("its first message was out of turn".to_owned()),
            },
        }
    }
}

/// Waits until an idle worker dies, or says something that nobody asked it.
async fn await_death(worker: &mut Worker) -> String {
    loop {
        match worker.receive().await {
            Inbound::Gone(detail) => return detail,
            Inbound::Message(message) => match *message {
                WorkerMessage::Log { plugin, level, text } => session::log(&plugin, level, &text),
                _ => return "spoke out of turn".to_owned(),
            },
        }
    }
}
