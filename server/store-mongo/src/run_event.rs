//! What workers report about the analyses of their runs.

use time::OffsetDateTime;
use vultus_core::AnalysisId;
use vultus_store::{AnalysisResult, LeaseToken};

/// Upper bound of the size of a reason, an artifact or a provenance.
const ENTRY_BYTES: usize = 1 << 10;

/// What a worker reports about an analysis of its run.
#[derive(Debug, Clone)]
pub(super) enum RunEvent {
    Entered(OffsetDateTime),
    /// 0–1.
    Progress(f32),
    Result(Box<AnalysisResult>, OffsetDateTime),
}

impl RunEvent {
    /// Approximate size in a command.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Result(result, _) => match &**result {
                AnalysisResult::Finished { result, reasons, artifacts, .. } => {
                    result.as_str().len() + ENTRY_BYTES * (1 + reasons.len() + artifacts.len())
                }
                AnalysisResult::Failed(failure) => failure.message.len() + ENTRY_BYTES,
            },
            Self::Entered(_) | Self::Progress(_) => ENTRY_BYTES,
        }
    }
}

/// One write: an event of an analysis under a token.
pub(super) type Write<'a> = (LeaseToken, AnalysisId, &'a RunEvent);
