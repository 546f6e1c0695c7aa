//! Arguments and results of the use cases of cases.

use time::OffsetDateTime;
use vultus_core::{AnalysisId, Claim, CompanyId, UserId};

/// A case that waits for the decision of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// The analysis.
    pub analysis_id: AnalysisId,
    /// Since when it waits.
    pub waits_since: OffsetDateTime,
    /// The claim of a person, which may have ended.
    pub claim: Option<Claim>,
}

/// Which cases to list; all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaseFilter {
    /// Of this company.
    pub company_id: Option<CompanyId>,
    /// Of this type of analyses.
    pub kind: Option<String>,
    /// With this code among the machine's reasons.
    pub reason_code: Option<String>,
    /// Waiting since before this time.
    pub waits_before: Option<OffsetDateTime>,
    /// That wait for any person at this time, and that this one can claim: not claimed, not decided
    /// by the person, and not the person's own.
    pub free_for: Option<(UserId, OffsetDateTime)>,
}

/// Position in a list of cases: the last one of the page before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaseCursor {
    /// Since when it waits.
    pub waits_since: OffsetDateTime,
    /// The analysis.
    pub id: AnalysisId,
}

/// The cases that wait, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CaseCounts {
    /// Number of cases.
    pub waiting: u64,
    /// Number of those that people have claimed.
    pub claimed: u64,
    /// Since when the oldest one waits.
    pub oldest: Option<OffsetDateTime>,
    /// Since when the newest one waits.
    pub newest: Option<OffsetDateTime>,
    /// When the next claim ends.
    pub next_end: Option<OffsetDateTime>,
    /// When the last claim ends.
    pub last_end: Option<OffsetDateTime>,
}
