//! Instant checks: they answer with verdicts and store nothing, so that no object has an id.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::analysis::{AnalysisState, Failure, Provenance, Resolution};
use super::context::caller;
use super::document::DocumentResult;
use super::inputs::{AnalysisRequestInput, MediaInput, analysis_requests, new_media};
use super::json::Json;
use super::media::MediaKind;
use super::scalars::{int, optional_company};
use vultus_service::{CheckedAnalysis, CheckedArtifact};

/// An instant check.
#[derive(Debug, InputObject)]
pub struct CheckInput {
    /// The company that checks; needed if you have none and several companies are active.
    company_id: Option<ID>,
    /// The media.
    media: Vec<MediaInput>,
    /// The analyses; they name media by key, since the media have no ids.
    analyses: Vec<AnalysisRequestInput>,
}

/// The verdicts of an instant check.
#[derive(SimpleObject)]
pub struct CheckPayload {
    /// The worst of the verdicts; null if an analysis has no verdict.
    resolution: Option<Resolution>,
    /// One result for each analysis, in the order of the request.
    analyses: Vec<CheckResult>,
}

/// A medium of an instant check.
#[derive(Debug, SimpleObject)]
pub struct CheckMedia {
    /// Its position in the request, counted from 0.
    index: i32,
    /// The client's name for it.
    key: Option<String>,
    /// Kind, determined from the content.
    kind: MediaKind,
    /// The slot that it was used for.
    slot: String,
}

/// A reason for a verdict.
#[derive(Debug, SimpleObject)]
pub struct CheckReason {
    /// Stable code, such as `NO_FACE`; each analyzer documents its codes.
    code: String,
    /// One sentence for people.
    message: String,
    /// Position in the request of the medium concerned, counted from 0.
    media_index: Option<i32>,
    /// The frame concerned, counted from 0 over the frames taken from the medium.
    frame: Option<i32>,
}

/// A file that an instant check produced.
pub struct CheckArtifact(CheckedArtifact);

/// A file that an instant check produced, such as the best shot.
#[Object]
impl CheckArtifact {
    /// The analyzer's name for it, such as `best_shot`.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// MIME type.
    async fn content_type(&self) -> &str {
        &self.0.content_type
    }

    /// Size of the file, in bytes.
    async fn byte_size(&self) -> i32 {
        int(self.0.bytes.len())
    }

    /// The file in base64. The server does not store it.
    async fn base64(&self) -> String {
        STANDARD.encode(&self.0.bytes)
    }
}

/// The result of one analysis of an instant check.
pub struct CheckResult(CheckedAnalysis);

/// The result of one analysis of an instant check.
#[Object]
impl CheckResult {
    /// Type, such as `liveness`.
    #[graphql(name = "type")]
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// FINISHED or FAILED.
    async fn state(&self) -> AnalysisState {
        self.0.state.into()
    }

    /// The verdict; null unless FINISHED.
    async fn resolution(&self) -> Option<Resolution> {
        self.0.resolution.map(Into::into)
    }

    /// The reasons for the verdict. A verdict other than SUCCESS has at least one.
    async fn reasons(&self) -> Vec<CheckReason> {
        let of_reason = |reason: &vultus_service::CheckedReason| CheckReason {
            code: reason.code.clone(),
            message: reason.message.clone(),
            media_index: reason.medium.map(int),
            frame: reason.frame.map(int),
        };
        self.0.reasons.iter().map(of_reason).collect()
    }

    /// The media that it used. Index n in `result` is the nth of them.
    async fn media(&self) -> Vec<CheckMedia> {
        let of_medium = |medium: &vultus_service::CheckedMedium| CheckMedia {
            index: int(medium.index),
            key: medium.key.clone(),
            kind: medium.kind.into(),
            slot: medium.slot.clone(),
        };
        self.0.media.iter().map(of_medium).collect()
    }

    /// For liveness: probability of a presentation attack, 0–1.
    async fn score(&self) -> Option<f64> {
        self.number("liveness", "score")
    }

    /// For a face match: calibrated similarity of the least similar pair, 0–1.
    async fn similarity(&self) -> Option<f64> {
        self.number("face_match", "similarity")
    }

    /// For a document: its contents.
    async fn document(&self) -> Result<Option<DocumentResult>> {
        let result = self.0.result.as_ref().filter(|_| self.0.kind == "document");
        Ok(result.map(|result| DocumentResult::read(result, |_| None, |_| None)).transpose()?)
    }

    /// The parameters in effect: those of the request over the company's over the defaults.
    async fn params(&self) -> Json {
        Json::from(&self.0.params)
    }

    /// The analyzer's result in the shape of its result schema; null unless FINISHED.
    async fn result(&self) -> Option<Json> {
        self.0.result.as_ref().map(Json::from)
    }

    /// Why there is no verdict; null unless FAILED.
    async fn failure(&self) -> Option<Failure> {
        self.0.failure.as_ref().map(Failure::from)
    }

    /// The plugin, weights and parameters behind the verdict.
    async fn provenance(&self) -> Provenance {
        Provenance::from(&self.0.provenance)
    }

    /// The files that it produced.
    async fn artifacts(&self) -> Vec<CheckArtifact> {
        self.0.artifacts.iter().cloned().map(CheckArtifact).collect()
    }
}

impl CheckResult {
    fn number(&self, kind: &str, name: &str) -> Option<f64> {
        self.0.result.as_ref().filter(|_| self.0.kind == kind)?.field(name)
    }
}

pub(super) async fn check(ctx: &Context<'_>, input: CheckInput) -> Result<CheckPayload> {
    let (services, principal) = caller(ctx)?;
    let company = optional_company(input.company_id.as_ref(), "input.companyId")?;
    let requests = analysis_requests(input.analyses)?;
    let media = new_media(ctx, input.media)?;
    let analyses = services.check(&principal, company, media, requests).await?;
    let resolution = vultus_service::overall_resolution(&analyses).map(Into::into);
    Ok(CheckPayload { resolution, analyses: analyses.into_iter().map(CheckResult).collect() })
}
