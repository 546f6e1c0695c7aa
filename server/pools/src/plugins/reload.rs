//! Bringing plugins into use and taking them out of it while the node works: a new pool starts
//! beside the old one, is tested, and takes over its name; the old one finishes what it began.
//! Nothing is ever unloaded in place.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vultus_worker_protocol::RefusedPlugin;

use super::folder::{PoolSpec, Scan};
use super::self_test;
use crate::deployment::PoolsConfig;
use crate::plan;
use crate::pool::{Pool, PoolPlan, Start};
use crate::process::Spawner;
use crate::run::{LoadedPlugin, PoolHealth};
use crate::worker_pools::{WorkerPools, first_start, occupy};

/// A last word on plugins that would work, such as whether the operator's policy fits them. An
/// error says why not.
pub type Accept = dyn Fn(&[LoadedPlugin]) -> Result<(), String> + Send + Sync;

/// Accepts every plugin.
pub fn accept_all(_: &[LoadedPlugin]) -> Result<(), String> {
    Ok(())
}

/// What a reload changed: names of pools, and files that are not used.
#[derive(Debug, Default)]
pub struct Reloaded {
    /// Pools that are new, or took the place of an older one.
    pub in_use: Vec<String>,
    /// Pools that are no more.
    pub taken_out: Vec<String>,
    /// Files that are not used, with the reason.
    pub refused: Vec<RefusedPlugin>,
}

/// Opens pools.
#[derive(Debug)]
pub(crate) struct Opener {
    pub(crate) config: PoolsConfig,
    pub(crate) spawner: Arc<Spawner>,
    pub(crate) stop: CancellationToken,
    pub(crate) seats: Mutex<JoinSet<()>>,
}

impl Opener {
    /// Opens a pool and starts its workers.
    pub(crate) fn open(&self, plan: PoolPlan) -> Arc<Pool> {
        let pool = Arc::new(Pool::new(plan, Arc::clone(&self.spawner), self.stop.child_token()));
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        while seats.try_join_next().is_some() {}
        for number in 0..pool.plan.workers {
            seats.spawn(occupy(Arc::clone(&pool), number));
        }
        pool
    }
}

/// The pools of third parties.
#[derive(Debug, Default)]
pub(crate) struct ThirdParty {
    /// In use, by name.
    pub(crate) pools: Vec<Arc<Pool>>,
    /// Out of use; some of their workers may still finish something.
    pub(crate) draining: Vec<Arc<Pool>>,
    /// Files that are not used, and why.
    pub(crate) refused: Vec<RefusedPlugin>,
}

/// A pool that failed to come into use.
struct Failed {
    spec: PoolSpec,
    refused: Vec<RefusedPlugin>,
}

impl WorkerPools {
    /// Makes the pools of third parties those of `scan`. What already is as it should be stays;
    /// what fails to start, its self-test or `accept` is refused, and what it would have replaced
    /// stays. `again`: pools in quarantine start afresh.
    pub async fn use_plugins(&self, scan: Scan, accept: &Accept, again: bool) -> Reloaded {
        let inner = &self.inner;
        let _one_at_a_time = inner.reloading.lock().await;
        let before = inner.third_party().pools.clone();
        let names: BTreeSet<String> = scan.pools.iter().map(|spec| spec.name.clone()).collect();
        let leaving: Vec<Arc<Pool>> = before
            .iter()
            .filter(|pool| !names.contains(pool.plan.name.as_str()) && !is_held(pool, &scan))
            .cloned()
            .collect();
        let mut failed = Vec::new();
        let mut new = Vec::new();
        for spec in scan.pools {
            let is_in_use = |pool: &Arc<Pool>| {
                pool.plan.spec.as_ref() == Some(&spec)
                    && !(again && pool.health() == PoolHealth::Quarantined)
            };
            if !before.iter().any(is_in_use) {
                new.push(spec);
            }
        }
        let mut reloaded = Reloaded::default();
        let built_in = inner.pools().into_iter().next();
        let brought_up = join_all(new.into_iter().map(|spec| bring_up(&inner.opener, spec))).await;
        if let Some(built_in) = built_in {
            // At the start it may still be on its way, and nothing is known of its analyses before.
            first_start(&built_in).await;
        }
        for (spec, pool, outcome) in brought_up {
            let others = self.others(&pool, &leaving);
            let outcome = outcome
                .and_then(|()| refuse_conflicts(&pool, &others))
                .and_then(|()| accept(&pool.plugins()));
            match outcome {
                Ok(()) => {
                    reloaded.in_use.push(pool.plan.name.to_string());
                    self.take_over(pool);
                }
                Err(detail) => {
                    failed.push(Failed { spec, refused: refusals(&pool, &detail) });
                    pool.retire();
                    inner.third_party().draining.push(pool);
                }
            }
        }
        for pool in leaving {
            let fails_elsewhere = failed
                .iter()
                .any(|failed| failed.spec.plugins.iter().any(|p| pool.plan.has_source(&p.source)));
            if !fails_elsewhere {
                reloaded.taken_out.push(pool.plan.name.to_string());
                self.take_out(&pool);
            }
        }
        reloaded.refused = scan
            .refused
            .into_iter()
            .chain(failed.iter().flat_map(|failed| failed.refused.clone()))
            .collect();
        self.take_note(&reloaded);
        inner.changed.send_modify(|generation| *generation += 1);
        self.delete_unused_copies().await;
        reloaded.refused =
            reloaded.refused.into_iter().map(|refused| self.with_provider(refused)).collect();
        reloaded
    }

    /// Keeps what is not used and why, and forgets pools that have ended.
    fn take_note(&self, reloaded: &Reloaded) {
        let mut now = self.inner.third_party();
        now.refused.clone_from(&reloaded.refused);
        now.draining.retain(|pool| pool.has_seats());
    }

    /// The pools that stay beside `pool`: all but the one that it replaces and those that leave.
    fn others(&self, pool: &Pool, leaving: &[Arc<Pool>]) -> Vec<Arc<Pool>> {
        let is_other = |other: &Arc<Pool>| {
            other.plan.name != pool.plan.name
                && !leaving.iter().any(|leaving| Arc::ptr_eq(leaving, other))
        };
        self.inner.pools().into_iter().filter(is_other).collect()
    }

    /// From here on, runs go to `pool` and not to the one that had its name.
    fn take_over(&self, pool: Arc<Pool>) {
        let mut now = self.inner.third_party();
        match now.pools.iter().position(|old| old.plan.name == pool.plan.name) {
            Some(place) => {
                let old = std::mem::replace(&mut now.pools[place], pool);
                old.retire();
                now.draining.push(old);
            }
            None => {
                now.pools.push(pool);
                now.pools.sort_by(|a, b| a.plan.name.cmp(&b.plan.name));
            }
        }
    }

    fn take_out(&self, pool: &Arc<Pool>) {
        let mut now = self.inner.third_party();
        now.pools.retain(|other| !Arc::ptr_eq(other, pool));
        pool.retire();
        now.draining.push(Arc::clone(pool));
    }

    async fn delete_unused_copies(&self) {
        let Some(folder) = self.plugin_folder().cloned() else { return };
        let used: BTreeSet<PathBuf> = {
            let now = self.inner.third_party();
            now.pools
                .iter()
                .chain(&now.draining)
                .flat_map(|pool| pool.plan.own.keys().cloned())
                .collect()
        };
        let pruned = tokio::task::spawn_blocking(move || folder.prune(&used)).await;
        if let Ok(Err(error)) = pruned {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "copies of plugins that nobody uses are left"
            );
        }
    }
}

/// Whether a pool stays though the look at the folder did not give it: its file is there but
/// refused, such as one that is to replace it and is not in the lock file yet. A plugin whose id
/// the lock file does not name any more is never held.
fn is_held(pool: &Pool, scan: &Scan) -> bool {
    let is_refused = scan.refused.iter().any(|refused| pool.plan.has_source(refused.path.as_ref()));
    let is_locked = |plugin: &LoadedPlugin| {
        scan.locked_ids.as_ref().is_none_or(|ids| ids.contains(&plugin.manifest.id))
    };
    is_refused && pool.plugins().iter().all(is_locked)
}

/// Starts a pool and tests it. An error says why it cannot come into use.
async fn bring_up(opener: &Opener, spec: PoolSpec) -> (PoolSpec, Arc<Pool>, Result<(), String>) {
    let pool = opener.open(plan::third_party(&opener.config, &spec));
    let outcome = match first_start(&pool).await {
        Start::Failed(detail) => Err(detail),
        Start::Ready | Start::Pending => match refuse_mislabelled(&pool, &spec) {
            Ok(()) => self_test::run(&pool).await,
            Err(detail) => Err(detail),
        },
    };
    (spec, pool, outcome)
}

/// All plugins must be usable, and be what the lock file says of their files.
fn refuse_mislabelled(pool: &Pool, spec: &PoolSpec) -> Result<(), String> {
    let plugins = pool.plugins();
    for found in &spec.plugins {
        let Some(plugin) = plugins.iter().find(|plugin| plugin.path == found.source) else {
            return Err("another plugin of its pool is refused".to_owned());
        };
        if plugin.file_sha256 != found.sha256 {
            return Err("the worker opened another file than the node looked at".to_owned());
        }
        let is = (&plugin.manifest.id, &plugin.manifest.version);
        if let Some((id, version)) =
            found.locked.as_ref().filter(|(id, version)| is != (id, version))
        {
            return Err(format!("it is {} {}, the lock file calls it {id} {version}", is.0, is.1));
        }
    }
    Ok(())
}

/// An id, and an analysis type, is offered once.
fn refuse_conflicts(pool: &Pool, others: &[Arc<Pool>]) -> Result<(), String> {
    let theirs: Vec<LoadedPlugin> = others.iter().flat_map(|other| other.plugins()).collect();
    for plugin in pool.plugins() {
        for other in &theirs {
            let (id, other_id) = (&plugin.manifest.id, &other.manifest.id);
            if id == other_id {
                return Err(format!(
                    "a plugin with the id {id} is in use already, from {}",
                    other.path.display()
                ));
            }
            let offered = |kind: &str| other.manifest.analyses.iter().any(|spec| spec.kind == kind);
            if let Some(spec) = plugin.manifest.analyses.iter().find(|spec| offered(&spec.kind)) {
                return Err(format!("both {other_id} and {id} offer the analysis {}", spec.kind));
            }
        }
    }
    Ok(())
}

/// Every plugin of the pool with its own reason where its worker gave one, else with `detail`.
fn refusals(pool: &Pool, detail: &str) -> Vec<RefusedPlugin> {
    let own = pool.refused();
    let reason = |source: &PathBuf| {
        let path = source.display().to_string();
        let known = own.iter().find(|refused| refused.path == path).cloned();
        known.unwrap_or_else(|| RefusedPlugin { path, detail: detail.to_owned(), missing: None })
    };
    pool.plan.own.values().map(reason).collect()
}
