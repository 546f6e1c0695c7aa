//! Figures over judged pictures.

use super::judged::Judged;
use crate::cli::eval::list::ORIGINAL;
use std::collections::{BTreeMap, BTreeSet};

/// Counts over several pictures.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Figures {
    pub(super) pictures: usize,
    pub(super) transcribed: usize,
    pub(super) right: usize,
    pub(super) characters_located: usize,
    pub(super) characters_right: usize,
    pub(super) digits_right: usize,
    pub(super) typed: usize,
    pub(super) types_right: usize,
    pub(super) deceiving: usize,
}

impl Figures {
    pub(super) fn of<'j>(judged: impl Iterator<Item = &'j Judged<'j>>) -> Self {
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

    pub(super) fn fully_right(&self) -> Option<f64> {
        share(self.right, self.transcribed)
    }

    pub(super) fn characters(&self) -> Option<f64> {
        share(self.characters_right, self.characters_located)
    }

    pub(super) fn types(&self) -> Option<f64> {
        share(self.types_right, self.typed)
    }

    pub(super) fn digits(&self) -> Option<f64> {
        share(self.digits_right, self.transcribed)
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The variants in the order of the list.
pub(super) fn variants<'j>(judged: &'j [Judged<'_>]) -> Vec<&'j str> {
    let mut names: Vec<&str> = Vec::new();
    for picture in judged {
        if !names.contains(&picture.truth.variant.as_str()) {
            names.push(&picture.truth.variant);
        }
    }
    names
}

pub(super) fn of_variant(judged: &[Judged<'_>], name: &str) -> Figures {
    Figures::of(judged.iter().filter(|picture| picture.truth.variant == name))
}

/// How many pictures of a variant have each reason.
pub(super) fn reasons<'j>(judged: &'j [Judged<'_>], name: &str) -> BTreeMap<&'j str, usize> {
    let mut counts = BTreeMap::new();
    for picture in judged.iter().filter(|picture| picture.truth.variant == name) {
        let codes: BTreeSet<&str> = picture.reasons.iter().map(String::as_str).collect();
        for code in codes {
            *counts.entry(code).or_default() += 1;
        }
    }
    counts
}

/// Share of fully right zones of the originals, minus that of all other variants.
pub(super) fn mean_drop(judged: &[Judged<'_>]) -> Option<f64> {
    let changed = Figures::of(judged.iter().filter(|picture| picture.truth.variant != ORIGINAL));
    Some(of_variant(judged, ORIGINAL).fully_right()? - changed.fully_right()?)
}

/// Figures of the originals only if the list has variants, else of all pictures.
pub(super) fn total(judged: &[Judged<'_>]) -> Figures {
    let names = variants(judged);
    if names.contains(&ORIGINAL) {
        of_variant(judged, ORIGINAL)
    } else {
        Figures::of(judged.iter())
    }
}

pub(super) fn mean_seconds(judged: &[Judged<'_>]) -> f64 {
    judged.iter().map(|picture| picture.elapsed.as_secs_f64()).sum::<f64>()
        / judged.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::eval::list::{DocumentTruth, NONE};
    use serde_json::Value;
    use std::time::Duration;

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
    fn characters_count_only_in_located_zones() {
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
            "wrong, although all check digits are right and nothing was corrected"
        );
        let invented = [judged(&none, &["AB", "CD"], true)];
        assert_eq!(
            Figures::of(invented.iter()).deceiving,
            1,
            "a zone although the document has no zone"
        );
    }

    #[test]
    fn drop_compares_variants_with_originals() {
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
