//! Failures of analyses that the node itself finds, not their worker.

use vultus_worker_protocol::AnalysisFailure;

/// The store refuses the verdict for good.
pub(super) fn unstorable() -> AnalysisFailure {
    AnalysisFailure {
        code: "INTERNAL".to_owned(),
        message: "The verdict could not be stored.".to_owned(),
        detail: "the store refuses it".to_owned(),
        retryable: false,
    }
}

/// The pool does not offer what it was asked for.
pub(super) fn not_offered() -> AnalysisFailure {
    AnalysisFailure {
        code: "NO_ANALYZER".to_owned(),
        message: "The analyzer that was asked for is not offered any more.".to_owned(),
        detail: "its pool offers other analysis types than when it was queued".to_owned(),
        retryable: false,
    }
}

/// A medium's bytes are gone.
pub(super) fn missing_medium() -> AnalysisFailure {
    AnalysisFailure {
        code: "MEDIA_UNREADABLE".to_owned(),
        message: "A medium cannot be read: its bytes are gone.".to_owned(),
        detail: "the blob of a medium does not exist or cannot be opened".to_owned(),
        retryable: false,
    }
}
