//! Decisions of people on analyses. The command line uses it, too, as [`Principal::Local`].

use crate::audit::{Audit, Caller};
use crate::errors::{of_store, stored};
use crate::services::Services;
use std::sync::Arc;
use time::Duration;
use vultus_auth::policy::{self, Action};
use vultus_core::clock::Clock;
use vultus_core::decision::{MAX_COMMENT_BYTES, MAX_REASON_CODE_BYTES, is_reason_code};
use vultus_core::text::is_plain;
use vultus_core::{
    Analysis, AnalysisId, Artifact, Choice, Comment, Decision, DecisionRefusal, Error, NewDecision,
    Principal, Result, UndoDecision, Undone, UserId,
};
use vultus_store::audit::{AuditAction, AuditObject, ChainOf, Facts, NewEntry, Origin};
use vultus_store::names::Named;
use vultus_store::{Scope, Selection, Store, StoreError};

pub(crate) const ANALYSIS: &str = "input.analysisId";
const REASON_CODE: &str = "input.reasonCode";
const COMMENT: &str = "input.comment";
const REVISION: &str = "input.expectedRevision";

/// Limits of decisions.
#[derive(Debug, Clone, Copy)]
pub struct DecisionOptions {
    /// Time after a decision within which it can be undone.
    pub undo_within: Duration,
    /// Time after which the claim of a case ends, unless it is renewed.
    pub claim: Duration,
}

/// What a person decides on which analysis.
#[derive(Debug, Clone)]
pub struct DecisionRequest {
    /// The analysis.
    pub analysis_id: AnalysisId,
    /// What is decided.
    pub choice: Choice,
    /// Why, as a code; needed to decline.
    pub reason_code: Option<String>,
    /// Why, in words.
    pub comment: Option<String>,
    /// The revision of the analysis that the person saw.
    pub expected_revision: i64,
}

/// Takes decisions, and manages the cases that wait for them. Cheap to clone.
#[derive(Clone)]
pub struct DecisionDesk {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) audit: Audit,
    pub(crate) clock: Clock,
    pub(crate) options: DecisionOptions,
    origin: Option<Origin>,
}

impl DecisionDesk {
    /// A desk over this store.
    pub fn new(store: Arc<dyn Store>, clock: Clock, options: DecisionOptions) -> Self {
        let audit = Audit::new(store.clone(), clock.clone());
        Self { store, audit, clock, options, origin: None }
    }

    /// The desk for requests from this network.
    pub(crate) fn for_origin(&self, origin: Option<Origin>) -> Self {
        Self { origin, ..self.clone() }
    }

    /// Decides an analysis.
    pub async fn decide(
        &self,
        caller: &Principal,
        request: DecisionRequest,
    ) -> Result<(Analysis, Vec<Artifact>)> {
        let scope = policy::authorize(caller, Action::Decide)?;
        let id = request.analysis_id;
        let new = self.checked(person(caller)?, request)?;
        let mut after = Facts::new().code("decision", new.decision.choice.name());
        if let Some(code) = &new.decision.reason_code {
            after = after.code("reasonCode", code);
        }
        let entry = self.entry(caller, AuditAction::AnalysisDecided, id, after);
        let decided = self.audit.recording(entry).decide(scope, id, &new).await;
        decided.map_err(of_decision)?;
        self.read(scope, id).await
    }

    /// Takes a decision back: the caller's own, or for administrators the newest one.
    pub async fn undo(
        &self,
        caller: &Principal,
        id: AnalysisId,
        expected_revision: i64,
    ) -> Result<(Analysis, Vec<Artifact>)> {
        let (scope, which) = match policy::authorize(caller, Action::ManageDecisions) {
            Ok(scope) => (scope, Undone::Newest),
            Err(_) => {
                let scope = policy::authorize(caller, Action::Decide)?;
                (scope, Undone::Of(person(caller)?))
            }
        };
        let undo = UndoDecision {
            which,
            expected_revision: checked_revision(expected_revision)?,
            now: self.clock.now(),
            within: self.options.undo_within,
        };
        let entry = self.entry(caller, AuditAction::DecisionUndone, id, Facts::new());
        let undone = self.audit.recording(entry).undo_decision(scope, id, &undo).await;
        undone.map_err(of_decision)?;
        self.read(scope, id).await
    }

    fn checked(&self, by: UserId, request: DecisionRequest) -> Result<NewDecision> {
        let DecisionRequest { choice, reason_code, comment, expected_revision, .. } = request;
        match &reason_code {
            Some(code) if !is_reason_code(code) => {
                return Err(Error::invalid(
                    REASON_CODE,
                    format!(
                        "must be 1 to {MAX_REASON_CODE_BYTES} upper-case letters, digits and `_`"
                    ),
                ));
            }
            None if choice == Choice::Decline => {
                return Err(Error::invalid(REASON_CODE, "is needed to decline"));
            }
            Some(_) | None => {}
        }
        let decision = Decision {
            by,
            choice,
            reason_code,
            comment: checked_comment(comment)?,
            at: self.clock.now(),
            took_ms: None,
        };
        Ok(NewDecision { decision, expected_revision: checked_revision(expected_revision)? })
    }

    /// An entry of the audit log about an analysis.
    pub(crate) fn entry(
        &self,
        caller: &Principal,
        action: AuditAction,
        id: AnalysisId,
        after: Facts,
    ) -> NewEntry {
        let caller = Caller::new(caller, self.origin);
        NewEntry {
            object: Some(AuditObject::Analysis(id)),
            after,
            ..self.audit.entry(&caller, action, ChainOf::Analysis(id))
        }
    }

    async fn read(&self, scope: Scope, id: AnalysisId) -> Result<(Analysis, Vec<Artifact>)> {
        let found = stored(self.store.analyses(scope, &[id], Selection::ENTITIES).await)?.pop();
        found.ok_or_else(|| Error::not_found("analysis", ANALYSIS))
    }
}

/// The person who decides.
pub(crate) fn person(caller: &Principal) -> Result<UserId> {
    let user = caller.user_id();
    user.ok_or_else(|| Error::Forbidden("a decision needs a person".to_owned()))
}

fn checked_comment(text: Option<String>) -> Result<Option<Comment>> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    let is_shown_whole = text.split(['\n', '\t']).all(is_plain);
    let comment = Comment::new(text).filter(|_| is_shown_whole);
    comment.map(Some).ok_or_else(|| {
        Error::invalid(
            COMMENT,
            format!(
                "must be at most {MAX_COMMENT_BYTES} bytes, without control or invisible \
                 characters except line breaks"
            ),
        )
    })
}

fn checked_revision(revision: i64) -> Result<u64> {
    let revision = u64::try_from(revision).ok().filter(|revision| *revision > 0);
    revision.ok_or_else(|| Error::invalid(REVISION, "must be at least 1"))
}

/// The error of a decision, at the argument that it concerns.
pub(crate) fn of_decision(error: StoreError) -> Error {
    let argument = match &error {
        StoreError::Decision(DecisionRefusal::Changed { .. }) => REVISION,
        _ => ANALYSIS,
    };
    of_store(error).at(argument)
}

/// Decisions.
impl Services {
    pub(crate) fn desk(&self) -> DecisionDesk {
        self.0.desk.for_origin(self.origin())
    }

    /// Decides an analysis and returns it.
    pub async fn decide_analysis(
        &self,
        caller: &Principal,
        request: DecisionRequest,
    ) -> Result<(Analysis, Vec<Artifact>)> {
        self.desk().decide(caller, request).await
    }

    /// Takes a decision back and returns the analysis.
    pub async fn undo_decision(
        &self,
        caller: &Principal,
        id: AnalysisId,
        expected_revision: i64,
    ) -> Result<(Analysis, Vec<Artifact>)> {
        self.desk().undo(caller, id, expected_revision).await
    }
}
