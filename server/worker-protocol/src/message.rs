//! The message types. Indices of media refer to their run; ids are opaque text to the worker.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use vultus_core::MediaKind;

/// A message from the node to a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum ToWorker {
    /// The first message: the worker's configuration.
    Hello(Box<WorkerSetup>),
    /// Examine one medium. One descriptor: the medium.
    Probe(ProbeRequest),
    /// Judge media. Descriptors: one per medium, in order.
    Run(Box<RunRequest>),
    /// Stop one analysis, or the whole run.
    Cancel {
        /// The run.
        run: String,
        /// The analysis; absent: the whole run.
        analysis: Option<String>,
    },
}

/// Configuration of a worker. Its environment is empty, so that this is its only source of
/// settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerSetup {
    /// [`crate::PROTOCOL_VERSION`] of the node.
    pub protocol: u32,
    /// Plugin files to open, providers first. Empty: the worker only probes.
    pub plugins: Vec<PluginFile>,
    /// Absolute path of the ONNX Runtime library.
    pub onnxruntime: Option<String>,
    /// Absolute path of the folder with the weights.
    pub weights_dir: Option<String>,
    /// Number of threads of one inference.
    pub threads: u32,
    /// The media limits, as serialised from `vultus_media::Limits`.
    pub limits: Value,
    /// The decoder's options, as serialised from `vultus_media::DecodeOptions`; null: the defaults.
    #[serde(default)]
    pub decode: Value,
    /// Maximum address space in bytes (RLIMIT_AS); absent: no limit.
    pub memory_bytes: Option<u64>,
    /// CPU time in seconds that one run or probe may use (the soft RLIMIT_CPU is raised for each).
    pub cpu_seconds: u64,
    /// What to do if the kernel lacks a part of the sandbox.
    #[serde(default)]
    pub sandbox: SandboxLevel,
    /// Whether to open and describe the plugins without creating instances.
    #[serde(default)]
    pub only_describe: bool,
}

/// What a worker does if the kernel lacks a part of the sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxLevel {
    /// It does not start.
    Required,
    /// It starts and reports what is missing.
    #[default]
    BestEffort,
}

/// A plugin to open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginFile {
    /// Absolute path of the shared library.
    pub path: String,
    /// The operator's settings for the plugin: a JSON object.
    pub settings: Value,
    /// Origin of the plugin, which decides whether it may use restricted features.
    #[serde(default)]
    pub origin: PluginOrigin,
    /// Restricted features that the operator granted to the plugin, such as `face_template/1`.
    #[serde(default)]
    pub grants: Vec<String>,
    /// Whether to use the plugin only if another plugin of the worker needs one of its features.
    #[serde(default)]
    pub only_for_features: bool,
}

/// Origin of a plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginOrigin {
    /// Ships with the server; may use restricted features.
    BuiltIn,
    /// Supplied by a third party; rejected if it requests a restricted feature without a grant.
    #[default]
    ThirdParty,
}

/// A request to examine one medium.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProbeRequest {
    /// Id of the probe, repeated in the answer.
    pub probe: String,
    /// Size of the medium in bytes.
    pub byte_size: u64,
}

/// A request to judge: the analyses requested together on one folder, for one worker pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRequest {
    /// Id of the run, repeated in every answer.
    pub run: String,
    /// The media, in the order of the descriptors.
    pub media: Vec<RunMedium>,
    /// The analyses, in the order in which they are judged.
    pub analyses: Vec<RunAnalysis>,
}

/// A medium of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunMedium {
    /// Id of the medium, used in messages only.
    pub id: String,
    /// Size in bytes.
    pub byte_size: u64,
    /// Its tags.
    pub tags: Vec<String>,
    /// Size of the decoded frame, if a probe decoded it already. The descriptor is then that of the
    /// frame, and the medium itself is not read.
    #[serde(default)]
    pub frame: Option<FrameReport>,
}

/// An analysis of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunAnalysis {
    /// Id of the analysis.
    pub id: String,
    /// Its type, such as `liveness`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Merged and validated parameters.
    pub params: Value,
    /// The media that it takes.
    pub media: Vec<SlottedMedium>,
    /// Time limit in milliseconds.
    pub timeout_ms: u64,
}

/// A medium in a slot of an analysis.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SlottedMedium {
    /// Index in [`RunRequest::media`].
    pub index: u32,
    /// The slot's name.
    pub slot: String,
    /// Whether the request named this medium, rather than taking all that fit.
    pub named: bool,
}

/// A message from a worker to the node.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum FromWorker {
    /// Answers `Hello` once all plugins are open.
    Ready(Box<WorkerReady>),
    /// The worker cannot start and exits.
    Unfit {
        /// The reason, for the operator's log.
        detail: String,
    },
    /// Answers `Probe`. One descriptor if there is a thumbnail (JPEG, at most 256 px), followed by
    /// one if there is a frame.
    Probed {
        /// The probe.
        probe: String,
        /// The description of the medium, or why it is rejected.
        result: Result<ProbeReport, RefusalReport>,
    },
    /// The worker is about to decode the media of a run.
    Decoding {
        /// The run.
        run: String,
    },
    /// The worker enters an analysis: until `Judged`, the worker's death counts against it.
    Entered {
        /// The run.
        run: String,
        /// The analysis.
        analysis: String,
    },
    /// Progress of an analysis.
    Progress {
        /// The run.
        run: String,
        /// The analysis.
        analysis: String,
        /// Fraction done, 0–1.
        fraction: f32,
    },
    /// An analysis is done. Descriptors: one per artifact, followed by one with the outcome as JSON
    /// if `outcome_bytes` is not 0 (then `Judgement::outcome` is empty).
    Judged {
        /// The run.
        run: String,
        /// The analysis.
        analysis: String,
        /// The verdict or the failure.
        result: Result<Box<Judgement>, AnalysisFailure>,
        /// The artifacts, in the order of the descriptors.
        artifacts: Vec<ArtifactReport>,
        /// Size of the outcome in the last descriptor, in bytes; 0: the outcome is in the message.
        #[serde(default)]
        outcome_bytes: u64,
    },
    /// All analyses of the run are answered.
    RunDone {
        /// The run.
        run: String,
        /// Costs of the run.
        costs: RunCosts,
    },
    /// A line of a plugin for the operator's log.
    Log {
        /// Id of the plugin.
        plugin: String,
        /// 0 error, 1 warning, 2 information, 3 debug.
        level: u32,
        /// At most 1 000 characters.
        text: String,
    },
}

/// Describes a worker that is ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerReady {
    /// [`crate::PROTOCOL_VERSION`] of the worker.
    pub protocol: u32,
    /// The plugins that it opened.
    pub plugins: Vec<PluginReport>,
    /// Plugin files that it rejected, with the reason.
    pub refused: Vec<RefusedPlugin>,
    /// Parts of the sandbox that the kernel lacks, one sentence each.
    pub sandbox_gaps: Vec<String>,
}

/// An opened plugin.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PluginReport {
    /// Its manifest, as serialised from `vultus_plugin_api::Manifest`.
    pub manifest: Value,
    /// Path of the file.
    pub path: String,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub file_sha256: String,
    /// SHA-256 of each weight file that it names, as (file, sha256).
    pub weights: Vec<(String, String)>,
}

/// A plugin file that was rejected.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefusedPlugin {
    /// Path of the file.
    pub path: String,
    /// The reason.
    pub detail: String,
    /// The feature that the plugin needs and that no plugin of the worker provides.
    #[serde(default)]
    pub missing: Option<String>,
}

/// Description of a medium, as a probe determined it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// Kind, determined by content.
    pub kind: MediaKind,
    /// MIME type, determined by content.
    pub content_type: String,
    /// Width in pixels, after rotation to upright.
    pub width: u32,
    /// Height in pixels, after rotation to upright.
    pub height: u32,
    /// EXIF orientation (1–8) that was applied; a rotation matrix is given as the orientation of
    /// the same effect.
    pub orientation_applied: u8,
    /// Duration in microseconds; only for videos.
    pub duration_us: Option<i64>,
    /// Number of frames; only for videos and shot sets.
    pub frame_count: Option<u64>,
    /// Mean frame rate in 1/s; only for videos.
    pub frame_rate: Option<f64>,
    /// Size of the thumbnail in the attached descriptor, in bytes; 0: no thumbnail.
    pub thumbnail_bytes: u64,
    /// The decoded frame of a single picture, in the last attached descriptor.
    #[serde(default)]
    pub frame: Option<FrameReport>,
}

/// A single picture that a probe decoded, so that a following run need not decode it again: packed
/// RGB in a sealed descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameReport {
    /// Width of the upright source, in pixels.
    pub source_width: u32,
    /// Height of the upright source, in pixels.
    pub source_height: u32,
    /// Width of the frame, in pixels.
    pub width: u32,
    /// Height of the frame, in pixels.
    pub height: u32,
}

impl FrameReport {
    /// Size of the frame in bytes.
    pub fn byte_size(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height) * 3
    }
}

/// Why a medium is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalReport {
    /// Stable code, such as `TRUNCATED` or `UNSUPPORTED_FORMAT`.
    pub code: String,
    /// One sentence for the client.
    pub message: String,
    /// Whether a limit was exceeded (LIMIT_EXCEEDED) rather than the medium being invalid
    /// (INVALID_INPUT).
    pub is_limit: bool,
}

/// A verdict with its provenance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Judgement {
    /// The plugin's outcome: the JSON text of a `vultus_plugin_api::Outcome`. As text, so that its
    /// size can be checked before it is parsed.
    pub outcome: String,
    /// Id of the plugin that judged.
    pub plugin: String,
    /// Version of the plugin.
    pub plugin_version: String,
    /// SHA-256 of the plugin's file.
    pub plugin_sha256: String,
    /// SHA-256 of the weights in use, those of the providers included, as (file, sha256). The hash
    /// of an optional file that is not installed is empty.
    pub weights: Vec<(String, String)>,
}

/// Why an analysis has no verdict.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AnalysisFailure {
    /// Stable code: `MEDIA_UNREADABLE`, `MEMORY_EXCEEDED`, `ANALYZER_FAILED`,
    /// `ANALYZER_PANICKED`, `BAD_RESULT`,
    /// `DEADLINE_EXCEEDED`, `CANCELLED`, `ANALYZER_UNAVAILABLE`, `ANALYZER_CRASHED`, `NO_ANALYZER`,
    /// `TOO_MANY_MEDIA`.
    pub code: String,
    /// For the client: one sentence without internal details.
    pub message: String,
    /// For the operator's log.
    pub detail: String,
    /// Whether another attempt may succeed.
    pub retryable: bool,
}

/// An artifact of an analysis, such as the best shot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ArtifactReport {
    /// The name that the plugin gave it.
    pub name: String,
    /// MIME type.
    pub content_type: String,
    /// Size in bytes.
    pub byte_size: u64,
}

/// Costs of a run: CPU time of the worker in microseconds, and numbers of media.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct RunCosts {
    /// CPU time of decoding and scaling media.
    pub decode_us: u64,
    /// CPU time inside `provide`, for faces.
    pub detection_us: u64,
    /// CPU time inside `provide`, for all other features (templates, tracks).
    pub embedding_us: u64,
    /// CPU time inside `analyze`, without the features that it requested.
    pub analysis_us: u64,
    /// CPU time of the whole run.
    pub total_us: u64,
    /// Number of media that the run decoded.
    pub media_decoded: u64,
    /// Number of media that a probe had decoded.
    pub media_reused: u64,
}
