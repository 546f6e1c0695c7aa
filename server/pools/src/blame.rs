//! Which analysis is to blame for the death of a worker, and how an analysis that killed too many
//! workers fails. Pure.

use vultus_worker_protocol::{AnalysisFailure, RunAnalysis};

use super::run::Death;

/// The analysis that a death counts against: the active one or, if none was active, the only one of
/// the run. None if that is undecided; then the analyses must be tried one by one.
pub fn blamed<'a>(death: &'a Death, asked: &'a [RunAnalysis]) -> Option<&'a str> {
    match (&death.active, asked) {
        (Some(active), _) => Some(active),
        (None, [only]) => Some(&only.id),
        (None, _) => None,
    }
}

/// The failure of an analysis with [`FATAL_DEATHS`](vultus_core::rules::FATAL_DEATHS) deaths.
/// `plugin` is the id of the plugin that judges it.
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
