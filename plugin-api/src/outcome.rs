//! The outcome of an analysis: data, never an error.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The verdict of one analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resolution {
    /// All checks passed.
    Success,
    /// A person must decide.
    OperatorRequired,
    /// Rejected.
    Declined,
}

/// A reason for the verdict. Codes are stable and documented by the analyzer.
///
/// ```
/// use vultus_plugin_api::Reason;
///
/// let reason = Reason::new("TOO_DARK", "The picture is too dark.").medium(0).frame(3);
/// assert_eq!((reason.medium, reason.frame), (Some(0), Some(3)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Stable code, upper-case letters, digits and `_`, such as `NO_FACE`.
    pub code: String,
    /// One sentence for the user, without personal data.
    pub message: String,
    /// Index of the medium in the job, if the reason is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<u32>,
    /// Index of the frame in that medium, if the reason is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<u32>,
}

impl Reason {
    /// A reason without a medium.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), medium: None, frame: None }
    }

    /// The same reason, about medium `index` of the job.
    #[must_use]
    pub fn medium(mut self, index: u32) -> Self {
        self.medium = Some(index);
        self
    }

    /// The same reason, about frame `index` of its medium.
    #[must_use]
    pub fn frame(mut self, index: u32) -> Self {
        self.frame = Some(index);
        self
    }
}

/// Result of an analysis.
///
/// ```
/// use serde_json::json;
/// use vultus_plugin_api::{Outcome, Reason, Resolution};
///
/// let no_face = Outcome {
///     resolution: Resolution::Declined,
///     reasons: vec![Reason::new("NO_FACE", "No face was found.")],
///     result: json!({ "faces": 0 }),
/// };
/// assert!(no_face.resolution > Resolution::OperatorRequired, "ordered from best to worst");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The verdict.
    pub resolution: Resolution,
    /// Reasons. A verdict other than SUCCESS has at least one.
    #[serde(default)]
    pub reasons: Vec<Reason>,
    /// Scores and details, in the shape of the analysis' `result_schema`. Numbers are finite.
    pub result: Value,
}
