//! Analyses, their groups, and what explains their verdicts.

use std::sync::Arc;

use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, ID, Interface, Object, Result, SimpleObject};
use serde_json::Value;
use time::OffsetDateTime;
use vultus_core::Error;

use super::artifact::Artifact;
use super::context::counted;
use super::document::{
    DocumentBarcode, DocumentField, DocumentLine, DocumentPortrait, DocumentQuality,
    DocumentResult, DocumentType, Mrz,
};
use super::folder::Folder;
use super::group::{AnalysisGroup, group};
use super::info::{WeightFile, weight_files};
use super::loader;
use super::media::{self, Media};
use super::results::{FaceMatchMediaResult, FacePair, LivenessMediaResult, ResultView};
use super::scalars::int;
use vultus_service::FolderContents;

/// Where an analysis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "vultus_core::AnalysisState")]
pub enum AnalysisState {
    /// Accepted, not begun.
    Queued,
    /// A worker is on it.
    Running,
    /// It has a verdict.
    Finished,
    /// It has none and will not get one; `failure` says why.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

/// A verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "vultus_core::Resolution")]
pub enum Resolution {
    /// All checks passed.
    Success,
    /// A person must decide.
    OperatorRequired,
    /// Refused.
    Declined,
}

/// A page of analyses.
pub type AnalysisConnection = Connection<String, Analysis>;

/// Why the verdict is what it is.
#[derive(Debug, Clone, SimpleObject)]
pub struct Reason {
    /// Stable code, such as `NO_FACE`; the analyzer documents its own.
    code: String,
    /// One sentence for people.
    message: String,
    /// The medium that is meant; null when none is, or when it was deleted.
    media: Option<Media>,
    /// The frame of it that is meant, counted from 0 in the frames that were taken from the medium.
    frame: Option<i32>,
}

/// Why an analysis has no verdict.
#[derive(Debug, Clone, SimpleObject)]
pub struct Failure {
    /// Stable code, such as `MEDIA_UNREADABLE` or `ANALYZER_CRASHED`.
    code: String,
    /// One sentence for people.
    message: String,
}

/// Where a parameter came from.
#[derive(Debug, Clone, SimpleObject)]
pub struct ParameterSource {
    /// Name of the parameter.
    name: String,
    /// `default`, `company`, `request` or `server`.
    source: String,
}

/// What judged, and by which rules.
#[derive(Debug, Clone, SimpleObject)]
pub struct Provenance {
    /// Id of the plugin; null until it has judged.
    analyzer: Option<String>,
    /// Its version.
    analyzer_version: Option<String>,
    /// SHA-256 of its file, in hexadecimal.
    analyzer_sha256: Option<String>,
    /// The weights in use, its own and those of the plugins whose features it used.
    weights: Vec<WeightFile>,
    /// Where each parameter came from.
    parameter_sources: Vec<ParameterSource>,
}

impl From<&vultus_core::Provenance> for Provenance {
    fn from(provenance: &vultus_core::Provenance) -> Self {
        let source = |(name, source): &(String, String)| ParameterSource {
            name: name.clone(),
            source: source.clone(),
        };
        Self {
            analyzer: provenance.analyzer.clone(),
            analyzer_version: provenance.analyzer_version.clone(),
            analyzer_sha256: provenance.analyzer_sha256.clone(),
            weights: weight_files(&provenance.weights),
            parameter_sources: provenance.parameter_sources.iter().map(source).collect(),
        }
    }
}

impl From<&vultus_core::AnalysisFailure> for Failure {
    fn from(failure: &vultus_core::AnalysisFailure) -> Self {
        Self { code: failure.code.clone(), message: failure.message.clone() }
    }
}

/// An analysis; with its folder where that was read already.
#[derive(Debug, Clone)]
pub struct Inner {
    analysis: Arc<vultus_core::Analysis>,
    artifacts: Vec<vultus_core::Artifact>,
    contents: Option<Arc<FolderContents>>,
}

impl Inner {
    async fn contents(&self, ctx: &Context<'_>) -> vultus_core::Result<Arc<FolderContents>> {
        match &self.contents {
            Some(contents) => Ok(contents.clone()),
            None => {
                let found = loader::folder(ctx, self.analysis.folder_id).await?;
                found.ok_or(Error::NotFound { what: "folder", argument: None })
            }
        }
    }

    async fn document(&self, ctx: &Context<'_>) -> vultus_core::Result<Option<DocumentResult>> {
        match self.analysis.result {
            Some(_) => Ok(ResultView::of(&self.analysis)
                .document(&self.contents(ctx).await?, &self.artifacts)),
            None => Ok(None),
        }
    }

    fn best_shot(&self) -> Option<Artifact> {
        self.artifacts.iter().find(|artifact| artifact.name == "best_shot").cloned().map(Artifact)
    }
}

/// The reasons of an analysis with their media.
pub(super) fn reasons(
    analysis: &vultus_core::Analysis,
    contents: &Arc<FolderContents>,
) -> Vec<Reason> {
    let of_reason = |reason: &vultus_core::Reason| Reason {
        code: reason.code.clone(),
        message: reason.message.clone(),
        media: reason.media_id.and_then(|id| media::in_folder(contents, id)),
        frame: reason.frame.map(int),
    };
    analysis.reasons.iter().map(of_reason).collect()
}

/// The analysis as its concrete type.
pub(super) fn of(
    analysis: vultus_core::Analysis,
    artifacts: Vec<vultus_core::Artifact>,
    contents: Option<Arc<FolderContents>>,
) -> Analysis {
    let kind = analysis.kind.clone();
    let inner = Inner { analysis: Arc::new(analysis), artifacts, contents };
    match kind.as_str() {
        "liveness" => Analysis::Liveness(LivenessAnalysis(inner)),
        "face_match" => Analysis::FaceMatch(FaceMatchAnalysis(inner)),
        "document" => Analysis::Document(DocumentAnalysis(inner)),
        _ => Analysis::Custom(CustomAnalysis(inner)),
    }
}

/// The analyses of a folder that `wanted` picks, oldest first.
pub(super) fn all(
    contents: &Arc<FolderContents>,
    wanted: impl Fn(&vultus_core::Analysis) -> bool,
) -> Vec<Analysis> {
    let with_artifacts = |analysis: &vultus_core::Analysis| {
        let artifacts = contents
            .artifacts
            .iter()
            .filter(|artifact| artifact.analysis_id == analysis.id)
            .cloned()
            .collect();
        of(analysis.clone(), artifacts, Some(contents.clone()))
    };
    contents.analyses.iter().filter(|analysis| wanted(analysis)).map(with_artifacts).collect()
}

impl Analysis {
    /// The id.
    pub(super) fn analysis_id(&self) -> vultus_core::AnalysisId {
        match self {
            Self::Liveness(analysis) => analysis.0.analysis.id,
            Self::FaceMatch(analysis) => analysis.0.analysis.id,
            Self::Document(analysis) => analysis.0.analysis.id,
            Self::Custom(analysis) => analysis.0.analysis.id,
        }
    }
}

macro_rules! analysis_object {
    ($(#[$doc:meta])* $name:ident { $($specific:tt)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(Inner);

        $(#[$doc])*
        #[Object]
        impl $name {
            /// Id.
            pub async fn id(&self) -> ID {
                self.0.analysis.id.into()
            }

            /// Type, such as `liveness`.
            #[graphql(name = "type")]
            pub async fn kind(&self) -> String {
                self.0.analysis.kind.clone()
            }

            /// Where it is.
            pub async fn state(&self) -> AnalysisState {
                self.0.analysis.state.into()
            }

            /// The verdict; null unless FINISHED.
            pub async fn resolution(&self) -> Option<Resolution> {
                self.0.analysis.resolution.map(Into::into)
            }

            /// Why the verdict is what it is. A verdict other than SUCCESS has at least one.
            #[graphql(complexity = "1 + 2 * child_complexity")]
            pub async fn reasons(&self, ctx: &Context<'_>) -> Result<Vec<Reason>> {
                if self.0.analysis.reasons.is_empty() {
                    return Ok(Vec::new());
                }
                Ok(counted(ctx, reasons(&self.0.analysis, &self.0.contents(ctx).await?))?)
            }

            /// How far it is, 0–1.
            pub async fn progress(&self) -> f64 {
                f64::from(self.0.analysis.progress)
            }

            /// The media that it took, in the order of its slots. Index n of a medium in `result`
            /// is the nth of those taken.
            #[graphql(complexity = "1 + 2 * child_complexity")]
            pub async fn media(&self, ctx: &Context<'_>) -> Result<Vec<Media>> {
                let contents = self.0.contents(ctx).await?;
                let taken = self.0.analysis.media.iter().filter_map(|taken| media::in_folder(&contents, taken.media_id));
                Ok(counted(ctx, taken.collect())?)
            }

            /// Its folder.
            pub async fn folder(&self, ctx: &Context<'_>) -> Result<Folder> {
                Ok(Folder(self.0.contents(ctx).await?))
            }

            /// What it was asked for with.
            pub async fn group(&self, ctx: &Context<'_>) -> Result<AnalysisGroup> {
                Ok(group(&self.0.contents(ctx).await?, self.0.analysis.group_id))
            }

            /// The parameters that apply: the defaults, the company's and the request's, merged and
            /// validated.
            pub async fn params(&self) -> Value {
                self.0.analysis.params.clone()
            }

            /// The analyzer's result in the shape of its result schema; null unless FINISHED.
            pub async fn result(&self) -> Option<Value> {
                self.0.analysis.result.clone()
            }

            /// The files that it made.
            #[graphql(complexity = "1 + 2 * child_complexity")]
            pub async fn artifacts(&self) -> Vec<Artifact> {
                self.0.artifacts.iter().cloned().map(Artifact).collect()
            }

            /// When it was asked for.
            pub async fn created_at(&self) -> OffsetDateTime {
                self.0.analysis.created_at
            }

            /// When a worker first began it.
            pub async fn started_at(&self) -> Option<OffsetDateTime> {
                self.0.analysis.started_at
            }

            /// When it became final.
            pub async fn finished_at(&self) -> Option<OffsetDateTime> {
                self.0.analysis.finished_at
            }

            /// Times that a worker began it.
            pub async fn attempts(&self) -> i32 {
                int(self.0.analysis.attempts)
            }

            /// Counts its changes, from 1.
            pub async fn revision(&self) -> i32 {
                int(self.0.analysis.revision)
            }

            /// Why there is no verdict; null unless FAILED.
            pub async fn failure(&self) -> Option<Failure> {
                self.0.analysis.failure.as_ref().map(Failure::from)
            }

            /// What judged, and by which rules.
            pub async fn provenance(&self) -> Provenance {
                Provenance::from(&self.0.analysis.provenance)
            }

            $($specific)*
        }
    };
}

analysis_object! {
    /// Whether a living person was before the camera, rather than a picture, a screen or a mask.
    LivenessAnalysis {
        /// Probability of a presentation attack, 0–1: that of the worst medium.
        async fn score(&self) -> Option<f64> {
            ResultView::of(&self.0.analysis).number("score")
        }

        /// What was found in each medium.
        async fn per_media(&self, ctx: &Context<'_>) -> Result<Vec<LivenessMediaResult>> {
            let contents = self.0.contents(ctx).await?;
            Ok(counted(ctx, ResultView::of(&self.0.analysis).liveness_media(&contents))?)
        }

        /// The best picture of the living person.
        async fn best_shot(&self) -> Option<Artifact> {
            self.0.best_shot()
        }
    }
}

analysis_object! {
    /// Whether the faces of several media are the same person's.
    FaceMatchAnalysis {
        /// Calibrated similarity of the least similar pair, 0–1.
        async fn similarity(&self) -> Option<f64> {
            ResultView::of(&self.0.analysis).number("similarity")
        }

        /// False match rate at the threshold `acceptFrom`: the share of pairs of different people
        /// that it accepts; null outside of what was measured.
        async fn fmr(&self) -> Option<f64> {
            ResultView::of(&self.0.analysis).number("fmr")
        }

        /// All pairs of media.
        async fn pairs(&self, ctx: &Context<'_>) -> Result<Vec<FacePair>> {
            let contents = self.0.contents(ctx).await?;
            Ok(counted(ctx, ResultView::of(&self.0.analysis).pairs(&contents))?)
        }

        /// What was made of each medium.
        async fn per_media(&self, ctx: &Context<'_>) -> Result<Vec<FaceMatchMediaResult>> {
            let contents = self.0.contents(ctx).await?;
            Ok(counted(ctx, ResultView::of(&self.0.analysis).face_match_media(&contents))?)
        }
    }
}

analysis_object! {
    /// What an identity document says, and whether it can be believed.
    DocumentAnalysis {
        /// What kind of document it is; null until it is told.
        async fn document_type(&self) -> Option<DocumentType> {
            self.0.analysis.result.as_ref().map(DocumentResult::kind_in)
        }

        /// What the document says, out of all its zones.
        async fn fields(&self, ctx: &Context<'_>) -> Result<Vec<DocumentField>> {
            let document = self.0.document(ctx).await?;
            Ok(counted(ctx, document.map(|document| document.fields).unwrap_or_default())?)
        }

        /// Its machine-readable zone; null when none was read.
        async fn mrz(&self, ctx: &Context<'_>) -> Result<Option<Mrz>> {
            Ok(self.0.document(ctx).await?.and_then(|document| document.mrz))
        }

        /// Its barcodes.
        async fn barcodes(&self, ctx: &Context<'_>) -> Result<Vec<DocumentBarcode>> {
            let document = self.0.document(ctx).await?;
            Ok(counted(ctx, document.map(|document| document.barcodes).unwrap_or_default())?)
        }

        /// The holder's portrait on it.
        async fn portrait(&self, ctx: &Context<'_>) -> Result<Option<DocumentPortrait>> {
            Ok(self.0.document(ctx).await?.and_then(|document| document.portrait))
        }

        /// What the picture of each side is like.
        async fn quality(&self, ctx: &Context<'_>) -> Result<Vec<DocumentQuality>> {
            let document = self.0.document(ctx).await?;
            Ok(counted(ctx, document.map(|document| document.quality).unwrap_or_default())?)
        }

        /// The lines of its visual zone, in the order of reading.
        async fn lines(&self, ctx: &Context<'_>) -> Result<Vec<DocumentLine>> {
            let document = self.0.document(ctx).await?;
            Ok(counted(ctx, document.map(|document| document.lines).unwrap_or_default())?)
        }
    }
}

analysis_object! {
    /// An analysis of any other type that a plugin offers; see its result schema in `analyzers`.
    CustomAnalysis {}
}

/// A question about media, and its verdict.
#[expect(
    clippy::duplicated_attributes,
    reason = "fields of one type look like repetitions to the lint"
)]
#[derive(Debug, Clone, Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "Id."),
    field(name = "type", method = "kind", ty = "String", desc = "Type, such as `liveness`."),
    field(name = "state", ty = "AnalysisState", desc = "Where it is."),
    field(
        name = "resolution",
        ty = "Option<Resolution>",
        desc = "The verdict; null unless FINISHED."
    ),
    field(
        name = "reasons",
        ty = "Vec<Reason>",
        desc = "Why the verdict is what it is. A verdict other than SUCCESS has at least one."
    ),
    field(name = "progress", ty = "f64", desc = "How far it is, 0–1."),
    field(
        name = "media",
        ty = "Vec<Media>",
        desc = "The media that it took, in the order of its slots. Index n of a medium in `result` is the nth of those taken."
    ),
    field(name = "folder", ty = "Folder", desc = "Its folder."),
    field(name = "group", ty = "AnalysisGroup", desc = "What it was asked for with."),
    field(
        name = "params",
        ty = "Value",
        desc = "The parameters that apply: the defaults, the company's and the request's, merged and validated."
    ),
    field(
        name = "result",
        ty = "Option<Value>",
        desc = "The analyzer's result in the shape of its result schema; null unless FINISHED."
    ),
    field(name = "artifacts", ty = "Vec<Artifact>", desc = "The files that it made."),
    field(name = "created_at", ty = "OffsetDateTime", desc = "When it was asked for."),
    field(
        name = "started_at",
        ty = "Option<OffsetDateTime>",
        desc = "When a worker first began it."
    ),
    field(name = "finished_at", ty = "Option<OffsetDateTime>", desc = "When it became final."),
    field(name = "attempts", ty = "i32", desc = "Times that a worker began it."),
    field(name = "revision", ty = "i32", desc = "Counts its changes, from 1."),
    field(
        name = "failure",
        ty = "Option<Failure>",
        desc = "Why there is no verdict; null unless FAILED."
    ),
    field(name = "provenance", ty = "Provenance", desc = "What judged, and by which rules.")
)]
pub enum Analysis {
    /// Whether a living person was before the camera.
    Liveness(LivenessAnalysis),
    /// Whether the faces of several media are the same person's.
    FaceMatch(FaceMatchAnalysis),
    /// What an identity document says.
    Document(DocumentAnalysis),
    /// Any other type.
    Custom(CustomAnalysis),
}
