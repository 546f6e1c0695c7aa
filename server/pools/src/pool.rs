//! A pool: workers with the same setup, in one or two lanes, and their plugins.
//!
//! The spare lane takes work only of companies that have no run in progress in the pool, so that a
//! company need not wait for the end of another company's runs.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vultus_core::CompanyId;
use vultus_core::turns::Turns;
use vultus_plugin_api::Manifest;
use vultus_plugin_api::manifest::AnalysisSpec;
use vultus_worker_protocol::{PROTOCOL_VERSION, RefusedPlugin, WorkerReady, WorkerSetup};

use super::analyzer::Analyzer;
use super::breaker::{Admission, Breaker, Reaction};
use super::busy::BusyCompanies;
use super::costs::CostCounter;
use super::lane::Lane;
use super::loaded_plugin::{Condition, LoadedPlugin};
use super::plugins::scan::PoolSpec;
use super::process::Spawner;
use super::reported_plugins::{OwnFiles, ReportedPlugins};
use super::run::{PoolHealth, PoolName};
use super::statistics::StatisticsCounter;
use super::turnstile::Permit;

/// Time after which a caller should ask again, if no worker is available and no better estimate is
/// known.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The same for a pool in quarantine, which lasts until the operator acts.
const QUARANTINE_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How often callers that wait for an open breaker check it.
const BREAKER_POLL: Duration = Duration::from_millis(250);

/// In the turns for workers, the queue of runs counts as one company: it has its own turns.
pub(crate) const QUEUE: CompanyId = CompanyId(Uuid::nil());

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
    /// Workers of the spare lane.
    pub(crate) spare_workers: usize,
    /// The turns of the companies.
    pub(crate) turns: Turns,
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

/// A pool of workers. Its seats and its callers share it.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) plan: PoolPlan,
    pub(crate) spawner: Arc<Spawner>,
    pub(crate) stop: CancellationToken,
    /// The pool is out of use: its workers finish the jobs that they have, and end.
    pub(crate) retired: CancellationToken,
    pub(crate) start: watch::Sender<Start>,
    pub(crate) ordinary: Arc<Lane>,
    pub(crate) spare: Arc<Lane>,
    pub(crate) busy: BusyCompanies,
    pub(crate) costs: CostCounter,
    pub(crate) statistics: StatisticsCounter,
    breaker: Mutex<Breaker>,
    reported: Mutex<Option<ReportedPlugins>>,
}

impl Pool {
    pub(crate) fn new(plan: PoolPlan, spawner: Arc<Spawner>, stop: CancellationToken) -> Self {
        // The node needs its own plugins and never gives up on them.
        let breaker =
            if plan.spec.is_some() { Breaker::with_quarantine() } else { Breaker::default() };
        let lane = |name: &str| Arc::new(Lane::new(plan.turns.clone(), name));
        let (ordinary, spare) = (lane("ordinary"), lane("spare"));
        Self {
            plan,
            spawner,
            stop,
            retired: CancellationToken::new(),
            start: watch::Sender::new(Start::Pending),
            ordinary,
            spare,
            busy: BusyCompanies::default(),
            costs: CostCounter::default(),
            statistics: StatisticsCounter::default(),
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

    /// The lane of the worker in a seat. The seats of the spare lane come last.
    pub(crate) fn lane_of(&self, seat: usize) -> &Arc<Lane> {
        if seat < self.plan.workers { &self.ordinary } else { &self.spare }
    }

    /// Number of its seats.
    pub(crate) fn seats(&self) -> usize {
        self.plan.workers + self.plan.spare_workers
    }

    /// Gives out no more permits.
    pub(crate) fn close(&self) {
        self.ordinary.permits.close();
        self.spare.permits.close();
    }

    /// Drops the queued jobs; their callers get an error.
    pub(crate) async fn drop_jobs(&self) {
        self.ordinary.drop_jobs().await;
        self.spare.drop_jobs().await;
    }

    /// Waits without a time limit until a worker of a lane is free and reserves it. None once the
    /// pool ends.
    pub(crate) async fn reserve(&self, lane: &Lane) -> Option<Permit> {
        loop {
            let permit = tokio::select! {
                biased;
                () = self.retired.cancelled() => return None,
                permit = lane.permits.acquire(QUEUE) => permit?,
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
    /// again. A company without a run in progress may get a worker of the spare lane.
    pub(crate) async fn reserve_if_available(
        &self,
        company: Option<CompanyId>,
    ) -> Result<(Arc<Lane>, Permit), Duration> {
        let asking = company.unwrap_or(QUEUE);
        let may_be_spare = self.plan.spare_workers > 0
            && company.is_some_and(|company| !self.busy.contains(company));
        let mut ordinary = pin!(self.ordinary.permits.acquire(asking));
        let mut spare = pin!(self.spare.permits.acquire(asking));
        loop {
            match self.health() {
                PoolHealth::Available => {}
                PoolHealth::Unavailable { retry_after } => return Err(retry_after),
                PoolHealth::Quarantined => return Err(QUARANTINE_RETRY_AFTER),
            }
            // The places in the lanes are kept while the breaker is looked at.
            let (lane, permit) = tokio::select! {
                biased;
                permit = &mut ordinary => (&self.ordinary, permit),
                permit = &mut spare, if may_be_spare => (&self.spare, permit),
                () = tokio::time::sleep(BREAKER_POLL) => continue,
            };
            return permit.map(|permit| (Arc::clone(lane), permit)).ok_or(RETRY_AFTER);
        }
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
