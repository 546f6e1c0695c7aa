//! Parts of documents that all backends store in the same form.

use crate::names::{Named, named};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt::Display;
use std::str::FromStr;
use time::{Duration, OffsetDateTime};
use vultus_core::{
    AnalysisFailure, Choice, Comment, Decision, DecisionRule, Decisions, FourEyes, PolicyRules,
    Provenance, UserId,
};

/// The version of a document. Only version 1 can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i32")]
pub struct Version;

/// The current version.
pub const V1: Version = Version;

impl TryFrom<i64> for Version {
    type Error = String;
    fn try_from(version: i64) -> Result<Self, Self::Error> {
        if version == 1 {
            Ok(Self)
        } else {
            Err(format!("the document has version {version}; the newest known version is 1"))
        }
    }
}

impl From<Version> for i32 {
    fn from(Version: Version) -> Self {
        1
    }
}

/// A value of a closed set, stored by its name.
#[derive(Debug, Clone, Copy)]
pub struct Name<T>(pub T);

impl<T: Named> Serialize for Name<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de, T: Named> Deserialize<'de> for Name<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        named(&name).map(Self).map_err(de::Error::custom)
    }
}

/// Why an analysis failed.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredFailure {
    code: String,
    message: String,
}

impl From<&AnalysisFailure> for StoredFailure {
    fn from(failure: &AnalysisFailure) -> Self {
        Self { code: failure.code.clone(), message: failure.message.clone() }
    }
}

impl From<StoredFailure> for AnalysisFailure {
    fn from(stored: StoredFailure) -> Self {
        Self { code: stored.code, message: stored.message }
    }
}

/// Analyzer, weights and parameters that produced a verdict.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredProvenance {
    analyzer: Option<String>,
    analyzer_version: Option<String>,
    analyzer_sha256: Option<String>,
    weights: Vec<(String, String)>,
    parameter_sources: Vec<(String, String)>,
}

impl From<&Provenance> for StoredProvenance {
    fn from(provenance: &Provenance) -> Self {
        Self {
            analyzer: provenance.analyzer.clone(),
            analyzer_version: provenance.analyzer_version.clone(),
            analyzer_sha256: provenance.analyzer_sha256.clone(),
            weights: provenance.weights.clone(),
            parameter_sources: provenance.parameter_sources.clone(),
        }
    }
}

impl From<StoredProvenance> for Provenance {
    fn from(stored: StoredProvenance) -> Self {
        Self {
            analyzer: stored.analyzer,
            analyzer_version: stored.analyzer_version,
            analyzer_sha256: stored.analyzer_sha256,
            weights: stored.weights,
            parameter_sources: stored.parameter_sources,
        }
    }
}

/// The decisions of people on an analysis.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredDecisions {
    v: Version,
    four_eyes: Name<FourEyes>,
    policy_version: i64,
    taken: Vec<StoredDecision>,
}

/// The decision of a person.
#[derive(Debug, Serialize, Deserialize)]
struct StoredDecision {
    #[serde(with = "as_text")]
    by: UserId,
    choice: Name<Choice>,
    reason_code: Option<String>,
    comment: Option<Comment>,
    /// Nanoseconds since 1970 (UTC).
    at: i64,
    took_ms: Option<i64>,
}

impl StoredDecisions {
    /// The stored form; `None` without a decision.
    pub fn of(decisions: &Decisions) -> Option<Self> {
        let stored = |decision: &Decision| StoredDecision {
            by: decision.by,
            choice: Name(decision.choice),
            reason_code: decision.reason_code.clone(),
            comment: decision.comment.clone(),
            at: i64::try_from(decision.at.unix_timestamp_nanos()).unwrap_or(i64::MAX),
            took_ms: decision.took_ms.map(count),
        };
        let taken: Vec<_> = decisions.taken.iter().map(stored).collect();
        let Decisions { rule: DecisionRule { four_eyes, policy_version }, .. } = *decisions;
        (!taken.is_empty()).then_some(Self {
            v: V1,
            four_eyes: Name(four_eyes),
            policy_version: count(policy_version),
            taken,
        })
    }
}

impl From<StoredDecisions> for Decisions {
    fn from(stored: StoredDecisions) -> Self {
        let decision = |stored: StoredDecision| Decision {
            by: stored.by,
            choice: stored.choice.0,
            reason_code: stored.reason_code,
            comment: stored.comment,
            at: OffsetDateTime::UNIX_EPOCH + Duration::nanoseconds(stored.at),
            took_ms: stored.took_ms.map(counted),
        };
        Self {
            rule: DecisionRule {
                four_eyes: stored.four_eyes.0,
                policy_version: counted(stored.policy_version),
            },
            taken: stored.taken.into_iter().map(decision).collect(),
        }
    }
}

/// A number as every format stores it.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn counted(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or_default()
}

/// An id as text, in every format.
mod as_text {
    use super::*;

    pub(super) fn serialize<T: Display, S: Serializer>(
        id: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The rules of a company's policy.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredRules {
    v: Version,
    four_eyes: Vec<(String, Name<FourEyes>)>,
    four_eyes_otherwise: Name<FourEyes>,
}

impl From<&PolicyRules> for StoredRules {
    fn from(rules: &PolicyRules) -> Self {
        let of_types = rules.four_eyes.iter();
        Self {
            v: V1,
            four_eyes: of_types.map(|(kind, rule)| (kind.clone(), Name(*rule))).collect(),
            four_eyes_otherwise: Name(rules.four_eyes_otherwise),
        }
    }
}

impl From<StoredRules> for PolicyRules {
    fn from(stored: StoredRules) -> Self {
        let of_types = stored.four_eyes.into_iter();
        Self {
            four_eyes: of_types.map(|(kind, rule)| (kind, rule.0)).collect(),
            four_eyes_otherwise: stored.four_eyes_otherwise.0,
        }
    }
}
