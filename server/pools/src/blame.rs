//! Which analysis is to blame for the death of a worker, and how an analysis that killed too many
//! workers fails. Pure.

use vultus_worker_protocol::{AnalysisFailure, MEMORY_EXCEEDED, RunAnalysis};

use super::process::OUT_OF_MEMORY;
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
    if death.detail.contains(OUT_OF_MEMORY) {
        let what = match death.decoding {
            true => "Decoding a medium".to_owned(),
            false => format!("The analyzer {plugin}"),
        };
        return AnalysisFailure {
            code: MEMORY_EXCEEDED.to_owned(),
            message: format!("{what} takes more memory than a worker may use."),
            detail: death.detail.clone(),
            retryable: false,
        };
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_names_what_was_lost() {
        let death = |decoding: bool, detail: &str| Death {
            active: (!decoding).then(|| "a".to_owned()),
            decoding,
            detail: detail.to_owned(),
        };
        for (decoding, detail, code, word) in [
            (true, "signal: 11 (SIGSEGV)", "MEDIA_UNREADABLE", "DECODER_CRASHED"),
            (true, "out of memory (exit status: 71)", "MEMORY_EXCEEDED", "medium"),
            (false, "signal: 11 (SIGSEGV)", "ANALYZER_CRASHED", "org.example.a"),
            (false, "out of memory (exit status: 71)", "MEMORY_EXCEEDED", "org.example.a"),
        ] {
            let failure = crash_failure(&death(decoding, detail), "org.example.a");
            assert_eq!(failure.code, code);
            assert!(failure.message.contains(word), "{}", failure.message);
        }
    }
}
