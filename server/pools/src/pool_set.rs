//! All pools of a node: the two that it needs, those of third parties, and what starts new ones.
//! State only; [`super::worker_pools`] and [`super::plugins`] work on it.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vultus_worker_protocol::RefusedPlugin;

use super::deployment::PoolsConfig;
use super::loaded_plugin::LoadedPlugin;
use super::pool::{Pool, PoolPlan};
use super::process::Spawner;
use super::worker_seat;

/// The pools of a node.
#[derive(Debug)]
pub(crate) struct PoolSet {
    pub(crate) built_in: Arc<Pool>,
    /// Probes media; the same as `built_in` if no worker is set aside for probes.
    pub(crate) probe: Arc<Pool>,
    third_party: Mutex<ThirdPartyPools>,
    pub(crate) opener: PoolOpener,
    /// Number of changes of the third-party pools.
    pub(crate) generation: watch::Sender<u64>,
    /// Held during a reload: one at a time.
    pub(crate) reloading: AsyncMutex<()>,
}

/// The pools of third-party plugins.
#[derive(Debug, Default)]
pub(crate) struct ThirdPartyPools {
    /// In use, by name.
    pub(crate) pools: Vec<Arc<Pool>>,
    /// Taken out of use; some of their workers may still finish a job.
    pub(crate) draining: Vec<Arc<Pool>>,
    /// Plugin files that are not used, with the reason.
    pub(crate) refused: Vec<RefusedPlugin>,
}

/// Starts pools and owns the tasks that keep their workers.
#[derive(Debug)]
pub(crate) struct PoolOpener {
    pub(crate) config: PoolsConfig,
    pub(crate) spawner: Arc<Spawner>,
    pub(crate) stop: CancellationToken,
    seats: Mutex<JoinSet<()>>,
}

impl Drop for PoolSet {
    fn drop(&mut self) {
        self.opener.stop.cancel();
    }
}

impl PoolSet {
    /// The two pools that the node needs, and no third-party pool yet.
    pub(crate) fn new(built_in: Arc<Pool>, probe: Arc<Pool>, opener: PoolOpener) -> Self {
        Self {
            built_in,
            probe,
            third_party: Mutex::new(ThirdPartyPools::default()),
            opener,
            generation: watch::Sender::new(0),
            reloading: AsyncMutex::new(()),
        }
    }

    pub(crate) fn third_party(&self) -> MutexGuard<'_, ThirdPartyPools> {
        self.third_party.lock()
    }

    /// The pools that run analyses, the built-in one first.
    pub(crate) fn pools(&self) -> Vec<Arc<Pool>> {
        let third_party = self.third_party();
        std::iter::once(&self.built_in).chain(&third_party.pools).cloned().collect()
    }

    /// [`Self::pools`], the pool for probes, and the draining pools.
    pub(crate) fn every_pool(&self) -> Vec<Arc<Pool>> {
        let mut pools = self.pools();
        pools.push(Arc::clone(&self.probe));
        pools.extend(self.third_party().draining.iter().cloned());
        pools
    }

    /// The plugins that take work, the built-in ones first.
    pub(crate) fn plugins(&self) -> Vec<LoadedPlugin> {
        self.pools().iter().flat_map(|pool| pool.plugins()).collect()
    }

    /// If a plugin was refused because a feature is missing, adds to the reason which plugin of
    /// another pool provides that feature.
    pub(crate) fn with_provider(&self, mut refused: RefusedPlugin) -> RefusedPlugin {
        let Some(feature) = &refused.missing else { return refused };
        let provides = |plugin: &LoadedPlugin| {
            plugin.manifest.provides.iter().any(|provided| provided.feature == *feature)
        };
        if let Some(provider) = self.plugins().into_iter().find(provides) {
            let (id, pool) = (&provider.manifest.id, &provider.pool);
            refused.detail.push_str(&format!(
                "; {id} of the pool {pool} provides it: the lock file can put both into one pool"
            ));
        }
        refused
    }
}

impl PoolOpener {
    pub(crate) fn new(config: PoolsConfig, spawner: Arc<Spawner>) -> Self {
        let (stop, seats) = (CancellationToken::new(), Mutex::new(JoinSet::new()));
        Self { config, spawner, stop, seats }
    }

    /// Opens a pool and starts its workers.
    pub(crate) fn open(&self, plan: PoolPlan) -> Arc<Pool> {
        let pool = Arc::new(Pool::new(plan, Arc::clone(&self.spawner), self.stop.child_token()));
        let mut seats = self.seats.lock();
        while seats.try_join_next().is_some() {}
        for number in 0..pool.seats() {
            seats.spawn(worker_seat::occupy(Arc::clone(&pool), number));
        }
        pool
    }

    /// Takes the tasks that keep the workers, to wait for their end.
    pub(crate) fn take_seats(&self) -> JoinSet<()> {
        std::mem::take(&mut *self.seats.lock())
    }
}
