//! Failures that the node reports in place of the worker.

use vultus_worker_protocol::AnalysisFailure;

use crate::run::{Judged, RunEvent};

/// The event of an analysis that ends without a verdict.
pub(crate) fn failed(analysis: String, failure: AnalysisFailure) -> RunEvent {
    RunEvent::Judged(Judged {
        analysis,
        result: Err(failure),
        artifacts: Vec::new(),
        analyzer: None,
    })
}

/// The failure of an analysis that was cancelled.
pub(crate) fn cancelled_failure() -> AnalysisFailure {
    AnalysisFailure {
        code: "CANCELLED".to_owned(),
        message: "The analysis was cancelled.".to_owned(),
        detail: String::new(),
        retryable: false,
    }
}

/// The failure of an analysis that did not stop at its deadline.
pub(super) fn deadline_failure(plugin: &str) -> AnalysisFailure {
    AnalysisFailure {
        code: "DEADLINE_EXCEEDED".to_owned(),
        message: format!("The analyzer {plugin} exceeded its time limit."),
        detail: "the worker did not stop within the grace period and was killed".to_owned(),
        retryable: false,
    }
}
