//! The cases that wait for a decision: list, claim, release, and the figures of those who decide.

use crate::decisions::{ANALYSIS, DecisionDesk, of_decision, person};
use crate::errors::stored;
use crate::services::Services;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use vultus_auth::policy::{self, Action};
use vultus_core::decision::figures::{OperatorFigures, figures};
use vultus_core::{
    Analysis, AnalysisId, Artifact, Claim, CompanyId, DecisionRefusal, Error, Principal, Released,
    Result, UserId,
};
use vultus_store::audit::{AuditAction, Facts};
use vultus_store::{Case, CaseCursor, CaseFilter, Scope, Selection, StoreError};

/// Cases that a claim of the next one chooses from. Concurrent claims choose different ones.
const CANDIDATES: u32 = 16;
/// Lists of candidates that a claim of the next case tries.
const LISTS: usize = 8;
/// Longest period of figures.
const LONGEST_PERIOD: Duration = Duration::days(366);
/// Maximum number of analyses that figures are computed from.
const MOST_DECIDED: u32 = 100_000;

/// A case with its analysis.
#[derive(Debug, Clone)]
pub struct FullCase {
    /// The case.
    pub case: Case,
    /// The analysis.
    pub analysis: Analysis,
    /// Its artifacts.
    pub artifacts: Vec<Artifact>,
}

/// Which cases a caller asks for; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct WantedCases {
    /// Of this company.
    pub company_id: Option<CompanyId>,
    /// Of this type of analyses.
    pub kind: Option<String>,
    /// With this code among the machine's reasons.
    pub reason_code: Option<String>,
    /// Waiting since before this time.
    pub waits_before: Option<OffsetDateTime>,
    /// That no person has claimed, and the caller can claim now.
    pub free: bool,
}

impl DecisionDesk {
    /// A page of the cases that wait, oldest first, and whether there are more.
    pub async fn list_cases(
        &self,
        caller: &Principal,
        wanted: WantedCases,
        after: Option<CaseCursor>,
        limit: u32,
    ) -> Result<(Vec<FullCase>, bool)> {
        let scope = policy::authorize(caller, Action::ViewCase)?;
        let filter = self.filter(caller, wanted)?;
        let listed = self.store.list_cases(scope, &filter, after, limit).await;
        let (cases, more) = stored(listed)?;
        Ok((self.with_analyses(scope, cases).await?, more))
    }

    pub(crate) fn filter(&self, caller: &Principal, wanted: WantedCases) -> Result<CaseFilter> {
        let now = self.clock.now();
        let free_for = if wanted.free { Some((person(caller)?, now)) } else { None };
        Ok(CaseFilter {
            company_id: wanted.company_id,
            kind: wanted.kind,
            reason_code: wanted.reason_code,
            waits_before: wanted.waits_before,
            free_for,
        })
    }

    /// Claims a case, or renews the caller's claim.
    pub async fn claim(&self, caller: &Principal, id: AnalysisId) -> Result<FullCase> {
        let scope = policy::authorize(caller, Action::Decide)?;
        let claimed = self.try_claim(caller, scope, person(caller)?, id).await;
        self.full(scope, claimed.map_err(of_decision)?).await
    }

    /// Claims the oldest case that the caller can claim; `None` if there is none.
    pub async fn claim_next(
        &self,
        caller: &Principal,
        wanted: WantedCases,
    ) -> Result<Option<FullCase>> {
        let scope = policy::authorize(caller, Action::Decide)?;
        let by = person(caller)?;
        for round in 0..LISTS {
            let filter = self.filter(caller, WantedCases { free: true, ..wanted.clone() })?;
            let listed = self.store.list_cases(scope, &filter, None, CANDIDATES).await;
            let (mut candidates, _) = stored(listed)?;
            if candidates.is_empty() {
                return Ok(None);
            }
            // The first one is the oldest. Those who lost a race go different ways.
            if round > 0 {
                let first = usize::from(Uuid::new_v4().as_bytes()[0]) % candidates.len();
                candidates.rotate_left(first);
            }
            for case in candidates {
                match self.try_claim(caller, scope, by, case.analysis_id).await {
                    Ok(case) => return self.full(scope, case).await.map(Some),
                    // Another person was faster, or the folder is erased.
                    Err(StoreError::Decision(
                        DecisionRefusal::Claimed | DecisionRefusal::NotWaiting,
                    ))
                    | Err(StoreError::NotFound(_)) => {}
                    Err(error) => return Err(of_decision(error)),
                }
                if round == 0 {
                    break;
                }
            }
        }
        Err(Error::Unavailable {
            message: "other people claim the same cases; try again".to_owned(),
            retry_after: std::time::Duration::from_secs(1),
        })
    }

    async fn try_claim(
        &self,
        caller: &Principal,
        scope: Scope,
        by: UserId,
        id: AnalysisId,
    ) -> vultus_store::Result<Case> {
        let since = self.clock.now();
        let wanted = Claim { by, since, until: since + self.options.claim };
        let entry = self.entry(caller, AuditAction::CaseClaimed, id, Facts::new());
        self.audit.recording(entry).claim_case(scope, id, wanted).await
    }

    /// Ends the caller's claim of a case; administrators end that of any person.
    pub async fn release(&self, caller: &Principal, id: AnalysisId) -> Result<FullCase> {
        let (scope, whose) = match policy::authorize(caller, Action::ManageDecisions) {
            Ok(scope) => (scope, Released::Any),
            Err(_) => {
                let scope = policy::authorize(caller, Action::Decide)?;
                (scope, Released::Of(person(caller)?))
            }
        };
        let entry = self.entry(caller, AuditAction::CaseReleased, id, Facts::new());
        let released = self.audit.recording(entry).release_case(scope, id, whose).await;
        self.full(scope, released.map_err(of_decision)?).await
    }

    /// The figures of decisions in a period; of the caller alone, unless it manages decisions.
    pub async fn figures(
        &self,
        caller: &Principal,
        from: OffsetDateTime,
        before: OffsetDateTime,
    ) -> Result<Vec<OperatorFigures>> {
        let manages = policy::authorize(caller, Action::ManageDecisions);
        let scope = policy::authorize(caller, Action::ViewCase)?;
        if from >= before || before - from > LONGEST_PERIOD {
            return Err(Error::invalid("before", "must be after `from`, by at most 366 days"));
        }
        let decided = stored(self.store.decided_since(scope, from, MOST_DECIDED).await)?;
        if decided.len() >= MOST_DECIDED as usize {
            return Err(Error::LimitExceeded {
                argument: Some("from".to_owned()),
                message: format!("there are more than {MOST_DECIDED} decisions since then"),
                reason: Some("TOO_MANY_DECISIONS".to_owned()),
            });
        }
        let mut found = figures(&decided, from, before);
        if manages.is_err() {
            found.retain(|figures| Some(figures.user_id) == caller.user_id());
        }
        Ok(found)
    }

    async fn full(&self, scope: Scope, case: Case) -> Result<FullCase> {
        let found = self.with_analyses(scope, vec![case]).await?.pop();
        found.ok_or_else(|| Error::not_found("analysis", ANALYSIS))
    }

    /// The cases with their analyses. Those whose folder is gone meanwhile are left out.
    async fn with_analyses(&self, scope: Scope, cases: Vec<Case>) -> Result<Vec<FullCase>> {
        let ids: Vec<AnalysisId> = cases.iter().map(|case| case.analysis_id).collect();
        let found = stored(self.store.analyses(scope, &ids, Selection::ENTITIES).await)?;
        let mut full = Vec::with_capacity(found.len());
        for (analysis, artifacts) in found {
            let case = cases.iter().find(|case| case.analysis_id == analysis.id);
            full.extend(case.map(|&case| FullCase { case, analysis, artifacts }));
        }
        Ok(full)
    }
}

/// Cases.
impl Services {
    /// A page of the cases that wait, oldest first, and whether there are more.
    pub async fn list_cases(
        &self,
        caller: &Principal,
        wanted: WantedCases,
        after: Option<CaseCursor>,
        limit: u32,
    ) -> Result<(Vec<FullCase>, bool)> {
        self.desk().list_cases(caller, wanted, after, limit).await
    }

    /// Claims a case, or renews the caller's claim.
    pub async fn claim_case(&self, caller: &Principal, id: AnalysisId) -> Result<FullCase> {
        self.desk().claim(caller, id).await
    }

    /// Claims the oldest case that the caller can claim; `None` if there is none.
    pub async fn claim_next_case(
        &self,
        caller: &Principal,
        wanted: WantedCases,
    ) -> Result<Option<FullCase>> {
        self.desk().claim_next(caller, wanted).await
    }

    /// Ends the claim of a case.
    pub async fn release_case(&self, caller: &Principal, id: AnalysisId) -> Result<FullCase> {
        self.desk().release(caller, id).await
    }

    /// The figures of decisions in a period.
    pub async fn decision_figures(
        &self,
        caller: &Principal,
        from: OffsetDateTime,
        before: OffsetDateTime,
    ) -> Result<Vec<OperatorFigures>> {
        self.desk().figures(caller, from, before).await
    }
}
