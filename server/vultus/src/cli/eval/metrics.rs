//! Error rates from scores: verification (ISO/IEC 19795-1) and presentation attack detection
//! (ISO/IEC 30107-3).
//!
//! Pure arithmetic. Scores are "higher means the positive class"; a sample without a score is a
//! failure, counted by its caller.

/// A score with its truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Labelled {
    /// The score.
    pub(super) score: f64,
    /// Whether it belongs to the positive class (same person; attack).
    pub(super) positive: bool,
}

/// Thresholds at which a rate changes: each score, and one above all of them.
fn thresholds(scores: &[Labelled]) -> Vec<f64> {
    let mut all: Vec<f64> = scores.iter().map(|s| s.score).collect();
    all.push(f64::INFINITY);
    all.sort_by(f64::total_cmp);
    all.dedup();
    all
}

/// Operating points in ascending order of the threshold: (threshold, false positives, false
/// negatives) as counts.
fn operating_points(scores: &[Labelled]) -> Vec<(f64, usize, usize)> {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| a.score.total_cmp(&b.score));
    let negatives = sorted.iter().filter(|s| !s.positive).count();
    let (mut below, mut positives_below, mut negatives_below) = (0, 0, 0);
    thresholds(scores)
        .into_iter()
        .map(|threshold| {
            while below < sorted.len() && sorted[below].score < threshold {
                if sorted[below].positive {
                    positives_below += 1;
                } else {
                    negatives_below += 1;
                }
                below += 1;
            }
            (threshold, negatives - negatives_below, positives_below)
        })
        .collect()
}

/// Equal error rate: the mean of both rates where they are closest.
pub(super) fn equal_error_rate(scores: &[Labelled]) -> Option<f64> {
    let (positives, negatives) = class_sizes(scores)?;
    operating_points(scores)
        .into_iter()
        .map(|(_, fp, fnn)| (fp as f64 / negatives, fnn as f64 / positives))
        .min_by(|a, b| (a.0 - a.1).abs().total_cmp(&(b.0 - b.1).abs()))
        .map(|(fpr, fnr)| (fpr + fnr) / 2.0)
}

/// FNMR at the lowest threshold whose FMR is at most `fmr`.
pub(super) fn fnmr_at_fmr(scores: &[Labelled], fmr: f64) -> Option<f64> {
    let (positives, negatives) = class_sizes(scores)?;
    operating_points(scores)
        .into_iter()
        .find(|&(_, fp, _)| fp as f64 / negatives <= fmr)
        .map(|(_, _, fnn)| fnn as f64 / positives)
}

/// Area under the ROC curve: the chance that a positive scores above a negative, ties counting
/// half.
pub(super) fn area_under_curve(scores: &[Labelled]) -> Option<f64> {
    let (positives, negatives) = class_sizes(scores)?;
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| a.score.total_cmp(&b.score));
    let (mut wins, mut negatives_below) = (0.0, 0.0);
    for tied in sorted.chunk_by(|a, b| a.score == b.score) {
        let tied_positives = tied.iter().filter(|s| s.positive).count() as f64;
        let tied_negatives = tied.len() as f64 - tied_positives;
        wins += tied_positives * (negatives_below + tied_negatives / 2.0);
        negatives_below += tied_negatives;
    }
    Some(wins / (positives * negatives))
}

fn class_sizes(scores: &[Labelled]) -> Option<(f64, f64)> {
    let positives = scores.iter().filter(|s| s.positive).count();
    let negatives = scores.len() - positives;
    (positives > 0 && negatives > 0).then_some((positives as f64, negatives as f64))
}

/// Cross-validated accuracy: for each fold, the threshold that is best on the others is applied to
/// it (the LFW protocol). Returns the mean over the folds and their standard deviation. `folds[i]`
/// is the fold of `scores[i]`.
pub(super) fn cross_validated_accuracy(scores: &[Labelled], folds: &[u32]) -> Option<(f64, f64)> {
    let mut names: Vec<u32> = folds.to_vec();
    names.sort_unstable();
    names.dedup();
    if names.len() < 2 || scores.len() != folds.len() {
        return None;
    }
    let split = |fold: u32, inside: bool| -> Vec<Labelled> {
        scores.iter().zip(folds).filter(|&(_, &f)| (f == fold) == inside).map(|(s, _)| *s).collect()
    };
    let accuracies: Vec<f64> = names
        .iter()
        .map(|&fold| accuracy_at(&split(fold, true), best_threshold(&split(fold, false))))
        .collect();
    let mean = accuracies.iter().sum::<f64>() / accuracies.len() as f64;
    let variance =
        accuracies.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / accuracies.len() as f64;
    Some((mean, variance.sqrt()))
}

/// Share of scores on the right side of `threshold`.
pub(super) fn accuracy_at(scores: &[Labelled], threshold: f64) -> f64 {
    let right = scores.iter().filter(|s| (s.score >= threshold) == s.positive).count();
    if scores.is_empty() { 0.0 } else { right as f64 / scores.len() as f64 }
}

/// The middle of the best plateau: between the best threshold and the score below it.
fn best_threshold(scores: &[Labelled]) -> f64 {
    let points = operating_points(scores);
    let best =
        points.iter().enumerate().min_by_key(|(_, (_, fp, fnn))| fp + fnn).map_or(0, |(at, _)| at);
    let upper = points.get(best).map_or(0.0, |point| point.0);
    let lower = best.checked_sub(1).and_then(|at| points.get(at)).map_or(upper, |point| point.0);
    if upper.is_finite() { (lower + upper) / 2.0 } else { lower + 1e-9 }
}

/// Ten folds of equal size in order, where the list names none.
pub(super) fn ten_folds(scores: &[Labelled]) -> Vec<u32> {
    let mut seen = [0u32; 2];
    scores
        .iter()
        .map(|s| {
            let at = usize::from(s.positive);
            seen[at] += 1;
            seen[at] % 10
        })
        .collect()
}

/// A rate in per cent.
pub(super) fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.2} %", rate * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(positive: &[f64], negative: &[f64]) -> Vec<Labelled> {
        let label = |positive| move |&score: &f64| Labelled { score, positive };
        positive.iter().map(label(true)).chain(negative.iter().map(label(false))).collect()
    }

    #[test]
    fn separated_classes_have_no_error() {
        let all = scores(&[0.8, 0.9], &[0.1, 0.2]);
        assert_eq!(equal_error_rate(&all), Some(0.0));
        assert_eq!(area_under_curve(&all), Some(1.0));
        assert_eq!(fnmr_at_fmr(&all, 0.0), Some(0.0));
    }

    #[test]
    fn one_swapped_of_four_per_class_gives_eer_of_a_quarter() {
        let all = scores(&[0.9, 0.8, 0.7, 0.2], &[0.1, 0.15, 0.3, 0.75]);
        assert_eq!(equal_error_rate(&all), Some(0.25));
        // 16 pairs; the positive 0.2 loses to 0.3 and 0.75, the positive 0.7 to 0.75.
        assert_eq!(area_under_curve(&all), Some(13.0 / 16.0));
        assert_eq!(fnmr_at_fmr(&all, 0.25), Some(0.25));
        assert_eq!(fnmr_at_fmr(&all, 0.0), Some(0.5));
    }

    #[test]
    fn ties_count_half_and_thresholds_are_inclusive() {
        let all = scores(&[0.5], &[0.5]);
        assert_eq!(area_under_curve(&all), Some(0.5));
        assert_eq!(accuracy_at(&scores(&[0.5], &[]), 0.5), 1.0);
    }

    #[test]
    fn single_class_has_no_rates() {
        let all = scores(&[0.5, 0.6], &[]);
        assert_eq!(equal_error_rate(&all), None);
        assert_eq!(area_under_curve(&all), None);
    }

    #[test]
    fn fold_is_judged_by_the_threshold_of_the_others() {
        let mut all = scores(&[0.9, 0.8], &[0.1, 0.2]);
        let mut folds = vec![1; 4];
        // In the second fold each score is on the wrong side of the first fold's threshold.
        all.extend(scores(&[0.05], &[0.95]));
        folds.extend([2, 2]);
        let (mean, deviation) = cross_validated_accuracy(&all, &folds).unwrap();
        assert!(mean < 0.6, "{mean}");
        assert!(deviation > 0.0);
    }
}
