//! Who is to blame for the death of a worker, and what an analysis that killed two of them ends
//! with. Pure.

use vultus_worker_protocol::{AnalysisFailure, RunAnalysis};

use super::run::Death;

/// So many deaths of a worker in the same analysis end it.
pub const DEATHS_THAT_END: u32 = 2;

/// The analysis that a death counts against: the one that was active; or, when the worker died
/// elsewhere in the run, the only one that was asked for. None: nobody yet, the analyses have to be
/// tried one by one.
pub fn blamed<'a>(death: &'a Death, asked: &'a [RunAnalysis]) -> Option<&'a str> {
    match (&death.active, asked) {
        (Some(active), _) => Some(active),
        (None, [only]) => Some(&only.id),
        (None, _) => None,
    }
}

/// The failure of an analysis with [`DEATHS_THAT_END`] deaths. `plugin` names the plugin that
/// judges it.
pub fn crash_failure(death: &Death, plugin: &str) -> AnalysisFailure {
    if death.decoding {
        return AnalysisFailure {
            code: "MEDIA_UNREADABLE".to_owned(),
            message: "A medium cannot be read: decoding it fails (DECODER_CRASHED).".to_owned(),
            detail: death.detail.clone(),
            retryable: false,
        };
    }
    AnalysisFailure {
        code: "ANALYZER_CRASHED".to_owned(),
        message: format!("The analyzer {plugin} crashed repeatedly."),
        detail: death.detail.clone(),
        retryable: false,
    }
}
