//! Inputs that several operations share, and their translation for the use cases.

use async_graphql::{Context, ID, InputObject};
use vultus_core::{Error, Medium, Result};

use super::analysis::AnalysisState;
use super::context::{MAX_WAIT_MS, request};
use super::json::Json;
use super::media::MediaKind;
use super::scalars::parse_id;
use super::upload::Upload;
use vultus_service::{NewMedium, Urgency};

/// A medium to analyze.
#[derive(Debug, InputObject)]
pub struct MediaInput {
    /// The client's name for it, unique within the request, for `mediaKeys` of its analyses.
    pub(super) key: Option<String>,
    /// The file. Its content determines the kind; the name and declared type do not.
    pub(super) file: Upload,
    /// Known tags, such as `video_selfie` or `photo_id_front`, and free ones with the prefix `x_`.
    #[graphql(default)]
    pub(super) tags: Vec<String>,
    /// The client's data: an object.
    pub(super) metadata: Option<Json>,
}

/// An analysis to run. Without ids and keys it uses all media that fit its slots.
#[derive(Debug, InputObject)]
#[graphql(name = "AnalysisRequest")]
pub struct AnalysisRequestInput {
    /// Type, such as `liveness`; `analyzers` lists them.
    #[graphql(name = "type")]
    pub(super) kind: String,
    /// Ids of media of the folder.
    pub(super) media_ids: Option<Vec<ID>>,
    /// Keys of media of the same request.
    pub(super) media_keys: Option<Vec<String>>,
    /// Parameters, as the type's params schema describes. They may only be stricter than the
    /// company's.
    pub(super) params: Option<Json>,
}

/// Which media. All conditions must hold.
#[derive(Debug, InputObject)]
pub struct MediaFilter {
    /// Of this kind.
    kind: Option<MediaKind>,
    /// With this tag.
    tag: Option<String>,
}

impl MediaFilter {
    pub(super) fn accepts(&self, medium: &Medium) -> bool {
        self.kind.is_none_or(|kind| MediaKind::from(medium.kind) == kind)
            && self
                .tag
                .as_ref()
                .is_none_or(|tag| medium.tags.iter().any(|other| other.as_str() == tag))
    }
}

/// Which analyses. All conditions must hold.
#[derive(Debug, InputObject)]
pub struct AnalysisFilter {
    /// Of this type.
    #[graphql(name = "type")]
    kind: Option<String>,
    /// In this state.
    state: Option<AnalysisState>,
}

impl AnalysisFilter {
    pub(super) fn accepts(&self, analysis: &vultus_core::Analysis) -> bool {
        self.kind.as_ref().is_none_or(|kind| analysis.kind == *kind)
            && self.state.is_none_or(|state| AnalysisState::from(analysis.state) == state)
    }
}

/// The media of a request with their files.
pub(super) fn new_media(ctx: &Context<'_>, inputs: Vec<MediaInput>) -> Result<Vec<NewMedium>> {
    let request = request(ctx)?;
    let new_medium = |(index, input): (usize, MediaInput)| {
        let argument = format!("input.media[{index}]");
        Ok(NewMedium {
            key: input.key,
            file: request.take_file(input.file.0, &format!("{argument}.file"))?,
            tags: input.tags,
            metadata: input.metadata.map(Json::unchecked),
            argument,
        })
    };
    inputs.into_iter().enumerate().map(new_medium).collect()
}

/// The analyses of a request.
pub(super) fn analysis_requests(
    inputs: Vec<AnalysisRequestInput>,
) -> Result<Vec<vultus_service::AnalysisRequest>> {
    let analysis_request = |(index, input): (usize, AnalysisRequestInput)| {
        let argument = format!("input.analyses[{index}]");
        let media_ids = input.media_ids.map(|ids| {
            let parse = |(at, id): (usize, &ID)| {
                parse_id(id, "medium", &format!("{argument}.mediaIds[{at}]"))
            };
            ids.iter().enumerate().map(parse).collect::<Result<Vec<_>>>()
        });
        Ok(vultus_service::AnalysisRequest {
            kind: input.kind,
            media_ids: media_ids.transpose()?,
            media_keys: input.media_keys,
            params: input.params.map(Json::unchecked),
            argument,
        })
    };
    inputs.into_iter().enumerate().map(analysis_request).collect()
}

/// Checks the limits of `waitMs`.
pub(super) fn checked_wait(wait_ms: Option<i32>) -> Result<Option<i32>> {
    match wait_ms {
        Some(ms) if !(0..=MAX_WAIT_MS).contains(&ms) => {
            Err(Error::invalid("input.waitMs", format!("must be 0 to {MAX_WAIT_MS}")))
        }
        Some(0) | None => Ok(None),
        Some(ms) => Ok(Some(ms)),
    }
}

/// A request that waits for its verdicts has priority over those that do not.
pub(super) fn urgency(wait_ms: Option<i32>) -> Urgency {
    match wait_ms {
        Some(_) => Urgency::Waited,
        None => Urgency::Later,
    }
}
