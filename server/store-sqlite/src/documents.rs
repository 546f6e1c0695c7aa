//! JSON documents in columns, for what is read whole and never searched. Each has a version `v`. A
//! change of the shape raises it; older versions stay readable.

use serde::{Deserialize, Serialize};
use vultus_core::analysis::TakenMedium;
use vultus_core::{
    Analysis, AnalysisFailure, AnalysisId, FolderId, GroupId, MediaId, MediaKind, Medium, Part,
    Provenance, Reason, Tag,
};
use vultus_store::Replay;
use vultus_store::stored::{Name, StoredFailure, StoredProvenance, V1, Version};

/// Properties of a medium's content.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MediumProperties {
    v: Version,
    kind: Name<MediaKind>,
    tags: Vec<Tag>,
    original_name: Option<String>,
    content_type: String,
    byte_size: u64,
    width: u32,
    height: u32,
    orientation_applied: u8,
    duration_us: Option<i64>,
    frame_count: Option<u64>,
    frame_rate: Option<f64>,
}

impl From<&Medium> for MediumProperties {
    fn from(medium: &Medium) -> Self {
        Self {
            v: V1,
            kind: Name(medium.kind),
            tags: medium.tags.clone(),
            original_name: medium.original_name.clone(),
            content_type: medium.content_type.clone(),
            byte_size: medium.byte_size,
            width: medium.width,
            height: medium.height,
            orientation_applied: medium.orientation_applied,
            duration_us: medium.duration_us,
            frame_count: medium.frame_count,
            frame_rate: medium.frame_rate,
        }
    }
}

/// The columns of a medium beside its properties.
pub(super) struct MediumColumns {
    pub(super) id: MediaId,
    pub(super) folder_id: FolderId,
    pub(super) sha256: String,
    pub(super) blob_key: String,
    pub(super) thumbnail_key: Option<String>,
    pub(super) created_at: time::OffsetDateTime,
}

impl MediumProperties {
    /// Joins the properties with the other columns of the medium, without its metadata.
    pub(super) fn into_medium(self, columns: MediumColumns) -> Medium {
        Medium {
            id: columns.id,
            folder_id: columns.folder_id,
            kind: self.kind.0,
            tags: self.tags,
            metadata: Part::LeftOut,
            original_name: self.original_name,
            content_type: self.content_type,
            byte_size: self.byte_size,
            sha256: columns.sha256,
            width: self.width,
            height: self.height,
            orientation_applied: self.orientation_applied,
            duration_us: self.duration_us,
            frame_count: self.frame_count,
            frame_rate: self.frame_rate,
            blob_key: columns.blob_key,
            thumbnail_key: columns.thumbnail_key,
            created_at: columns.created_at,
        }
    }
}

/// The request of an analysis without its parameters. It never changes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AnalysisRequest {
    v: Version,
    pub(super) media: Vec<StoredTakenMedium>,
}

/// A medium in a slot.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredTakenMedium {
    pub(super) media_id: MediaId,
    slot: String,
    named: bool,
}

impl From<&Analysis> for AnalysisRequest {
    fn from(analysis: &Analysis) -> Self {
        let taken = |medium: &TakenMedium| StoredTakenMedium {
            media_id: medium.media_id,
            slot: medium.slot.clone(),
            named: medium.named,
        };
        Self { v: V1, media: analysis.media.iter().map(taken).collect() }
    }
}

impl From<StoredTakenMedium> for TakenMedium {
    fn from(stored: StoredTakenMedium) -> Self {
        Self { media_id: stored.media_id, slot: stored.slot, named: stored.named }
    }
}

/// The outcome of an analysis without its result. It is written once.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AnalysisOutcome {
    v: Version,
    pub(super) reasons: Vec<StoredReason>,
    pub(super) failure: Option<StoredFailure>,
    pub(super) provenance: StoredProvenance,
}

impl AnalysisOutcome {
    pub(super) fn new(
        reasons: &[Reason],
        failure: Option<&AnalysisFailure>,
        provenance: &Provenance,
    ) -> Self {
        Self {
            v: V1,
            reasons: reasons.iter().map(StoredReason::from).collect(),
            failure: failure.map(StoredFailure::from),
            provenance: StoredProvenance::from(provenance),
        }
    }
}

/// A reason of a verdict.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredReason {
    code: String,
    message: String,
    media_id: Option<MediaId>,
    frame: Option<u32>,
}

impl From<&Reason> for StoredReason {
    fn from(reason: &Reason) -> Self {
        Self {
            code: reason.code.clone(),
            message: reason.message.clone(),
            media_id: reason.media_id,
            frame: reason.frame,
        }
    }
}

impl From<StoredReason> for Reason {
    fn from(stored: StoredReason) -> Self {
        Self {
            code: stored.code,
            message: stored.message,
            media_id: stored.media_id,
            frame: stored.frame,
        }
    }
}

/// The analyses of a group, in the order of the request.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct GroupAnalyses {
    v: Version,
    pub(super) analyses: Vec<AnalysisId>,
}

impl GroupAnalyses {
    pub(super) fn new(analyses: &[AnalysisId]) -> Self {
        Self { v: V1, analyses: analyses.to_vec() }
    }
}

/// What an idempotent request created.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredReplay {
    v: Version,
    folder_id: Option<FolderId>,
    media: Vec<MediaId>,
    group_id: Option<GroupId>,
    analyses: Vec<AnalysisId>,
}

impl From<Replay> for StoredReplay {
    fn from(replay: Replay) -> Self {
        Self {
            v: V1,
            folder_id: replay.folder_id,
            media: replay.media,
            group_id: replay.group_id,
            analyses: replay.analyses,
        }
    }
}

impl From<StoredReplay> for Replay {
    fn from(stored: StoredReplay) -> Self {
        Self {
            folder_id: stored.folder_id,
            media: stored.media,
            group_id: stored.group_id,
            analyses: stored.analyses,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_of_a_newer_version_is_rejected() {
        assert!(serde_json::from_str::<GroupAnalyses>(r#"{"v":1,"analyses":[]}"#).is_ok());
        let error = serde_json::from_str::<GroupAnalyses>(r#"{"v":2,"analyses":[]}"#).unwrap_err();
        assert!(error.to_string().contains("version 2"), "{error}");
    }

    #[test]
    fn documents_of_the_first_release_stay_readable() {
        let outcome = r#"{"v":1,
            "reasons":[{"code":"NO_FACE","message":"m","media_id":null,"frame":3}],
            "failure":null,
            "provenance":{"analyzer":"a","analyzer_version":null,"analyzer_sha256":null,
                "weights":[["f","s"]],"parameter_sources":[]}}"#;
        let outcome: AnalysisOutcome = serde_json::from_str(outcome).unwrap();
        assert_eq!(Reason::from(outcome.reasons.into_iter().next().unwrap()).frame, Some(3));
        let properties = r#"{"v":1,"kind":"SHOT_SET","tags":["x_a"],"original_name":null,
            "content_type":"application/zip","byte_size":7,"width":1,"height":2,
            "orientation_applied":1,"duration_us":null,"frame_count":3,"frame_rate":null}"#;
        let properties: MediumProperties = serde_json::from_str(properties).unwrap();
        assert_eq!(properties.kind.0, MediaKind::ShotSet);
    }
}
