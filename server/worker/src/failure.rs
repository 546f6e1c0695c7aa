//! Converts a plugin's failure to what the node records: a stable code, a sentence for the client,
//! a detail for the operator.

use vultus_plugin_api::{Failure, Status};
use vultus_worker_protocol::memfd::MemfdError;
use vultus_worker_protocol::{AnalysisFailure, MEMORY_EXCEEDED, RefusalReport};

/// Why a call has to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    No,
    Cancelled,
    DeadlineExceeded,
}

/// The failure of an analysis whose plugin, or one of whose providers, failed. `plugin` is the id
/// of the plugin that judges.
pub(crate) fn of_plugin(failure: &Failure, stopped: Stopped, plugin: &str) -> AnalysisFailure {
    let (code, what, retryable) = match (failure.status, stopped) {
        (Status::Cancelled, Stopped::Cancelled) => return cancelled(),
        (Status::Cancelled | Status::DeadlineExceeded, Stopped::DeadlineExceeded)
        | (Status::DeadlineExceeded, _) => ("DEADLINE_EXCEEDED", "exceeded its time limit", false),
        (Status::Unavailable, _) => ("ANALYZER_UNAVAILABLE", "is temporarily unavailable", true),
        (Status::Panic, _) => ("ANALYZER_PANICKED", "failed with an internal error", false),
        (Status::InvalidInput | Status::Cancelled | Status::Internal | Status::Unsupported, _) => {
            ("ANALYZER_FAILED", "could not judge the media", false)
        }
    };
    new(code, &format!("The analyzer {plugin} {what}."), failure.to_string(), retryable)
}

/// The failure of an analysis whose outcome is invalid.
pub(crate) fn bad_result(failure: &Failure, plugin: &str) -> AnalysisFailure {
    let message = format!("The analyzer {plugin} returned an invalid result.");
    new("BAD_RESULT", &message, failure.message.clone(), false)
}

/// The failure of an analysis that was cancelled.
pub(crate) fn cancelled() -> AnalysisFailure {
    new("CANCELLED", "The analysis was cancelled.", String::new(), false)
}

/// The failure of an analysis with a medium that cannot be decoded. `number` is the position of the
/// medium in the analysis, from 1.
pub(crate) fn unreadable(refusal: &RefusalReport, number: usize, id: &str) -> AnalysisFailure {
    let message =
        format!("Medium {number} cannot be read ({}): {}.", refusal.code, refusal.message);
    let code = match refusal.code.as_str() {
        MEMORY_EXCEEDED => MEMORY_EXCEEDED,
        _ => "MEDIA_UNREADABLE",
    };
    new(code, &message, format!("decoding the medium {id} failed"), false)
}

/// The failure of an analysis whose probed frame did not arrive. The next attempt decodes the
/// picture again.
pub(crate) fn lost_frame(error: &MemfdError) -> AnalysisFailure {
    new("ANALYZER_UNAVAILABLE", "The analyzer did not receive a picture.", error.to_string(), true)
}

/// The failure of an analysis that no plugin of this worker offers.
pub(crate) fn no_analyzer(kind: &str) -> AnalysisFailure {
    new(
        "NO_ANALYZER",
        "No analyzer offers this analysis.",
        format!("no plugin of this worker offers {kind:?}"),
        false,
    )
}

/// The failure of an analysis with an invalid request from the node.
pub(crate) fn bad_request(detail: &str) -> AnalysisFailure {
    new("ANALYZER_FAILED", "The analysis could not be started.", detail.to_owned(), false)
}

fn new(code: &str, message: &str, detail: String, retryable: bool) -> AnalysisFailure {
    AnalysisFailure { code: code.to_owned(), message: message.to_owned(), detail, retryable }
}
