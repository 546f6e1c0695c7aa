//! `vultus eval`: error rates on labelled data, through the same worker and plugins as the
//! server's, so that anybody can reproduce our figures on data of their own.

mod document;
mod face_match;
mod list;
mod liveness;
mod metrics;

use super::local::{LocalChecker, LocalMedium};
use super::{CommandError, Done, report};
use clap::{Args, Subcommand};
use futures::stream::{self, StreamExt};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vultus_service::{AnalysisRequest, CheckedAnalysis};

#[derive(Debug, Subcommand)]
pub(crate) enum EvalCommand {
    /// Verification: are two faces the same person?
    FaceMatch(FaceMatchArguments),
    /// Presentation attack detection on single pictures
    Liveness(LivenessArguments),
    /// Machine-readable zones of identity documents
    Document(DocumentArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DocumentArguments {
    /// CSV with columns file, type (TD1, TD2, TD3, MRV-A, MRV-B or none), line1, line2, line3 and
    /// optionally names_certain and variant
    #[arg(long)]
    pub(super) list: PathBuf,
    /// Folder that the paths in the list start from
    #[arg(long)]
    pub(super) root: PathBuf,
    /// Leave the visual zone and the portrait out
    #[arg(long)]
    pub(super) mrz_only: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FaceMatchArguments {
    /// CSV with columns image_a, image_b, same (1 or 0) and optionally lfw_fold
    #[arg(long)]
    pub(super) pairs: PathBuf,
    /// Folder that the paths in the list start from
    #[arg(long)]
    pub(super) root: PathBuf,
    /// The pictures are faces aligned to 112 x 112 already: skip detection
    #[arg(long)]
    pub(super) aligned: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LivenessArguments {
    /// CSV with columns image and label (`live` or `bona_fide`; anything else names the species of
    /// an attack)
    #[arg(long)]
    pub(super) list: PathBuf,
    /// Folder that the paths in the list start from
    #[arg(long)]
    pub(super) root: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Runs an evaluation.
pub(super) fn run(config: Option<&Path>, command: &EvalCommand) -> Done {
    match command {
        EvalCommand::FaceMatch(arguments) => face_match::run(config, arguments),
        EvalCommand::Liveness(arguments) => liveness::run(config, arguments),
        EvalCommand::Document(arguments) => document::run(config, arguments),
    }
}

/// Judges each sample by one analysis, as many at once as there are workers; gives the answers in
/// the order of the samples.
async fn judge_all(
    checker: &LocalChecker,
    kind: &str,
    params: Option<Value>,
    samples: Vec<Vec<LocalMedium>>,
) -> Result<Vec<CheckedAnalysis>, CommandError> {
    let timed = judge_all_timed(checker, kind, params, samples).await?;
    Ok(timed.into_iter().map(|(analysis, _)| analysis).collect())
}

/// The same, each with the time that it took.
async fn judge_all_timed(
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
            params: params.clone(),
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

/// A rate as per cent for people.
fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.2} %", rate * 100.0))
}
