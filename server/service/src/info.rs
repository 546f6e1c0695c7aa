//! What the server offers, and whether it is ready.

use crate::checker::Checker;
use crate::types::{
    AnalyzerCondition, AnalyzerHealth, AnalyzerInfo, Readiness, SandboxInfo, ServerInfo,
    ServerLimits,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use url::Url;
use vultus_auth::policy::{self, Action};
use vultus_blobs::BlobStore;
use vultus_core::{JsonText, Principal};
use vultus_pools::{Condition, LoadedPlugin, PoolHealth, TotalCosts};
use vultus_store::{Scope, Store};

/// Maximum time of the store's answer to a ping; after it the store counts as missing.
const PING_DEADLINE: Duration = Duration::from_secs(2);

/// The part that describes the server.
pub(crate) struct Info {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Arc<BlobStore>,
    pub(crate) checker: Checker,
    pub(crate) public_url: Option<Url>,
    pub(crate) sandbox_required: bool,
    pub(crate) stopping: CancellationToken,
}

impl Info {
    pub(crate) fn analyzers(&self, caller: &Principal) -> Vec<AnalyzerInfo> {
        let sees_all = sees_all(caller);
        self.checker
            .pools
            .plugins()
            .into_iter()
            .map(|plugin| self.analyzer(plugin, sees_all))
            .collect()
    }

    fn analyzer(&self, plugin: LoadedPlugin, sees_all: bool) -> AnalyzerInfo {
        let manifest = plugin.manifest;
        let effective = manifest.analyses.iter().filter_map(|spec| {
            let offered = self.checker.catalog.get(&spec.kind, "").ok()?;
            let merged = offered.params.merge(&JsonText::empty_object(), "").ok()?;
            Some((spec.kind.clone(), merged.values.into()))
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

    pub(crate) fn server_info(&self) -> ServerInfo {
        let limits = &self.checker.limits;
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

    pub(crate) fn total_costs(&self, caller: &Principal) -> Option<TotalCosts> {
        sees_all(caller).then(|| self.checker.pools.total_costs())
    }

    pub(crate) fn sandbox(&self, caller: &Principal) -> Option<SandboxInfo> {
        sees_all(caller).then(|| SandboxInfo {
            required: self.sandbox_required,
            gaps: self.checker.pools.sandbox_gaps(),
        })
    }

    pub(crate) fn accept_plugins(&self, plugins: &[LoadedPlugin]) -> Result<(), String> {
        self.checker.catalog.accept(plugins)
    }

    pub(crate) fn public_url(&self) -> Option<&Url> {
        self.public_url.as_ref()
    }

    pub(crate) async fn ready(&self) -> Readiness {
        let mut missing = Vec::new();
        if self.stopping.is_cancelled() {
            missing.push("stopping");
        }
        if !matches!(tokio::time::timeout(PING_DEADLINE, self.store.ping()).await, Ok(Ok(()))) {
            missing.push("store");
        }
        if self.blobs.is_space_low() {
            missing.push("disk");
        }
        let pools = self.checker.pools.pools();
        if !pools.iter().any(|pool| self.checker.pools.health(pool) == PoolHealth::Available) {
            missing.push("workers");
        }
        Readiness { ready: missing.is_empty(), missing }
    }
}

/// Whether the caller may see the folders of all companies.
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
