//! Judges the samples of an evaluation in workers.

use crate::cli::local::{LocalChecker, LocalMedium};
use crate::cli::outcome::CommandError;
use crate::cli::report;
use futures::stream::{self, StreamExt};
use serde_json::Value;
use std::time::{Duration, Instant};
use vultus_service::{AnalysisRequest, CheckedAnalysis, UncheckedJson};

/// Judges each sample by one analysis, as many at once as there are workers; returns the answers in
/// the order of the samples.
pub(super) async fn judge_all(
    checker: &LocalChecker,
    kind: &str,
    params: Option<Value>,
    samples: Vec<Vec<LocalMedium>>,
) -> Result<Vec<CheckedAnalysis>, CommandError> {
    let timed = judge_all_timed(checker, kind, params, samples).await?;
    Ok(timed.into_iter().map(|(analysis, _)| analysis).collect())
}

/// The same, each answer with the time that it took.
pub(super) async fn judge_all_timed(
    checker: &LocalChecker,
    kind: &str,
    params: Option<Value>,
    samples: Vec<Vec<LocalMedium>>,
) -> Result<Vec<(CheckedAnalysis, Duration)>, CommandError> {
    let total = samples.len();
    let judge = |(at, media): (usize, Vec<LocalMedium>)| {
        let request = AnalysisRequest {
            kind: kind.to_owned(),
            media_ids: None,
            media_keys: None,
            params: params.as_ref().map(UncheckedJson::of),
            argument: "analysis".to_owned(),
        };
        async move {
            let names: Vec<String> =
                media.iter().map(|medium| medium.path.display().to_string()).collect();
            let began = Instant::now();
            let checked = checker.check(media, vec![request]).await;
            let judged = checked.map_err(|error| {
                CommandError::because(&format!("judging {}", names.join(" and ")), &error)
            })?;
            let first = judged
                .into_iter()
                .next()
                .ok_or_else(|| CommandError::new("the worker gave no answer"))?;
            Ok::<_, CommandError>((at, (first, began.elapsed())))
        }
    };
    let mut answers: Vec<Option<(CheckedAnalysis, Duration)>> = Vec::new();
    answers.resize_with(total, || None);
    let mut running = stream::iter(samples.into_iter().enumerate().map(judge))
        .buffer_unordered(checker.workers());
    let mut done = 0;
    while let Some(answer) = running.next().await {
        let (at, analysis) = answer?;
        answers[at] = Some(analysis);
        done += 1;
        report::progress(format_args!("{done} of {total}"));
    }
    report::progress_done();
    Ok(answers.into_iter().flatten().collect())
}
