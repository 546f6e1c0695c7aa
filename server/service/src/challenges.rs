//! Challenges: gestures that the server draws, and that an analysis of the same server compares.

use crate::acting_company::acting_company;
use crate::audit::{Audit, Caller, of_company};
use crate::errors::stored;
use crate::plan::CheckedRequest;
use std::sync::Arc;
use time::OffsetDateTime;
use vultus_auth::challenges::{
    Blinks, Challenge, ChallengeTokens, MAX_ATTEMPTS, RATE_OF_BLINKS, Strictness,
};
use vultus_auth::policy::{self, Action};
use vultus_core::clock::Clock;
use vultus_core::{CompanyId, Error, Result};
use vultus_store::Store;
use vultus_store::audit::{AuditAction, AuditObject, Facts, NewEntry};

/// A challenge to draw.
#[derive(Debug, Clone)]
pub struct NewChallenge {
    /// The company, for callers without one.
    pub company_id: Option<CompanyId>,
    /// Three gestures instead of two.
    pub strict: bool,
    /// Frames per second that the client will record, if it knows.
    pub frame_rate: Option<f64>,
    /// The challenge that it replaces, because the person failed.
    pub previous: Option<String>,
}

/// A challenge that was drawn.
#[derive(Debug, Clone)]
pub struct CreatedChallenge {
    /// The challenge as text, which the request with the clip repeats.
    pub text: String,
    /// The gestures in their order.
    pub gestures: Vec<String>,
    /// Number of the draw for this person, from 1.
    pub attempt: u32,
    /// Further draws for this person.
    pub attempts_left: u32,
    /// When it expires.
    pub expires_at: OffsetDateTime,
}

/// The part that draws challenges and takes answers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Challenges {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) audit: Audit,
    pub(crate) tokens: Arc<ChallengeTokens>,
    pub(crate) clock: Clock,
}

/// Verifies the challenges of one company's request.
pub(crate) struct ChallengeVerifier<'a> {
    tokens: &'a ChallengeTokens,
    company_id: CompanyId,
    now: OffsetDateTime,
}

/// A challenge that a request answers.
#[derive(Debug, Clone)]
pub(crate) struct AnsweredChallenge {
    pub(crate) challenge: Challenge,
    /// Path of the argument, for errors.
    pub(crate) argument: String,
}

impl ChallengeVerifier<'_> {
    pub(crate) fn verify(&self, text: &str, argument: &str) -> Result<AnsweredChallenge> {
        let challenge = self.tokens.verify(text, self.company_id, self.now, argument)?;
        Ok(AnsweredChallenge { challenge, argument: argument.to_owned() })
    }
}

impl Challenges {
    /// Draws a challenge. A previous one that is given is used up, and counted.
    pub(crate) async fn create(
        &self,
        caller: &Caller,
        new: NewChallenge,
    ) -> Result<CreatedChallenge> {
        policy::authorize(caller, Action::RequestAnalysis)?;
        let argument = "input.companyId";
        let company = acting_company(self.store.as_ref(), caller, new.company_id, argument).await?;
        let now = self.clock.now();
        let attempt = match &new.previous {
            None => 1,
            Some(text) => self.retried(company, text).await? + 1,
        };
        let strictness = if new.strict { Strictness::Strict } else { Strictness::Usual };
        let blinks = match new.frame_rate {
            Some(rate) if rate >= RATE_OF_BLINKS => Blinks::Visible,
            _ => Blinks::Hidden,
        };
        let challenge = Challenge::draw(company, attempt, strictness, blinks, now);
        let entry = NewEntry {
            object: Some(AuditObject::Challenge(challenge.id)),
            after: Facts::new().number("attempt", attempt.into()),
            ..self.audit.entry(caller, AuditAction::ChallengeCreated, of_company(company))
        };
        self.audit.record(&[entry]).await?;
        Ok(CreatedChallenge {
            text: self.tokens.sign(&challenge)?,
            attempts_left: MAX_ATTEMPTS - attempt,
            gestures: challenge.gestures,
            attempt,
            expires_at: challenge.expires_at,
        })
    }

    /// The number of the attempt that is replaced. It need not be unused or valid in time: a person
    /// who failed has used it.
    async fn retried(&self, company_id: CompanyId, text: &str) -> Result<u32> {
        const ARGUMENT: &str = "input.previous";
        // Its expiry does not matter here.
        let at_any_time = OffsetDateTime::UNIX_EPOCH;
        let previous = self.tokens.verify(text, company_id, at_any_time, ARGUMENT)?;
        if previous.attempt >= MAX_ATTEMPTS {
            return Err(Error::InvalidInput {
                argument: Some(ARGUMENT.to_owned()),
                message: format!("a person has {MAX_ATTEMPTS} attempts: begin anew, or by hand"),
                reason: Some("NO_ATTEMPTS_LEFT".to_owned()),
            });
        }
        let now = self.clock.now();
        if previous.expires_at > now {
            // So that it cannot be answered beside the new one.
            stored(self.store.use_challenge(previous.id, previous.expires_at, now).await)?;
        }
        Ok(previous.attempt)
    }

    /// Verifies the challenges in requests of the caller's company.
    pub(crate) fn verifier(&self, company_id: CompanyId) -> ChallengeVerifier<'_> {
        ChallengeVerifier { tokens: &self.tokens, company_id, now: self.clock.now() }
    }

    /// Marks the challenges of the requests as used. Fails if one was used before.
    pub(crate) async fn use_all(&self, answered: &[AnsweredChallenge]) -> Result<()> {
        for AnsweredChallenge { challenge, argument } in answered {
            let now = self.clock.now();
            let use_it = self.store.use_challenge(challenge.id, challenge.expires_at, now);
            if !stored(use_it.await)? {
                return Err(Error::InvalidInput {
                    argument: Some(argument.clone()),
                    message: "the challenge was used before: ask for a new one".to_owned(),
                    reason: Some("CHALLENGE_USED".to_owned()),
                });
            }
        }
        Ok(())
    }
}

/// The challenges that the requests answer.
pub(crate) fn answered(requests: &[CheckedRequest]) -> Vec<AnsweredChallenge> {
    requests.iter().filter_map(|request| request.challenge.clone()).collect()
}
