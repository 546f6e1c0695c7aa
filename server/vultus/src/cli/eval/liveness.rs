//! `vultus eval liveness`: error rates on photos, clips and shot sets by species of attack and by
//! source (ISO/IEC 30107-3), for each of the three verdicts. No rate is printed without its number
//! of presentations and its interval.

use super::super::local::{LocalChecker, LocalMedium};
use super::super::outcome::Done;
use super::super::report;
use super::arguments::LivenessArguments;
use super::judge::judge_all;
use super::list::{ORIGINAL, Presentation, read_presentations};
use super::metrics::{self, Labelled, percent};
use super::wilson::Rate;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use vultus_core::Resolution;
use vultus_service::CheckedAnalysis;

/// APCER of the points of the DET curve.
const DET_POINTS: [f64; 5] = [0.0, 0.01, 0.05, 0.1, 0.2];

/// Verdicts of one class of presentations.
#[derive(Debug, Clone, Copy, Default)]
struct Class {
    success: usize,
    operator: usize,
    declined: usize,
    /// Analyses that failed.
    failed: usize,
    /// Presentations without a score (no usable face): non-response in the standard's words.
    without_score: usize,
}

impl Class {
    fn add(&mut self, answer: &CheckedAnalysis) {
        match answer.resolution {
            Some(Resolution::Success) => self.success += 1,
            Some(Resolution::OperatorRequired) => self.operator += 1,
            Some(Resolution::Declined) => self.declined += 1,
            None => self.failed += 1,
        }
        self.without_score += usize::from(score(answer).is_none());
    }

    fn presentations(self) -> usize {
        self.success + self.operator + self.declined + self.failed
    }

    fn rate(self, cases: usize) -> Rate {
        Rate { cases, of: self.presentations() }
    }

    /// Attacks that got SUCCESS.
    fn apcer(self) -> Rate {
        self.rate(self.success)
    }

    /// Bona fide presentations that were declined, or whose analysis failed. Those that a person
    /// has to look at are told apart.
    fn bpcer(self) -> Rate {
        self.rate(self.declined + self.failed)
    }

    fn bands(self) -> Value {
        json!({
            "success": self.rate(self.success).json(),
            "operator_required": self.rate(self.operator).json(),
            "declined": self.rate(self.declined).json(),
            "failed": self.failed,
            "without_score": self.without_score,
        })
    }
}

struct Figures {
    bona_fide: Class,
    attacks: BTreeMap<String, Class>,
    /// By source and label, if the list names sources.
    sources: BTreeMap<(String, String), Class>,
    /// Versions of recordings against their originals, by source.
    versions: BTreeMap<String, Versions>,
    /// Presentations by class (attack or not) and reason code.
    reasons: BTreeMap<(bool, String), usize>,
    scores: Vec<Labelled>,
    threshold: Option<f64>,
}

pub(super) fn run(config: Option<&Path>, arguments: &LivenessArguments) -> Done {
    let list = read_presentations(&arguments.list, &arguments.root)?;
    let samples = list.iter().map(|p| vec![medium(&p.image)]).collect();
    let answers = LocalChecker::with(config, async |checker| {
        judge_all(checker, "liveness", None, samples).await
    })?;
    let figures = figures(&list, &answers);
    if arguments.json {
        print_json(&figures, arguments.each.then(|| each(&list, &answers)));
    } else {
        print_tables(&figures);
    }
    Ok(ExitCode::SUCCESS)
}

fn medium(path: &Path) -> LocalMedium {
    let extension = path.extension().map(|it| it.to_string_lossy().to_lowercase());
    let tag = match extension.as_deref() {
        Some("mp4" | "m4v" | "mov" | "webm" | "mkv") => "video_selfie",
        _ => "photo_selfie",
    };
    LocalMedium { path: path.to_owned(), tags: vec![tag.to_owned()] }
}

fn score(answer: &CheckedAnalysis) -> Option<f64> {
    answer.result.as_ref().and_then(|result| result.field("score"))
}

fn figures(list: &[Presentation], answers: &[CheckedAnalysis]) -> Figures {
    let mut figures = Figures {
        bona_fide: Class::default(),
        attacks: BTreeMap::new(),
        sources: BTreeMap::new(),
        versions: versions(list, answers),
        reasons: BTreeMap::new(),
        scores: Vec::new(),
        threshold: answers.iter().find_map(|answer| answer.params.field("acceptBelow")),
    };
    for (presentation, answer) in list.iter().zip(answers) {
        let attack = presentation.is_attack();
        if attack {
            figures.attacks.entry(presentation.label.clone()).or_default().add(answer);
        } else {
            figures.bona_fide.add(answer);
        }
        if let Some(source) = &presentation.source {
            let key = (source.clone(), presentation.label.clone());
            figures.sources.entry(key).or_default().add(answer);
        }
        for reason in &answer.reasons {
            *figures.reasons.entry((attack, reason.code.clone())).or_default() += 1;
        }
        if let Some(score) = score(answer) {
            figures.scores.push(Labelled { score, positive: attack });
        }
    }
    figures
}

/// Versions of recordings, such as with another codec, that one source made.
#[derive(Debug, Clone, Copy, Default)]
struct Versions {
    compared: usize,
    /// Those with another verdict than the original's.
    turned: usize,
    /// Those of them that turned from SUCCESS to DECLINED or back.
    flipped: usize,
}

impl Versions {
    fn turned(self) -> Rate {
        Rate { cases: self.turned, of: self.compared }
    }

    fn flipped(self) -> Rate {
        Rate { cases: self.flipped, of: self.compared }
    }
}

/// Compares the versions of each recording with its original, and names the sum `all`.
fn versions(list: &[Presentation], answers: &[CheckedAnalysis]) -> BTreeMap<String, Versions> {
    let judged = || list.iter().zip(answers);
    let originals: BTreeMap<&str, Option<Resolution>> = judged()
        .filter(|(it, _)| it.source.as_deref() == Some(ORIGINAL))
        .filter_map(|(it, answer)| Some((it.recording.as_deref()?, answer.resolution)))
        .collect();
    let mut versions: BTreeMap<String, Versions> = BTreeMap::new();
    for (version, answer) in judged() {
        let source = version.source.as_deref().filter(|source| *source != ORIGINAL);
        let original = version.recording.as_deref().and_then(|name| originals.get(name));
        let (Some(source), Some(original)) = (source, original) else { continue };
        let pair = [*original, answer.resolution];
        let ends = [Some(Resolution::Success), Some(Resolution::Declined)];
        for name in [source, "all"] {
            let versions = versions.entry(name.to_owned()).or_default();
            versions.compared += 1;
            versions.turned += usize::from(pair[0] != pair[1]);
            versions.flipped += usize::from(ends.iter().all(|end| pair.contains(end)));
        }
    }
    versions
}

impl Figures {
    /// The standard takes the worst species, never the mean.
    fn apcer(&self) -> Option<Rate> {
        let rates = self.attacks.values().map(|class| class.apcer());
        rates.max_by(|a, b| a.share().unwrap_or(0.0).total_cmp(&b.share().unwrap_or(0.0)))
    }

    /// BPCER of the score alone at the highest threshold whose APCER is at most that of each point:
    /// (bound of the APCER, threshold, APCER, BPCER).
    fn det(&self) -> Vec<(f64, f64, Rate, Rate)> {
        let count = |positive: bool, test: &dyn Fn(f64) -> bool| {
            let of = self.scores.iter().filter(|s| s.positive == positive);
            Rate { cases: of.clone().filter(|s| test(s.score)).count(), of: of.count() }
        };
        let mut thresholds: Vec<f64> = self.scores.iter().map(|s| s.score).collect();
        thresholds.sort_by(|a, b| b.total_cmp(a));
        thresholds.dedup();
        let at = |bound: &f64| {
            thresholds.iter().find_map(|threshold| {
                let apcer = count(true, &|score| score < *threshold);
                let bpcer = count(false, &|score| score >= *threshold);
                let holds = apcer.share()? <= *bound && bpcer.of > 0;
                holds.then_some((*bound, *threshold, apcer, bpcer))
            })
        };
        DET_POINTS.iter().filter_map(at).collect()
    }
}

/// File, label, verdict, score and reasons of each presentation.
fn each(list: &[Presentation], answers: &[CheckedAnalysis]) -> Value {
    list.iter()
        .zip(answers)
        .map(|(presentation, answer)| {
            let codes: Vec<&str> = answer.reasons.iter().map(|it| it.code.as_str()).collect();
            json!({
                "file": presentation.image.display().to_string(),
                "label": presentation.label,
                "source": presentation.source,
                "resolution": answer.resolution,
                "score": score(answer),
                "reasons": codes,
                "media": answer.result.as_ref().and_then(|result| result.field::<Value>("media")),
            })
        })
        .collect()
}

fn print_json(figures: &Figures, each: Option<Value>) {
    let species: serde_json::Map<_, _> = figures
        .attacks
        .iter()
        .map(|(name, class)| {
            let value = json!({
                "presentations": class.presentations(),
                "apcer": class.apcer().share(),
                "without_score": class.without_score,
                "bands": class.bands(),
            });
            (name.clone(), value)
        })
        .collect();
    let sources: Vec<Value> = figures
        .sources
        .iter()
        .map(|((source, label), class)| {
            json!({"source": source, "label": label, "bands": class.bands()})
        })
        .collect();
    let det: Vec<Value> = figures
        .det()
        .into_iter()
        .map(|(bound, threshold, apcer, bpcer)| {
            json!({
                "apcer_at_most": bound, "threshold": threshold,
                "apcer": apcer.json(), "bpcer": bpcer.json(),
            })
        })
        .collect();
    let versions: serde_json::Map<_, _> = figures
        .versions
        .iter()
        .map(|(source, it)| {
            let value = json!({"turned": it.turned().json(), "flipped": it.flipped().json()});
            (source.clone(), value)
        })
        .collect();
    let mut json = json!({
        "apcer": figures.apcer().and_then(Rate::share),
        "bpcer": figures.bona_fide.bpcer().share(),
        "eer": metrics::equal_error_rate(&figures.scores),
        "auc": metrics::area_under_curve(&figures.scores),
        "threshold": figures.threshold,
        "bona_fide": {
            "presentations": figures.bona_fide.presentations(),
            "without_score": figures.bona_fide.without_score,
            "bands": figures.bona_fide.bands(),
        },
        "attacks": species,
        "sources": sources,
        "versions": versions,
        "det": det,
    });
    if let Some(each) = each {
        json["each"] = each;
    }
    report::json(&json);
}

fn print_tables(figures: &Figures) {
    let row = |name: String, class: &Class| {
        let mut row = vec![name];
        for cases in [class.success, class.operator, class.declined] {
            row.push(class.rate(cases).to_string());
        }
        row.push(class.without_score.to_string());
        row
    };
    let heading = |first: &str| {
        [first, "SUCCESS", "OPERATOR_REQUIRED", "DECLINED", "no score"].map(str::to_owned).to_vec()
    };
    let mut rows = vec![heading("class"), row("bona fide".to_owned(), &figures.bona_fide)];
    rows.extend(figures.attacks.iter().map(|(name, class)| row(format!("attack: {name}"), class)));
    report::table(&rows);
    if !figures.sources.is_empty() {
        let mut rows = vec![heading("source, label")];
        let name = |(source, label): &(String, String)| format!("{source}, {label}");
        rows.extend(figures.sources.iter().map(|(key, class)| row(name(key), class)));
        report::table(&rows);
    }
    if !figures.versions.is_empty() {
        let heading = ["version", "another verdict", "SUCCESS ↔ DECLINED"].map(str::to_owned);
        let mut rows = vec![heading.to_vec()];
        for (source, it) in &figures.versions {
            rows.push(vec![source.clone(), it.turned().to_string(), it.flipped().to_string()]);
        }
        report::table(&rows);
    }
    let mut rows = vec![["score from", "APCER", "BPCER"].map(str::to_owned).to_vec()];
    for (_, threshold, apcer, bpcer) in figures.det() {
        rows.push(vec![format!("{threshold:.4}"), apcer.to_string(), bpcer.to_string()]);
    }
    report::table(&rows);
    for ((attack, code), count) in &figures.reasons {
        let class = if *attack { "attacks" } else { "bona fide" };
        report::line(format_args!("{code}: {count} of the {class}"));
    }
    let or_none = |rate: Option<Rate>| rate.unwrap_or_default().to_string();
    report::line(format_args!(
        "APCER (worst species) {}, BPCER {}, EER {}, AUC {}, n {}, threshold {}",
        or_none(figures.apcer()),
        figures.bona_fide.bpcer(),
        percent(metrics::equal_error_rate(&figures.scores)),
        metrics::area_under_curve(&figures.scores)
            .map_or_else(|| "-".to_owned(), |auc| format!("{auc:.4}")),
        figures.scores.len(),
        figures.threshold.map_or_else(|| "-".to_owned(), |threshold| threshold.to_string()),
    ));
}
