//! Decisions of people on analyses: who may still decide, and which verdict counts.
//!
//! The figures of operators are in [`figures`].
//!
//! The machine's verdict is never changed. Decisions are kept beside it, and the verdict that
//! counts is that of people as soon as as many of them agree as the company's policy needs.

use crate::analysis::{Analysis, AnalysisState, Resolution};
use crate::ids::UserId;
use serde::{Deserialize, Serialize};
use std::fmt;
use time::{Duration, OffsetDateTime};

pub mod figures;

/// Maximum length of a comment, in bytes.
pub const MAX_COMMENT_BYTES: usize = 2000;
/// Maximum length of a reason code, in bytes.
pub const MAX_REASON_CODE_BYTES: usize = 64;

/// What a person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Choice {
    /// The analysis counts as passed.
    Accept,
    /// The analysis counts as rejected.
    Decline,
}

impl Choice {
    /// The verdict that it stands for.
    pub fn resolution(self) -> Resolution {
        match self {
            Self::Accept => Resolution::Success,
            Self::Decline => Resolution::Declined,
        }
    }
}

/// Whether two people must agree, and whether the second sees what the first decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FourEyes {
    /// One person decides.
    #[default]
    Off,
    /// Two people must agree; neither sees the other's decision before both have decided.
    Blind,
    /// Two people must agree; the second sees the decision of the first.
    Seeing,
}

impl FourEyes {
    /// Number of people that must agree.
    pub fn people(self) -> usize {
        match self {
            Self::Off => 1,
            Self::Blind | Self::Seeing => 2,
        }
    }
}

/// The rule under which an analysis is decided. The first decision fixes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRule {
    /// Whether two people must agree.
    pub four_eyes: FourEyes,
    /// Version of the company's policy that says so; 0 without one.
    pub policy_version: u64,
}

/// Free text of a person. It may be personal data, so that no log shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Comment(String);

impl Comment {
    /// A comment; `None` if the text is too long.
    pub fn new(text: String) -> Option<Self> {
        (text.len() <= MAX_COMMENT_BYTES).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Comment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Comment({} bytes)", self.0.len())
    }
}

/// Whether a text is a reason code: upper-case letters, digits and `_`.
pub fn is_reason_code(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=MAX_REASON_CODE_BYTES).contains(&text.len()) && text.bytes().all(is_part)
}

/// The decision of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The person.
    pub by: UserId,
    /// What was decided.
    pub choice: Choice,
    /// Why, as a code of the company.
    pub reason_code: Option<String>,
    /// Why, in words.
    pub comment: Option<Comment>,
    /// When.
    pub at: OffsetDateTime,
    /// Time since the person claimed the case, in milliseconds; absent if it was not claimed.
    pub took_ms: Option<u64>,
}

/// The decisions on an analysis.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decisions {
    /// The rule, fixed by the first decision.
    pub rule: DecisionRule,
    /// The decisions in their order, each by another person.
    pub taken: Vec<Decision>,
}

impl Decisions {
    /// The decision that settled the analysis: with it, enough people agree.
    pub fn settling(&self) -> Option<&Decision> {
        let last = self.taken.last()?;
        let agree = self.taken.iter().filter(|other| other.choice == last.choice).count();
        (agree >= self.rule.four_eyes.people()).then_some(last)
    }

    /// Those that a viewer may see: under the blind rule, until the analysis is settled, only the
    /// viewer's own.
    pub fn seen_by(&self, viewer: Option<UserId>) -> impl Iterator<Item = &Decision> {
        let all = match self.rule.four_eyes {
            FourEyes::Off | FourEyes::Seeing => true,
            FourEyes::Blind => self.settling().is_some(),
        };
        self.taken.iter().filter(move |decision| all || Some(decision.by) == viewer)
    }

    fn by(&self, person: UserId) -> Option<usize> {
        self.taken.iter().position(|decision| decision.by == person)
    }
}

/// A case that a person works on, so that no other person takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The person.
    pub by: UserId,
    /// Since when.
    pub since: OffsetDateTime,
    /// When the claim ends, unless it is renewed.
    pub until: OffsetDateTime,
}

impl Claim {
    /// Whether the claim keeps a person from the case at this time.
    pub fn excludes(&self, person: UserId, now: OffsetDateTime) -> bool {
        self.by != person && self.until > now
    }

    /// The claim after a person wants the case: a claim that has not ended is renewed by its
    /// person, and excludes others.
    pub fn claimed(present: Option<Self>, wanted: Self) -> Result<Self, DecisionRefusal> {
        match present {
            Some(claim) if claim.excludes(wanted.by, wanted.since) => Err(DecisionRefusal::Claimed),
            Some(claim) if claim.by == wanted.by && claim.until > wanted.since => {
                Ok(Self { since: claim.since, ..wanted })
            }
            Some(_) | None => Ok(wanted),
        }
    }
}

/// Whose claim is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// That of this person only.
    Of(UserId),
    /// That of any person.
    Any,
}

/// What a decision depends on, beside the analysis.
#[derive(Debug, Clone, Copy)]
pub struct DecisionTerms {
    /// The rule of the company's policy for a first decision.
    pub rule: DecisionRule,
    /// The user that owns the folder.
    pub owner: UserId,
    /// The claim of the case.
    pub claim: Option<Claim>,
}

/// A decision to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDecision {
    /// The decision.
    pub decision: Decision,
    /// The revision of the analysis that the person saw.
    pub expected_revision: u64,
}

/// Whose decision is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undone {
    /// That of this person.
    Of(UserId),
    /// The newest one, by any person.
    Newest,
}

/// A decision to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UndoDecision {
    /// Which one.
    pub which: Undone,
    /// The revision of the analysis that the person saw.
    pub expected_revision: u64,
    /// Time of the request.
    pub now: OffsetDateTime,
    /// Time after a decision within which it can be taken back.
    pub within: Duration,
}

/// Why a decision, or a claim, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecisionRefusal {
    /// The analysis is not FINISHED.
    #[error("only a finished analysis can be decided")]
    NotFinished,
    /// It is settled.
    #[error("the analysis is decided already; undo the decision first")]
    Settled,
    /// The person has decided, and others must agree.
    #[error("you have decided this case; another person must decide, too")]
    SamePerson,
    /// The folder is the person's own, under the rule of four eyes.
    #[error("the case is your own; two other people must decide")]
    OwnCase,
    /// Another person works on it.
    #[error("another person has claimed the case")]
    Claimed,
    /// The analysis has changed since the person saw it.
    #[error("the analysis has changed: its revision is {revision}")]
    Changed {
        /// The present revision.
        revision: u64,
    },
    /// There is no decision to take back.
    #[error("there is no decision to undo")]
    NotDecided,
    /// The decision is that of another person.
    #[error("only the person who decided, or an administrator, can undo the decision")]
    OfAnother,
    /// The time in which it can be taken back is over.
    #[error("the decision is too old to be undone")]
    TooLate,
    /// The case does not wait for a decision.
    #[error("the case does not wait for a decision")]
    NotWaiting,
    /// The caller has not claimed the case.
    #[error("you have not claimed the case")]
    NotClaimed,
}

impl DecisionRefusal {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotFinished => "NOT_FINISHED",
            Self::Settled => "ALREADY_DECIDED",
            Self::SamePerson => "SAME_PERSON",
            Self::OwnCase => "OWN_CASE",
            Self::Claimed => "CLAIMED",
            Self::Changed { .. } => "STALE_REVISION",
            Self::NotDecided => "NOT_DECIDED",
            Self::OfAnother => "DECIDED_BY_ANOTHER",
            Self::TooLate => "TOO_LATE",
            Self::NotWaiting => "NOT_WAITING",
            Self::NotClaimed => "NOT_CLAIMED",
        }
    }
}

impl Analysis {
    /// The verdict that counts: that of people if they have settled it, or else the machine's.
    pub fn verdict(&self) -> Option<Resolution> {
        let settled = self.decisions.settling().map(|decision| decision.choice.resolution());
        settled.or(self.resolution)
    }

    /// Since when the analysis waits for a person's decision, if it does.
    pub fn waits_since(&self) -> Option<OffsetDateTime> {
        let is_doubtful = self.resolution == Some(Resolution::OperatorRequired);
        let waits = self.state == AnalysisState::Finished
            && self.decisions.settling().is_none()
            && (is_doubtful || !self.decisions.taken.is_empty());
        waits.then(|| self.finished_at.unwrap_or(self.created_at))
    }

    /// Whether a person may work on it. Returns since when it waits.
    pub fn open_for(&self, person: UserId) -> Result<OffsetDateTime, DecisionRefusal> {
        let since = self.waits_since().ok_or(DecisionRefusal::NotWaiting)?;
        match self.decisions.by(person) {
            Some(_) => Err(DecisionRefusal::SamePerson),
            None => Ok(since),
        }
    }

    /// Whether a claim may be ended. Returns since when the case waits.
    pub fn release(
        &self,
        present: Option<Claim>,
        whose: Released,
    ) -> Result<OffsetDateTime, DecisionRefusal> {
        let since = self.waits_since().ok_or(DecisionRefusal::NotWaiting)?;
        let claim = present.ok_or(DecisionRefusal::NotClaimed)?;
        match whose {
            Released::Of(person) if claim.by != person => Err(DecisionRefusal::Claimed),
            Released::Of(_) | Released::Any => Ok(since),
        }
    }

    /// Adds a decision, and the time that it took.
    pub fn decide(
        &mut self,
        new: &NewDecision,
        terms: &DecisionTerms,
    ) -> Result<(), DecisionRefusal> {
        let mut decision = new.decision.clone();
        if self.state != AnalysisState::Finished {
            return Err(DecisionRefusal::NotFinished);
        }
        if self.decisions.settling().is_some() {
            return Err(DecisionRefusal::Settled);
        }
        if self.decisions.by(decision.by).is_some() {
            return Err(DecisionRefusal::SamePerson);
        }
        let is_first = self.decisions.taken.is_empty();
        let rule = if is_first { terms.rule } else { self.decisions.rule };
        if rule.four_eyes != FourEyes::Off && terms.owner == decision.by {
            return Err(DecisionRefusal::OwnCase);
        }
        if terms.claim.is_some_and(|claim| claim.excludes(decision.by, decision.at)) {
            return Err(DecisionRefusal::Claimed);
        }
        self.expect(new.expected_revision)?;
        let own_claim = terms.claim.filter(|claim| claim.by == decision.by);
        decision.took_ms = own_claim.map(|claim| milliseconds(decision.at - claim.since));
        self.decisions.rule = rule;
        self.decisions.taken.push(decision);
        self.revision += 1;
        Ok(())
    }

    /// Takes a decision back, and returns it.
    pub fn undo_decision(&mut self, undo: &UndoDecision) -> Result<Decision, DecisionRefusal> {
        let newest =
            self.decisions.taken.len().checked_sub(1).ok_or(DecisionRefusal::NotDecided)?;
        let place = match undo.which {
            Undone::Newest => newest,
            Undone::Of(person) => self.decisions.by(person).ok_or(DecisionRefusal::OfAnother)?,
        };
        self.expect(undo.expected_revision)?;
        if undo.now - self.decisions.taken[place].at > undo.within {
            return Err(DecisionRefusal::TooLate);
        }
        let undone = self.decisions.taken.remove(place);
        if self.decisions.taken.is_empty() {
            self.decisions.rule = DecisionRule::default();
        }
        self.revision += 1;
        Ok(undone)
    }

    fn expect(&self, revision: u64) -> Result<(), DecisionRefusal> {
        match self.revision {
            present if present == revision => Ok(()),
            revision => Err(DecisionRefusal::Changed { revision }),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.whole_milliseconds()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
