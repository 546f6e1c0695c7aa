//! Findings of an analysis and their verdicts.
//!
//! An analyzer lists what prevents SUCCESS as an enum of findings. Each finding has a default
//! verdict, which the operator can replace in the plugin's settings by another one, but never by
//! SUCCESS.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Config, Failure, Reason, Resolution};

/// A finding that prevents SUCCESS.
pub trait Finding: Copy {
    /// The stable code of the reason, such as `NO_FACE`.
    fn code(self) -> &'static str;

    /// One sentence for the user, without personal data.
    fn message(self) -> &'static str;

    /// The verdict unless the operator configures another one.
    fn verdict(self) -> Verdict;

    /// The reason of the outcome, without medium and frame.
    fn reason(self) -> Reason {
        Reason::new(self.code(), self.message())
    }
}

/// Verdict of a finding. There is deliberately no variant for SUCCESS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// An operator must decide.
    OperatorRequired,
    /// The analysis is declined.
    Declined,
}

impl From<Verdict> for Resolution {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::OperatorRequired => Self::OperatorRequired,
            Verdict::Declined => Self::Declined,
        }
    }
}

/// The worst of the verdicts; SUCCESS if there are none.
pub fn worst(verdicts: impl IntoIterator<Item = Verdict>) -> Resolution {
    verdicts.into_iter().max().map_or(Resolution::Success, Resolution::from)
}

/// The verdict of every finding, as configured by the operator.
///
/// ```
/// use vultus_plugin_api::verdict::{Finding, Verdict, VerdictTable};
/// use vultus_plugin_api::{Config, Resolution};
///
/// #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
/// #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
/// enum Problem {
///     TooDark,
/// }
///
/// impl Finding for Problem {
///     fn code(self) -> &'static str {
///         "TOO_DARK"
///     }
///
///     fn message(self) -> &'static str {
///         "The picture is too dark."
///     }
///
///     fn verdict(self) -> Verdict {
///         Verdict::Declined
///     }
/// }
///
/// let mut config = Config::default();
/// config.settings.insert("policy".into(), serde_json::json!({ "TOO_DARK": "OPERATOR_REQUIRED" }));
/// let table = VerdictTable::read(&config, "brightness").unwrap();
/// assert_eq!(table.resolution([Problem::TooDark]), Resolution::OperatorRequired);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[serde(bound(deserialize = "F: Deserialize<'de> + Ord"))]
pub struct VerdictTable<F> {
    /// Verdicts by code that replace the default ones: `OPERATOR_REQUIRED` or `DECLINED`.
    policy: BTreeMap<F, Verdict>,
}

impl<F> Default for VerdictTable<F> {
    fn default() -> Self {
        Self { policy: BTreeMap::new() }
    }
}

impl<F: Finding + Ord> VerdictTable<F> {
    /// Reads the table from the plugin's settings, an object with the only key `policy`.
    /// `INVALID_INPUT` for unknown codes and verdicts.
    pub fn read(config: &Config, plugin: &str) -> Result<Self, Failure>
    where
        F: DeserializeOwned,
    {
        config.read_settings(plugin)
    }

    /// The worst verdict of the findings; SUCCESS if there are none.
    pub fn resolution(&self, findings: impl IntoIterator<Item = F>) -> Resolution {
        let verdict =
            |finding: F| self.policy.get(&finding).copied().unwrap_or_else(|| finding.verdict());
        worst(findings.into_iter().map(verdict))
    }
}
