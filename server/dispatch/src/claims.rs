//! The claim loop: waits for a free worker, takes a run from the queue under a lease, and hands it
//! to [`super::run_task`].

use super::run_task::{RunTask, Shared};
use super::unserved::fail_unserved;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vultus_blobs::keyring::Keyring;
use vultus_blobs::{BlobStore, MemoryBudget};
use vultus_core::clock::Clock;
use vultus_pools::RunningRuns;
use vultus_pools::run::PoolName;
use vultus_pools::worker_pools::WorkerPools;
use vultus_store::Store;

/// How long a run belongs to a node without a heartbeat.
pub(super) const LEASE: time::Duration = time::Duration::seconds(10);
/// After a failed claim the store is left alone for this long.
const AFTER_ERROR: Duration = Duration::from_secs(1);
/// After the drain time runs get this long to give themselves back to the queue.
const GIVE_BACK: Duration = Duration::from_secs(3);

/// What the dispatcher works with.
pub struct DispatcherParts {
    /// The store, which is the queue.
    pub store: Arc<dyn Store>,
    /// The bytes of media.
    pub blobs: Arc<BlobStore>,
    /// The keys of companies and folders.
    pub keyring: Keyring,
    /// For the plain bytes of media that runs read.
    pub memory: MemoryBudget,
    /// The workers.
    pub pools: WorkerPools,
    /// Where runs register.
    pub running: RunningRuns,
    /// The clock.
    pub clock: Clock,
    /// Name of this node and incarnation.
    pub node: String,
    /// No other node uses the data: leases from before the start are of a node that is gone, and
    /// are taken at once.
    pub sole_node: bool,
    /// Analyses whose plugin is gone fail after this time. Only of a sole node: another one might
    /// have the plugin.
    pub removed_after: Duration,
}

/// Moves runs from the queue to the workers until it is shut down.
pub struct Dispatcher {
    running: RunningRuns,
    stopping: CancellationToken,
    loops: JoinSet<()>,
}

impl Dispatcher {
    /// Starts one loop per pool.
    pub fn start(parts: DispatcherParts) -> Self {
        let stopping = CancellationToken::new();
        let running = parts.running.clone();
        tracing::info!(node = parts.node, "runs are claimed under this name");
        let shared = Arc::new(Shared {
            keyring: parts.keyring,
            memory: parts.memory,
            store: parts.store,
            blobs: parts.blobs,
            pools: parts.pools,
            running: parts.running,
            clock: parts.clock,
        });
        let mut loops = JoinSet::new();
        loops.spawn(claim_for_all(shared.clone(), parts.node, stopping.clone(), parts.sole_node));
        if parts.sole_node {
            loops.spawn(fail_unserved(shared, parts.removed_after, stopping.clone()));
        }
        Self { running, stopping, loops }
    }

    /// Claims nothing more, lets runs go on for `drain`, and gives the rest back to the queue.
    pub async fn shutdown(mut self, drain: Duration) {
        self.stopping.cancel();
        if tokio::time::timeout(drain, join_all(&mut self.loops)).await.is_ok() {
            return;
        }
        tracing::info!("runs that did not finish in time go back to the queue");
        self.running.cancel_all();
        if tokio::time::timeout(GIVE_BACK, join_all(&mut self.loops)).await.is_err() {
            tracing::warn!("runs could not be given back; they are taken up once their leases end");
            self.loops.shutdown().await;
        }
    }
}

async fn join_all(tasks: &mut JoinSet<()>) {
    while let Some(joined) = tasks.join_next().await {
        if let Err(error) = joined {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a task of the dispatcher ended badly"
            );
        }
    }
}

/// Keeps one loop per pool, also for pools that come later.
async fn claim_for_all(
    shared: Arc<Shared>,
    node: String,
    stopping: CancellationToken,
    sole_node: bool,
) {
    let mut changes = shared.pools.changes();
    let mut claimed: HashMap<tokio::task::Id, PoolName> = HashMap::new();
    let mut loops = JoinSet::new();
    let orphaned_before = sole_node.then(|| shared.clock.now() + LEASE);
    loop {
        changes.mark_unchanged();
        for pool in shared.pools.pools() {
            if !claimed.values().any(|claimed| *claimed == pool) {
                let (shared, node, stopping) = (shared.clone(), node.clone(), stopping.clone());
                let claims =
                    ClaimLoop { shared, pool: pool.clone(), node, stopping, orphaned_before };
                claimed.insert(loops.spawn(claims.run()).id(), pool);
            }
        }
        tokio::select! {
            () = stopping.cancelled() => break,
            changed = changes.changed() => if changed.is_err() { break },
            Some(ended) = loops.join_next_with_id() => {
                let task = match ended {
                    Ok((task, ())) => task,
                    Err(error) => {
                        tracing::error!(error = &error as &dyn std::error::Error, "a claim loop ended badly");
                        error.id()
                    }
                };
                claimed.remove(&task);
            }
        }
    }
    while loops.join_next().await.is_some() {}
}

struct ClaimLoop {
    shared: Arc<Shared>,
    pool: PoolName,
    node: String,
    stopping: CancellationToken,
    /// Until nothing is left of before: leases that end before this time are of a node that is
    /// gone.
    orphaned_before: Option<OffsetDateTime>,
}

impl ClaimLoop {
    /// Ends with the pool.
    async fn run(mut self) {
        let mut runs = JoinSet::new();
        loop {
            while let Some(joined) = runs.try_join_next() {
                log_panic(joined);
            }
            let stopping = self.stopping.clone();
            tokio::select! {
                () = stopping.cancelled() => break,
                goes_on = self.step(&mut runs) => if !goes_on { break },
            }
        }
        while let Some(joined) = runs.join_next().await {
            log_panic(joined);
        }
    }

    /// Claims one run or waits for one. False: the pool has ended. A claim that is given up
    /// half-way (at shutdown) at worst leaves a lease that runs out.
    async fn step(&mut self, runs: &mut JoinSet<()>) -> bool {
        let Some(worker) = self.shared.pools.free_worker(&self.pool).await else { return false };
        let clock = self.shared.clock.now();
        let now = self.orphaned_before.map_or(clock, |until| until.max(clock));
        match self
            .shared
            .store
            .claim_run(&[self.pool.as_str().to_owned()], &self.node, now, LEASE)
            .await
        {
            Ok(Some(run)) => {
                tracing::debug!(run = %run.token.run_id, analyses = run.analyses.len(), "run claimed");
                runs.spawn(RunTask::new(self.shared.clone(), self.pool.clone(), run).work(worker));
            }
            Ok(None) => {
                self.orphaned_before = None;
                drop(worker);
                self.shared.store.run_waiting().await;
            }
            Err(error) => {
                drop(worker);
                tracing::warn!(error = &error as &dyn std::error::Error, "claiming a run failed");
                tokio::time::sleep(AFTER_ERROR).await;
            }
        }
        true
    }
}

fn log_panic(joined: Result<(), tokio::task::JoinError>) {
    if let Err(error) = joined
        && error.is_panic()
    {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a run's task panicked; its lease will end"
        );
    }
}
