//! Failures of analyses that the node itself detects.

use vultus_worker_protocol::AnalysisFailure;

/// The store rejects the verdict permanently.
pub(super) fn unstorable() -> AnalysisFailure {
    AnalysisFailure {
        code: "INTERNAL".to_owned(),
        message: "The verdict could not be stored.".to_owned(),
        detail: "the store rejects the verdict".to_owned(),
        retryable: false,
    }
}

/// The pool does not offer the analysis type.
pub(super) fn not_offered() -> AnalysisFailure {
    AnalysisFailure {
        code: "NO_ANALYZER".to_owned(),
        message: "The requested analyzer is not available any more.".to_owned(),
        detail: "the pool offered the analysis type when the analysis was queued".to_owned(),
        retryable: false,
    }
}

/// The bytes of a medium are lost.
pub(super) fn missing_medium() -> AnalysisFailure {
    AnalysisFailure {
        code: "MEDIA_UNREADABLE".to_owned(),
        message: "A medium cannot be read: its bytes are lost.".to_owned(),
        detail: "the blob of a medium does not exist or cannot be opened".to_owned(),
        retryable: false,
    }
}
