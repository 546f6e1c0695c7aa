//! The worker pools of a node: start, use, shut down. The claim loop and the commands `check` and
//! `eval` stand on this.
//!
//! Reports what happened to which analysis. Which analysis is to blame for a death, and what is
//! tried again, is decided by the callers.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use vultus_core::CompanyId;
use vultus_worker_protocol::{RefusedPlugin, RunCosts, RunRequest};

use super::analyzer::Analyzer;
use super::costs::TotalCosts;
use super::deployment::PoolsConfig;
use super::frames::ProbedFrames;
use super::free_worker::FreeWorker;
use super::lane::Lane;
use super::loaded_plugin::LoadedPlugin;
use super::plan;
use super::plugins::folder::PluginFolder;
use super::plugins::reload::{self, Accept, QuarantinedPools, Reloaded, accept_all};
use super::plugins::scan::Scan;
use super::pool::{Pool, QUEUE, RETRY_AFTER, Start};
use super::pool_set::{PoolOpener, PoolSet};
use super::process::Spawner;
use super::run::{PoolHealth, PoolName, RunCancel, RunEnd, RunEvent};
use super::session::{cancelled_failure, failed};

/// Why the pools could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The worker executable cannot be used.
    #[error("opening the worker executable {path} failed")]
    Executable {
        /// The path that was opened.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// No worker of a pool that the node needs became ready, or one of its plugins is refused.
    #[error("the workers of the pool {pool} cannot be used: {detail}")]
    Pool {
        /// The pool.
        pool: PoolName,
        /// The outcome of the first attempt.
        detail: String,
    },
}

/// The worker pools of a node. Cheap to clone; [`WorkerPools::shutdown`] ends them for all clones.
#[derive(Debug, Clone)]
pub struct WorkerPools {
    pub(super) set: Arc<PoolSet>,
    frames: ProbedFrames,
}

impl WorkerPools {
    /// Starts all pools and waits for the first worker of each. A pool that the node needs must
    /// succeed; third-party plugins that do not load are listed by [`Self::refused`].
    pub async fn start(config: PoolsConfig) -> Result<Self, StartError> {
        let executable = config.worker_executable.clone();
        let spawner = Spawner::start(&executable, config.stderr)
            .map_err(|source| StartError::Executable { path: executable, source })?;
        let scan = config.third_party.clone();
        let opener = PoolOpener::new(config, Arc::new(spawner));
        let built_in = opener.open(plan::built_in(&opener.config));
        let probe = match opener.config.probe_workers {
            0 => Arc::clone(&built_in),
            _ => opener.open(plan::probe(&opener.config)),
        };
        let pools = Self {
            set: Arc::new(PoolSet::new(built_in, probe, opener)),
            frames: ProbedFrames::default(),
        };
        let (needed, _) = tokio::join!(
            await_needed(&pools.set),
            pools.use_plugins(scan, &accept_all, QuarantinedPools::Keep)
        );
        match needed {
            Ok(()) => Ok(pools),
            Err(error) => {
                pools.shutdown().await;
                Err(error)
            }
        }
    }

    /// Replaces the third-party pools by those of `scan`; see [`super::plugins`].
    pub async fn use_plugins(
        &self,
        scan: Scan,
        accept: &Accept,
        quarantined: QuarantinedPools,
    ) -> Reloaded {
        reload::use_plugins(&self.set, scan, accept, quarantined).await
    }

    /// The plugins that take work, the built-in ones first.
    pub fn plugins(&self) -> Vec<LoadedPlugin> {
        self.set.plugins()
    }

    /// Plugin files that were found and are not used, with the reason.
    pub fn refused(&self) -> Vec<RefusedPlugin> {
        let by_workers = self.set.pools().into_iter().flat_map(|pool| pool.refused());
        let by_node = self.set.third_party().refused.clone();
        let all = by_node.into_iter().chain(by_workers);
        all.map(|refused| self.set.with_provider(refused)).collect()
    }

    /// Changes whenever third-party plugins come into use or are taken out of use.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.set.generation.subscribe()
    }

    /// Number of changes of the third-party plugins so far.
    pub fn generation(&self) -> u64 {
        *self.set.generation.borrow()
    }

    /// The folder of the third-party plugins.
    pub fn plugin_folder(&self) -> Option<&PluginFolder> {
        self.set.opener.config.plugin_folder.as_ref()
    }

    /// What the sandbox of the workers cannot enforce on this machine, one sentence each.
    pub fn sandbox_gaps(&self) -> Vec<String> {
        let gaps: BTreeSet<String> =
            self.set.pools().iter().flat_map(|pool| pool.sandbox_gaps()).collect();
        gaps.into_iter().collect()
    }

    /// The pools that run analyses, the built-in one first.
    pub fn pools(&self) -> Vec<PoolName> {
        self.set.pools().iter().map(|pool| pool.plan.name.clone()).collect()
    }

    /// The pool whose plugins offer an analysis type.
    pub fn pool_of(&self, analysis_type: &str) -> Option<PoolName> {
        self.set
            .pools()
            .iter()
            .find(|pool| pool.offers(analysis_type))
            .map(|pool| pool.plan.name.clone())
    }

    /// The analyzer of an analysis type in a pool.
    pub fn analyzer(&self, pool: &PoolName, analysis_type: &str) -> Option<Arc<Analyzer>> {
        self.pool(pool)?.analyzer(analysis_type)
    }

    /// Id of the plugin that offers an analysis type.
    pub fn plugin_of(&self, analysis_type: &str) -> Option<String> {
        let offers = |plugin: &LoadedPlugin| {
            plugin.manifest.analyses.iter().any(|spec| spec.kind == analysis_type)
        };
        self.plugins().into_iter().find(offers).map(|plugin| plugin.manifest.id)
    }

    /// Whether a pool takes work. A pool that does not exist takes none.
    pub fn health(&self, pool: &PoolName) -> PoolHealth {
        self.pool(pool)
            .map_or(PoolHealth::Unavailable { retry_after: RETRY_AFTER }, |pool| pool.health())
    }

    /// Process ids of all live workers.
    pub fn worker_pids(&self) -> Vec<u32> {
        self.set.opener.spawner.alive()
    }

    /// Number of idle workers of a pool.
    pub fn free_workers(&self, pool: &PoolName) -> usize {
        self.pool(pool).map_or(0, |pool| pool.ordinary.permits.available())
    }

    /// Costs of the runs of all pools since the start.
    pub fn total_costs(&self) -> TotalCosts {
        let pools = self.set.pools();
        pools.iter().map(|pool| pool.costs.total()).fold(TotalCosts::default(), TotalCosts::plus)
    }

    /// The frames that probes have decoded.
    pub fn frames(&self) -> &ProbedFrames {
        &self.frames
    }

    /// Waits until a worker of a pool is free and reserves it, also while the pool recovers from
    /// crashes or is replaced. None if the pool does not exist any more or is shutting down.
    pub async fn free_worker(&self, name: &PoolName) -> Option<FreeWorker> {
        self.free_worker_of(name, |pool| &pool.ordinary).await
    }

    /// Like [`Self::free_worker`], for a worker of the spare lane. Runs on it must be of a company
    /// that has no other run in progress there ([`Self::busy_companies`]).
    pub async fn spare_worker(&self, name: &PoolName) -> Option<FreeWorker> {
        self.free_worker_of(name, |pool| &pool.spare).await
    }

    async fn free_worker_of(
        &self,
        name: &PoolName,
        lane: impl Fn(&Pool) -> &Arc<Lane>,
    ) -> Option<FreeWorker> {
        loop {
            let pool = self.pool(name)?;
            let lane = Arc::clone(lane(&pool));
            if let Some(permit) = pool.reserve(&lane).await {
                return Some(FreeWorker::new(pool, lane, permit, QUEUE));
            }
            if pool.stop.is_cancelled() {
                return None;
            }
        }
    }

    /// Whether a pool has spare workers.
    pub fn has_spare_workers(&self, name: &PoolName) -> bool {
        self.pool(name).is_some_and(|pool| pool.plan.spare_workers > 0)
    }

    /// The companies with a run in progress in a pool.
    pub fn busy_companies(&self, name: &PoolName) -> Vec<CompanyId> {
        self.pool(name).map(|pool| pool.busy.list()).unwrap_or_default()
    }

    /// Waits until a company has no more run in progress in a pool. Returns at once if the pool
    /// does not exist.
    pub async fn fewer_busy_companies(&self, name: &PoolName) {
        if let Some(pool) = self.pool(name) {
            pool.busy.became_less().await;
        }
    }

    /// Runs analyses of a company on the next free worker of a pool. Companies take turns. `media`
    /// are readable descriptors in the order of the request's media. Events are sent during the
    /// run; a closed receiver cancels it.
    pub async fn run(
        &self,
        name: &PoolName,
        company: Option<CompanyId>,
        request: RunRequest,
        media: Vec<OwnedFd>,
        events: mpsc::Sender<RunEvent>,
        cancel: &RunCancel,
    ) -> RunEnd {
        let mut cancelled = cancel.watch();
        let reserved = tokio::select! {
            // A run that is cancelled already takes no worker, not even a free one.
            biased;
            // `wait_for` returns a lock guard, which must not be held while events are sent.
            () = async { drop(cancelled.wait_for(|state| state.all).await) } => {
                for analysis in request.analyses {
                    // A closed receiver does not need the event.
                    let _ = events.send(failed(analysis.id, cancelled_failure())).await;
                }
                return RunEnd::Done(RunCosts::default());
            }
            reserved = self.reserve_if_available(name, company) => reserved,
        };
        match reserved {
            Ok(worker) => worker.run(request, media, events, cancel).await,
            Err(retry_after) => RunEnd::Unavailable { retry_after },
        }
    }

    /// A worker of a pool that takes work. If the pool is replaced during the wait, a worker of
    /// the new pool.
    async fn reserve_if_available(
        &self,
        name: &PoolName,
        company: Option<CompanyId>,
    ) -> Result<FreeWorker, Duration> {
        loop {
            let pool = self.pool(name).ok_or(RETRY_AFTER)?;
            match pool.reserve_if_available(company).await {
                Ok((lane, permit)) => {
                    let worker = FreeWorker::new(pool, lane, permit, company.unwrap_or(QUEUE));
                    return Ok(match company {
                        Some(company) => worker.for_company(company),
                        None => worker,
                    });
                }
                Err(_) if pool.is_retired() && !pool.stop.is_cancelled() => {}
                Err(retry_after) => return Err(retry_after),
            }
        }
    }

    /// Lets running jobs finish within the drain time, then ends every worker. Afterwards no child
    /// process is left.
    pub async fn shutdown(&self) {
        let opener = &self.set.opener;
        opener.stop.cancel();
        let pools = self.set.every_pool();
        for pool in &pools {
            pool.close();
        }
        let mut seats = opener.take_seats();
        let drained = tokio::time::timeout(opener.config.drain_timeout, async {
            while seats.join_next().await.is_some() {}
        })
        .await;
        if drained.is_err() {
            tracing::warn!("runs did not finish within the drain time; their workers are ended");
            seats.shutdown().await;
        }
        for pool in &pools {
            pool.drop_jobs().await;
        }
        opener.spawner.all_reaped().await;
    }

    fn pool(&self, name: &PoolName) -> Option<Arc<Pool>> {
        self.set.pools().into_iter().find(|pool| pool.plan.name == *name)
    }
}

/// Waits for the first worker of each pool that the node needs.
async fn await_needed(set: &PoolSet) -> Result<(), StartError> {
    for pool in [&set.built_in, &set.probe] {
        let detail = match pool.first_start().await {
            Start::Failed(detail) => Some(detail),
            Start::Ready | Start::Pending => refused_files(pool),
        };
        if let Some(detail) = detail {
            return Err(StartError::Pool { pool: pool.plan.name.clone(), detail });
        }
    }
    Ok(())
}

/// The files that the workers of a pool refused, as text. For a pool that the node needs this
/// prevents the start, for example if weights are not those that a plugin requires.
fn refused_files(pool: &Pool) -> Option<String> {
    let sentence =
        |refused: RefusedPlugin| format!("{} is refused: {}", refused.path, refused.detail);
    let all: Vec<String> = pool.refused().into_iter().map(sentence).collect();
    (!all.is_empty()).then(|| all.join("; "))
}
