//! Analyses: states, verdicts, reasons, and what explains them.

use crate::ids::{AnalysisId, ArtifactId, FolderId, GroupId, MediaId, RunId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

/// Where an analysis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AnalysisState {
    /// Accepted, not begun.
    Queued,
    /// A worker is on it.
    Running,
    /// It has a verdict.
    Finished,
    /// It has none and will not get one.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl AnalysisState {
    /// Whether it never changes again.
    pub fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Finished | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// The verdict, ordered from best to worst: the maximum of several is the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resolution {
    /// All checks passed.
    Success,
    /// A person must decide.
    OperatorRequired,
    /// Refused.
    Declined,
}

/// Why the verdict is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable code, such as `NO_FACE`.
    pub code: String,
    /// One sentence for people.
    pub message: String,
    /// The medium that is meant.
    pub media_id: Option<MediaId>,
    /// The frame of it, counted from 0 in the run's set.
    pub frame: Option<u32>,
}

/// Why an analysis failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalysisFailure {
    /// Stable code, such as `MEDIA_UNREADABLE` or `ANALYZER_CRASHED`.
    pub code: String,
    /// One sentence for the client, naming the analyzer.
    pub message: String,
}

/// What judged, and by which rules: enough to explain the verdict later.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// Id of the plugin.
    pub analyzer: Option<String>,
    /// Its version.
    pub analyzer_version: Option<String>,
    /// SHA-256 of its file.
    pub analyzer_sha256: Option<String>,
    /// SHA-256 of each weight file in use: (file, sha256).
    pub weights: Vec<(String, String)>,
    /// Where each parameter came from: (name, `default` | `company` | `request`).
    pub parameter_sources: Vec<(String, String)>,
}

/// A file that an analysis made, such as the best shot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Id.
    pub id: ArtifactId,
    /// The analysis that made it.
    pub analysis_id: AnalysisId,
    /// The plugin's name for it, such as `best_shot`.
    pub name: String,
    /// MIME type.
    pub content_type: String,
    /// Size in bytes.
    pub byte_size: u64,
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// Key in the blob store.
    pub blob_key: String,
}

/// A medium in a slot of an analysis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenMedium {
    /// The medium.
    pub media_id: MediaId,
    /// The slot's name.
    pub slot: String,
    /// Whether the request named it, rather than taking all that fit.
    pub named: bool,
}

/// An analysis.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Id.
    pub id: AnalysisId,
    /// Its folder.
    pub folder_id: FolderId,
    /// What it was asked for with.
    pub group_id: GroupId,
    /// The run that it belongs to.
    pub run_id: RunId,
    /// Type, such as `liveness`.
    pub kind: String,
    /// Where it is.
    pub state: AnalysisState,
    /// The verdict; only when FINISHED.
    pub resolution: Option<Resolution>,
    /// Why.
    pub reasons: Vec<Reason>,
    /// How far it is, 0–1.
    pub progress: f32,
    /// The media that it takes, in slot order. Index n here is medium n of `result`.
    pub media: Vec<TakenMedium>,
    /// Merged and validated parameters.
    pub params: Value,
    /// The analyzer's result, in the shape of its result schema.
    pub result: Option<Value>,
    /// Why it failed; only when FAILED.
    pub failure: Option<AnalysisFailure>,
    /// What judged.
    pub provenance: Provenance,
    /// Times that a worker entered it.
    pub attempts: u32,
    /// Worker deaths while it was active; the second one fails it.
    pub deaths: u32,
    /// Time that it may take, in milliseconds.
    pub timeout_ms: u64,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// When a worker first entered it.
    pub started_at: Option<OffsetDateTime>,
    /// When it became final.
    pub finished_at: Option<OffsetDateTime>,
    /// Counts its changes, from 1.
    pub revision: u64,
}
