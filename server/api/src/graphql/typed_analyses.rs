//! The list of typed analyses: which analysis type becomes which object. An analysis type that is
//! not listed is a [`CustomAnalysis`]. [`super::query::Node`] repeats the objects, since the
//! library refuses an interface inside another; the compiler finds what is missing there.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::connection::Connection;
use async_graphql::{ID, Interface};
use time::OffsetDateTime;

use super::analysis::{AnalysisState, Failure, Provenance, Reason, Resolution, StoredAnalysis};
use super::analysis_objects::{
    CustomAnalysis, DocumentAnalysis, FaceMatchAnalysis, GesturesAnalysis, LivenessAnalysis,
    QualityAnalysis,
};
use super::artifact::Artifact;
use super::decision::Decision;
use super::folder::Folder;
use super::group::AnalysisGroup;
use super::json::Json;
use super::media::Media;
use vultus_core::AnalysisId;
use vultus_service::FolderContents;

/// A page of analyses.
pub type AnalysisConnection = Connection<String, Analysis>;

/// The analysis as its concrete type.
pub(super) fn of(
    analysis: vultus_core::Analysis,
    artifacts: Vec<vultus_core::Artifact>,
    contents: Option<Arc<FolderContents>>,
) -> Analysis {
    let analysis_type = analysis.kind.clone();
    let stored = StoredAnalysis { analysis: Arc::new(analysis), artifacts, contents };
    match analysis_type.as_str() {
        "liveness" => Analysis::Liveness(LivenessAnalysis(stored)),
        "face_match" => Analysis::FaceMatch(FaceMatchAnalysis(stored)),
        "document" => Analysis::Document(DocumentAnalysis(stored)),
        "gestures" => Analysis::Gestures(GesturesAnalysis(stored)),
        "quality" => Analysis::Quality(QualityAnalysis(stored)),
        _ => Analysis::Custom(CustomAnalysis(stored)),
    }
}

/// The analyses of a folder that `wanted` selects, oldest first.
pub(super) fn all(
    contents: &Arc<FolderContents>,
    wanted: impl Fn(&vultus_core::Analysis) -> bool,
) -> Vec<Analysis> {
    let mut artifacts: HashMap<AnalysisId, Vec<vultus_core::Artifact>> = HashMap::new();
    for artifact in contents.artifacts.members() {
        artifacts.entry(artifact.analysis_id).or_default().push(artifact.clone());
    }
    let with_artifacts = |analysis: &vultus_core::Analysis| {
        let artifacts = artifacts.remove(&analysis.id).unwrap_or_default();
        of(analysis.clone(), artifacts, Some(contents.clone()))
    };
    contents
        .analyses
        .members()
        .iter()
        .filter(|analysis| wanted(analysis))
        .map(with_artifacts)
        .collect()
}

impl Analysis {
    /// The id.
    pub(super) fn analysis_id(&self) -> vultus_core::AnalysisId {
        match self {
            Self::Liveness(analysis) => analysis.0.analysis.id,
            Self::FaceMatch(analysis) => analysis.0.analysis.id,
            Self::Document(analysis) => analysis.0.analysis.id,
            Self::Gestures(analysis) => analysis.0.analysis.id,
            Self::Quality(analysis) => analysis.0.analysis.id,
            Self::Custom(analysis) => analysis.0.analysis.id,
        }
    }
}

/// A check of media and its verdict.
#[expect(
    clippy::duplicated_attributes,
    reason = "fields of one type look like repetitions to the lint"
)]
#[derive(Debug, Clone, Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "Id."),
    field(name = "type", method = "kind", ty = "String", desc = "Type, such as `liveness`."),
    field(name = "state", ty = "AnalysisState", desc = "State of the analysis."),
    field(
        name = "resolution",
        ty = "Option<Resolution>",
        desc = "The verdict, as people decided or else as the analyzer did; null unless FINISHED."
    ),
    field(
        name = "system_resolution",
        ty = "Option<Resolution>",
        desc = "The verdict of the analyzer, whatever people decided; null unless FINISHED."
    ),
    field(
        name = "decision",
        ty = "Option<Decision>",
        desc = "The decision that made the verdict; null unless people decided."
    ),
    field(
        name = "decisions",
        ty = "Vec<Decision>",
        desc = "The decisions of people that you may see, oldest first. Where two people must \
                agree without seeing each other's decision, it is yours alone until they do."
    ),
    field(
        name = "decision_policy_version",
        ty = "Option<i32>",
        desc = "Version of the company's policy under which people decide it; null before the \
                first decision, and 0 if the company had no policy."
    ),
    field(
        name = "reasons",
        ty = "Vec<Reason>",
        desc = "The analyzer's reasons for its verdict. A verdict other than SUCCESS has at least \
                one, until its details are erased."
    ),
    field(name = "progress", ty = "f64", desc = "Progress, 0–1."),
    field(
        name = "media",
        ty = "Vec<Media>",
        desc = "The media that it used, in the order of its slots. Index n in `result` is the nth \
                of them."
    ),
    field(name = "folder", ty = "Folder", desc = "Its folder."),
    field(
        name = "group",
        ty = "AnalysisGroup",
        desc = "The analyses that were requested together with it."
    ),
    field(
        name = "params",
        ty = "Json",
        desc = "The parameters in effect: those of the request over the company's over the \
                defaults."
    ),
    field(
        name = "result",
        ty = "Option<Json>",
        desc = "The analyzer's result in the shape of its result schema; null unless FINISHED."
    ),
    field(name = "artifacts", ty = "Vec<Artifact>", desc = "The files that it produced."),
    field(name = "created_at", ty = "OffsetDateTime", desc = "Time of the request."),
    field(
        name = "started_at",
        ty = "Option<OffsetDateTime>",
        desc = "Time at which a worker first started it."
    ),
    field(
        name = "finished_at",
        ty = "Option<OffsetDateTime>",
        desc = "Time at which it became final."
    ),
    field(name = "attempts", ty = "i32", desc = "Number of times that a worker started it."),
    field(name = "revision", ty = "i32", desc = "Number of its changes, counted from 1."),
    field(
        name = "failure",
        ty = "Option<Failure>",
        desc = "Why there is no verdict; null unless FAILED."
    ),
    field(
        name = "provenance",
        ty = "Provenance",
        desc = "The plugin, weights and parameters behind the verdict."
    ),
    field(
        name = "details_erased_at",
        ty = "Option<OffsetDateTime>",
        desc = "Time at which its reasons, result, artifacts, provenance and the message of its \
                failure were erased, because a medium that it used was deleted. Its verdict stays."
    )
)]
pub enum Analysis {
    /// Whether a living person was before the camera.
    Liveness(LivenessAnalysis),
    /// Whether the faces of several media are the same person's.
    FaceMatch(FaceMatchAnalysis),
    /// The contents of an identity document.
    Document(DocumentAnalysis),
    /// Whether a person makes the gestures that were asked for.
    Gestures(GesturesAnalysis),
    /// Whether pictures of a face are good enough for analysis.
    Quality(QualityAnalysis),
    /// An analysis of any other type.
    Custom(CustomAnalysis),
}
