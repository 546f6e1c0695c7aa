//! The message types. Indices of media count within their run; ids are opaque text to the worker.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// From the node to a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum ToWorker {
    /// The first message: who the worker is.
    Hello(Box<WorkerSetup>),
    /// Examine one medium. One descriptor: the medium.
    Probe(ProbeRequest),
    /// Judge media. Descriptors: one for each medium, in order.
    Run(Box<RunRequest>),
    /// Stop what is running: one analysis, or the whole run.
    Cancel {
        /// The run.
        run: String,
        /// The analysis; absent means all of the run.
        analysis: Option<String>,
    },
}

/// What a worker is told before anything else: with its environment cleared, everything comes from
/// here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerSetup {
    /// [`crate::PROTOCOL_VERSION`] of the node.
    pub protocol: u32,
    /// Plugin files to open, providers first. Empty: a worker for probes only.
    pub plugins: Vec<PluginFile>,
    /// The ONNX Runtime library.
    pub onnxruntime: Option<String>,
    /// The folder with the weights.
    pub weights_dir: Option<String>,
    /// Threads of one inference.
    pub threads: u32,
    /// The media limits, as `vultus_media::Limits` writes them.
    pub limits: Value,
    /// The decoder's options, as `vultus_media::DecodeOptions` writes them; null means the
    /// defaults.
    #[serde(default)]
    pub decode: Value,
    /// Most bytes of address space (RLIMIT_AS); absent means no limit.
    pub memory_bytes: Option<u64>,
    /// CPU seconds that one run or probe may use (the soft RLIMIT_CPU is raised for each).
    pub cpu_seconds: u64,
    /// What becomes of a worker where the kernel does not offer all of the sandbox.
    #[serde(default)]
    pub sandbox: SandboxLevel,
    /// The plugins are opened and described, and not set up.
    #[serde(default)]
    pub only_describe: bool,
}

/// What becomes of a worker where the kernel does not offer all of the sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxLevel {
    /// It does not start.
    Required,
    /// It starts, and says what is missing.
    #[default]
    BestEffort,
}

/// A plugin to open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginFile {
    /// Absolute path of the shared library.
    pub path: String,
    /// The operator's settings for it: a JSON object.
    pub settings: Value,
    /// Where it comes from, which decides the features that it may ask for.
    #[serde(default)]
    pub origin: PluginOrigin,
    /// Restricted features that the operator granted to it, such as `face_template/1`.
    #[serde(default)]
    pub grants: Vec<String>,
    /// It is used only if another plugin of the worker needs one of its features.
    #[serde(default)]
    pub only_for_features: bool,
}

/// Where a plugin comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginOrigin {
    /// Ships with the server: may ask for restricted features.
    BuiltIn,
    /// Somebody else's: refused when it asks for a restricted feature.
    #[default]
    ThirdParty,
}

/// A probe: is this medium what it should be?
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProbeRequest {
    /// Names the probe in the answer.
    pub probe: String,
    /// Size of the medium in bytes.
    pub byte_size: u64,
}

/// A run: the analyses asked for together on one folder, for one worker pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRequest {
    /// Names the run in every answer.
    pub run: String,
    /// The media, in the order of the descriptors.
    pub media: Vec<RunMedium>,
    /// The analyses, in the order in which they are judged.
    pub analyses: Vec<RunAnalysis>,
}

/// A medium of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunMedium {
    /// The medium's id, for messages only.
    pub id: String,
    /// Size in bytes.
    pub byte_size: u64,
    /// Its tags.
    pub tags: Vec<String>,
    /// Sizes of its decoded frame, where a probe left one: then its descriptor is the frame's, and
    /// nobody needs its bytes.
    #[serde(default)]
    pub frame: Option<FrameReport>,
}

/// An analysis of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunAnalysis {
    /// The analysis' id.
    pub id: String,
    /// Its type, such as `liveness`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Merged and validated parameters.
    pub params: Value,
    /// Which media it takes.
    pub media: Vec<SlottedMedium>,
    /// Time that it may take, in milliseconds.
    pub timeout_ms: u64,
}

/// A medium in a slot of an analysis.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SlottedMedium {
    /// Index in [`RunRequest::media`].
    pub index: u32,
    /// The slot's name.
    pub slot: String,
    /// Whether the request named this medium (rather than taking all that fit).
    pub named: bool,
}

/// From a worker to the node.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum FromWorker {
    /// Answers `Hello` once all plugins are open.
    Ready(Box<WorkerReady>),
    /// The worker cannot start; it exits.
    Unfit {
        /// Why, for the operator's log.
        detail: String,
    },
    /// Answers `Probe`. One descriptor when there is a thumbnail (JPEG, at most 256 px), and one
    /// when there is a frame.
    Probed {
        /// The probe.
        probe: String,
        /// What was found, or why the medium is refused.
        result: Result<ProbeReport, RefusalReport>,
    },
    /// The worker is about to decode the media of a run.
    Decoding {
        /// The run.
        run: String,
    },
    /// The worker enters an analysis: from here to `Judged` a death is blamed on it.
    Entered {
        /// The run.
        run: String,
        /// The analysis.
        analysis: String,
    },
    /// How far an analysis is, 0–1.
    Progress {
        /// The run.
        run: String,
        /// The analysis.
        analysis: String,
        /// Fraction done, 0–1.
        fraction: f32,
    },
    /// An analysis is done. Descriptors: one for each artifact; and a last one holding the outcome
    /// as JSON where `outcome_bytes` is not 0 (then `Judgement::outcome` is null).
    Judged {
        /// The run.
        run: String,
        /// The analysis.
        analysis: String,
        /// Verdict or failure.
        result: Result<Box<Judgement>, AnalysisFailure>,
        /// The artifacts, in the order of the descriptors.
        artifacts: Vec<ArtifactReport>,
        /// Bytes of the outcome in the last descriptor; 0: it is in the message.
        #[serde(default)]
        outcome_bytes: u64,
    },
    /// Everything that the run asked for was answered.
    RunDone {
        /// The run.
        run: String,
        /// What it cost.
        costs: RunCosts,
    },
    /// A line for the operator's log, from a plugin.
    Log {
        /// The plugin's id.
        plugin: String,
        /// 0 error, 1 warning, 2 information, 3 debug.
        level: u32,
        /// At most 1 000 characters.
        text: String,
    },
}

/// A worker that is ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerReady {
    /// [`crate::PROTOCOL_VERSION`] of the worker.
    pub protocol: u32,
    /// The plugins that it opened.
    pub plugins: Vec<PluginReport>,
    /// Plugin files that it refused, with the reason.
    pub refused: Vec<RefusedPlugin>,
    /// What the sandbox could not enforce on this kernel, one sentence each.
    pub sandbox_gaps: Vec<String>,
}

/// A plugin as the worker opened it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PluginReport {
    /// Its manifest, as `vultus_plugin_api::Manifest` writes it.
    pub manifest: Value,
    /// Path of the file.
    pub path: String,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub file_sha256: String,
    /// SHA-256 of each weight file that it names: (file, sha256).
    pub weights: Vec<(String, String)>,
}

/// A plugin file that was refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefusedPlugin {
    /// Path of the file.
    pub path: String,
    /// Why.
    pub detail: String,
    /// The feature that it needs and that nobody in its worker provides.
    #[serde(default)]
    pub missing: Option<String>,
}

/// What a probe found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProbeReport {
    /// `IMAGE`, `VIDEO` or `SHOT_SET`.
    pub kind: String,
    /// MIME type by content.
    pub content_type: String,
    /// Width in pixels once upright.
    pub width: u32,
    /// Height in pixels once upright.
    pub height: u32,
    /// EXIF orientation (1–8) that was applied; rotation matrices are given as the orientation of
    /// the same effect.
    pub orientation_applied: u8,
    /// Duration in microseconds, of videos.
    pub duration_us: Option<i64>,
    /// Frames, of videos and shot sets.
    pub frame_count: Option<u64>,
    /// Mean frame rate in 1/s, of videos.
    pub frame_rate: Option<f64>,
    /// Bytes of the thumbnail in the descriptor beside this message (0: none).
    pub thumbnail_bytes: u64,
    /// The decoded frame of a single picture, in the last descriptor beside this message.
    #[serde(default)]
    pub frame: Option<FrameReport>,
}

/// A single picture as a probe decoded it, so that a run that follows need not decode it again:
/// packed RGB in a sealed descriptor.
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
    /// Bytes of the frame.
    pub fn byte_size(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height) * 3
    }
}

/// Why a medium is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalReport {
    /// Stable code, such as `TRUNCATED` or `UNSUPPORTED_FORMAT`.
    pub code: String,
    /// One sentence for the client.
    pub message: String,
    /// Whether a limit was exceeded (LIMIT_EXCEEDED) rather than the input being bad
    /// (INVALID_INPUT).
    pub is_limit: bool,
}

/// A verdict with everything that explains it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Judgement {
    /// The plugin's outcome, as `vultus_plugin_api::Outcome` writes it: resolution, reasons,
    /// result.
    pub outcome: Value,
    /// Id of the plugin that judged.
    pub plugin: String,
    /// Its version.
    pub plugin_version: String,
    /// SHA-256 of its file.
    pub plugin_sha256: String,
    /// SHA-256 of the weights in use, its own and those of the providers: (file, sha256).
    pub weights: Vec<(String, String)>,
}

/// Why an analysis has no verdict.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AnalysisFailure {
    /// Stable code: `MEDIA_UNREADABLE`, `ANALYZER_FAILED`, `ANALYZER_PANICKED`, `BAD_RESULT`,
    /// `DEADLINE_EXCEEDED`, `CANCELLED`, `ANALYZER_UNAVAILABLE`, `ANALYZER_CRASHED`, `NO_ANALYZER`,
    /// `TOO_MANY_MEDIA`.
    pub code: String,
    /// For the client: one sentence without internals.
    pub message: String,
    /// For the operator's log.
    pub detail: String,
    /// Whether another attempt may help.
    pub retryable: bool,
}

/// An artifact of an analysis, such as the best shot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ArtifactReport {
    /// The plugin's name for it.
    pub name: String,
    /// MIME type.
    pub content_type: String,
    /// Size in bytes.
    pub byte_size: u64,
}

/// What a run cost: microseconds of the worker's CPU time, and how often media were decoded.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct RunCosts {
    /// Decoding and scaling media.
    pub decode_us: u64,
    /// Inside `provide`, per kind of feature: faces.
    pub detection_us: u64,
    /// Inside `provide`: templates and tracks.
    pub embedding_us: u64,
    /// Inside `analyze`, without the features it asked for.
    pub analysis_us: u64,
    /// Everything of this run.
    pub total_us: u64,
    /// Media that it decoded, each once.
    pub media_decoded: u64,
    /// Media that came decoded, by their probe.
    pub media_reused: u64,
}
