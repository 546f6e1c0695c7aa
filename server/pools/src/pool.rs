//! A pool: workers of one make, the jobs that wait for them, and what is known of their plugins.
//!
//! A permit stands for a worker that waits for a job; whoever holds one may put one job in the
//! queue.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use vultus_plugin_api::Manifest;
use vultus_worker_protocol::{
    PROTOCOL_VERSION, PluginReport, RefusedPlugin, RunRequest, WorkerReady, WorkerSetup,
};

use super::analyzer::Analyzer;
use super::breaker::{Admission, Breaker, Reaction};
use super::costs::CostCounter;
use super::plugins::PoolSpec;
use super::process::Spawner;
use super::run::{Condition, LoadedPlugin, PoolHealth, PoolName, RunCancel, RunEnd, RunEvent};
use super::session::ProbeEnd;
use super::statistics::StatisticsCounter;

/// What a caller is told to wait when no worker is to be had and nothing better is known.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The same for a pool in quarantine: until somebody has done something about it.
const QUARANTINE_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How long those that wait for an open breaker sleep at most.
const BREAKER_POLL: Duration = Duration::from_millis(250);

/// What a pool is made of.
#[derive(Debug, Clone)]
pub(crate) struct PoolPlan {
    pub(crate) name: PoolName,
    /// What each worker is told first.
    pub(crate) setup: WorkerSetup,
    /// The plugin files that belong to this pool (others are loaded for their features): what is
    /// loaded, and where that comes from.
    pub(crate) own: BTreeMap<PathBuf, PathBuf>,
    /// What it is made from, of pools of third parties.
    pub(crate) spec: Option<PoolSpec>,
    pub(crate) workers: usize,
    /// From spawning a worker until it must be ready.
    pub(crate) start_timeout: Duration,
}

impl PoolPlan {
    /// Whether a file is the source of one of the pool's plugins.
    pub(crate) fn has_source(&self, path: &Path) -> bool {
        self.own.values().any(|source| source == path)
    }
}

/// How far a pool is with its first worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// None was ready yet.
    Pending,
    /// A worker was ready.
    Ready,
    /// The first attempt failed; more are made.
    Failed(String),
}

/// A job for whichever worker is free.
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

/// A pool of workers. Shared by its seats and its callers.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) plan: PoolPlan,
    pub(crate) spawner: Arc<Spawner>,
    pub(crate) stop: CancellationToken,
    /// Out of use: its workers finish what they were given, and end.
    pub(crate) retired: CancellationToken,
    pub(crate) start: watch::Sender<Start>,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) costs: CostCounter,
    pub(crate) statistics: StatisticsCounter,
    jobs: mpsc::UnboundedSender<Job>,
    queue: AsyncMutex<mpsc::UnboundedReceiver<Job>>,
    breaker: Mutex<Breaker>,
    known: Mutex<Option<Known>>,
}

/// What the first worker that was ready said.
#[derive(Debug, Clone)]
struct Known {
    ready: WorkerReady,
    plugins: Vec<(Manifest, PluginReport)>,
    /// The analysis types of the plugins that belong to the pool.
    analyzers: HashMap<String, Arc<Analyzer>>,
}

impl Pool {
    pub(crate) fn new(plan: PoolPlan, spawner: Arc<Spawner>, stop: CancellationToken) -> Self {
        let (jobs, queue) = mpsc::unbounded_channel();
        // The node cannot do without its own plugins: they are tried for ever.
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
            known: Mutex::new(None),
        }
    }

    /// Takes the pool out of use. Who has reserved a worker still gets it.
    pub(crate) fn retire(&self) {
        self.retired.cancel();
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.is_cancelled()
    }

    /// Whether somebody still keeps a worker of it.
    pub(crate) fn has_seats(self: &Arc<Self>) -> bool {
        // The list that asks holds one.
        Arc::strong_count(self) > 1
    }

    /// Takes back an offer to work, unless a caller holds it.
    pub(crate) fn withdraw_offer(&self) -> bool {
        self.permits.forget_permits(1) == 1
    }

    /// Waits until a worker is free and reserves it, however long that takes. None once the pool
    /// stops.
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

    /// Like [`Self::reserve`], but gives up when the pool takes no work.
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

    /// Queues the job that a permit stands for.
    pub(crate) fn submit(&self, permit: OwnedSemaphorePermit, job: Job) {
        permit.forget();
        // The queue's other end lives as long as the pool itself.
        let _ = self.jobs.send(job);
    }

    /// The next job. May be given up at any time without losing one.
    pub(crate) async fn next_job(&self) -> Option<Job> {
        self.queue.lock().await.recv().await
    }

    /// Drops the jobs that wait; their callers hear that nobody answers.
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

    /// How its plugins are doing. They share their workers, so what befalls one befalls all.
    fn condition(&self) -> Condition {
        if self.stop.is_cancelled() {
            return Condition::Unavailable("the server is stopping".to_owned());
        }
        if self.is_retired() {
            return Condition::Unavailable("it is taken out of use".to_owned());
        }
        let now = Instant::now();
        let (health, crashes) = {
            let breaker = self.breaker();
            (breaker.health(now), breaker.recent_crashes(now))
        };
        match (health, self.statistics.failing()) {
            (PoolHealth::Unavailable { retry_after }, _) => {
                let seconds = retry_after.as_secs();
                Condition::Unavailable(format!("{crashes} workers were lost within a minute; the next is tried in {seconds} s"))
            }
            (PoolHealth::Quarantined, _) => Condition::Quarantined(
                "its workers crashed whenever they were tried; replace its file, or send the server SIGHUP to try it again"
                    .to_owned(),
            ),
            (PoolHealth::Available, Some((kind, failed, count))) => {
                Condition::Degraded(format!("of the newest {count} analyses of the type {kind}, {failed} failed"))
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
                tracing::error!(pool = %self.plan.name, "too many worker crashes: the pool takes no work for a while");
            }
            Reaction::Quarantined => {
                tracing::error!(pool = %self.plan.name, "its workers crash whenever they are tried: the pool is in quarantine until its plugins are replaced");
            }
        }
    }

    pub(crate) fn undecided(&self) {
        self.breaker().undecided(Instant::now());
    }

    pub(crate) fn survived(&self) {
        self.breaker().survived();
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what a new worker said. An error when it is another make than those before it.
    pub(crate) fn admit_worker(&self, ready: WorkerReady) -> Result<(), String> {
        if ready.protocol != PROTOCOL_VERSION {
            return Err(format!(
                "the worker speaks protocol {}, the node {PROTOCOL_VERSION}",
                ready.protocol
            ));
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref() {
            let files = |ready: &WorkerReady| -> Vec<(String, Vec<(String, String)>)> {
                ready.plugins.iter().map(|p| (p.file_sha256.clone(), p.weights.clone())).collect()
            };
            if files(&known.ready) != files(&ready) {
                return Err(
                    "plugin or weight files on disk are no longer those that the node started with"
                        .to_owned(),
                );
            }
            return Ok(());
        }
        let mut plugins = Vec::with_capacity(ready.plugins.len());
        for report in &ready.plugins {
            let manifest: Manifest =
                serde::Deserialize::deserialize(&report.manifest).map_err(|error| {
                    format!("the manifest of {} is malformed: {error}", report.path)
                })?;
            plugins.push((manifest, report.clone()));
        }
        let weights: Vec<_> =
            ready.plugins.iter().flat_map(|report| report.weights.iter().cloned()).collect();
        let mut analyzers = HashMap::new();
        for (manifest, report) in
            plugins.iter().filter(|(_, report)| self.plan.own.contains_key(Path::new(&report.path)))
        {
            let own = Analyzer::of_plugin(manifest, report, &weights)?;
            analyzers.extend(own.into_iter().map(|(kind, analyzer)| (kind, Arc::new(analyzer))));
        }
        *known = Some(Known { ready, plugins, analyzers });
        Ok(())
    }

    /// The plugins that belong to this pool.
    pub(crate) fn plugins(&self) -> Vec<LoadedPlugin> {
        let condition = self.condition();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let all = known.iter().flat_map(|known| known.plugins.iter());
        all.filter_map(|(manifest, report)| {
            Some((manifest, report, self.plan.own.get(Path::new(&report.path))?))
        })
        .map(|(manifest, report, source)| LoadedPlugin {
            manifest: manifest.clone(),
            path: source.clone(),
            file_sha256: report.file_sha256.clone(),
            weights: report.weights.clone(),
            pool: self.plan.name.clone(),
            condition: condition.clone(),
            statistics: manifest
                .analyses
                .iter()
                .map(|spec| (spec.kind.clone(), self.statistics.of(&spec.kind)))
                .collect(),
        })
        .collect()
    }

    /// The plugin files of this pool that its workers refused, by where they come from.
    pub(crate) fn refused(&self) -> Vec<RefusedPlugin> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let all = known.iter().flat_map(|known| known.ready.refused.iter());
        let own = |refused: &RefusedPlugin| {
            let source = self.plan.own.get(Path::new(&refused.path))?;
            Some(RefusedPlugin { path: source.display().to_string(), ..refused.clone() })
        };
        all.filter_map(own).collect()
    }

    /// What the sandbox of its workers could not enforce.
    pub(crate) fn sandbox_gaps(&self) -> Vec<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map(|known| known.ready.sandbox_gaps.clone()).unwrap_or_default()
    }

    /// What is known of an analysis type that one of its plugins offers.
    pub(crate) fn analyzer(&self, analysis_type: &str) -> Option<Arc<Analyzer>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref()?.analyzers.get(analysis_type).cloned()
    }

    /// Whether one of its plugins offers the analysis.
    pub(crate) fn offers(&self, analysis_type: &str) -> bool {
        self.analyzer(analysis_type).is_some()
    }
}
