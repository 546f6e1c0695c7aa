//! The rules for an outcome, checked before it is used. The plugin is treated as hostile.

use std::collections::VecDeque;

use jsonschema::Validator;
use serde_json::Value;
use vultus_core::json::{JsonExcess, check_size};
use vultus_plugin_api::limits::{MAX_REASONS, MAX_RESULT_DEPTH, MAX_RESULT_VALUES};
use vultus_plugin_api::{JobMedium, Outcome, Reason, Resolution};

/// Maximum length of a reason's code, in bytes.
const MAX_CODE: usize = 64;
/// Maximum length of a reason's message, in characters.
const MAX_MESSAGE: usize = 500;

/// The context of an outcome.
pub(crate) struct OutcomeRules<'a> {
    /// The schema of `Outcome::result`.
    pub(crate) schema: &'a Validator,
    /// The media of the job.
    pub(crate) media: &'a [JobMedium],
}

/// Why an outcome is rejected. Never repeats a value of the result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OutcomeError {
    /// Not text.
    #[error("is not UTF-8")]
    NotUtf8,
    /// Too many values, or too deep nesting.
    #[error("{0}")]
    TooLarge(#[from] JsonExcess),
    /// Not JSON, or not the fields of an outcome.
    #[error("is not the JSON of an outcome: {0}")]
    NotOutcome(String),
    /// A number that is infinite in 64-bit floating point.
    #[error("has a number that is not finite")]
    NotFinite,
    /// The result does not satisfy `result_schema`.
    #[error("breaks its result_schema at {place}: {problem}")]
    Schema {
        /// JSON pointer into the result.
        place: String,
        /// The problem, without the value.
        problem: String,
    },
    /// A verdict other than SUCCESS without a reason.
    #[error("has no reason for a resolution other than SUCCESS")]
    NoReason,
    /// Too many reasons.
    #[error("has {0} reasons, at most {MAX_REASONS} are accepted")]
    ManyReasons(usize),
    /// A code that does not consist of upper-case letters, digits and `_`.
    #[error("has a malformed code in reason {0}")]
    BadCode(usize),
    /// An empty message, or one that is too long.
    #[error("has an empty message, or one over {MAX_MESSAGE} characters, in reason {0}")]
    BadMessage(usize),
    /// A medium or frame that is not in the job.
    #[error("refers to a medium or frame that does not exist in reason {0}")]
    BadIndex(usize),
}

/// Parses and checks an outcome.
pub(crate) fn check_outcome(
    json: &[u8],
    rules: &OutcomeRules<'_>,
) -> Result<Outcome, OutcomeError> {
    let text = std::str::from_utf8(json).map_err(|_| OutcomeError::NotUtf8)?;
    check_size(json, MAX_RESULT_VALUES, MAX_RESULT_DEPTH)?;
    let outcome: Outcome =
        serde_json::from_str(text).map_err(|error| OutcomeError::NotOutcome(place_of(&error)))?;
    if !is_finite(&outcome.result) {
        return Err(OutcomeError::NotFinite);
    }
    if let Err(error) = rules.schema.validate(&outcome.result) {
        let place = error.instance_path().to_string();
        let place = if place.is_empty() { "its root".to_owned() } else { place };
        return Err(OutcomeError::Schema { place, problem: error.masked().to_string() });
    }
    if outcome.reasons.is_empty() && outcome.resolution != Resolution::Success {
        return Err(OutcomeError::NoReason);
    }
    if outcome.reasons.len() > MAX_REASONS {
        return Err(OutcomeError::ManyReasons(outcome.reasons.len()));
    }
    for (place, reason) in outcome.reasons.iter().enumerate() {
        check_reason(place, reason, rules.media)?;
    }
    Ok(outcome)
}

/// Kind and position of an error, without the text that serde may quote from the input.
fn place_of(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Io => "reading",
        serde_json::error::Category::Syntax => "syntax",
        serde_json::error::Category::Data => "fields",
        serde_json::error::Category::Eof => "cut off",
    };
    format!("{kind}, line {} column {}", error.line(), error.column())
}

/// Whether every number is finite. Not recursive, although serde_json limits the depth anyway.
fn is_finite(value: &Value) -> bool {
    let mut waiting = VecDeque::from([value]);
    while let Some(value) = waiting.pop_front() {
        match value {
            Value::Number(number) => {
                if !number.as_f64().is_some_and(f64::is_finite) {
                    return false;
                }
            }
            Value::Array(items) => waiting.extend(items),
            Value::Object(fields) => waiting.extend(fields.values()),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
    true
}

fn check_reason(place: usize, reason: &Reason, media: &[JobMedium]) -> Result<(), OutcomeError> {
    let code = reason.code.as_bytes();
    let well_formed = code.first().is_some_and(u8::is_ascii_uppercase)
        && code.len() <= MAX_CODE
        && code.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_');
    if !well_formed {
        return Err(OutcomeError::BadCode(place));
    }
    if reason.message.trim().is_empty() || reason.message.chars().count() > MAX_MESSAGE {
        return Err(OutcomeError::BadMessage(place));
    }
    let in_range = match (reason.medium, reason.frame) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some(medium), frame) => media
            .get(medium as usize)
            .is_some_and(|medium| frame.is_none_or(|frame| frame < medium.frame_count)),
    };
    if in_range { Ok(()) } else { Err(OutcomeError::BadIndex(place)) }
}
