//! Prints the figures as JSON or as tables.

use super::figures::{Figures, mean_drop, mean_seconds, of_variant, reasons, total, variants};
use super::judged::Judged;
use crate::cli::eval::metrics::percent;
use crate::cli::report;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn print_json(judged: &[Judged<'_>]) {
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

pub(super) fn print_tables(judged: &[Judged<'_>]) {
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

/// How many pictures of each variant have which reason: hits and false alarms of the checks of the
/// picture.
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
