//! Cases.

use crate::MongoStore;
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::decision::figures::Decided;
use vultus_core::{Analysis, AnalysisId, Claim, NewDecision, Released, UndoDecision};
use vultus_store::{Case, CaseCounts, CaseCursor, CaseFilter, Cases, Result, Scope};

#[async_trait]
impl Cases for MongoStore {
    async fn decide(&self, scope: Scope, id: AnalysisId, new: &NewDecision) -> Result<Analysis> {
        let new = new.clone();
        self.run(|cases| async move { cases.decide(scope, id, &new).await }).await
    }

    async fn undo_decision(
        &self,
        scope: Scope,
        id: AnalysisId,
        undo: &UndoDecision,
    ) -> Result<Analysis> {
        let undo = *undo;
        self.run(move |cases| async move { cases.undo_decision(scope, id, &undo).await }).await
    }

    async fn claim_case(&self, scope: Scope, id: AnalysisId, wanted: Claim) -> Result<Case> {
        self.run(move |cases| async move { cases.claim_case(scope, id, wanted).await }).await
    }

    async fn release_case(&self, scope: Scope, id: AnalysisId, whose: Released) -> Result<Case> {
        self.run(move |cases| async move { cases.release_case(scope, id, whose).await }).await
    }

    async fn list_cases(
        &self,
        scope: Scope,
        filter: &CaseFilter,
        after: Option<CaseCursor>,
        limit: u32,
    ) -> Result<(Vec<Case>, bool)> {
        let filter = filter.clone();
        self.run(move |cases| async move { cases.list_cases(scope, &filter, after, limit).await })
            .await
    }

    async fn count_cases(
        &self,
        scope: Scope,
        filter: &CaseFilter,
        now: OffsetDateTime,
    ) -> Result<CaseCounts> {
        let filter = filter.clone();
        self.run(move |cases| async move { cases.count_cases(scope, &filter, now).await }).await
    }

    async fn decided_since(
        &self,
        scope: Scope,
        since: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<Decided>> {
        self.run(move |cases| async move { cases.decided_since(scope, since, limit).await }).await
    }
}
