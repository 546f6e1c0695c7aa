//! Decisions of people on analyses.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use time::OffsetDateTime;
use vultus_core::AnalysisId;

use super::context::caller;
use super::loader;
use super::scalars::parse_id;
use super::typed_analyses::{self, Analysis};
use super::user::User;
use vultus_service::DecisionRequest;

const ANALYSIS: &str = "input.analysisId";

/// What a person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "vultus_core::Choice")]
pub enum DecisionChoice {
    /// The analysis counts as SUCCESS.
    Accept,
    /// The analysis counts as DECLINED.
    Decline,
}

/// The decision of a person.
#[derive(Debug, Clone)]
pub struct Decision(vultus_core::Decision);

/// The decision of a person on an analysis.
#[Object]
impl Decision {
    /// The person; null if the user was deleted, or you may not see it.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(loader::user(ctx, self.0.by).await?.map(User))
    }

    /// What the person decided.
    async fn choice(&self) -> DecisionChoice {
        self.0.choice.into()
    }

    /// Why, as a code of the company.
    async fn reason_code(&self) -> Option<&str> {
        self.0.reason_code.as_deref()
    }

    /// Why, in words. Null also if it was erased together with a medium.
    async fn comment(&self) -> Option<&str> {
        self.0.comment.as_ref().map(vultus_core::Comment::as_str)
    }

    /// When the person decided.
    async fn decided_at(&self) -> OffsetDateTime {
        self.0.at
    }
}

/// The decision that settled an analysis.
pub(super) fn settling(analysis: &vultus_core::Analysis) -> Option<Decision> {
    analysis.decisions.settling().cloned().map(Decision)
}

/// The decisions that the viewer may see.
pub(super) fn seen(ctx: &Context<'_>, analysis: &vultus_core::Analysis) -> Result<Vec<Decision>> {
    let (_, principal) = caller(ctx)?;
    Ok(analysis.decisions.seen_by(principal.user_id()).cloned().map(Decision).collect())
}

/// A decision on an analysis.
#[derive(InputObject)]
pub struct DecideAnalysisInput {
    /// The analysis, which must be FINISHED and not decided.
    analysis_id: ID,
    /// What you decide.
    choice: DecisionChoice,
    /// Why, as a code of your company: upper-case letters, digits and `_`. Needed to decline.
    reason_code: Option<String>,
    /// Why, in words: at most 2000 bytes. It is erased with the folder, or with a medium that the
    /// analysis used.
    comment: Option<String>,
    /// The revision of the analysis that you saw. If it has changed since, the answer is CONFLICT.
    expected_revision: i32,
}

/// A decision to take back.
#[derive(InputObject)]
pub struct UndoDecisionInput {
    /// The analysis.
    analysis_id: ID,
    /// The revision of the analysis that you saw.
    expected_revision: i32,
}

/// The analysis after a decision.
#[derive(SimpleObject)]
pub struct DecisionPayload {
    /// The analysis in its current state.
    analysis: Analysis,
}

/// The mutations of decisions.
#[derive(Default)]
pub struct DecisionMutation;

/// Decisions of people.
#[Object]
impl DecisionMutation {
    /// Decides a finished analysis. The verdict of the analyzer stays as `systemResolution`, and
    /// the resolution of the folder follows at once.
    async fn decide_analysis(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideAnalysisInput,
    ) -> Result<DecisionPayload> {
        let (services, principal) = caller(ctx)?;
        let request = DecisionRequest {
            analysis_id: parse_id(&input.analysis_id, "analysis", ANALYSIS)?,
            choice: input.choice.into(),
            reason_code: input.reason_code,
            comment: input.comment,
            expected_revision: input.expected_revision.into(),
        };
        let (analysis, artifacts) = services.decide_analysis(&principal, request).await?;
        Ok(DecisionPayload { analysis: typed_analyses::of(analysis, artifacts, None) })
    }

    /// Takes your decision back; administrators take back the newest one of any person. The time
    /// for it is limited by the server.
    async fn undo_decision(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: UndoDecisionInput,
    ) -> Result<DecisionPayload> {
        let (services, principal) = caller(ctx)?;
        let id: AnalysisId = parse_id(&input.analysis_id, "analysis", ANALYSIS)?;
        let revision = input.expected_revision.into();
        let (analysis, artifacts) = services.undo_decision(&principal, id, revision).await?;
        Ok(DecisionPayload { analysis: typed_analyses::of(analysis, artifacts, None) })
    }
}
