//! `vultus eval liveness`: APCER, BPCER, EER, AUC on single presentations (ISO/IEC 30107-3).

use super::super::local::{LocalChecker, LocalMedium};
use super::super::outcome::Done;
use super::super::report;
use super::arguments::LivenessArguments;
use super::judge::judge_all;
use super::list::{Presentation, read_presentations};
use super::metrics::{self, Labelled, percent};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use vultus_core::Resolution;
use vultus_service::CheckedAnalysis;

/// Counts of one class.
#[derive(Debug, Clone, Copy, Default)]
struct Class {
    presentations: usize,
    /// Attacks that got SUCCESS, or bona fide presentations that did not.
    wrong: usize,
    /// Presentations without a score (no usable face): non-response in the standard's words.
    without_score: usize,
}

impl Class {
    fn rate(self) -> Option<f64> {
        (self.presentations > 0).then(|| self.wrong as f64 / self.presentations as f64)
    }
}

struct Figures {
    bona_fide: Class,
    attacks: BTreeMap<String, Class>,
    apcer: Option<f64>,
    eer: Option<f64>,
    auc: Option<f64>,
    threshold: Option<f64>,
}

pub(super) fn run(config: Option<&Path>, arguments: &LivenessArguments) -> Done {
    let list = read_presentations(&arguments.list, &arguments.root)?;
    let samples = list
        .iter()
        .map(|p| vec![LocalMedium { path: p.image.clone(), tags: vec!["photo_selfie".to_owned()] }])
        .collect();
    let answers = LocalChecker::with(config, async |checker| {
        judge_all(checker, "liveness", None, samples).await
    })?;
    let figures = figures(&list, &answers);
    if arguments.json {
        print_json(&figures)
    } else {
        print_table(&figures)
    }
    Ok(ExitCode::SUCCESS)
}

fn figures(list: &[Presentation], answers: &[CheckedAnalysis]) -> Figures {
    let score = |answer: &CheckedAnalysis| {
        answer.result.as_ref().and_then(|result| result["score"].as_f64())
    };
    let mut bona_fide = Class::default();
    let mut attacks: BTreeMap<String, Class> = BTreeMap::new();
    let mut scores = Vec::new();
    for (presentation, answer) in list.iter().zip(answers) {
        let attack = presentation.is_attack();
        let class = if attack {
            attacks.entry(presentation.label.clone()).or_default()
        } else {
            &mut bona_fide
        };
        class.presentations += 1;
        class.wrong += usize::from((answer.resolution == Some(Resolution::Success)) == attack);
        match score(answer) {
            Some(score) => scores.push(Labelled { score, positive: attack }),
            None => class.without_score += 1,
        }
    }
    Figures {
        // The standard takes the worst species, never the mean.
        apcer: attacks.values().filter_map(|class| class.rate()).reduce(f64::max),
        bona_fide,
        attacks,
        eer: metrics::equal_error_rate(&scores),
        auc: metrics::area_under_curve(&scores),
        threshold: answers.iter().find_map(|answer| answer.params["acceptBelow"].as_f64()),
    }
}

fn print_json(figures: &Figures) {
    let species: serde_json::Map<_, _> = figures
        .attacks
        .iter()
        .map(|(name, c)| {
            let value = json!({
                "presentations": c.presentations,
                "apcer": c.rate(),
                "without_score": c.without_score,
            });
            (name.clone(), value)
        })
        .collect();
    report::json(&json!({
        "apcer": figures.apcer,
        "bpcer": figures.bona_fide.rate(),
        "eer": figures.eer,
        "auc": figures.auc,
        "threshold": figures.threshold,
        "bona_fide": {
            "presentations": figures.bona_fide.presentations,
            "without_score": figures.bona_fide.without_score,
        },
        "attacks": species,
    }));
}

fn print_table(figures: &Figures) {
    let row = |name: String, class: &Class, rate: &str| {
        vec![
            name,
            class.presentations.to_string(),
            format!("{rate} {}", percent(class.rate())),
            class.wrong.to_string(),
            class.without_score.to_string(),
        ]
    };
    let mut rows = vec![
        ["class", "presentations", "error rate", "wrong", "without score"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.push(row("bona fide".to_owned(), &figures.bona_fide, "BPCER"));
    rows.extend(
        figures.attacks.iter().map(|(name, class)| row(format!("attack: {name}"), class, "APCER")),
    );
    report::table(&rows);
    report::line(format_args!(
        "APCER (worst species) {}, BPCER {}, EER {}, AUC {}, threshold {}",
        percent(figures.apcer),
        percent(figures.bona_fide.rate()),
        percent(figures.eer),
        figures.auc.map_or_else(|| "-".to_owned(), |auc| format!("{auc:.4}")),
        figures.threshold.map_or_else(|| "-".to_owned(), |threshold| threshold.to_string()),
    ));
}
