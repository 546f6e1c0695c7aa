//! Analyses: states, verdicts, reasons and provenance.

use crate::decision::Decisions;
use crate::ids::{AnalysisId, ArtifactId, FolderId, GroupId, MediaId, RunId};
use crate::json::JsonText;
use crate::part::Part;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// State of an analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AnalysisState {
    /// Accepted; no worker has entered it yet.
    Queued,
    /// A worker is judging it.
    Running,
    /// It has a verdict.
    Finished,
    /// It has no verdict and will not get one.
    Failed,
    /// A user cancelled it.
    Cancelled,
}

impl AnalysisState {
    /// Whether the state never changes again.
    pub fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Finished | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// The verdict, ordered from best to worst: the maximum of several verdicts is the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resolution {
    /// All checks passed.
    Success,
    /// A person must decide.
    OperatorRequired,
    /// Rejected.
    Declined,
}

/// A reason for a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable code, such as `NO_FACE`.
    pub code: String,
    /// One sentence for the user.
    pub message: String,
    /// The medium that the reason is about.
    pub media_id: Option<MediaId>,
    /// Index of the frame, from 0, among the frames of that medium in the run.
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

/// Which plugin, weights and parameters produced a verdict, so that it can be explained later.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// Id of the plugin.
    pub analyzer: Option<String>,
    /// Version of the plugin.
    pub analyzer_version: Option<String>,
    /// SHA-256 of the plugin's file, lower-case hexadecimal.
    pub analyzer_sha256: Option<String>,
    /// SHA-256 of each weight file in use, as (file, sha256); empty for an optional file that is
    /// not installed.
    pub weights: Vec<(String, String)>,
    /// Source of each parameter, as (name, `default` | `company` | `request`).
    pub parameter_sources: Vec<(String, String)>,
}

/// Message of a failure whose details were erased: the analyzer's own may tell what it saw.
pub const DETAILS_ERASED: &str = "The details were erased together with a medium.";

/// A file that an analysis produced, such as the best shot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Id.
    pub id: ArtifactId,
    /// The analysis that produced it.
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
    /// The folder that it belongs to.
    pub folder_id: FolderId,
    /// The group of analyses requested together with it.
    pub group_id: GroupId,
    /// The run that it belongs to.
    pub run_id: RunId,
    /// Type, such as `liveness`.
    pub kind: String,
    /// State.
    pub state: AnalysisState,
    /// The machine's verdict; only when FINISHED. [`Analysis::verdict`] is the one that counts.
    pub resolution: Option<Resolution>,
    /// The decisions of people.
    pub decisions: Decisions,
    /// Reasons for the verdict.
    pub reasons: Vec<Reason>,
    /// Fraction done, 0–1.
    pub progress: f32,
    /// The media that it takes, in slot order. `result` refers to them by their index in this list.
    pub media: Vec<TakenMedium>,
    /// Merged and validated parameters.
    pub params: Part<JsonText>,
    /// The analyzer's result, in the shape of its result schema.
    pub result: Part<Option<JsonText>>,
    /// Why it failed; only when FAILED.
    pub failure: Option<AnalysisFailure>,
    /// Which plugin, weights and parameters produced the verdict.
    pub provenance: Provenance,
    /// Number of times that a worker entered it.
    pub attempts: u32,
    /// Number of worker deaths while it was active; the second one fails it.
    pub deaths: u32,
    /// Time limit in milliseconds.
    pub timeout_ms: u64,
    /// Time of the request.
    pub created_at: OffsetDateTime,
    /// Time at which a worker first entered it.
    pub started_at: Option<OffsetDateTime>,
    /// Time at which its state became final.
    pub finished_at: Option<OffsetDateTime>,
    /// Number of changes, counted from 1.
    pub revision: u64,
    /// Time at which its details were erased, because a medium that it took was deleted.
    pub details_erased_at: Option<OffsetDateTime>,
}

impl Analysis {
    /// Erases everything that came from its media, and what people wrote about them. What stays
    /// says that it took place and how it ended: state, verdict, decisions, code of a failure,
    /// request and times.
    pub fn erase_details(&mut self, now: OffsetDateTime) {
        self.reasons.clear();
        for decision in &mut self.decisions.taken {
            decision.comment = None;
        }
        self.result = None.into();
        self.provenance = Provenance::default();
        if let Some(failure) = &mut self.failure {
            DETAILS_ERASED.clone_into(&mut failure.message);
        }
        self.details_erased_at.get_or_insert(now);
        self.revision += 1;
    }
}
