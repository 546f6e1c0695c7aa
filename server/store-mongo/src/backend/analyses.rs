//! Analyses as clients see them.

use crate::transaction::without_transaction;
use crate::{Cases, folders, reading};
use async_trait::async_trait;
use futures::FutureExt;
use time::OffsetDateTime;
use vultus_core::{Analysis, AnalysisId, Artifact};
use vultus_store::{Analyses, Cancelled, Result, Scope, Selection};

#[async_trait]
impl Analyses for Cases {
    async fn analyses(
        &self,
        scope: Scope,
        ids: &[AnalysisId],
        selection: Selection,
    ) -> Result<Vec<(Analysis, Vec<Artifact>)>> {
        without_transaction(
            "reading analyses",
            reading::analyses(&self.collections, scope, ids, selection),
        )
        .await
    }

    async fn cancel_analysis(
        &self,
        scope: Scope,
        id: AnalysisId,
        now: OffsetDateTime,
    ) -> Result<Cancelled> {
        self.attempts("cancelling an analysis")
            .run(move |t| folders::cancel_analysis(t, scope, id, now).boxed())
            .await
    }
}
