//! A pool: workers with the same setup, the queue of their jobs, and their plugins.
//!
//! A permit stands for an idle worker; its holder may put one job into the queue.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use vultus_plugin_api::Manifest;
use vultus_plugin_api::manifest::AnalysisSpec;
use vultus_worker_protocol::{
    PROTOCOL_VERSION, RefusedPlugin, RunRequest, WorkerReady, WorkerSetup,
};

use super::analyzer::Analyzer;
use super::breaker::{Admission, Breaker, Reaction};
use super::costs::CostCounter;
use super::loaded_plugin::{Condition, LoadedPlugin};
use super::plugins::scan::PoolSpec;
use super::process::Spawner;
use super::reported_plugins::{OwnFiles, ReportedPlugins};
use super::run::{PoolHealth, PoolName, RunCancel, RunEnd, RunEvent};
use super::session::ProbeEnd;
use super::statistics::StatisticsCounter;

/// Time after which a caller should ask again, if no worker is available and no better estimate is
/// known.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The same for a pool in quarantine, which lasts until the operator acts.
const QUARANTINE_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How often callers that wait for an open breaker check it.
const BREAKER_POLL: Duration = Duration::from_millis(250);

/// How a pool is set up.
#[derive(Debug, Clone)]
pub(crate) struct PoolPlan {
    pub(crate) name: PoolName,
    /// The first message to each worker.
    pub(crate) setup: WorkerSetup,
    /// The plugin files that belong to this pool.
    pub(crate) own: OwnFiles,
    /// The spec of a third-party pool; none for the pools of the node itself.
    pub(crate) spec: Option<PoolSpec>,
    pub(crate) workers: usize,
    /// Time from spawning a worker until it must be ready.
    pub(crate) start_timeout: Duration,
}

impl PoolPlan {
    /// Whether `path` is the source of one of the pool's plugins.
    pub(crate) fn has_source(&self, path: &Path) -> bool {
        self.own.values().any(|source| source == path)
    }
}

/// State of the first worker of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// No worker was ready yet.
    Pending,
    /// A worker was ready.
    Ready,
    /// The first attempt failed; further ones follow.
    Failed(String),
}

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

/// A pool of workers. Its seats and its callers share it.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) plan: PoolPlan,
    pub(crate) spawner: Arc<Spawner>,
    pub(crate) stop: CancellationToken,
    /// The pool is out of use: its workers finish the jobs that they have, and end.
    pub(crate) retired: CancellationToken,
    pub(crate) start: watch::Sender<Start>,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) costs: CostCounter,
    pub(crate) statistics: StatisticsCounter,
    jobs: mpsc::UnboundedSender<Job>,
    queue: AsyncMutex<mpsc::UnboundedReceiver<Job>>,
    breaker: Mutex<Breaker>,
    reported: Mutex<Option<ReportedPlugins>>,
}

impl Pool {
    pub(crate) fn new(plan: PoolPlan, spawner: Arc<Spawner>, stop: CancellationToken) -> Self {
        let (jobs, queue) = mpsc::unbounded_channel();
        // The node needs its own plugins and never gives up on them.
        let breaker =
            if plan.spec.is_some() { Breaker::with_quarantine() } else { Breaker::default() };
        Self {
            plan,
            spawner,
            stop,
            retired: CancellationToken::new(),
            start: watch::Sender::new(Start::Pending),
            permits: Arc::new(Semaphore::new(0)),
            costs: CostCounter::default(),
            statistics: StatisticsCounter::default(),
            jobs,
            queue: AsyncMutex::new(queue),
            breaker: Mutex::new(breaker),
            reported: Mutex::new(None),
        }
    }

    /// Takes the pool out of use. A caller that has reserved a worker still gets it.
    pub(crate) fn retire(&self) {
        self.retired.cancel();
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.is_cancelled()
    }

    /// Waits for the outcome of the first attempt to start a worker.
    pub(crate) async fn first_start(&self) -> Start {
        let mut start = self.start.subscribe();
        match start.wait_for(|start| *start != Start::Pending).await {
            Ok(start) => start.clone(),
            Err(_) => Start::Failed("the pool ended".to_owned()),
        }
    }

    /// Whether a seat or a caller still uses the pool.
    pub(crate) fn has_seats(self: &Arc<Self>) -> bool {
        // One reference belongs to the list of pools that asks.
        Arc::strong_count(self) > 1
    }

    /// Takes back the permit of an idle worker, unless a caller holds it.
    pub(crate) fn withdraw_offer(&self) -> bool {
        self.permits.forget_permits(1) == 1
    }

    /// Waits without a time limit until a worker is free and reserves it. None once the pool ends.
    pub(crate) async fn reserve(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let permit = tokio::select! {
                biased;
                () = self.retired.cancelled() => return None,
                permit = Arc::clone(&self.permits).acquire_owned() => permit.ok()?,
            };
            match self.health() {
                PoolHealth::Available => return Some(permit),
                PoolHealth::Unavailable { .. } | PoolHealth::Quarantined => {
                    drop(permit);
                    tokio::select! {
                        () = tokio::time::sleep(BREAKER_POLL) => {}
                        () = self.stop.cancelled() => return None,
                    }
                }
            }
        }
    }

    /// Like [`Self::reserve`], but fails if the pool takes no work; the error says when to ask
    /// again.
    pub(crate) async fn reserve_if_available(&self) -> Result<OwnedSemaphorePermit, Duration> {
        loop {
            match self.health() {
                PoolHealth::Available => {}
                PoolHealth::Unavailable { retry_after } => return Err(retry_after),
                PoolHealth::Quarantined => return Err(QUARANTINE_RETRY_AFTER),
            }
            if let Ok(permit) =
                tokio::time::timeout(BREAKER_POLL, Arc::clone(&self.permits).acquire_owned()).await
            {
                return permit.map_err(|_| RETRY_AFTER);
            }
        }
    }

    /// Queues a job and uses up the permit for it.
    pub(crate) fn submit(&self, permit: OwnedSemaphorePermit, job: Job) {
        permit.forget();
        // The receiver of the queue lives as long as the pool.
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

    pub(crate) fn health(&self) -> PoolHealth {
        if self.stop.is_cancelled() || self.is_retired() {
            return PoolHealth::Unavailable { retry_after: RETRY_AFTER };
        }
        self.breaker().health(Instant::now())
    }

    /// How its plugins are doing. They share the workers and therefore their condition.
    fn condition(&self) -> Condition {
        if self.stop.is_cancelled() {
            return Condition::Unavailable("the server is stopping".to_owned());
        }
        if self.is_retired() {
            return Condition::Unavailable("the plugin was taken out of use".to_owned());
        }
        let now = Instant::now();
        let (health, crashes) = {
            let breaker = self.breaker();
            (breaker.health(now), breaker.recent_crashes(now))
        };
        match (health, self.statistics.failing()) {
            (PoolHealth::Unavailable { retry_after }, _) => {
                let seconds = retry_after.as_secs();
                Condition::Unavailable(format!(
                    "{crashes} workers were lost within a minute; \
                     the next one is started in {seconds} s"
                ))
            }
            (PoolHealth::Quarantined, _) => Condition::Quarantined(
                "its workers crashed at every attempt; replace its file, or send SIGHUP to the \
                 server to try again"
                    .to_owned(),
            ),
            (PoolHealth::Available, Some((analysis_type, failed, count))) => {
                Condition::Degraded(format!(
                    "of the newest {count} analyses of the type {analysis_type}, {failed} failed"
                ))
            }
            (PoolHealth::Available, None) if crashes > 0 => {
                Condition::Degraded(format!("{crashes} of its workers were lost within a minute"))
            }
            (PoolHealth::Available, None) => Condition::Ready,
        }
    }

    pub(crate) fn admit(&self) -> Admission {
        self.breaker().admit(Instant::now())
    }

    pub(crate) fn crashed(&self) {
        match self.breaker().crashed(Instant::now()) {
            Reaction::None => {}
            Reaction::Opened => {
                tracing::error!(
                    pool = %self.plan.name,
                    "too many worker crashes: the pool takes no work for a while"
                );
            }
            Reaction::Quarantined => {
                tracing::error!(
                    pool = %self.plan.name,
                    "workers crash at every attempt: the pool is in quarantine until its plugins \
                     are replaced"
                );
            }
        }
    }

    pub(crate) fn undecided(&self) {
        self.breaker().undecided(Instant::now());
    }

    pub(crate) fn survived(&self) {
        self.breaker().survived();
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock()
    }

    /// Records the report of a new worker. An error if it differs from the report of the first one.
    pub(crate) fn admit_worker(&self, ready: WorkerReady) -> Result<(), String> {
        if ready.protocol != PROTOCOL_VERSION {
            return Err(format!(
                "the worker speaks protocol {}, the node {PROTOCOL_VERSION}",
                ready.protocol
            ));
        }
        let mut reported = self.reported.lock();
        match reported.as_ref() {
            Some(first) if first.has_same_files(&ready) => {}
            Some(_) => {
                return Err(
                    "plugin or weight files on disk have changed since the pool started".to_owned()
                );
            }
            None => *reported = Some(ReportedPlugins::read(ready, &self.plan.own)?),
        }
        Ok(())
    }

    /// The plugins that belong to this pool.
    pub(crate) fn plugins(&self) -> Vec<LoadedPlugin> {
        let condition = self.condition();
        let statistics = |manifest: &Manifest| {
            let of_type = |spec: &AnalysisSpec| (spec.kind.clone(), self.statistics.of(&spec.kind));
            manifest.analyses.iter().map(of_type).collect()
        };
        let reported = self.reported.lock();
        let own = reported.iter().flat_map(|reported| reported.own(&self.plan.own));
        own.map(|(manifest, report, source)| LoadedPlugin {
            manifest: manifest.clone(),
            path: source.clone(),
            file_sha256: report.file_sha256.clone(),
            weights: report.weights.clone(),
            pool: self.plan.name.clone(),
            condition: condition.clone(),
            statistics: statistics(manifest),
        })
        .collect()
    }

    /// The plugin files of this pool that its workers refused, by their source.
    pub(crate) fn refused(&self) -> Vec<RefusedPlugin> {
        let reported = self.reported.lock();
        reported.as_ref().map(|reported| reported.refused(&self.plan.own)).unwrap_or_default()
    }

    /// What the sandbox of its workers could not enforce.
    pub(crate) fn sandbox_gaps(&self) -> Vec<String> {
        let reported = self.reported.lock();
        reported.as_ref().map(|reported| reported.sandbox_gaps().to_vec()).unwrap_or_default()
    }

    /// The analyzer of an analysis type that one of its plugins offers.
    pub(crate) fn analyzer(&self, analysis_type: &str) -> Option<Arc<Analyzer>> {
        let reported = self.reported.lock();
        reported.as_ref()?.analyzer(analysis_type)
    }

    /// Whether one of its plugins offers the analysis type.
    pub(crate) fn offers(&self, analysis_type: &str) -> bool {
        self.analyzer(analysis_type).is_some()
    }
}
