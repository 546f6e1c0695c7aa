//! Analyses with their outcomes, and runs.

use super::super::values::{Json, count, counted, few, id, nanoseconds, time, typed};
use super::folders::Membership;
use mongodb::bson::Uuid;
use serde::{Deserialize, Serialize};
use vultus_core::analysis::TakenMedium;
use vultus_core::{Analysis, AnalysisState, Artifact, Claim, JsonText, Reason, Resolution};
use vultus_store::NewRun;
use vultus_store::export::RunRecord;
use vultus_store::names::Named;
use vultus_store::stored::{Name, StoredDecisions, StoredFailure, StoredProvenance, V1, Version};

/// An analysis.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AnalysisDocument {
    #[serde(rename = "_id")]
    pub(crate) id: Uuid,
    v: Version,
    pub(crate) member: Membership,
    group_id: Uuid,
    pub(crate) run_id: Uuid,
    kind: String,
    pub(crate) state: Name<AnalysisState>,
    resolution: Option<Name<Resolution>>,
    reasons: Vec<ReasonDocument>,
    pub(crate) progress: f64,
    media: Vec<TakenDocument>,
    #[serde(default)]
    params: Json<JsonText>,
    #[serde(default)]
    result: Json<Option<JsonText>>,
    failure: Option<StoredFailure>,
    provenance: StoredProvenance,
    pub(crate) artifacts: Vec<ArtifactDocument>,
    attempts: i64,
    pub(crate) deaths: i64,
    timeout_ms: i64,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    revision: i64,
    /// Absent in documents of older versions.
    #[serde(default)]
    details_erased_at: Option<i64>,
    /// Since when it waits for the decision of a person. Absent rather than null, so that the
    /// partial indexes omit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waits_since: Option<i64>,
    /// The claim of a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) claim: Option<ClaimDocument>,
    /// Time of the newest decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decided_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decisions: Option<StoredDecisions>,
}

/// A case that a person works on.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct ClaimDocument {
    by: Uuid,
    since: i64,
    until: i64,
}

impl From<Claim> for ClaimDocument {
    fn from(claim: Claim) -> Self {
        Self { by: id(claim.by), since: nanoseconds(claim.since), until: nanoseconds(claim.until) }
    }
}

impl From<ClaimDocument> for Claim {
    fn from(stored: ClaimDocument) -> Self {
        Self { by: typed(stored.by), since: time(stored.since), until: time(stored.until) }
    }
}

impl AnalysisDocument {
    /// A new analysis as a member of a folder.
    pub(crate) fn new(analysis: &Analysis, member: Membership) -> Self {
        let decided_at = analysis.decisions.taken.iter().map(|decision| decision.at).max();
        Self {
            id: id(analysis.id),
            v: V1,
            member,
            group_id: id(analysis.group_id),
            run_id: id(analysis.run_id),
            kind: analysis.kind.clone(),
            state: Name(analysis.state),
            resolution: analysis.resolution.map(Name),
            reasons: analysis.reasons.iter().map(ReasonDocument::from).collect(),
            progress: analysis.progress.into(),
            media: analysis.media.iter().map(TakenDocument::from).collect(),
            params: Json(analysis.params.clone()),
            result: Json(analysis.result.clone()),
            failure: analysis.failure.as_ref().map(StoredFailure::from),
            provenance: StoredProvenance::from(&analysis.provenance),
            artifacts: Vec::new(),
            attempts: analysis.attempts.into(),
            deaths: analysis.deaths.into(),
            timeout_ms: count(analysis.timeout_ms),
            created_at: nanoseconds(analysis.created_at),
            started_at: analysis.started_at.map(nanoseconds),
            finished_at: analysis.finished_at.map(nanoseconds),
            revision: count(analysis.revision),
            details_erased_at: analysis.details_erased_at.map(nanoseconds),
            waits_since: analysis.waits_since().map(nanoseconds),
            claim: None,
            decided_at: decided_at.map(nanoseconds),
            decisions: StoredDecisions::of(&analysis.decisions),
        }
    }

    /// The analysis and its artifacts.
    pub(crate) fn into_parts(mut self) -> (Analysis, Vec<Artifact>) {
        let analysis_id = self.id;
        let artifacts = std::mem::take(&mut self.artifacts).into_iter();
        (self.into(), artifacts.map(|stored| stored.into_artifact(analysis_id)).collect())
    }
}

impl From<AnalysisDocument> for Analysis {
    #[expect(clippy::cast_possible_truncation, reason = "progress was stored from an f32")]
    fn from(stored: AnalysisDocument) -> Self {
        Self {
            id: typed(stored.id),
            folder_id: typed(stored.member.folder_id),
            group_id: typed(stored.group_id),
            run_id: typed(stored.run_id),
            kind: stored.kind,
            state: stored.state.0,
            resolution: stored.resolution.map(|resolution| resolution.0),
            decisions: stored.decisions.map(Into::into).unwrap_or_default(),
            reasons: stored.reasons.into_iter().map(Into::into).collect(),
            progress: stored.progress as f32,
            media: stored.media.into_iter().map(Into::into).collect(),
            params: stored.params.0,
            result: stored.result.0,
            failure: stored.failure.map(Into::into),
            provenance: stored.provenance.into(),
            attempts: few(stored.attempts),
            deaths: few(stored.deaths),
            timeout_ms: counted(stored.timeout_ms),
            created_at: time(stored.created_at),
            started_at: stored.started_at.map(time),
            finished_at: stored.finished_at.map(time),
            revision: counted(stored.revision),
            details_erased_at: stored.details_erased_at.map(time),
        }
    }
}

/// A medium in a slot.
#[derive(Debug, Serialize, Deserialize)]
struct TakenDocument {
    media_id: Uuid,
    slot: String,
    named: bool,
}

impl From<&TakenMedium> for TakenDocument {
    fn from(taken: &TakenMedium) -> Self {
        Self { media_id: id(taken.media_id), slot: taken.slot.clone(), named: taken.named }
    }
}

impl From<TakenDocument> for TakenMedium {
    fn from(stored: TakenDocument) -> Self {
        Self { media_id: typed(stored.media_id), slot: stored.slot, named: stored.named }
    }
}

/// A reason of a verdict.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReasonDocument {
    code: String,
    message: String,
    media_id: Option<Uuid>,
    frame: Option<i64>,
}

impl From<&Reason> for ReasonDocument {
    fn from(reason: &Reason) -> Self {
        Self {
            code: reason.code.clone(),
            message: reason.message.clone(),
            media_id: reason.media_id.map(id),
            frame: reason.frame.map(i64::from),
        }
    }
}

impl From<ReasonDocument> for Reason {
    fn from(stored: ReasonDocument) -> Self {
        Self {
            code: stored.code,
            message: stored.message,
            media_id: stored.media_id.map(typed),
            frame: stored.frame.map(few),
        }
    }
}

/// A file that an analysis produced.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ArtifactDocument {
    id: Uuid,
    name: String,
    content_type: String,
    byte_size: i64,
    sha256: String,
    pub(crate) blob_key: String,
}

impl ArtifactDocument {
    pub(crate) fn into_artifact(self, analysis_id: Uuid) -> Artifact {
        Artifact {
            id: typed(self.id),
            analysis_id: typed(analysis_id),
            name: self.name,
            content_type: self.content_type,
            byte_size: counted(self.byte_size),
            sha256: self.sha256,
            blob_key: self.blob_key,
        }
    }
}

impl From<&Artifact> for ArtifactDocument {
    fn from(artifact: &Artifact) -> Self {
        Self {
            id: id(artifact.id),
            name: artifact.name.clone(),
            content_type: artifact.content_type.clone(),
            byte_size: count(artifact.byte_size),
            sha256: artifact.sha256.clone(),
            blob_key: artifact.blob_key.clone(),
        }
    }
}

/// State of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunState {
    /// It waits.
    Queued,
    /// A node has leased it.
    Leased,
    /// It has nothing left to do.
    Done,
}

impl Named for RunState {
    const WHAT: &'static str = "state of a run";
    const ALL: &'static [Self] = &[Self::Queued, Self::Leased, Self::Done];
    fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Leased => "LEASED",
            Self::Done => "DONE",
        }
    }
}

/// A run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunDocument {
    #[serde(rename = "_id")]
    pub(crate) id: Uuid,
    v: Version,
    pub(crate) member: Membership,
    pub(crate) pool: String,
    pub(crate) state: Name<RunState>,
    pub(crate) node: Option<String>,
    /// QUEUED: when it can be claimed. LEASED: expiry of the lease.
    pub(crate) ready_at: i64,
    /// Increases with each claim.
    pub(crate) fence: i64,
    pub(crate) one_by_one: bool,
    pub(crate) deaths: i64,
    /// Number of its analyses that are not final.
    pub(crate) open_analyses: i64,
    /// Its turn: waiting runs are claimed in this order.
    pub(crate) turn_at: i64,
}

impl RunDocument {
    /// Whether nothing is left to do in it.
    pub(crate) fn has_ended(&self) -> bool {
        self.state.0 == RunState::Done
    }

    /// A new run.
    pub(crate) fn new(run: &NewRun, member: Membership) -> Self {
        let open = run.analyses.iter().filter(|analysis| !analysis.state.is_final()).count();
        Self {
            id: id(run.id),
            v: V1,
            member,
            pool: run.pool.clone(),
            state: Name(RunState::Queued),
            node: None,
            ready_at: 0,
            fence: 0,
            one_by_one: false,
            deaths: 0,
            open_analyses: count(open as u64),
            turn_at: nanoseconds(run.turn_at),
        }
    }

    /// An exported run with this number of analyses that are not final.
    pub(crate) fn imported(run: &RunRecord, member: Membership, open_analyses: i64) -> Self {
        Self {
            id: id(run.id),
            v: V1,
            member,
            pool: run.pool.clone(),
            state: Name(if run.done { RunState::Done } else { RunState::Queued }),
            node: None,
            ready_at: run.retry_at.map_or(0, nanoseconds),
            fence: count(run.fence),
            one_by_one: run.one_by_one,
            deaths: run.deaths.into(),
            open_analyses,
            turn_at: nanoseconds(run.turn_at),
        }
    }
}

impl From<RunDocument> for RunRecord {
    fn from(stored: RunDocument) -> Self {
        let waits_until = (stored.state.0 == RunState::Queued && stored.ready_at > 0)
            .then(|| time(stored.ready_at));
        Self {
            id: typed(stored.id),
            pool: stored.pool,
            done: stored.state.0 == RunState::Done,
            fence: counted(stored.fence),
            retry_at: waits_until,
            one_by_one: stored.one_by_one,
            deaths: few(stored.deaths),
            turn_at: time(stored.turn_at),
        }
    }
}
