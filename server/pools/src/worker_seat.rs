//! The seat of one worker in a pool: keeps a worker there, gives it jobs, replaces it when it dies.

use std::sync::Arc;
use std::time::Duration;

use vultus_worker_protocol::{ToWorker, WorkerReady};

use super::breaker::Admission;
use super::inbound::WorkerMessage;
use super::lane::{Job, Lane, RunJob};
use super::pool::{Pool, Start};
use super::process::{Inbound, Niceness, Worker};
use super::run::RunEnd;
use super::session::{self, WorkerFate};

/// Back-off after the second death in a row, doubled for each further one. The first restart is
/// immediate.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest back-off.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often the worker of a retired pool checks whether its permit was released.
const WITHDRAWAL_POLL: Duration = Duration::from_millis(20);

/// Keeps a worker in the seat `number` of a pool until the pool ends. The first seat starts at
/// once. The others wait for the outcome of its first start, so that the node is ready sooner.
pub(crate) async fn occupy(pool: Arc<Pool>, number: usize) {
    if number > 0 {
        tokio::select! {
            _ = pool.first_start() => {}
            () = pool.stop.cancelled() => return,
            () = pool.retired.cancelled() => return,
        }
    }
    let lane = Arc::clone(pool.lane_of(number));
    let mut seat = WorkerSeat { pool, lane, deaths: 0, owes_permit: false };
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
    lane: Arc<Lane>,
    /// Deaths since the last successful job.
    deaths: u32,
    /// Whether a caller still holds the permit of a worker that died. Then the next worker must
    /// not add another one.
    owes_permit: bool,
}

impl WorkerSeat {
    /// Waits for back-off and breaker. False once the pool ends.
    async fn wait_for_turn(&self) -> bool {
        let mut pause = match self.deaths {
            0 | 1 => Duration::ZERO,
            more => FIRST_PAUSE.saturating_mul(1 << (more - 2).min(10)).min(LONGEST_PAUSE),
        };
        loop {
            tokio::select! {
                biased;
                () = self.pool.stop.cancelled() => return false,
                // A caller that holds the permit still gets a worker.
                () = self.pool.retired.cancelled(), if !self.owes_permit => return false,
                () = tokio::time::sleep(pause) => {}
            }
            match self.pool.admit() {
                Admission::Go => return true,
                Admission::Wait(wait) => pause = wait,
            }
        }
    }

    /// Ordinary workers give way to the spare one, whose run another company waits for.
    fn niceness(&self) -> Niceness {
        let is_ordinary = Arc::ptr_eq(&self.lane, &self.pool.ordinary);
        if is_ordinary && self.pool.plan.spare_workers > 0 {
            Niceness::GivesWay
        } else {
            Niceness::Normal
        }
    }

    async fn start_worker(&self) -> Result<Worker, String> {
        let mut worker = self
            .pool
            .spawner
            .spawn(self.niceness())
            .await
            .map_err(|error| format!("spawning the worker failed: {error}"))?;
        worker.send(ToWorker::Hello(Box::new(self.pool.plan.setup.clone())), Vec::new());
        let ready = tokio::select! {
            ready = await_ready(&mut worker) => ready,
            () = tokio::time::sleep(self.pool.plan.start_timeout) => {
                Err("the worker was not ready in time".to_owned())
            }
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

    /// Gives jobs to a ready worker until it is dead or the pool ends.
    async fn serve(&mut self, mut worker: Worker) {
        loop {
            if !std::mem::take(&mut self.owes_permit) {
                self.lane.permits.add();
            }
            let job = tokio::select! {
                biased;
                () = self.pool.stop.cancelled() => return worker.end().await,
                () = withdrawn(&self.pool, &self.lane) => return worker.end().await,
                detail = await_death(&mut worker) => {
                    self.owes_permit = !self.lane.permits.withdraw();
                    return self.bury(worker, WorkerFate::Crashed, &detail).await;
                }
                job = self.lane.next_job() => match job {
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
        let pool = &self.pool.plan.name;
        match fate {
            WorkerFate::Crashed | WorkerFate::Hung => {
                tracing::warn!(%pool, pid, ?fate, detail, "a worker was lost");
                self.deaths += 1;
                self.pool.crashed();
            }
            WorkerFate::DiedDecoding => {
                tracing::warn!(%pool, pid, "a worker died while decoding a medium");
                self.pool.undecided();
            }
            WorkerFate::Spent | WorkerFate::Lives => self.pool.undecided(),
        }
    }
}

/// Waits until the pool is retired and this worker's permit could be taken back.
async fn withdrawn(pool: &Pool, lane: &Lane) {
    pool.retired.cancelled().await;
    while !lane.permits.withdraw() {
        tokio::time::sleep(WITHDRAWAL_POLL).await;
    }
}

async fn do_job(worker: &mut Worker, job: Job, pool: &Pool) -> WorkerFate {
    match job {
        Job::Probe { medium, byte_size, limit, reply } => {
            let (end, fate) = session::probe(worker, medium, byte_size, limit).await;
            // A caller that stopped waiting does not need the answer.
            let _ = reply.send(end);
            fate
        }
        Job::Run(job) => {
            let RunJob { request, media, events, cancel, reply } = *job;
            let (end, fate) = session::run(
                worker,
                request,
                media,
                &events,
                cancel.watch(),
                |analysis_type: &str| pool.analyzer(analysis_type),
                &pool.statistics,
            )
            .await;
            if let (RunEnd::Done(costs), WorkerFate::Lives) = (&end, fate) {
                pool.costs.add(*costs);
            }
            drop(events);
            let _ = reply.send(end);
            fate
        }
    }
}

/// Waits until a new worker is ready.
pub(crate) async fn await_ready(worker: &mut Worker) -> Result<WorkerReady, String> {
    loop {
        match worker.receive().await {
            Inbound::Gone(detail) => {
                return Err(format!("the worker ended before it was ready: {detail}"));
            }
            Inbound::Message(message) => match *message {
                WorkerMessage::Ready(ready) => return Ok(*ready),
                WorkerMessage::Unfit(detail) => return Err(detail),
                WorkerMessage::Log { plugin, level, text } => session::log(&plugin, level, &text),
                _ => return Err("the worker's first message was unexpected".to_owned()),
            },
        }
    }
}

/// Waits until an idle worker dies or sends an unexpected message; returns the reason.
async fn await_death(worker: &mut Worker) -> String {
    loop {
        match worker.receive().await {
            Inbound::Gone(detail) => return detail,
            Inbound::Message(message) => match *message {
                WorkerMessage::Log { plugin, level, text } => session::log(&plugin, level, &text),
                _ => return "it sent an unexpected message".to_owned(),
            },
        }
    }
}
