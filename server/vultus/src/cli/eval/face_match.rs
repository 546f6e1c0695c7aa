//! `vultus eval face-match`: accuracy, EER, FNMR at fixed FMR, failures to acquire.

use super::super::local::{LocalChecker, LocalMedium};
use super::super::outcome::Done;
use super::super::report;
use super::arguments::FaceMatchArguments;
use super::judge::judge_all;
use super::list::{Pair, read_pairs};
use super::metrics::{self, Labelled, percent};
use serde_json::json;
use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use vultus_service::CheckedAnalysis;

/// A pair without a comparison counts as this cosine: not the same person, whatever the threshold.
const FAILED_COSINE: f64 = -1.0;

/// Error rates that the field quotes.
const FMR_POINTS: [(&str, f64); 2] = [("1e-2", 1e-2), ("1e-3", 1e-3)];

/// Each picture shows one person, the largest face, as an identity photo does.
const PICTURE_TAG: &str = "photo_id";

struct Figures {
    pairs: usize,
    accuracy: Option<(f64, f64)>,
    accuracy_at_shipped_threshold: f64,
    eer: Option<f64>,
    fnmr_at_fmr: Vec<(&'static str, Option<f64>)>,
    failures_to_acquire: f64,
    failed_pictures: usize,
    pictures: usize,
    milliseconds_per_image: f64,
    shipped: (f64, f64),
}

pub(super) fn run(config: Option<&Path>, arguments: &FaceMatchArguments) -> Done {
    let pairs = read_pairs(&arguments.pairs, &arguments.root)?;
    let samples =
        pairs.iter().map(|pair| vec![medium(&pair.image_a), medium(&pair.image_b)]).collect();
    let params = arguments.aligned.then(|| json!({"aligned": true}));
    let (answers, seconds) = LocalChecker::with(config, async |checker| {
        let begun = Instant::now();
        let answers = judge_all(checker, "face_match", params, samples).await?;
        Ok((answers, begun.elapsed().as_secs_f64()))
    })?;
    let figures = figures(&pairs, &answers, seconds);
    if arguments.json {
        print_json(&figures)
    } else {
        print_table(&figures)
    }
    Ok(ExitCode::SUCCESS)
}

fn medium(path: &Path) -> LocalMedium {
    LocalMedium { path: path.to_owned(), tags: vec![PICTURE_TAG.to_owned()] }
}

fn figures(pairs: &[Pair], answers: &[CheckedAnalysis], seconds: f64) -> Figures {
    let cosine = |answer: &CheckedAnalysis| {
        answer.result.as_ref().and_then(|result| result.field::<f64>("cosine"))
    };
    let scores: Vec<Labelled> = pairs
        .iter()
        .zip(answers)
        .map(|(pair, answer)| Labelled {
            score: cosine(answer).unwrap_or(FAILED_COSINE),
            positive: pair.same,
        })
        .collect();
    let folds: Option<Vec<u32>> = pairs.iter().map(|pair| pair.fold).collect();
    let folds = folds.unwrap_or_else(|| metrics::ten_folds(&scores));
    // By score, not by verdict: aligned pictures never get SUCCESS.
    let accepted = |answer: &CheckedAnalysis| {
        let similarity =
            answer.result.as_ref().and_then(|result| result.field::<f64>("similarity"));
        similarity
            .zip(answer.params.field::<f64>("acceptFrom"))
            .is_some_and(|(similarity, threshold)| similarity >= threshold)
    };
    let right =
        pairs.iter().zip(answers).filter(|(pair, answer)| accepted(answer) == pair.same).count();
    let wrong_of = |same: bool| {
        let all = pairs.iter().zip(answers).filter(|(pair, _)| pair.same == same);
        let wrong = all.clone().filter(|(_, answer)| accepted(answer) != same).count();
        wrong as f64 / all.count().max(1) as f64
    };
    let (pictures, failed_pictures) = failures_to_acquire(pairs, answers);
    Figures {
        pairs: pairs.len(),
        accuracy: metrics::cross_validated_accuracy(&scores, &folds),
        accuracy_at_shipped_threshold: right as f64 / pairs.len() as f64,
        eer: metrics::equal_error_rate(&scores),
        fnmr_at_fmr: FMR_POINTS
            .iter()
            .map(|&(name, fmr)| (name, metrics::fnmr_at_fmr(&scores, fmr)))
            .collect(),
        failures_to_acquire: failed_pictures as f64 / pictures as f64,
        failed_pictures,
        pictures,
        milliseconds_per_image: seconds * 1000.0 / (2 * pairs.len()) as f64,
        shipped: (wrong_of(false), wrong_of(true)),
    }
}

/// Different pictures, and those of them in which no face was found.
fn failures_to_acquire(pairs: &[Pair], answers: &[CheckedAnalysis]) -> (usize, usize) {
    let (mut pictures, mut failed) = (HashSet::new(), HashSet::new());
    for (pair, answer) in pairs.iter().zip(answers) {
        for (index, image) in [&pair.image_a, &pair.image_b].into_iter().enumerate() {
            pictures.insert(image);
            let without_face = answer
                .reasons
                .iter()
                .any(|reason| reason.code == "NO_FACE" && reason.medium == Some(index));
            if without_face || answer.result.is_none() {
                failed.insert(image);
            }
        }
    }
    (pictures.len(), failed.len())
}

fn print_json(figures: &Figures) {
    let fnmr: serde_json::Map<_, _> =
        figures.fnmr_at_fmr.iter().map(|&(name, rate)| (name.to_owned(), json!(rate))).collect();
    report::json(&json!({
        "pairs": figures.pairs,
        "accuracy": figures.accuracy.map(|(mean, _)| mean),
        "accuracy_deviation": figures.accuracy.map(|(_, deviation)| deviation),
        "accuracy_at_shipped_threshold": figures.accuracy_at_shipped_threshold,
        "fmr_at_shipped_threshold": figures.shipped.0,
        "fnmr_at_shipped_threshold": figures.shipped.1,
        "eer": figures.eer,
        "fnmr_at_fmr": fnmr,
        "failures_to_acquire": figures.failures_to_acquire,
        "images": figures.pictures,
        "images_without_face": figures.failed_pictures,
        "milliseconds_per_image": figures.milliseconds_per_image,
    }));
}

fn print_table(figures: &Figures) {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let deviation = figures.accuracy.map(|(_, deviation)| deviation);
    let mut rows = vec![
        row("figure", "value".to_owned()),
        row("pairs", figures.pairs.to_string()),
        row(
            "accuracy (cross-validated threshold)",
            format!("{} ± {}", percent(figures.accuracy.map(|a| a.0)), percent(deviation)),
        ),
        row(
            "accuracy at the shipped threshold",
            percent(Some(figures.accuracy_at_shipped_threshold)),
        ),
        row(
            "FMR / FNMR at the shipped threshold",
            format!("{} / {}", percent(Some(figures.shipped.0)), percent(Some(figures.shipped.1))),
        ),
        row("EER", percent(figures.eer)),
    ];
    rows.extend(
        figures
            .fnmr_at_fmr
            .iter()
            .map(|&(name, rate)| row(&format!("FNMR at FMR {name}"), percent(rate))),
    );
    rows.push(row(
        "failures to acquire",
        format!("{} of {} pictures", figures.failed_pictures, figures.pictures),
    ));
    rows.push(row(
        "time per image",
        format!("{:.1} ms (wall clock, all workers together)", figures.milliseconds_per_image),
    ));
    report::table(&rows);
}
