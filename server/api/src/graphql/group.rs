//! Groups: the analyses of one request.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result};
use time::OffsetDateTime;
use vultus_core::{GroupId, summary};

use super::analysis::Resolution;
use super::context::counted;
use super::typed_analyses::{Analysis, all};
use vultus_service::FolderContents;

/// The analyses that were requested together.
#[derive(Debug, Clone)]
pub struct AnalysisGroup {
    id: GroupId,
    contents: Arc<FolderContents>,
}

/// The analyses that were requested together.
#[Object]
impl AnalysisGroup {
    /// Id.
    async fn id(&self) -> ID {
        self.id.into()
    }

    /// Time of the request.
    async fn created_at(&self) -> Option<OffsetDateTime> {
        self.members().map(|analysis| analysis.created_at).min()
    }

    /// The analyses, in the order of the request.
    #[graphql(complexity = "1 + 4 * child_complexity")]
    async fn analyses(&self, ctx: &Context<'_>) -> Result<Vec<Analysis>> {
        Ok(counted(ctx, all(&self.contents, |analysis| analysis.group_id == self.id))?)
    }

    /// The worst of the verdicts; null until all are finished.
    async fn resolution(&self) -> Option<Resolution> {
        let all_finished =
            self.members().all(|analysis| analysis.state == vultus_core::AnalysisState::Finished);
        if all_finished { summary::worst(self.members()).map(Into::into) } else { None }
    }
}

impl AnalysisGroup {
    fn members(&self) -> impl Iterator<Item = &vultus_core::Analysis> {
        self.contents.analyses.members().iter().filter(|analysis| analysis.group_id == self.id)
    }
}

/// A group of a folder.
pub(super) fn group(contents: &Arc<FolderContents>, id: GroupId) -> AnalysisGroup {
    AnalysisGroup { id, contents: contents.clone() }
}

/// The groups of a folder, oldest first.
pub(super) fn groups(contents: &Arc<FolderContents>) -> Vec<AnalysisGroup> {
    let mut ids: Vec<GroupId> = Vec::new();
    for analysis in contents.analyses.members() {
        if !ids.contains(&analysis.group_id) {
            ids.push(analysis.group_id);
        }
    }
    ids.into_iter().map(|id| group(contents, id)).collect()
}
