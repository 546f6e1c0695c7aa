//! Cases: analyses that wait for the decision of a person, or have one.

use super::Result;
use crate::cases::{Case, CaseCounts, CaseCursor, CaseFilter};
use crate::records::Scope;
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::decision::figures::Decided;
use vultus_core::{Analysis, AnalysisId, Claim, NewDecision, Released, UndoDecision};

/// Analyses that wait for the decision of a person, or have one. What is outside of the scope is
/// not found.
#[async_trait]
pub trait Cases: Send + Sync + 'static {
    /// Adds a decision, ends the claim of the case, and raises the revisions of analysis and
    /// folder, in one commit. Fails with `Decision`. Returns the analysis without JSON.
    async fn decide(&self, scope: Scope, id: AnalysisId, new: &NewDecision) -> Result<Analysis>;
    /// Takes a decision back; otherwise as [`Cases::decide`].
    async fn undo_decision(
        &self,
        scope: Scope,
        id: AnalysisId,
        undo: &UndoDecision,
    ) -> Result<Analysis>;
    /// Claims a case for the person in `wanted`, or renews the claim of that person. Of concurrent
    /// claims by different people one succeeds; the others fail with `Decision`.
    async fn claim_case(&self, scope: Scope, id: AnalysisId, wanted: Claim) -> Result<Case>;
    /// Ends the claim of a case. Fails with `Decision` if there is none, or it is that of another
    /// person.
    async fn release_case(&self, scope: Scope, id: AnalysisId, whose: Released) -> Result<Case>;
    /// A page of cases that wait, oldest first: at most `limit` after the cursor, and whether more
    /// follow.
    async fn list_cases(
        &self,
        scope: Scope,
        filter: &CaseFilter,
        after: Option<CaseCursor>,
        limit: u32,
    ) -> Result<(Vec<Case>, bool)>;
    /// The cases that wait, in numbers at this time.
    async fn count_cases(
        &self,
        scope: Scope,
        filter: &CaseFilter,
        now: OffsetDateTime,
    ) -> Result<CaseCounts>;
    /// Analyses whose newest decision was taken at or after a time: at most `limit`.
    async fn decided_since(
        &self,
        scope: Scope,
        since: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<Decided>>;
}
