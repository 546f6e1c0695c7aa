//! `vultus eval document`: how much of the machine-readable zones of labelled pictures is read
//! right.

use super::super::local::{LocalChecker, LocalMedium};
use super::super::{Done, report};
use super::list::{DocumentTruth, read_documents};
use super::{DocumentArguments, judge_all_timed, percent};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use vultus_service::CheckedAnalysis;

/// The variant of pictures that are as they were taken.
const ORIGINAL: &str = "original";
/// The type of pictures without a machine-readable zone.
const NONE: &str = "none";

/// What came of one picture.
struct Judged<'t> {
    truth: &'t DocumentTruth,
    lines: Vec<String>,
    /// `TD3`, `MRV-A` and so on, `none` where no zone was read.
    format: String,
    /// Whether all check digits are right.
    valid: bool,
    corrected: bool,
    verdict: String,
    reasons: Vec<String>,
    /// Measures of the picture, as the result tells them.
    quality: Value,
    elapsed: Duration,
}

impl<'t> Judged<'t> {
    fn new(truth: &'t DocumentTruth, analysis: &CheckedAnalysis, elapsed: Duration) -> Self {
        let mrz = analysis.result.as_ref().map_or(&Value::Null, |result| &result["mrz"]);
        let lines = mrz["lines"].as_array().map_or(&[] as &[Value], Vec::as_slice);
        let failure = analysis.failure.as_ref().map(|failure| failure.code.clone());
        Self {
            truth,
            lines: lines.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect(),
            format: mrz["format"]
                .as_str()
                .map_or_else(|| NONE.to_owned(), |format| format.replace('_', "-")),
            valid: mrz["valid"].as_bool().unwrap_or_default(),
            corrected: mrz["corrected"].as_bool().unwrap_or_default(),
            verdict: analysis.resolution.map_or_else(
                || failure.unwrap_or_else(|| "FAILED".to_owned()),
                |resolution| super::super::check::resolution_name(resolution).to_owned(),
            ),
            reasons: analysis.reasons.iter().map(|reason| reason.code.clone()).collect(),
            quality: analysis
                .result
                .as_ref()
                .map_or(Value::Null, |result| result["media"][0]["quality"].clone()),
            elapsed,
        }
    }

    /// The lines to compare, as (read, true). A line whose transcription is in doubt is left out.
    fn compared(&self) -> Vec<(&str, &str)> {
        let truths = self
            .truth
            .lines
            .iter()
            .enumerate()
            .filter(|(at, _)| Some(*at) != self.truth.doubtful_line);
        truths
            .map(|(at, truth)| (self.lines.get(at).map_or("", String::as_str), truth.as_str()))
            .collect()
    }

    fn is_located(&self) -> bool {
        !self.lines.is_empty()
    }

    fn is_right(&self) -> bool {
        self.lines.len() == self.truth.lines.len()
            && self.compared().iter().all(|(read, truth)| read == truth)
    }

    /// Characters read right, and characters there are.
    fn characters(&self) -> (usize, usize) {
        let right = |(read, truth): &(&str, &str)| truth.len().saturating_sub(edits(read, truth));
        let compared = self.compared();
        (compared.iter().map(right).sum(), compared.iter().map(|(_, truth)| truth.len()).sum())
    }

    fn type_is_right(&self) -> Option<bool> {
        self.truth.format.as_ref().map(|format| *format == self.format)
    }

    /// A wrong zone that nothing in it gives away.
    fn deceives(&self) -> bool {
        let is_wrong = if self.truth.format.as_deref() == Some(NONE) {
            self.is_located()
        } else {
            !self.is_right()
        };
        (self.truth.has_lines() || self.truth.format.is_some())
            && self.valid
            && !self.corrected
            && is_wrong
    }
}

/// Figures over pictures.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    pictures: usize,
    transcribed: usize,
    right: usize,
    characters_located: usize,
    characters_right: usize,
    digits_right: usize,
    typed: usize,
    types_right: usize,
    deceiving: usize,
}

impl Figures {
    fn of<'j>(judged: impl Iterator<Item = &'j Judged<'j>>) -> Self {
        let mut figures = Self::default();
        for picture in judged {
            figures.pictures += 1;
            if picture.truth.has_lines() {
                figures.transcribed += 1;
                figures.right += usize::from(picture.is_right());
                figures.digits_right += usize::from(picture.valid);
                if picture.is_located() {
                    let (right, all) = picture.characters();
                    figures.characters_right += right;
                    figures.characters_located += all;
                }
            }
            if let Some(right) = picture.type_is_right() {
                figures.typed += 1;
                figures.types_right += usize::from(right);
            }
            figures.deceiving += usize::from(picture.deceives());
        }
        figures
    }

    fn fully_right(&self) -> Option<f64> {
        share(self.right, self.transcribed)
    }

    fn characters(&self) -> Option<f64> {
        share(self.characters_right, self.characters_located)
    }

    fn types(&self) -> Option<f64> {
        share(self.types_right, self.typed)
    }

    fn digits(&self) -> Option<f64> {
        share(self.digits_right, self.transcribed)
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

pub(super) fn run(config: Option<&Path>, arguments: &DocumentArguments) -> Done {
    let list = read_documents(&arguments.list, &arguments.root)?;
    let tags = ["photo_id", "photo_id_front"].map(str::to_owned).to_vec();
    let samples = list
        .iter()
        .map(|truth| vec![LocalMedium { path: truth.image.clone(), tags: tags.clone() }])
        .collect();
    let params = arguments.mrz_only.then(|| json!({"visualZone": false, "extractPortrait": false}));
    let answers = LocalChecker::with(config, async |checker| {
        judge_all_timed(checker, "document", params, samples).await
    })?;
    let judged: Vec<Judged<'_>> = list
        .iter()
        .zip(&answers)
        .map(|(truth, (analysis, elapsed))| Judged::new(truth, analysis, *elapsed))
        .collect();
    if arguments.json {
        print_json(&judged)
    } else {
        print_tables(&judged)
    }
    Ok(ExitCode::SUCCESS)
}

/// The variants in the order of the list.
fn variants<'j>(judged: &'j [Judged<'_>]) -> Vec<&'j str> {
    let mut names: Vec<&str> = Vec::new();
    for picture in judged {
        if !names.contains(&picture.truth.variant.as_str()) {
            names.push(&picture.truth.variant);
        }
    }
    names
}

fn of_variant(judged: &[Judged<'_>], name: &str) -> Figures {
    Figures::of(judged.iter().filter(|picture| picture.truth.variant == name))
}

/// How many pictures of a variant have each reason.
fn reasons<'j>(judged: &'j [Judged<'_>], name: &str) -> BTreeMap<&'j str, usize> {
    let mut counts = BTreeMap::new();
    for picture in judged.iter().filter(|picture| picture.truth.variant == name) {
        let codes: BTreeSet<&str> = picture.reasons.iter().map(String::as_str).collect();
        codes.into_iter().for_each(|code| *counts.entry(code).or_default() += 1);
    }
    counts
}

/// How much smaller the share of fully right zones is over all variants than over the originals.
fn mean_drop(judged: &[Judged<'_>]) -> Option<f64> {
    let changed = Figures::of(judged.iter().filter(|picture| picture.truth.variant != ORIGINAL));
    Some(of_variant(judged, ORIGINAL).fully_right()? - changed.fully_right()?)
}

/// Figures of the originals alone where the list has variants, else of all.
fn total(judged: &[Judged<'_>]) -> Figures {
    let names = variants(judged);
    if names.contains(&ORIGINAL) {
        of_variant(judged, ORIGINAL)
    } else {
        Figures::of(judged.iter())
    }
}

fn mean_seconds(judged: &[Judged<'_>]) -> f64 {
    judged.iter().map(|picture| picture.elapsed.as_secs_f64()).sum::<f64>()
        / judged.len().max(1) as f64
}

fn print_json(judged: &[Judged<'_>]) {
    let document = |picture: &Judged<'_>| {
        let (right, all) = picture.characters();
        json!({
            "file": picture.truth.file,
            "variant": picture.truth.variant,
            "type": picture.format,
            "type_right": picture.type_is_right(),
            "lines": picture.lines,
            "mrz_fully_right": picture.truth.has_lines().then(|| picture.is_right()),
            "characters": all,
            "characters_right": right,
            "check_digits_right": picture.valid,
            "corrected": picture.corrected,
            "resolution": picture.verdict,
            "reasons": picture.reasons,
            "quality": picture.quality,
            "seconds": picture.elapsed.as_secs_f64(),
        })
    };
    let figures = |figures: &Figures| {
        json!({
            "pictures": figures.pictures,
            "transcribed": figures.transcribed,
            "mrz_fully_right": figures.fully_right(),
            "characters_right": figures.characters(),
            "check_digits_right": figures.digits(),
            "type_right": figures.types(),
            "wrong_but_passing": figures.deceiving,
        })
    };
    let mut value = figures(&total(judged));
    let of_name = |name: &str| {
        let mut value = figures(&of_variant(judged, name));
        value["reasons"] = json!(reasons(judged, name));
        (name.to_owned(), value)
    };
    value["variants"] = Value::Object(variants(judged).into_iter().map(of_name).collect());
    value["mean_drop"] = json!(mean_drop(judged));
    value["mean_seconds"] = json!(mean_seconds(judged));
    value["documents"] = judged.iter().map(document).collect();
    report::json(&value);
}

fn print_tables(judged: &[Judged<'_>]) {
    let names = variants(judged);
    if let [_] = names[..] {
        print_pictures(judged);
    }
    let mut rows = vec![
        [
            "pictures",
            "",
            "fully right",
            "characters right",
            "check digits right",
            "type right",
            "wrong but passing",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for name in names {
        let figures = of_variant(judged, name);
        rows.push(vec![
            name.to_owned(),
            figures.pictures.to_string(),
            format!("{} of {}", figures.right, figures.transcribed),
            percent(figures.characters()),
            format!("{} of {}", figures.digits_right, figures.transcribed),
            format!("{} of {}", figures.types_right, figures.typed),
            figures.deceiving.to_string(),
        ]);
    }
    report::table(&rows);
    print_reasons(judged);
    if let Some(drop) = mean_drop(judged) {
        report::line(format_args!(
            "mean drop of fully right zones over all variants: {:.1} points",
            drop * 100.0
        ));
    }
    report::line(format_args!(
        "time per picture: {:.2} s (wall clock, all workers together)",
        mean_seconds(judged)
    ));
}

/// How many pictures of each class have which reason: of what is wrong with a picture, the rates of
/// hits and of false alarms.
fn print_reasons(judged: &[Judged<'_>]) {
    let names = variants(judged);
    let by_name: Vec<BTreeMap<&str, usize>> =
        names.iter().map(|name| reasons(judged, name)).collect();
    let codes: BTreeSet<&str> = by_name.iter().flat_map(BTreeMap::keys).copied().collect();
    let mut rows = vec![
        std::iter::once("reasons")
            .chain(names.iter().copied())
            .map(str::to_owned)
            .collect::<Vec<_>>(),
    ];
    for code in codes {
        let counts =
            by_name.iter().map(|counts| counts.get(code).copied().unwrap_or_default().to_string());
        rows.push(std::iter::once(code.to_owned()).chain(counts).collect());
    }
    report::table(&rows);
}

fn print_pictures(judged: &[Judged<'_>]) {
    let mut rows = vec![
        [
            "picture",
            "type",
            "lines right",
            "characters",
            "check digits",
            "corrected",
            "seconds",
            "verdict",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for picture in judged {
        let (right, all) = picture.characters();
        let lines = picture.compared().iter().filter(|(read, truth)| read == truth).count();
        let known = picture.truth.has_lines();
        let type_mark = if picture.type_is_right() == Some(false) { " (wrong)" } else { "" };
        rows.push(vec![
            picture.truth.file.clone(),
            format!("{}{type_mark}", picture.format),
            if known { format!("{lines} of {}", picture.compared().len()) } else { "-".to_owned() },
            if known { format!("{right} of {all}") } else { "-".to_owned() },
            if picture.is_located() { if picture.valid { "right" } else { "wrong" } } else { "-" }
                .to_owned(),
            if picture.corrected { "yes" } else { "no" }.to_owned(),
            format!("{:.2}", picture.elapsed.as_secs_f64()),
            format!("{} {}", picture.verdict, picture.reasons.join(", ")),
        ]);
    }
    report::table(&rows);
}

/// Characters to insert, delete or replace (Levenshtein).
fn edits(read: &str, truth: &str) -> usize {
    let (read, truth) = (read.as_bytes(), truth.as_bytes());
    let mut row: Vec<usize> = (0..=truth.len()).collect();
    for (i, left) in read.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in truth.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[truth.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(variant: &str, format: &str, lines: &[&str]) -> DocumentTruth {
        DocumentTruth {
            file: "a.jpg".to_owned(),
            image: "a.jpg".into(),
            format: Some(format.to_owned()),
            lines: lines.iter().map(ToString::to_string).collect(),
            doubtful_line: None,
            variant: variant.to_owned(),
        }
    }

    fn judged<'t>(truth: &'t DocumentTruth, lines: &[&str], valid: bool) -> Judged<'t> {
        let format = if lines.is_empty() { NONE } else { "TD2" };
        Judged {
            truth,
            lines: lines.iter().map(ToString::to_string).collect(),
            format: format.to_owned(),
            valid,
            corrected: false,
            verdict: "SUCCESS".to_owned(),
            reasons: vec!["GLARE".to_owned(), "GLARE".to_owned()],
            quality: Value::Null,
            elapsed: Duration::from_secs(1),
        }
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("ABC", "ABC"), 0);
        assert_eq!(edits("", "ABC"), 3);
        assert_eq!(edits("AXC<", "ABC"), 2);
    }

    #[test]
    fn characters_count_where_a_zone_was_located_and_whole_zones_everywhere() {
        let (known, none) = (truth(ORIGINAL, "TD2", &["ABCD", "EFGH"]), truth(ORIGINAL, NONE, &[]));
        let pictures = [
            judged(&known, &["ABCD", "EFGX"], true),
            judged(&known, &[], false),
            judged(&known, &["ABCD", "EFGH"], true),
            judged(&none, &[], false),
        ];
        let figures = Figures::of(pictures.iter());
        assert_eq!((figures.transcribed, figures.right), (3, 1));
        assert_eq!(figures.characters(), Some(15.0 / 16.0));
        assert_eq!(figures.types(), Some(0.75));
        assert_eq!(
            figures.deceiving, 1,
            "wrong, though all check digits are right and nothing was corrected"
        );
        let invented = [judged(&none, &["AB", "CD"], true)];
        assert_eq!(Figures::of(invented.iter()).deceiving, 1, "a zone where there is none");
    }

    #[test]
    fn the_drop_is_that_of_all_variants_against_the_originals() {
        let (original, turned) =
            (truth(ORIGINAL, "TD2", &["AB", "CD"]), truth("turned", "TD2", &["AB", "CD"]));
        let right = ["AB", "CD"];
        let pictures = [
            judged(&original, &right, true),
            judged(&turned, &right, true),
            judged(&turned, &["AB", "CX"], false),
        ];
        assert_eq!(mean_drop(&pictures), Some(0.5));
        assert_eq!(total(&pictures).pictures, 1);
        assert_eq!(
            reasons(&pictures, "turned"),
            BTreeMap::from([("GLARE", 2)]),
            "two pictures, each counted once"
        );
    }
}
