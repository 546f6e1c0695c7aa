//! Brings plugins into use and takes them out of use during operation. A new pool starts beside the
//! old one, is tested, and takes over its name; the old one finishes its jobs. No plugin is
//! unloaded from a running worker.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::join_all;
use vultus_plugin_api::manifest::AnalysisSpec;
use vultus_worker_protocol::RefusedPlugin;

use super::scan::{PoolSpec, Scan};
use super::self_test;
use crate::loaded_plugin::LoadedPlugin;
use crate::plan;
use crate::pool::{Pool, Start};
use crate::pool_set::{PoolOpener, PoolSet};
use crate::run::PoolHealth;

/// A final check of plugins that passed all other checks, such as whether the operator's policy
/// fits them. An error says why they cannot be used.
pub type Accept = dyn Fn(&[LoadedPlugin]) -> Result<(), String> + Send + Sync;

/// Accepts every plugin.
pub fn accept_all(_: &[LoadedPlugin]) -> Result<(), String> {
    Ok(())
}

/// What happens to pools in quarantine whose plugins did not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuarantinedPools {
    /// They stay in quarantine.
    Keep,
    /// They are started again.
    Restart,
}

/// The changes of a reload: names of pools, and files that are not used.
#[derive(Debug, Default)]
pub struct Reloaded {
    /// Pools that are new or replaced an older one.
    pub in_use: Vec<String>,
    /// Pools that were taken out of use.
    pub taken_out: Vec<String>,
    /// Files that are not used, with the reason.
    pub refused: Vec<RefusedPlugin>,
}

/// A pool that failed to come into use.
struct FailedPool {
    spec: PoolSpec,
    refused: Vec<RefusedPlugin>,
}

/// Replaces the third-party pools by those of `scan`. A pool that is unchanged stays. A pool that
/// fails to start, fails its self-test or is rejected by `accept` is refused, and the pool that it
/// would have replaced stays.
pub(crate) async fn use_plugins(
    set: &PoolSet,
    scan: Scan,
    accept: &Accept,
    quarantined: QuarantinedPools,
) -> Reloaded {
    let _one_at_a_time = set.reloading.lock().await;
    let before = set.third_party().pools.clone();
    let leaving = leaving(&before, &scan);
    let new: Vec<PoolSpec> =
        scan.pools.into_iter().filter(|spec| !is_in_use(&before, spec, quarantined)).collect();
    let brought_up = join_all(new.into_iter().map(|spec| bring_up(&set.opener, spec))).await;
    // At the start of the node its own pool may not be ready yet, and until then its analysis types
    // are unknown.
    set.built_in.first_start().await;
    let mut reloaded = Reloaded::default();
    let mut failed = Vec::new();
    for (spec, pool, outcome) in brought_up {
        let others = others(set, &pool, &leaving);
        let outcome = outcome
            .and_then(|()| refuse_conflicts(&pool, &others))
            .and_then(|()| accept(&pool.plugins()));
        match outcome {
            Ok(()) => {
                reloaded.in_use.push(pool.plan.name.to_string());
                take_over(set, pool);
            }
            Err(detail) => {
                failed.push(FailedPool { spec, refused: refusals(&pool, &detail) });
                pool.retire();
                set.third_party().draining.push(pool);
            }
        }
    }
    for pool in leaving {
        if !is_source_of_failed(&pool, &failed) {
            reloaded.taken_out.push(pool.plan.name.to_string());
            take_out(set, &pool);
        }
    }
    reloaded.refused = scan.refused;
    reloaded.refused.extend(failed.into_iter().flat_map(|failed| failed.refused));
    record(set, &reloaded);
    set.generation.send_modify(|generation| *generation += 1);
    delete_unused_copies(set).await;
    reloaded.refused =
        reloaded.refused.into_iter().map(|refused| set.with_provider(refused)).collect();
    reloaded
}

/// The pools in use that the scan does not contain any more.
fn leaving(in_use: &[Arc<Pool>], scan: &Scan) -> Vec<Arc<Pool>> {
    let names: BTreeSet<&str> = scan.pools.iter().map(|spec| spec.name.as_str()).collect();
    in_use
        .iter()
        .filter(|pool| !names.contains(pool.plan.name.as_str()) && !is_held(pool, scan))
        .cloned()
        .collect()
}

/// Whether a pool with this spec is in use and stays.
fn is_in_use(in_use: &[Arc<Pool>], spec: &PoolSpec, quarantined: QuarantinedPools) -> bool {
    in_use.iter().any(|pool| {
        let restarts =
            quarantined == QuarantinedPools::Restart && pool.health() == PoolHealth::Quarantined;
        pool.plan.spec.as_ref() == Some(spec) && !restarts
    })
}

/// Whether a plugin of a leaving pool failed to come into use in another pool.
fn is_source_of_failed(pool: &Pool, failed: &[FailedPool]) -> bool {
    failed.iter().flat_map(|failed| &failed.spec.plugins).any(|p| pool.plan.has_source(&p.source))
}

/// Stores which files are not used and why, and forgets pools that have ended.
fn record(set: &PoolSet, reloaded: &Reloaded) {
    let mut now = set.third_party();
    now.refused.clone_from(&reloaded.refused);
    now.draining.retain(|pool| pool.has_seats());
}

/// The pools that stay beside `pool`: all except the one that it replaces and the leaving ones.
fn others(set: &PoolSet, pool: &Pool, leaving: &[Arc<Pool>]) -> Vec<Arc<Pool>> {
    let is_other = |other: &Arc<Pool>| {
        other.plan.name != pool.plan.name
            && !leaving.iter().any(|leaving| Arc::ptr_eq(leaving, other))
    };
    set.pools().into_iter().filter(is_other).collect()
}

/// From here on, runs go to `pool` and no longer to the pool that had its name.
fn take_over(set: &PoolSet, pool: Arc<Pool>) {
    let mut now = set.third_party();
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

fn take_out(set: &PoolSet, pool: &Arc<Pool>) {
    let mut now = set.third_party();
    now.pools.retain(|other| !Arc::ptr_eq(other, pool));
    pool.retire();
    now.draining.push(Arc::clone(pool));
}

async fn delete_unused_copies(set: &PoolSet) {
    let Some(folder) = set.opener.config.plugin_folder.clone() else { return };
    let used: BTreeSet<PathBuf> = {
        let now = set.third_party();
        let pools = now.pools.iter().chain(&now.draining);
        pools.flat_map(|pool| pool.plan.own.keys().cloned()).collect()
    };
    let pruned = tokio::task::spawn_blocking(move || folder.prune(&used)).await;
    if let Ok(Err(error)) = pruned {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "deleting unused copies of plugins failed"
        );
    }
}

/// Whether a pool stays although the scan does not contain it: its file exists but is refused, for
/// example because a replacement is not in the lock file yet. A plugin whose id was removed from
/// the lock file is never held.
fn is_held(pool: &Pool, scan: &Scan) -> bool {
    let is_refused = scan.refused.iter().any(|refused| pool.plan.has_source(refused.path.as_ref()));
    let is_locked = |plugin: &LoadedPlugin| {
        scan.locked_ids.as_ref().is_none_or(|ids| ids.contains(&plugin.manifest.id))
    };
    is_refused && pool.plugins().iter().all(is_locked)
}

/// Starts a pool and tests it. An error says why it cannot come into use.
async fn bring_up(
    opener: &PoolOpener,
    spec: PoolSpec,
) -> (PoolSpec, Arc<Pool>, Result<(), String>) {
    let pool = opener.open(plan::third_party(&opener.config, &spec));
    let outcome = match pool.first_start().await {
        Start::Failed(detail) => Err(detail),
        Start::Ready | Start::Pending => match refuse_mislabelled(&pool, &spec) {
            Ok(()) => self_test::run(&pool).await,
            Err(detail) => Err(detail),
        },
    };
    (spec, pool, outcome)
}

/// All plugins of the pool must be usable, and be what the lock file says about their files.
fn refuse_mislabelled(pool: &Pool, spec: &PoolSpec) -> Result<(), String> {
    let plugins = pool.plugins();
    for found in &spec.plugins {
        let Some(plugin) = plugins.iter().find(|plugin| plugin.path == found.source) else {
            return Err("another plugin of the same pool is refused".to_owned());
        };
        if plugin.file_sha256 != found.sha256 {
            return Err("the worker opened another file than the node checked".to_owned());
        }
        let actual = (&plugin.manifest.id, &plugin.manifest.version);
        if let Some((id, version)) =
            found.locked.as_ref().filter(|(id, version)| actual != (id, version))
        {
            return Err(format!(
                "the plugin is {} {}, but the lock file says {id} {version}",
                actual.0, actual.1
            ));
        }
    }
    Ok(())
}

/// Each plugin id and each analysis type may be offered once.
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
            let offered = |spec: &&AnalysisSpec| {
                other.manifest.analyses.iter().any(|theirs| theirs.kind == spec.kind)
            };
            if let Some(spec) = plugin.manifest.analyses.iter().find(offered) {
                return Err(format!("both {other_id} and {id} offer the analysis {}", spec.kind));
            }
        }
    }
    Ok(())
}

/// Every plugin of the pool with the reason that its worker gave, or else with `detail`.
fn refusals(pool: &Pool, detail: &str) -> Vec<RefusedPlugin> {
    let own = pool.refused();
    let reason = |source: &PathBuf| {
        let path = source.display().to_string();
        let known = own.iter().find(|refused| refused.path == path).cloned();
        known.unwrap_or_else(|| RefusedPlugin { path, detail: detail.to_owned(), missing: None })
    };
    pool.plan.own.values().map(reason).collect()
}
