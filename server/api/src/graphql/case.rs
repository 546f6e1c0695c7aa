//! The cases that wait for a decision: list, claim, release, numbers, figures.

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;
use vultus_core::{AnalysisId, Claim, Error};

use super::context::{caller, counted};
use super::scalars::{int, optional_company, parse_id};
use super::typed_analyses::{self, Analysis};
use super::user::User;
use super::{loader, page};
use vultus_service::{CaseCounts, CaseCursor, FullCase, OperatorFigures, WantedCases};

/// A page of cases.
pub type CaseConnection = Connection<String, Case>;

/// A case that waits for a decision.
#[derive(Debug, Clone)]
pub struct Case(FullCase);

/// An analysis that waits for the decision of a person.
#[Object]
impl Case {
    /// The analysis.
    async fn analysis(&self) -> Analysis {
        let FullCase { analysis, artifacts, .. } = self.0.clone();
        typed_analyses::of(analysis, artifacts, None)
    }

    /// Since when it waits.
    async fn waits_since(&self) -> OffsetDateTime {
        self.0.case.waits_since
    }

    /// The claim of a person; null if there was none. It may have ended.
    async fn claim(&self) -> Option<CaseClaim> {
        self.0.case.claim.map(CaseClaim)
    }

    /// Number of people who have decided, and do not agree yet.
    async fn decisions_taken(&self) -> i32 {
        int(self.0.analysis.decisions.taken.len())
    }
}

/// A case that a person works on.
#[derive(Debug, Clone)]
pub struct CaseClaim(Claim);

/// A case that a person works on, so that no other person takes it.
#[Object]
impl CaseClaim {
    /// The person; null if the user was deleted, or you may not see it.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(loader::user(ctx, self.0.by).await?.map(User))
    }

    /// When the person claimed it.
    async fn since(&self) -> OffsetDateTime {
        self.0.since
    }

    /// When the claim ends, unless the person renews it by claiming the case again.
    async fn until(&self) -> OffsetDateTime {
        self.0.until
    }

    /// Whether it is your claim.
    async fn is_yours(&self, ctx: &Context<'_>) -> Result<bool> {
        let (_, principal) = caller(ctx)?;
        Ok(principal.user_id() == Some(self.0.by))
    }
}

/// Which cases. All conditions must hold.
#[derive(Debug, Clone, Default, InputObject)]
pub struct CaseFilter {
    /// Of this company.
    company_id: Option<ID>,
    /// Of this type of analyses.
    #[graphql(name = "type")]
    kind: Option<String>,
    /// With this code among the analyzer's reasons.
    reason_code: Option<String>,
    /// Waiting since before this time.
    waits_before: Option<OffsetDateTime>,
    /// Only those that no person has claimed, and that you have not decided.
    #[graphql(default)]
    free: bool,
}

impl CaseFilter {
    pub(super) fn wanted(self, argument: &str) -> vultus_core::Result<WantedCases> {
        let argument = format!("{argument}.companyId");
        Ok(WantedCases {
            company_id: optional_company(self.company_id.as_ref(), &argument)?,
            kind: self.kind,
            reason_code: self.reason_code,
            waits_before: self.waits_before,
            free: self.free,
        })
    }
}

/// The cases that wait, in numbers.
#[derive(Debug, Clone, SimpleObject)]
pub struct CaseQueue {
    /// Number of cases that wait.
    waiting: i32,
    /// Number of those that people have claimed.
    claimed: i32,
    /// Since when the oldest one waits.
    oldest: Option<OffsetDateTime>,
}

impl From<CaseCounts> for CaseQueue {
    fn from(counts: CaseCounts) -> Self {
        Self { waiting: int(counts.waiting), claimed: int(counts.claimed), oldest: counts.oldest }
    }
}

/// Figures of a person who decides.
pub struct DecisionFigures(OperatorFigures);

/// Figures of a person who decides. Cases on which people do not agree yet are left out.
#[Object]
impl DecisionFigures {
    /// The person; null if the user was deleted, or you may not see it.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(loader::user(ctx, self.0.user_id).await?.map(User))
    }

    /// Number of accepted cases.
    async fn accepted(&self) -> i32 {
        int(self.0.accepted)
    }

    /// Number of declined cases.
    async fn declined(&self) -> i32 {
        int(self.0.declined)
    }

    /// Median time from claim to decision, in milliseconds; null if no case was claimed.
    async fn median_ms(&self) -> Option<i32> {
        self.0.median_ms.map(int)
    }

    /// Number of cases in which the analyzer had decided the same.
    async fn agreed(&self) -> i32 {
        int(self.0.agreed)
    }

    /// Number of cases in which the analyzer had decided otherwise. Cases that the analyzer left to
    /// a person count neither here nor there.
    async fn disagreed(&self) -> i32 {
        int(self.0.disagreed)
    }
}

pub(super) async fn list(
    ctx: &Context<'_>,
    first: i32,
    after: Option<String>,
    filter: CaseFilter,
) -> Result<CaseConnection> {
    let (services, principal) = caller(ctx)?;
    let limit = u32::try_from(page::parse_first(first)?).unwrap_or(u32::MAX);
    let after = after.as_deref().map(parse_cursor).transpose()?;
    let wanted = filter.wanted("filter")?;
    let (cases, has_more) = services.list_cases(&principal, wanted, after, limit).await?;
    let mut connection = Connection::new(after.is_some(), has_more);
    connection.edges.extend(cases.into_iter().map(|full| {
        let at = CaseCursor { waits_since: full.case.waits_since, id: full.case.analysis_id };
        Edge::new(cursor(at), Case(full))
    }));
    Ok(page::counted(ctx, connection)?)
}

fn cursor(at: CaseCursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{}", at.waits_since.unix_timestamp_nanos(), at.id))
}

fn parse_cursor(text: &str) -> vultus_core::Result<CaseCursor> {
    let parsed = || {
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (nanos, id) = plain.split_once(':')?;
        let waits_since = OffsetDateTime::from_unix_timestamp_nanos(nanos.parse().ok()?).ok()?;
        Some(CaseCursor { waits_since, id: id.parse().ok()? })
    };
    parsed().ok_or_else(|| Error::invalid("after", "not a valid case cursor"))
}

pub(super) async fn figures(
    ctx: &Context<'_>,
    from: OffsetDateTime,
    before: OffsetDateTime,
) -> Result<Vec<DecisionFigures>> {
    let (services, principal) = caller(ctx)?;
    let figures = services.decision_figures(&principal, from, before).await?;
    Ok(counted(ctx, figures.into_iter().map(DecisionFigures).collect())?)
}

/// A case to claim.
#[derive(InputObject)]
pub struct ClaimCaseInput {
    /// The analysis; omit it to claim the oldest case that no person has claimed.
    analysis_id: Option<ID>,
    /// Of which cases to claim the oldest one.
    filter: Option<CaseFilter>,
}

/// A case to release.
#[derive(InputObject)]
pub struct ReleaseCaseInput {
    /// The analysis.
    analysis_id: ID,
}

/// A case after a change of its claim.
#[derive(SimpleObject)]
pub struct CasePayload {
    /// The case; null if no case waits that you can claim.
    case: Option<Case>,
}

/// The mutations of cases.
#[derive(Default)]
pub struct CaseMutation;

/// Claims of cases.
#[Object]
impl CaseMutation {
    /// Claims a case for you, so that no other person takes it, or renews your claim. It ends after
    /// a time that the server sets, when you decide, or when you release the case.
    async fn claim_case(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which case.")] input: ClaimCaseInput,
    ) -> Result<CasePayload> {
        let (services, principal) = caller(ctx)?;
        let case = match input.analysis_id {
            Some(id) => {
                let id: AnalysisId = parse_id(&id, "analysis", "input.analysisId")?;
                Some(services.claim_case(&principal, id).await?)
            }
            None => {
                let wanted = input.filter.unwrap_or_default().wanted("input.filter")?;
                services.claim_next_case(&principal, wanted).await?
            }
        };
        Ok(CasePayload { case: case.map(Case) })
    }

    /// Ends your claim of a case; administrators end that of any person.
    async fn release_case(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which case.")] input: ReleaseCaseInput,
    ) -> Result<CasePayload> {
        let (services, principal) = caller(ctx)?;
        let id: AnalysisId = parse_id(&input.analysis_id, "analysis", "input.analysisId")?;
        let case = services.release_case(&principal, id).await?;
        Ok(CasePayload { case: Some(Case(case)) })
    }
}
