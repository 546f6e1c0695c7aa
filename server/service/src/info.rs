//! What the server is and offers, and whether it can do its work.

use super::Services;
use super::types::{
    AnalyzerCondition, AnalyzerHealth, AnalyzerInfo, Readiness, SandboxInfo, ServerInfo,
    ServerLimits,
};
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;
use vultus_auth::policy::{self, Action};
use vultus_core::Principal;
use vultus_pools::{Condition, LoadedPlugin, PoolHealth, TotalCosts};
use vultus_store::Scope;

/// A store that does not answer within this time counts as gone.
const PING_DEADLINE: Duration = Duration::from_secs(2);

impl Services {
    /// The loaded analyzers. They are the same for everybody; why one is not well and how its
    /// analyses went is for who may see the folders of all companies.
    pub fn analyzers(&self, caller: &Principal) -> Vec<AnalyzerInfo> {
        let sees_all = sees_all(caller);
        self.inner
            .checker
            .pools
            .plugins()
            .into_iter()
            .map(|plugin| self.analyzer(plugin, sees_all))
            .collect()
    }

    fn analyzer(&self, plugin: LoadedPlugin, sees_all: bool) -> AnalyzerInfo {
        let manifest = plugin.manifest;
        let effective = manifest.analyses.iter().filter_map(|spec| {
            let known = self.inner.checker.catalog.get(&spec.kind, "").ok()?;
            let merged = known.params.merge(None, "").ok()?;
            Some((spec.kind.clone(), merged.values))
        });
        AnalyzerInfo {
            effective_params: effective.collect(),
            id: manifest.id,
            name: manifest.name,
            version: manifest.version,
            vendor: manifest.vendor,
            license: manifest.license,
            sha256: plugin.file_sha256,
            analyses: manifest.analyses,
            provides: manifest.provides.into_iter().map(|provided| provided.feature).collect(),
            weights: plugin.weights,
            condition: condition(plugin.condition, sees_all),
            statistics: if sees_all { plugin.statistics } else { BTreeMap::new() },
        }
    }

    /// What the server is.
    pub fn server_info(&self) -> ServerInfo {
        let limits = &self.inner.checker.limits;
        ServerInfo {
            version: env!("CARGO_PKG_VERSION"),
            limits: ServerLimits {
                upload_bytes: limits.upload_bytes,
                media_per_request: limits.media_per_request,
                analyses_per_request: limits.analyses_per_request,
                pixels: limits.pixels,
                video_seconds: u32::try_from(limits.video.as_secs()).unwrap_or(u32::MAX),
                wait_ms: u64::try_from(limits.wait.as_millis()).unwrap_or(u64::MAX),
            },
        }
    }

    /// What the runs of this node cost since it started: those of all companies, so only for who
    /// may see the folders of all.
    pub fn total_costs(&self, caller: &Principal) -> Option<TotalCosts> {
        sees_all(caller).then(|| self.inner.checker.pools.total_costs())
    }

    /// What the workers' sandbox does not hold on this machine: of use to an attacker, so only for
    /// who may see the folders of all.
    pub fn sandbox(&self, caller: &Principal) -> Option<SandboxInfo> {
        sees_all(caller).then(|| SandboxInfo {
            required: self.inner.sandbox_required,
            gaps: self.inner.checker.pools.sandbox_gaps(),
        })
    }

    /// Whether plugins that may come into use fit the operator's policy. An error says why not.
    pub fn accept_plugins(&self, plugins: &[LoadedPlugin]) -> Result<(), String> {
        self.inner.checker.catalog.accept(plugins)
    }

    /// The address that clients use, where the configuration names one.
    pub fn public_url(&self) -> Option<&Url> {
        self.inner.public_url.as_ref()
    }

    /// Whether the node can do its work.
    pub async fn ready(&self) -> Readiness {
        let mut missing = Vec::new();
        if self.inner.stopping.is_cancelled() {
            missing.push("stopping");
        }
        if !matches!(tokio::time::timeout(PING_DEADLINE, self.inner.store.ping()).await, Ok(Ok(())))
        {
            missing.push("store");
        }
        let pools = self.inner.checker.pools.pools();
        if !pools.iter().any(|pool| self.inner.checker.pools.health(pool) == PoolHealth::Available)
        {
            missing.push("workers");
        }
        Readiness { ready: missing.is_empty(), missing }
    }
}

fn sees_all(caller: &Principal) -> bool {
    matches!(policy::authorize(caller, Action::ViewFolder), Ok(Scope::Everything))
}

fn condition(condition: Condition, sees_all: bool) -> AnalyzerCondition {
    let (health, reason) = match condition {
        Condition::Ready => (AnalyzerHealth::Ready, None),
        Condition::Degraded(reason) => (AnalyzerHealth::Degraded, Some(reason)),
        Condition::Unavailable(reason) => (AnalyzerHealth::Unavailable, Some(reason)),
        Condition::Quarantined(reason) => (AnalyzerHealth::Quarantined, Some(reason)),
    };
    AnalyzerCondition { health, reason: reason.filter(|_| sees_all) }
}
