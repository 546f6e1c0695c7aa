//! Cases.

use crate::{SqliteStore, case_listing, cases};
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::decision::figures::Decided;
use vultus_core::{Analysis, AnalysisId, Claim, NewDecision, Released, UndoDecision};
use vultus_store::{Case, CaseCounts, CaseCursor, CaseFilter, Cases, Result, Scope};

#[async_trait]
impl Cases for SqliteStore {
    async fn decide(&self, scope: Scope, id: AnalysisId, new: &NewDecision) -> Result<Analysis> {
        let new = new.clone();
        self.write("deciding an analysis", move |c, e| cases::decide(c, e, scope, id, &new)).await
    }

    async fn undo_decision(
        &self,
        scope: Scope,
        id: AnalysisId,
        undo: &UndoDecision,
    ) -> Result<Analysis> {
        let undo = *undo;
        self.write("undoing a decision", move |c, e| cases::undo_decision(c, e, scope, id, &undo))
            .await
    }

    async fn claim_case(&self, scope: Scope, id: AnalysisId, wanted: Claim) -> Result<Case> {
        self.write("claiming a case", move |c, e| cases::claim_case(c, e, scope, id, wanted)).await
    }

    async fn release_case(&self, scope: Scope, id: AnalysisId, whose: Released) -> Result<Case> {
        self.write("releasing a case", move |c, e| cases::release_case(c, e, scope, id, whose))
            .await
    }

    async fn list_cases(
        &self,
        scope: Scope,
        filter: &CaseFilter,
        after: Option<CaseCursor>,
        limit: u32,
    ) -> Result<(Vec<Case>, bool)> {
        let filter = filter.clone();
        self.read("listing cases", move |c| {
            case_listing::list_cases(c, scope, &filter, after, limit)
        })
        .await
    }

    async fn count_cases(
        &self,
        scope: Scope,
        filter: &CaseFilter,
        now: OffsetDateTime,
    ) -> Result<CaseCounts> {
        let filter = filter.clone();
        self.read("counting cases", move |c| case_listing::count_cases(c, scope, &filter, now))
            .await
    }

    async fn decided_since(
        &self,
        scope: Scope,
        since: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<Decided>> {
        self.read("reading decisions", move |c| case_listing::decided_since(c, scope, since, limit))
            .await
    }
}
