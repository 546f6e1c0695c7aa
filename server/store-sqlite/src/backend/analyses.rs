//! Analyses as clients see them.

use crate::{SqliteStore, folders};
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{Analysis, AnalysisId, Artifact};
use vultus_store::{Analyses, Cancelled, Result, Scope, Selection};

#[async_trait]
impl Analyses for SqliteStore {
    async fn analyses(
        &self,
        scope: Scope,
        ids: &[AnalysisId],
        selection: Selection,
    ) -> Result<Vec<(Analysis, Vec<Artifact>)>> {
        let ids = ids.to_vec();
        self.read("reading analyses", move |c| folders::analyses(c, scope, &ids, selection)).await
    }

    async fn cancel_analysis(
        &self,
        scope: Scope,
        id: AnalysisId,
        now: OffsetDateTime,
    ) -> Result<Cancelled> {
        self.write("cancelling an analysis", move |c, e| {
            folders::cancel_analysis(c, e, scope, id, now)
        })
        .await
    }
}
