//! Cases.

use crate::transaction::without_transaction;
use crate::{Cases as UseCases, case_listing, cases};
use async_trait::async_trait;
use futures::FutureExt;
use time::OffsetDateTime;
use vultus_core::decision::figures::Decided;
use vultus_core::{Analysis, AnalysisId, Claim, NewDecision, Released, UndoDecision};
use vultus_store::{Case, CaseCounts, CaseCursor, CaseFilter, Cases, Result, Scope};

#[async_trait]
impl Cases for UseCases {
    async fn decide(&self, scope: Scope, id: AnalysisId, new: &NewDecision) -> Result<Analysis> {
        self.attempts("deciding an analysis")
            .run(move |t| cases::decide(t, scope, id, new).boxed())
            .await
    }

    async fn undo_decision(
        &self,
        scope: Scope,
        id: AnalysisId,
        undo: &UndoDecision,
    ) -> Result<Analysis> {
        self.attempts("undoing a decision")
            .run(move |t| cases::undo_decision(t, scope, id, undo).boxed())
            .await
    }

    async fn claim_case(&self, scope: Scope, id: AnalysisId, wanted: Claim) -> Result<Case> {
        self.attempts("claiming a case")
            .run(move |t| cases::claim_case(t, scope, id, wanted).boxed())
            .await
    }

    async fn release_case(&self, scope: Scope, id: AnalysisId, whose: Released) -> Result<Case> {
        self.attempts("releasing a case")
            .run(move |t| cases::release_case(t, scope, id, whose).boxed())
            .await
    }

    async fn list_cases(
        &self,
        scope: Scope,
        filter: &CaseFilter,
        after: Option<CaseCursor>,
        limit: u32,
    ) -> Result<(Vec<Case>, bool)> {
        without_transaction(
            "listing cases",
            case_listing::list_cases(&self.collections, scope, filter, after, limit),
        )
        .await
    }

    async fn count_cases(
        &self,
        scope: Scope,
        filter: &CaseFilter,
        now: OffsetDateTime,
    ) -> Result<CaseCounts> {
        without_transaction(
            "counting cases",
            case_listing::count_cases(&self.collections, scope, filter, now),
        )
        .await
    }

    async fn decided_since(
        &self,
        scope: Scope,
        since: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<Decided>> {
        without_transaction(
            "reading decisions",
            case_listing::decided_since(&self.collections, scope, since, limit),
        )
        .await
    }
}
