//! The outcome of a judgement: its limits are checked on the text, and its result stays text.

use serde::Deserialize;
use serde_json::value::RawValue;
use vultus_core::json::{JsonExcess, JsonFault, JsonLimits, JsonText, check_size};
use vultus_plugin_api::limits::{
    MAX_REASONS, MAX_RESULT_BYTES, MAX_RESULT_DEPTH, MAX_RESULT_VALUES,
};
use vultus_plugin_api::outcome;
use vultus_worker_protocol::{AnalysisFailure, Judgement};

use super::inbound::{TEXT_CHARS, Violation, check, clipped, is_code};
use super::run::ParsedJudgement;
use super::verdict::bad_result;

/// The limits of a result.
const RESULT_LIMITS: JsonLimits = JsonLimits {
    bytes: MAX_RESULT_BYTES as usize,
    values: MAX_RESULT_VALUES,
    depth: MAX_RESULT_DEPTH,
};

/// An outcome whose result stays text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOutcome<'t> {
    resolution: outcome::Resolution,
    #[serde(default)]
    reasons: Vec<outcome::Reason>,
    #[serde(borrow)]
    result: &'t RawValue,
}

/// Parses the outcome of a judgement, but for its result. An outcome over a limit is a failure of
/// the plugin; a malformed one is a violation, since the worker has parsed it before.
pub(crate) fn parse_outcome(
    mut statement: Judgement,
) -> Result<Result<Box<ParsedJudgement>, AnalysisFailure>, Violation> {
    let text = std::mem::take(&mut statement.outcome);
    if let Err(excess) = check_size(text.as_bytes(), MAX_RESULT_VALUES, MAX_RESULT_DEPTH) {
        return Ok(Err(over_limit(statement, excess)));
    }
    let RawOutcome { resolution, reasons, result } = serde_json::from_str(&text)?;
    check(reasons.len() <= MAX_REASONS, "too many reasons")?;
    for reason in &reasons {
        check(is_code(&reason.code), "the code of a reason is malformed")?;
        check(reason.message.chars().count() <= TEXT_CHARS, "the text of a reason is too long")?;
    }
    match JsonText::parse(result.get(), &RESULT_LIMITS) {
        Ok(result) => Ok(Ok(Box::new(ParsedJudgement { resolution, reasons, result, statement }))),
        Err(JsonFault::Excess(excess)) => Ok(Err(over_limit(statement, excess))),
        Err(JsonFault::Malformed) => Err(Violation::Malformed("a result is not JSON")),
    }
}

fn over_limit(statement: Judgement, excess: JsonExcess) -> AnalysisFailure {
    bad_result(&clipped(statement.plugin), format!("the outcome {excess}"))
}
