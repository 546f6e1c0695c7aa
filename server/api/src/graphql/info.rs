//! The server itself: version, loaded plugins, limits.

use std::time::Duration;

use async_graphql::{Context, Enum, Object, Result, SimpleObject};
use vultus_core::JsonText;
use vultus_plugin_api::manifest::{AnalysisSpec, Slot};

use super::context::caller;
use super::error::ErrorCode;
use super::json::Json;
use super::media::MediaKind;
use super::request_limits::QueryLimits;
use super::scalars::int;
use crate::problem::Code;
use vultus_service::{AnalysisStatistics, AnalyzerInfo, SandboxInfo, TotalCosts};

/// Health of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "vultus_service::AnalyzerHealth")]
pub enum AnalyzerHealth {
    /// No fault is known.
    Ready,
    /// It takes work but has faults: workers crashed recently, or more than half of its newest
    /// analyses failed.
    Degraded,
    /// It takes no work: its workers crashed too often or do not start. The server tries again from
    /// time to time.
    Unavailable,
    /// It takes no work until the operator intervenes.
    Quarantined,
}

/// Statistics of the analyses of a type on this node since it started.
#[derive(Debug, Clone, Copy, SimpleObject)]
pub struct AnalysisFigures {
    /// Number of analyses that ended, without cancelled ones.
    runs: i32,
    /// Number of those that FAILED.
    failures: i32,
    /// Median duration of the newest 1 000, in milliseconds; null before the first.
    p50_ms: Option<f64>,
    /// 95th percentile of their duration, in milliseconds.
    p95_ms: Option<f64>,
}

impl From<AnalysisStatistics> for AnalysisFigures {
    fn from(statistics: AnalysisStatistics) -> Self {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        Self {
            runs: int(statistics.runs),
            failures: int(statistics.failures),
            p50_ms: statistics.p50.map(ms),
            p95_ms: statistics.p95.map(ms),
        }
    }
}

/// A file of weights that an analyzer uses.
#[derive(Debug, Clone, SimpleObject)]
pub struct WeightFile {
    /// Name of the file.
    file: String,
    /// SHA-256 of the file, in hexadecimal.
    sha256: String,
}

pub(super) fn weight_files(weights: &[(String, String)]) -> Vec<WeightFile> {
    weights
        .iter()
        .filter(|(_, sha256)| !sha256.is_empty())
        .map(|(file, sha256)| WeightFile { file: file.clone(), sha256: sha256.clone() })
        .collect()
}

/// The optional files among `weights` that are not installed.
pub(super) fn missing_weights(weights: &[(String, String)]) -> Vec<String> {
    let missing = weights.iter().filter(|(_, sha256)| sha256.is_empty());
    missing.map(|(file, _)| file.clone()).collect()
}

/// A loaded plugin.
pub struct Analyzer(AnalyzerInfo);

/// A loaded plugin. It offers analysis types to clients, features to other plugins, or both.
#[Object]
impl Analyzer {
    /// Id of the plugin: a reverse domain name.
    async fn id(&self) -> &str {
        &self.0.id
    }

    /// Display name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Version of the plugin.
    async fn version(&self) -> &str {
        &self.0.version
    }

    /// The vendor.
    async fn vendor(&self) -> &str {
        &self.0.vendor
    }

    /// SPDX licence expression of its code.
    async fn license(&self) -> &str {
        &self.0.license
    }

    /// SHA-256 of its file, in hexadecimal.
    async fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// The analysis types that clients can request.
    #[graphql(complexity = "1 + 2 * child_complexity")]
    async fn types(&self) -> Vec<AnalysisType> {
        let effective = |spec: &AnalysisSpec| {
            self.0.effective_params.get(&spec.kind).cloned().unwrap_or_else(JsonText::empty_object)
        };
        let statistics = |spec: &AnalysisSpec| self.0.statistics.get(&spec.kind).copied();
        let of_spec = |spec: &AnalysisSpec| AnalysisType {
            effective_params: effective(spec),
            statistics: statistics(spec),
            spec: spec.clone(),
        };
        self.0.analyses.iter().map(of_spec).collect()
    }

    /// The features that it provides to other plugins, such as `faces/1`.
    async fn provides(&self) -> &[String] {
        &self.0.provides
    }

    /// The weights in use.
    async fn weights(&self) -> Vec<WeightFile> {
        weight_files(&self.0.weights)
    }

    /// Optional weight files that are not installed; without them the verdicts are less certain.
    async fn missing_weights(&self) -> Vec<String> {
        missing_weights(&self.0.weights)
    }

    /// Its health.
    async fn health(&self) -> AnalyzerHealth {
        self.0.condition.health.into()
    }

    /// Why it is not READY, in one sentence; null if it is, or if you may not see the folders of
    /// all companies.
    async fn health_reason(&self) -> Option<&str> {
        self.0.condition.reason.as_deref()
    }
}

/// An analysis type.
pub struct AnalysisType {
    spec: AnalysisSpec,
    statistics: Option<AnalysisStatistics>,
    effective_params: JsonText,
}

/// An analysis type that clients can request.
#[Object]
impl AnalysisType {
    /// Name, such as `face_match`.
    #[graphql(name = "type")]
    async fn kind(&self) -> &str {
        &self.spec.kind
    }

    /// Display title.
    async fn title(&self) -> &str {
        &self.spec.title
    }

    /// The media that it uses. A medium goes to the first slot that it fits.
    async fn slots(&self) -> Vec<AnalysisSlot> {
        self.spec.slots.iter().cloned().map(AnalysisSlot).collect()
    }

    /// JSON Schema of the parameters of a request, with their defaults.
    async fn params_schema(&self) -> Json {
        Json::of(&self.spec.params_schema)
    }

    /// JSON Schema of `result`.
    async fn result_schema(&self) -> Json {
        Json::of(&self.spec.result_schema)
    }

    /// The parameters in effect if a request gives none.
    async fn effective_params(&self) -> Json {
        Json::from(&self.effective_params)
    }

    /// Time limit in milliseconds; an analysis that exceeds it is FAILED.
    async fn timeout_ms(&self) -> i32 {
        int(self.spec.timeout_ms)
    }

    /// Statistics of its analyses; null if you may not see the folders of all companies.
    async fn figures(&self) -> Option<AnalysisFigures> {
        self.statistics.map(Into::into)
    }

    /// Whether the same media and parameters always give the same result.
    async fn deterministic(&self) -> bool {
        self.spec.deterministic
    }
}

/// A place for media in an analysis.
pub struct AnalysisSlot(Slot);

/// A place for media in an analysis.
#[Object]
impl AnalysisSlot {
    /// Name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Kinds of media that fit.
    async fn kinds(&self) -> Vec<MediaKind> {
        self.0.kinds.iter().map(|&kind| kind.into()).collect()
    }

    /// A medium needs at least one of these tags (empty: no condition).
    async fn any_tags(&self) -> &[String] {
        &self.0.any_tags
    }

    /// A medium needs all of these tags.
    async fn all_tags(&self) -> &[String] {
        &self.0.all_tags
    }

    /// A medium with one of these tags is left out unless the request names it.
    async fn unless_named_tags(&self) -> &[String] {
        &self.0.unless_named_tags
    }

    /// Minimum number of media.
    async fn min(&self) -> i32 {
        int(self.0.min)
    }

    /// Maximum number of media.
    async fn max(&self) -> i32 {
        int(self.0.max)
    }
}

/// The server.
#[derive(Debug, SimpleObject)]
pub struct ServerInfo {
    /// Version of the server.
    version: String,
    /// Limits that clients should know.
    limits: ServerLimits,
    /// All values of `errors[].extensions.code`: the list is closed.
    error_codes: Vec<ErrorCode>,
    /// Cost of the work of this node since it started; null if you may not see the folders of all
    /// companies.
    run_costs: Option<RunCosts>,
    /// The sandbox of the workers; null if you may not see the folders of all companies.
    sandbox: Option<Sandbox>,
}

/// The sandbox of the workers, which decode media and run plugins, on this machine.
#[derive(Debug, SimpleObject)]
pub struct Sandbox {
    /// Whether the server refuses to start if the sandbox is incomplete.
    required: bool,
    /// The restrictions that the kernel does not support, one sentence each. Empty: everything is
    /// enforced.
    gaps: Vec<String>,
}

/// CPU time and decoded media of this node's workers since it started, over all successful runs. A
/// run is the analyses of one request, stored or not.
#[derive(Debug, SimpleObject)]
pub struct RunCosts {
    /// Number of runs.
    runs: i32,
    /// Decoding and scaling media, in milliseconds.
    decode_ms: f64,
    /// Finding faces, in milliseconds.
    detection_ms: f64,
    /// Templates and tracks of faces, in milliseconds.
    embedding_ms: f64,
    /// The analyses themselves, in milliseconds.
    analysis_ms: f64,
    /// The total, including time outside these steps, in milliseconds.
    total_ms: f64,
    /// Number of media that runs decoded, each once for all analyses of the run.
    media_decoded: i32,
    /// Number of media that runs took from the probe, which had just decoded them.
    media_reused: i32,
}

impl RunCosts {
    fn of(costs: TotalCosts) -> Self {
        let ms = |us: u64| us as f64 / 1000.0;
        Self {
            runs: int(costs.runs),
            decode_ms: ms(costs.decode_us),
            detection_ms: ms(costs.detection_us),
            embedding_ms: ms(costs.embedding_us),
            analysis_ms: ms(costs.analysis_us),
            total_ms: ms(costs.total_us),
            media_decoded: int(costs.media_decoded),
            media_reused: int(costs.media_reused),
        }
    }
}

/// Limits that clients should know.
#[derive(Debug, SimpleObject)]
pub struct ServerLimits {
    /// Maximum size of a file, in bytes.
    upload_bytes: i32,
    /// Maximum number of media in a request.
    media_per_request: i32,
    /// Maximum number of analyses in a request.
    analyses_per_request: i32,
    /// Maximum number of pixels of a picture.
    pixels: i32,
    /// Maximum duration of a video, in seconds.
    video_seconds: i32,
    /// Maximum of `waitMs`, in milliseconds.
    wait_ms: i32,
    /// Maximum nesting of fields in a query.
    query_depth: i32,
    /// Maximum complexity of a query: a field counts 1, and the fields of a page count once per 25
    /// objects, rounded up.
    query_complexity: i32,
}

pub(super) async fn analyzers(ctx: &Context<'_>) -> Result<Vec<Analyzer>> {
    let (services, principal) = caller(ctx)?;
    Ok(services.analyzers(&principal).into_iter().map(Analyzer).collect())
}

pub(super) async fn server_info(ctx: &Context<'_>) -> Result<ServerInfo> {
    let (services, principal) = caller(ctx)?;
    let info = services.server_info();
    let query = ctx.data::<QueryLimits>()?;
    let limits = ServerLimits {
        upload_bytes: int(info.limits.upload_bytes),
        media_per_request: int(info.limits.media_per_request),
        analyses_per_request: int(info.limits.analyses_per_request),
        pixels: int(info.limits.pixels),
        video_seconds: int(info.limits.video_seconds),
        wait_ms: int(info.limits.wait_ms),
        query_depth: int(query.depth),
        query_complexity: int(query.complexity),
    };
    let run_costs = services.total_costs(&principal).map(RunCosts::of);
    let sandbox = services
        .sandbox(&principal)
        .map(|SandboxInfo { required, gaps }| Sandbox { required, gaps });
    Ok(ServerInfo {
        version: info.version.to_owned(),
        limits,
        error_codes: Code::ALL.map(ErrorCode::from).to_vec(),
        run_costs,
        sandbox,
    })
}
