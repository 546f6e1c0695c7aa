//! Analyses as clients see them.

use crate::MongoStore;
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{Analysis, AnalysisId, Artifact};
use vultus_store::{Analyses, Cancelled, Result, Scope, Selection};

#[async_trait]
impl Analyses for MongoStore {
    async fn analyses(
        &self,
        scope: Scope,
        ids: &[AnalysisId],
        selection: Selection,
    ) -> Result<Vec<(Analysis, Vec<Artifact>)>> {
        let ids = ids.to_vec();
        self.run(|cases| async move { cases.analyses(scope, &ids, selection).await }).await
    }

    async fn cancel_analysis(
        &self,
        scope: Scope,
        id: AnalysisId,
        now: OffsetDateTime,
    ) -> Result<Cancelled> {
        self.run(|cases| async move { cases.cancel_analysis(scope, id, now).await }).await
    }
}
