//! The claim loop: waits for a free worker, takes a run from the queue under a lease, and hands it
//! to [`super::run_task`].

use super::context::DispatchContext;
use super::run_context::LEASE;
use super::run_task::RunTask;
use super::unserved::fail_unserved;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vultus_blobs::keyring::Keyring;
use vultus_blobs::{BlobStore, MemoryBudget};
use vultus_core::clock::Clock;
use vultus_core::turns::Turns;
use vultus_pools::run::PoolName;
use vultus_pools::worker_pools::WorkerPools;
use vultus_pools::{FreeWorker, RunningRuns};
use vultus_store::{ClaimRequest, ClaimedRun, Store};

/// Pause after a failed claim.
const AFTER_ERROR: Duration = Duration::from_secs(1);
/// Time that runs get after the drain time to return to the queue.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(3);

/// Options of the dispatcher. None has a default.
pub struct DispatcherParts {
    /// The store, which holds the queue.
    pub store: Arc<dyn Store>,
    /// The storage of media and artifacts.
    pub blobs: Arc<BlobStore>,
    /// The keys of companies and folders.
    pub keyring: Keyring,
    /// Limits the memory for decrypted media of all runs, in bytes.
    pub memory: MemoryBudget,
    /// The worker pools.
    pub pools: WorkerPools,
    /// The list of runs in progress.
    pub running: RunningRuns,
    /// The clock.
    pub clock: Clock,
    /// The turns of the companies.
    pub turns: Turns,
    /// Name of the node, unique for each start; leases carry it.
    pub node: String,
    /// Whether no other node uses the same data. Then a lease from before the start belongs to a
    /// dead node and is claimed at once.
    pub sole_node: bool,
    /// Time without a pool for an analysis after which the analysis fails. Applies only to a sole
    /// node, because another node might have the plugin.
    pub removed_after: Duration,
}

/// Moves runs from the queue to the workers until its shutdown.
pub struct Dispatcher {
    running: RunningRuns,
    stopping: CancellationToken,
    loops: JoinSet<()>,
}

impl Dispatcher {
    /// Starts one loop per lane of each pool.
    pub fn start(parts: DispatcherParts) -> Self {
        let stopping = CancellationToken::new();
        let running = parts.running.clone();
        tracing::info!(node = parts.node, "runs are claimed under this name");
        let context = Arc::new(DispatchContext {
            keyring: parts.keyring,
            memory: parts.memory,
            store: parts.store,
            blobs: parts.blobs,
            pools: parts.pools,
            running: parts.running,
            clock: parts.clock,
            turns: parts.turns,
        });
        let mut loops = JoinSet::new();
        loops.spawn(claim_for_all(context.clone(), parts.node, stopping.clone(), parts.sole_node));
        if parts.sole_node {
            loops.spawn(fail_unserved(context, parts.removed_after, stopping.clone()));
        }
        Self { running, stopping, loops }
    }

    /// Stops claiming, lets runs finish within `drain`, and returns the rest to the queue.
    pub async fn shutdown(mut self, drain: Duration) {
        self.stopping.cancel();
        if tokio::time::timeout(drain, join_all(&mut self.loops)).await.is_ok() {
            return;
        }
        tracing::info!("runs did not finish within the drain time and return to the queue");
        self.running.cancel_all();
        if tokio::time::timeout(RELEASE_TIMEOUT, join_all(&mut self.loops)).await.is_err() {
            tracing::warn!(
                "runs could not return to the queue; they are claimed when their leases expire"
            );
            self.loops.shutdown().await;
        }
    }
}

async fn join_all(tasks: &mut JoinSet<()>) {
    while let Some(joined) = tasks.join_next().await {
        if let Err(error) = joined {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a task of the dispatcher panicked"
            );
        }
    }
}

/// Keeps one loop per lane of each pool, also for pools that are opened later.
async fn claim_for_all(
    context: Arc<DispatchContext>,
    node: String,
    stopping: CancellationToken,
    sole_node: bool,
) {
    let mut changes = context.pools.changes();
    let mut claimed: HashMap<tokio::task::Id, (PoolName, Lane)> = HashMap::new();
    let mut loops = JoinSet::new();
    let orphaned_before = sole_node.then(|| context.clock.now() + LEASE);
    loop {
        changes.mark_unchanged();
        for place in lanes(&context.pools) {
            if !claimed.values().any(|claimed| *claimed == place) {
                let (context, node, stopping) = (context.clone(), node.clone(), stopping.clone());
                let (pool, lane) = place.clone();
                let claims = ClaimLoop { context, pool, lane, node, stopping, orphaned_before };
                claimed.insert(loops.spawn(claims.run()).id(), place);
            }
        }
        tokio::select! {
            () = stopping.cancelled() => break,
            changed = changes.changed() => if changed.is_err() { break },
            Some(ended) = loops.join_next_with_id() => {
                let task = match ended {
                    Ok((task, ())) => task,
                    Err(error) => {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "a claim loop panicked"
                        );
                        error.id()
                    }
                };
                claimed.remove(&task);
            }
        }
    }
    while loops.join_next().await.is_some() {}
}

/// The lane of a pool that a loop claims for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// Runs of all companies.
    Ordinary,
    /// Runs of companies that have no run in progress.
    Spare,
}

/// The lanes of all pools.
fn lanes(pools: &WorkerPools) -> Vec<(PoolName, Lane)> {
    let mut lanes = Vec::new();
    for pool in pools.pools() {
        if pools.has_spare_workers(&pool) {
            lanes.push((pool.clone(), Lane::Spare));
        }
        lanes.push((pool, Lane::Ordinary));
    }
    lanes
}

struct ClaimLoop {
    context: Arc<DispatchContext>,
    pool: PoolName,
    lane: Lane,
    node: String,
    stopping: CancellationToken,
    /// Leases that expire before this time belong to a dead node. None once no such lease is left.
    orphaned_before: Option<OffsetDateTime>,
}

impl ClaimLoop {
    /// Claims until the pool ends.
    async fn run(mut self) {
        let mut runs = JoinSet::new();
        loop {
            while let Some(joined) = runs.try_join_next() {
                log_panic(joined);
            }
            let stopping = self.stopping.clone();
            tokio::select! {
                () = stopping.cancelled() => break,
                continues = self.step(&mut runs) => if !continues { break },
            }
        }
        while let Some(joined) = runs.join_next().await {
            log_panic(joined);
        }
    }

    /// Claims one run, or waits for one. False once the pool has ended. A claim that is dropped at
    /// shutdown may leave a lease, which expires.
    async fn step(&mut self, runs: &mut JoinSet<()>) -> bool {
        let Some(worker) = self.free_worker().await else { return false };
        let store = Arc::clone(&self.context.store);
        let mut waiting = store.run_waiting();
        // It is registered before the claim, so that a run that is queued meanwhile ends it.
        while futures::poll!(&mut waiting).is_ready() {
            waiting = store.run_waiting();
        }
        let request = self.claim_request();
        match store.claim_run(&request).await {
            Ok(Some(run)) => self.spawn(runs, worker, run, request),
            Ok(None) => {
                self.orphaned_before = None;
                drop(worker);
                tokio::select! {
                    () = waiting => {}
                    () = self.fewer_excepted() => {}
                }
            }
            Err(error) => {
                drop(worker);
                tracing::warn!(error = &error as &dyn std::error::Error, "claiming a run failed");
                tokio::time::sleep(AFTER_ERROR).await;
            }
        }
        true
    }

    async fn free_worker(&self) -> Option<FreeWorker> {
        let pools = &self.context.pools;
        match self.lane {
            Lane::Ordinary => pools.free_worker(&self.pool).await,
            Lane::Spare => pools.spare_worker(&self.pool).await,
        }
    }

    fn claim_request(&self) -> ClaimRequest {
        let clock = self.context.clock.now();
        ClaimRequest {
            pool: self.pool.as_str().to_owned(),
            node: self.node.clone(),
            now: self.orphaned_before.map_or(clock, |until| until.max(clock)),
            lease: LEASE,
            turns: self.context.turns.clone(),
            except: match self.lane {
                Lane::Ordinary => Vec::new(),
                Lane::Spare => self.context.pools.busy_companies(&self.pool),
            },
        }
    }

    /// Waits until fewer companies are excepted from the claims.
    async fn fewer_excepted(&self) {
        match self.lane {
            Lane::Ordinary => std::future::pending().await,
            Lane::Spare => self.context.pools.fewer_busy_companies(&self.pool).await,
        }
    }

    fn spawn(
        &self,
        runs: &mut JoinSet<()>,
        worker: FreeWorker,
        run: ClaimedRun,
        request: ClaimRequest,
    ) {
        let (company, analyses) = (run.company_id, run.analyses.len());
        tracing::debug!(run = %run.token.run_id, analyses, "run claimed");
        let worker = worker.for_company(company);
        let task = RunTask::new(self.context.clone(), self.pool.clone(), run);
        runs.spawn(async move {
            let begun = Instant::now();
            task.work(worker).await;
            request.turns.ended(&request.pool, company, begun.elapsed());
        });
    }
}

fn log_panic(joined: Result<(), tokio::task::JoinError>) {
    if let Err(error) = joined
        && error.is_panic()
    {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the task of a run panicked; its lease will expire"
        );
    }
}
