//! The parts that all analyses share: state, verdict, reasons, failure, provenance.

use std::sync::Arc;

use async_graphql::{Context, Enum, SimpleObject};
use vultus_core::Error;

use super::artifact::Artifact;
use super::document::DocumentResult;
use super::info::{WeightFile, missing_weights, weight_files};
use super::loader;
use super::media::{self, Media};
use super::results::ResultView;
use super::scalars::int;
use vultus_service::FolderContents;

/// State of an analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "vultus_core::AnalysisState")]
pub enum AnalysisState {
    /// Accepted, not started.
    Queued,
    /// A worker runs it.
    Running,
    /// It has a verdict.
    Finished,
    /// It ended without a verdict; `failure` says why.
    Failed,
    /// It was cancelled.
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
    /// Rejected.
    Declined,
}

/// A reason for a verdict.
#[derive(Debug, Clone, SimpleObject)]
pub struct Reason {
    /// Stable code, such as `NO_FACE`; each analyzer documents its codes.
    code: String,
    /// One sentence for people.
    message: String,
    /// The medium concerned; null if the reason concerns no single medium, or if it was deleted.
    media: Option<Media>,
    /// The frame concerned, counted from 0 over the frames taken from the medium.
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

/// Origin of a parameter.
#[derive(Debug, Clone, SimpleObject)]
pub struct ParameterSource {
    /// Name of the parameter.
    name: String,
    /// `default`, `company`, `request` or `server`.
    source: String,
}

/// The plugin, weights and parameters behind a verdict.
#[derive(Debug, Clone, SimpleObject)]
pub struct Provenance {
    /// Id of the plugin; null until the analysis is final.
    analyzer: Option<String>,
    /// Its version.
    analyzer_version: Option<String>,
    /// SHA-256 of its file, in hexadecimal.
    analyzer_sha256: Option<String>,
    /// The weights of the plugin and of the plugins whose features it used.
    weights: Vec<WeightFile>,
    /// Optional weight files of these plugins that were not installed.
    missing_weights: Vec<String>,
    /// Origin of each parameter.
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
            missing_weights: missing_weights(&provenance.weights),
            parameter_sources: provenance.parameter_sources.iter().map(source).collect(),
        }
    }
}

impl From<&vultus_core::AnalysisFailure> for Failure {
    fn from(failure: &vultus_core::AnalysisFailure) -> Self {
        Self { code: failure.code.clone(), message: failure.message.clone() }
    }
}

/// An analysis, with its folder if that was read already.
#[derive(Debug, Clone)]
pub struct StoredAnalysis {
    pub(super) analysis: Arc<vultus_core::Analysis>,
    pub(super) artifacts: Vec<vultus_core::Artifact>,
    pub(super) contents: Option<Arc<FolderContents>>,
}

impl StoredAnalysis {
    pub(super) async fn contents(
        &self,
        ctx: &Context<'_>,
    ) -> vultus_core::Result<Arc<FolderContents>> {
        match &self.contents {
            Some(contents) => Ok(contents.clone()),
            None => {
                let found = loader::folder(ctx, self.analysis.folder_id).await?;
                found.ok_or(Error::NotFound { what: "folder", argument: None })
            }
        }
    }

    pub(super) async fn document(
        &self,
        ctx: &Context<'_>,
    ) -> vultus_core::Result<Option<DocumentResult>> {
        let view = ResultView::of(ctx, &self.analysis).await?;
        view.document(&self.contents(ctx).await?, &self.artifacts)
    }

    pub(super) fn best_shot(&self) -> Option<Artifact> {
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
