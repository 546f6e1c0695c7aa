//! The worker pools of a node: starting, asking, stopping. The claim loop, `check` and `eval` stand
//! on this.
//!
//! It reports what happened and to which analysis; who is to blame, and what is tried again, is
//! decided by its callers.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vultus_worker_protocol::{RefusalReport, RefusedPlugin, RunCosts, RunRequest};

use super::analyzer::Analyzer;
use super::costs::TotalCosts;
use super::deployment::PoolsConfig;
use super::frames::ProbedFrames;
use super::inbound::Probed;
use super::plugins::{Opener, PluginFolder, ThirdParty, accept_all};
use super::pool::{Job, Pool, RETRY_AFTER, RunJob, Start};
use super::process::Spawner;
use super::run::{LoadedPlugin, PoolHealth, PoolName, ProbeError, RunCancel, RunEnd, RunEvent};
use super::session::{self, ProbeEnd};
use super::{plan, worker_seat};

/// A worker answers a probe within this time.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);
/// A probe waits for a worker this long at most.
const PROBE_WAIT: Duration = Duration::from_secs(15);

/// Why the pools could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The worker executable cannot be used.
    #[error("opening the worker executable {path} failed")]
    Executable {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No worker of a pool that the node needs became ready, or one of its plugins is refused.
    #[error("the workers of the pool {pool} cannot be used: {detail}")]
    Pool {
        /// The pool.
        pool: PoolName,
        /// What the first attempt ended with.
        detail: String,
    },
}

/// The worker pools of a node. Cheap to clone; [`WorkerPools::shutdown`] ends them for all clones.
#[derive(Debug, Clone)]
pub struct WorkerPools {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    built_in: Arc<Pool>,
    probe: Arc<Pool>,
    third_party: Mutex<ThirdParty>,
    pub(crate) opener: Opener,
    /// Counts the changes of the pools of third parties.
    pub(crate) changed: watch::Sender<u64>,
    pub(crate) reloading: AsyncMutex<()>,
    frames: ProbedFrames,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.opener.stop.cancel();
    }
}

impl WorkerPools {
    /// Starts all pools and waits for the first worker of each. A pool that the node cannot do
    /// without must succeed; third-party plugins that do not load are listed by [`Self::refused`].
    pub async fn start(config: PoolsConfig) -> Result<Self, StartError> {
        let executable = config.worker_executable.clone();
        let spawner = Spawner::start(&executable, config.stderr)
            .map_err(|source| StartError::Executable { path: executable, source })?;
        let scan = config.third_party.clone();
        let opener = Opener {
            config,
            spawner: Arc::new(spawner),
            stop: CancellationToken::new(),
            seats: Mutex::new(JoinSet::new()),
        };
        let built_in = opener.open(plan::built_in(&opener.config));
        let probe = match opener.config.probe_workers {
            0 => Arc::clone(&built_in),
            _ => opener.open(plan::probe(&opener.config)),
        };
        let third_party = Mutex::new(ThirdParty::default());
        let (changed, reloading) = (watch::Sender::new(0), AsyncMutex::new(()));
        let frames = ProbedFrames::default();
        let pools = Self {
            inner: Arc::new(Inner {
                built_in,
                probe,
                third_party,
                opener,
                changed,
                reloading,
                frames,
            }),
        };
        let (needed, _) =
            tokio::join!(pools.inner.await_needed(), pools.use_plugins(scan, &accept_all, false));
        match needed {
            Ok(()) => Ok(pools),
            Err(error) => {
                pools.shutdown().await;
                Err(error)
            }
        }
    }

    /// The plugins that take work, the built-in ones first.
    pub fn plugins(&self) -> Vec<LoadedPlugin> {
        self.inner.pools().iter().flat_map(|pool| pool.plugins()).collect()
    }

    /// Plugin files that were found and are not used, with the reason.
    pub fn refused(&self) -> Vec<RefusedPlugin> {
        let by_workers = self.inner.pools().into_iter().flat_map(|pool| pool.refused());
        let refused = self.inner.third_party().refused.clone();
        refused.into_iter().chain(by_workers).map(|refused| self.with_provider(refused)).collect()
    }

    /// Names the plugin of another pool that has what is missing.
    pub(crate) fn with_provider(&self, mut refused: RefusedPlugin) -> RefusedPlugin {
        let Some(feature) = &refused.missing else { return refused };
        let provides = |plugin: &LoadedPlugin| {
            plugin.manifest.provides.iter().any(|provided| provided.feature == *feature)
        };
        if let Some(provider) = self.plugins().into_iter().find(provides) {
            let (id, pool) = (&provider.manifest.id, &provider.pool);
            refused.detail.push_str(&format!(
                "; {id} of the pool {pool} does: the lock file can put both into one pool"
            ));
        }
        refused
    }

    /// Changes whenever plugins of third parties come into use or leave it.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// How often they changed so far.
    pub fn generation(&self) -> u64 {
        *self.inner.changed.borrow()
    }

    /// The folder that plugins of third parties come from.
    pub fn plugin_folder(&self) -> Option<&PluginFolder> {
        self.inner.opener.config.plugin_folder.as_ref()
    }

    /// What the sandbox of the workers cannot enforce on this machine, one sentence each.
    pub fn sandbox_gaps(&self) -> Vec<String> {
        let gaps: BTreeSet<String> =
            self.inner.pools().iter().flat_map(|pool| pool.sandbox_gaps()).collect();
        gaps.into_iter().collect()
    }

    /// The pools that run analyses, the built-in one first.
    pub fn pools(&self) -> Vec<PoolName> {
        self.inner.pools().iter().map(|pool| pool.plan.name.clone()).collect()
    }

    /// The pool whose plugins offer an analysis.
    pub fn pool_of(&self, analysis_type: &str) -> Option<PoolName> {
        self.inner
            .pools()
            .iter()
            .find(|pool| pool.offers(analysis_type))
            .map(|pool| pool.plan.name.clone())
    }

    /// What is known of an analysis type that a pool offers.
    pub fn analyzer(&self, pool: &PoolName, analysis_type: &str) -> Option<Arc<Analyzer>> {
        self.pool(pool)?.analyzer(analysis_type)
    }

    /// Whether a pool takes work. Pools that do not exist do not.
    pub fn health(&self, pool: &PoolName) -> PoolHealth {
        self.pool(pool)
            .map_or(PoolHealth::Unavailable { retry_after: RETRY_AFTER }, |pool| pool.health())
    }

    /// Process ids of all workers that are alive.
    pub fn worker_pids(&self) -> Vec<u32> {
        self.inner.opener.spawner.alive()
    }

    /// How many workers a pool has when all are up.
    pub fn worker_count(&self, pool: &PoolName) -> usize {
        self.pool(pool).map_or(0, |pool| pool.plan.workers)
    }

    /// How many workers of a pool wait for work.
    pub fn free_workers(&self, pool: &PoolName) -> usize {
        self.pool(pool).map_or(0, |pool| pool.permits.available_permits())
    }

    /// What the runs of all pools cost since the start.
    pub fn total_costs(&self) -> TotalCosts {
        let pools = self.inner.pools();
        pools.iter().map(|pool| pool.costs.total()).fold(TotalCosts::default(), TotalCosts::plus)
    }

    /// Examines one medium: a readable descriptor on `byte_size` bytes that nobody else seeks in.
    /// Takes 5 s at most once a worker begins; what none begins in time is no fault of the medium.
    pub async fn probe(&self, medium: OwnedFd, byte_size: u64) -> Result<Probed, ProbeError> {
        let begin_before = Instant::now() + PROBE_WAIT;
        for _attempt in 0..2 {
            let copy = medium
                .try_clone()
                .map_err(|_| ProbeError::Unavailable { retry_after: RETRY_AFTER })?;
            match self.probe_once(copy, byte_size, begin_before).await? {
                ProbeEnd::Answered(result) => return result.map_err(ProbeError::Refused),
                ProbeEnd::TooSlow => return Err(ProbeError::Refused(too_slow())),
                ProbeEnd::Died => {}
            }
        }
        Err(ProbeError::Refused(RefusalReport {
            code: "DECODER_CRASHED".to_owned(),
            message: "The medium cannot be read: decoding it fails.".to_owned(),
            is_limit: false,
        }))
    }

    async fn probe_once(
        &self,
        medium: OwnedFd,
        byte_size: u64,
        begin_before: Instant,
    ) -> Result<ProbeEnd, ProbeError> {
        let pool = &self.inner.probe;
        let unavailable = |retry_after| ProbeError::Unavailable { retry_after };
        let permit = tokio::time::timeout_at(begin_before, pool.reserve_if_available())
            .await
            .map_err(|_| unavailable(RETRY_AFTER))?
            .map_err(unavailable)?;
        let (reply, answer) = oneshot::channel();
        // The worker is free, but it may just be dying: then another takes the job, or nobody does.
        pool.submit(permit, Job::Probe { medium, byte_size, limit: PROBE_DEADLINE, reply });
        match tokio::time::timeout(PROBE_WAIT + PROBE_DEADLINE, answer).await {
            Ok(Ok(end)) => Ok(end),
            Ok(Err(_)) | Err(_) => Err(unavailable(RETRY_AFTER)),
        }
    }

    /// The frames that probes left.
    pub fn frames(&self) -> &ProbedFrames {
        &self.inner.frames
    }

    /// Waits until a worker of `pool` is free and reserves it, also while the pool recovers from
    /// crashes or is replaced. None when there is no such pool any more, or it is shutting down.
    pub async fn free_worker(&self, name: &PoolName) -> Option<FreeWorker> {
        loop {
            let pool = self.pool(name)?;
            if let Some(permit) = pool.reserve().await {
                return Some(FreeWorker::new(pool, permit));
            }
            if pool.stop.is_cancelled() {
                return None;
            }
        }
    }

    /// Runs analyses on the next free worker of `pool`. `media` are readable descriptors in the
    /// order of the request's media. Events come while it runs; a closed receiver cancels the run.
    pub async fn run(
        &self,
        name: &PoolName,
        request: RunRequest,
        media: Vec<OwnedFd>,
        events: mpsc::Sender<RunEvent>,
        cancel: &RunCancel,
    ) -> RunEnd {
        let mut cancelled = cancel.watch();
        let reserved = tokio::select! {
            reserved = self.reserve_if_available(name) => reserved,
            // What is waited for holds a lock, which must not be kept over the sending.
            () = async { drop(cancelled.wait_for(|state| state.all).await) } => {
                for analysis in request.analyses {
                    // A caller that does not listen any more does not miss it.
                    let _ = events.send(session::failed(analysis.id, session::cancelled_failure())).await;
                }
                return RunEnd::Done(RunCosts::default());
            }
        };
        match reserved {
            Ok(worker) => worker.run(request, media, events, cancel).await,
            Err(retry_after) => RunEnd::Unavailable { retry_after },
        }
    }

    /// A worker of a pool that takes work. When the pool is replaced meanwhile, one of the new
    /// pool.
    async fn reserve_if_available(&self, name: &PoolName) -> Result<FreeWorker, Duration> {
        loop {
            let pool = self.pool(name).ok_or(RETRY_AFTER)?;
            match pool.reserve_if_available().await {
                Ok(permit) => return Ok(FreeWorker::new(pool, permit)),
                Err(_) if pool.is_retired() && !pool.stop.is_cancelled() => {}
                Err(retry_after) => return Err(retry_after),
            }
        }
    }

    /// Lets running jobs finish within the drain time, then ends every worker. Afterwards no child
    /// is left.
    pub async fn shutdown(&self) {
        let inner = &self.inner;
        inner.opener.stop.cancel();
        let pools = inner.every_pool();
        for pool in &pools {
            pool.permits.close();
        }
        let mut seats =
            std::mem::take(&mut *inner.opener.seats.lock().unwrap_or_else(PoisonError::into_inner));
        let drain_timeout = inner.opener.config.drain_timeout;
        let drained = tokio::time::timeout(drain_timeout, async {
            while seats.join_next().await.is_some() {}
        })
        .await;
        if drained.is_err() {
            tracing::warn!(
                "workers are ended in the middle of runs, since these did not finish in time"
            );
            seats.shutdown().await;
        }
        for pool in &pools {
            pool.drop_jobs().await;
        }
        inner.opener.spawner.all_reaped().await;
    }

    fn pool(&self, name: &PoolName) -> Option<Arc<Pool>> {
        self.inner.pools().into_iter().find(|pool| pool.plan.name == *name)
    }
}

impl Inner {
    pub(crate) fn third_party(&self) -> MutexGuard<'_, ThirdParty> {
        self.third_party.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pools that run analyses, the built-in one first.
    pub(crate) fn pools(&self) -> Vec<Arc<Pool>> {
        let third_party = self.third_party();
        std::iter::once(&self.built_in).chain(&third_party.pools).cloned().collect()
    }

    /// These, the one for probes, and those that are out of use.
    fn every_pool(&self) -> Vec<Arc<Pool>> {
        let mut pools = self.pools();
        pools.push(Arc::clone(&self.probe));
        pools.extend(self.third_party().draining.iter().cloned());
        pools
    }

    /// Waits for the first worker of each pool that the node cannot do without.
    async fn await_needed(&self) -> Result<(), StartError> {
        for pool in [&self.built_in, &self.probe] {
            let detail = match first_start(pool).await {
                Start::Failed(detail) => Some(detail),
                Start::Ready | Start::Pending => refused_files(pool),
            };
            if let Some(detail) = detail {
                return Err(StartError::Pool { pool: pool.plan.name.clone(), detail });
            }
        }
        Ok(())
    }
}

/// A worker that is reserved for one run. Dropping it gives it back.
#[derive(Debug)]
pub struct FreeWorker {
    pool: Arc<Pool>,
    permit: OwnedSemaphorePermit,
}

impl FreeWorker {
    pub(crate) fn new(pool: Arc<Pool>, permit: OwnedSemaphorePermit) -> Self {
        Self { pool, permit }
    }

    /// Runs analyses on it; see [`WorkerPools::run`]. Dropping the future cancels the run.
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
        let mut abandoned = CancelOnDrop(Some(cancel));
        let end = answer.await.unwrap_or(RunEnd::Unavailable { retry_after: RETRY_AFTER });
        abandoned.0 = None;
        end
    }
}

struct CancelOnDrop<'a>(Option<&'a RunCancel>);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(cancel) = self.0 {
            cancel.cancel_run();
        }
    }
}

/// The first seat of a pool starts at once, the others once it is known how that went: the node is
/// ready sooner.
pub(crate) async fn occupy(pool: Arc<Pool>, number: usize) {
    if number > 0 {
        tokio::select! {
            _ = first_start(&pool) => {}
            () = pool.stop.cancelled() => return,
            () = pool.retired.cancelled() => return,
        }
    }
    worker_seat::keep(pool).await;
}

/// How the first attempt to start a worker of a pool ended.
pub(crate) async fn first_start(pool: &Pool) -> Start {
    let mut start = pool.start.subscribe();
    match start.wait_for(|start| *start != Start::Pending).await {
        Ok(start) => start.clone(),
        Err(_) => Start::Failed("the pool is gone".to_owned()),
    }
}

/// What the workers of a pool that the node needs refused: then it must not start, such as with
/// weights that are not those that a plugin was made for.
fn refused_files(pool: &Pool) -> Option<String> {
    let sentence =
        |refused: RefusedPlugin| format!("{} is refused: {}", refused.path, refused.detail);
    let all: Vec<String> = pool.refused().into_iter().map(sentence).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn too_slow() -> RefusalReport {
    RefusalReport {
        code: "TOO_SLOW".to_owned(),
        message: format!("Reading the medium takes longer than {} s.", PROBE_DEADLINE.as_secs()),
        is_limit: true,
    }
}
