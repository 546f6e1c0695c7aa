//! Folders and their summaries.

use std::sync::Arc;

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;
use vultus_core::summary::{self, FolderVerdict};
use vultus_core::{Error, FolderId};

use super::analysis::{self, AnalysisState, Reason, Resolution};
use super::artifact::Artifact;
use super::company::Company;
use super::context::{caller, counted, request};
use super::group::{AnalysisGroup, groups};
use super::inputs::{AnalysisFilter, MediaFilter};
use super::json::Json;
use super::media::{self, MediaConnection, MediaKind};
use super::results::{FacePair, ResultView};
use super::scalars::int;
use super::typed_analyses::{self, AnalysisConnection};
use super::user::User;
use super::{loader, page};
use vultus_service::{FolderContents, FolderCursor};

/// State of a folder, derived from its analyses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "vultus_core::FolderState")]
pub enum FolderState {
    /// No analysis was requested.
    Empty,
    /// The newest analysis of some type is not final.
    Processing,
    /// The newest analysis of each type has a verdict.
    Finished,
    /// The newest analysis of some type failed or was cancelled.
    Failed,
}

/// A page of folders.
pub type FolderConnection = Connection<String, Folder>;

/// The media and analyses of one person in one case.
#[derive(Debug, Clone)]
pub struct Folder(pub(super) Arc<FolderContents>);

/// The media of one person in one case, and the analyses of them.
#[Object]
impl Folder {
    /// Id.
    pub async fn id(&self) -> ID {
        self.0.folder.id.into()
    }

    /// The client's key for the folder, unique within the company.
    async fn external_id(&self) -> Option<&str> {
        self.0.folder.external_id.as_deref()
    }

    /// The client's data: an object.
    async fn metadata(&self, ctx: &Context<'_>) -> Result<Json> {
        Ok(loader::folder_metadata(ctx, self.0.folder.id).await?)
    }

    /// Time of creation.
    async fn created_at(&self) -> OffsetDateTime {
        self.0.folder.created_at
    }

    /// Time of the last change of the folder, its media or its analyses.
    async fn updated_at(&self) -> OffsetDateTime {
        self.0.folder.updated_at
    }

    /// Number of changes of the folder, its media and its analyses, counted from 1.
    async fn revision(&self) -> i32 {
        int(self.0.folder.revision)
    }

    /// The company that it belongs to; null if the viewer may not see companies.
    async fn company(&self, ctx: &Context<'_>) -> Result<Option<Company>> {
        Ok(loader::company(ctx, self.0.folder.company_id).await?.map(Company))
    }

    /// The user who created it; null if the user was deleted, or you may not see it.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(loader::user(ctx, self.0.folder.owner_id).await?.map(User))
    }

    /// Its media, oldest first.
    #[graphql(complexity = "page::weight(first, child_complexity)")]
    async fn media(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Length of the page: 1 to 100.", default = 20)] first: i32,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Which media.")] filter: Option<MediaFilter>,
    ) -> Result<MediaConnection> {
        let mut media = media::all(&self.0);
        media.retain(|medium| filter.as_ref().is_none_or(|filter| filter.accepts(medium.medium())));
        let page =
            page::of_list(media, first, after.as_deref(), |medium| medium.medium().id.to_string())?;
        Ok(page::counted(ctx, page)?)
    }

    /// Its analyses, oldest first.
    #[graphql(complexity = "page::weight(first, child_complexity)")]
    async fn analyses(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Length of the page: 1 to 100.", default = 20)] first: i32,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Which analyses.")] filter: Option<AnalysisFilter>,
    ) -> Result<AnalysisConnection> {
        let wanted = |analysis: &vultus_core::Analysis| {
            filter.as_ref().is_none_or(|filter| filter.accepts(analysis))
        };
        let analyses = typed_analyses::all(&self.0, wanted);
        let page = page::of_list(analyses, first, after.as_deref(), |analysis| {
            analysis.analysis_id().to_string()
        })?;
        Ok(page::counted(ctx, page)?)
    }

    /// The groups of analyses that were requested together, oldest first.
    #[graphql(complexity = "1 + 4 * child_complexity")]
    async fn groups(&self, ctx: &Context<'_>) -> Result<Vec<AnalysisGroup>> {
        Ok(counted(ctx, groups(&self.0))?)
    }

    /// State of the folder, by the newest analysis of each type.
    async fn state(&self) -> Result<FolderState> {
        Ok(self.verdict()?.state.into())
    }

    /// The worst verdict over the newest analysis of each type, as people decided or else as the
    /// analyzers did; null until all are finished, and if stale.
    async fn resolution(&self) -> Result<Option<Resolution>> {
        Ok(self.verdict()?.resolution.map(Into::into))
    }

    /// The same of the analyzers alone, whatever people decided.
    async fn system_resolution(&self) -> Result<Option<Resolution>> {
        Ok(self.verdict()?.system_resolution.map(Into::into))
    }

    /// Whether a medium was added or deleted after the newest analyses were requested.
    async fn stale(&self) -> Result<bool> {
        Ok(self.verdict()?.stale)
    }

    /// The verdict of the newest finished group alone.
    async fn last_group_resolution(&self) -> Result<Option<Resolution>> {
        Ok(self.verdict()?.last_group_resolution.map(Into::into))
    }

    /// Summary of the newest analysis of each type.
    async fn summary(&self) -> FolderSummary {
        FolderSummary(self.0.clone())
    }
}

impl Folder {
    fn verdict(&self) -> vultus_core::Result<FolderVerdict> {
        Ok(summary::verdict(self.0.analyses.read()?, self.0.folder.media_changed_at))
    }
}

/// Number of analyses of a type in a state.
#[derive(Debug, Clone, SimpleObject)]
pub struct AnalysisCount {
    /// The type.
    #[graphql(name = "type")]
    kind: String,
    /// The state.
    state: AnalysisState,
    /// The number.
    count: i32,
}

/// Number of media of a kind.
#[derive(Debug, Clone, SimpleObject)]
pub struct MediaCount {
    /// The kind.
    kind: MediaKind,
    /// The number.
    count: i32,
}

/// Summary of a folder's analyses.
pub struct FolderSummary(Arc<FolderContents>);

/// Summary of a folder's analyses: scores and reasons are those of the newest analysis of each
/// type.
#[Object]
impl FolderSummary {
    /// Number of media by kind, without zeros.
    async fn media(&self) -> Vec<MediaCount> {
        let kinds = [
            vultus_core::MediaKind::Image,
            vultus_core::MediaKind::Video,
            vultus_core::MediaKind::ShotSet,
        ];
        let count = |kind: vultus_core::MediaKind| {
            self.0.media.members().iter().filter(|medium| medium.kind == kind).count()
        };
        let counts =
            kinds.into_iter().map(|kind| MediaCount { kind: kind.into(), count: int(count(kind)) });
        counts.filter(|count| count.count > 0).collect()
    }

    /// Number of analyses by type and state, without zeros.
    async fn analyses(&self) -> Vec<AnalysisCount> {
        let mut counts: Vec<AnalysisCount> = Vec::new();
        for analysis in self.0.analyses.members() {
            let state = AnalysisState::from(analysis.state);
            match counts
                .iter_mut()
                .find(|count| count.kind == analysis.kind && count.state == state)
            {
                Some(count) => count.count += 1,
                None => counts.push(AnalysisCount { kind: analysis.kind.clone(), state, count: 1 }),
            }
        }
        counts
    }

    /// Probability of a presentation attack on the worst medium, 0–1; null without a finished
    /// liveness analysis.
    async fn worst_liveness_score(&self, ctx: &Context<'_>) -> Result<Option<f64>> {
        match self.newest("liveness")? {
            Some(analysis) => Ok(ResultView::of(ctx, analysis).await?.number("score")?),
            None => Ok(None),
        }
    }

    /// The two media whose faces are least alike; null without a finished face match.
    async fn least_similar_pair(&self, ctx: &Context<'_>) -> Result<Option<FacePair>> {
        match self.newest("face_match")? {
            Some(analysis) => {
                Ok(ResultView::of(ctx, analysis).await?.least_similar_pair(&self.0)?)
            }
            None => Ok(None),
        }
    }

    /// The best picture of the person, from the newest analysis that has one.
    async fn best_shot(&self) -> Result<Option<Artifact>> {
        let newest = summary::newest_of_each_type(self.0.analyses.read()?);
        let is_newest = |artifact: &&vultus_core::Artifact| {
            artifact.name == "best_shot"
                && newest.iter().any(|analysis| analysis.id == artifact.analysis_id)
        };
        Ok(self.0.artifacts.read()?.iter().rfind(is_newest).cloned().map(Artifact))
    }

    /// All reasons of the newest analysis of each type.
    #[graphql(complexity = "1 + 2 * child_complexity")]
    async fn reasons(&self, ctx: &Context<'_>) -> Result<Vec<Reason>> {
        let newest = summary::newest_of_each_type(self.0.analyses.read()?);
        Ok(counted(
            ctx,
            newest.into_iter().flat_map(|newest| analysis::reasons(newest, &self.0)).collect(),
        )?)
    }
}

impl FolderSummary {
    fn newest(&self, kind: &str) -> vultus_core::Result<Option<&vultus_core::Analysis>> {
        let newest = summary::newest_of_each_type(self.0.analyses.read()?);
        Ok(newest.into_iter().find(|analysis| analysis.kind == kind))
    }
}

/// Order of a listing; folders of the same time are ordered by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[graphql(remote = "vultus_service::FolderOrder")]
pub enum FolderOrder {
    /// Newest first.
    #[default]
    CreatedDescending,
    /// Oldest first.
    CreatedAscending,
    /// Most recently changed first.
    UpdatedDescending,
    /// Least recently changed first.
    UpdatedAscending,
}

/// A condition on the metadata: a key and its text.
#[derive(Debug, Clone, InputObject)]
pub struct MetadataEquals {
    /// A key at the top of the metadata.
    key: String,
    /// The text that it must have.
    value: String,
}

/// Which folders to list. All conditions must hold.
#[derive(Debug, Clone, Default, InputObject)]
pub struct FolderFilter {
    /// Created at or after this time.
    created_from: Option<OffsetDateTime>,
    /// Created before this time.
    created_before: Option<OffsetDateTime>,
    /// With this external id.
    external_id: Option<String>,
    /// With an analysis of this type.
    analysis_type: Option<String>,
    /// True: with an analysis that is not final. False: without.
    processing: Option<bool>,
    /// With these texts in the metadata.
    #[graphql(default)]
    metadata_equals: Vec<MetadataEquals>,
}

impl From<FolderFilter> for vultus_service::FolderFilter {
    fn from(filter: FolderFilter) -> Self {
        Self {
            created_from: filter.created_from,
            created_before: filter.created_before,
            external_id: filter.external_id,
            analysis_type: filter.analysis_type,
            processing: filter.processing,
            metadata_equals: filter
                .metadata_equals
                .into_iter()
                .map(|pair| (pair.key, pair.value))
                .collect(),
        }
    }
}

/// The page of folders that a query requests.
pub(super) struct FolderPage {
    pub(super) first: i32,
    pub(super) after: Option<String>,
    pub(super) filter: FolderFilter,
    pub(super) order: FolderOrder,
}

pub(super) async fn list(ctx: &Context<'_>, asked: FolderPage) -> Result<FolderConnection> {
    let (services, principal) = caller(ctx)?;
    let first = page::parse_first(asked.first)?;
    let after = asked.after.as_deref().map(parse_cursor).transpose()?;
    let limit = u32::try_from(first).unwrap_or(u32::MAX);
    let order = vultus_service::FolderOrder::from(asked.order);
    let selection = request(ctx)?.selection();
    let (folders, has_more) = services
        .list_folders(&principal, &asked.filter.into(), order, after, limit, selection)
        .await?;
    let mut connection = Connection::new(after.is_some(), has_more);
    connection.edges.extend(folders.into_iter().map(|contents| {
        let time = match asked.order {
            FolderOrder::CreatedDescending | FolderOrder::CreatedAscending => {
                contents.folder.created_at
            }
            FolderOrder::UpdatedDescending | FolderOrder::UpdatedAscending => {
                contents.folder.updated_at
            }
        };
        Edge::new(cursor(FolderCursor { time, id: contents.folder.id }), Folder(Arc::new(contents)))
    }));
    Ok(page::counted(ctx, connection)?)
}

fn cursor(at: FolderCursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{}", at.time.unix_timestamp_nanos(), at.id))
}

fn parse_cursor(text: &str) -> vultus_core::Result<FolderCursor> {
    let parsed = || {
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (nanos, id) = plain.split_once(':')?;
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos.parse().ok()?).ok()?;
        Some(FolderCursor { time, id: id.parse::<FolderId>().ok()? })
    };
    parsed().ok_or_else(|| Error::invalid("after", "not a valid folder cursor"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cursor_of_the_server_is_accepted() {
        let at = FolderCursor {
            time: OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_123_456_000).unwrap(),
            id: FolderId(uuid::Uuid::now_v7()),
        };
        assert_eq!(parse_cursor(&cursor(at)).unwrap(), at);
        for wrong in ["", "x", "MTI6YWJj", &"A".repeat(10_000)] {
            assert!(parse_cursor(wrong).is_err(), "{wrong}");
        }
    }
}
