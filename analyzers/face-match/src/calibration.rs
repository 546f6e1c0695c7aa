//! Calibration of cosines: a readable similarity of 0–1, and the false match rate of a threshold.
//!
//! The similarity is a logistic curve through two measured points: the model's default threshold
//! maps to 0.5, and the mean cosine of two pictures of one person (0.68 with both models on LFW) to
//! 0.9. It is strictly monotone, so that it changes no order, and independent of the thresholds of
//! a request.
//!
//! The false match rates were measured on 29.6 million pairs of different people (LFW); that of
//! 1e-6 on 2.7 million pairs, after known errors of LFW's labels were corrected
//! (`scripts/eval_fmr.py`). Between the measured points, the rate is interpolated log-linearly;
//! outside them, it is unknown.

use vultus_vision::EmbeddingModel;

/// Mean cosine of two pictures of the same person.
const MEAN_GENUINE: f64 = 0.68;
/// Similarity of that cosine.
const GENUINE_SIMILARITY: f64 = 0.9;

/// The calibration of one embedding model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Calibration {
    /// Cosine of the default threshold: no false match in 3000 LFW pairs of different people.
    threshold: f64,
    /// Cosines and the decimal logarithms of their false match rates.
    rates: [(f64, f64); 4],
}

impl Calibration {
    /// The calibration of `model`.
    pub(crate) const fn of(model: EmbeddingModel) -> Self {
        match model {
            EmbeddingModel::Sface => Self {
                threshold: 0.38,
                rates: [(0.372, -3.0), (0.428, -4.0), (0.479, -5.0), (0.533, -6.0)],
            },
            EmbeddingModel::FrFeature => Self {
                threshold: 0.36,
                rates: [(0.335, -3.0), (0.413, -4.0), (0.479, -5.0), (0.518, -6.0)],
            },
        }
    }

    /// The similarity, 0–1, of `cosine`.
    pub(crate) fn similarity(&self, cosine: f64) -> f64 {
        1.0 / (1.0 + (-self.steepness() * (cosine - self.threshold)).exp())
    }

    /// The cosine of `similarity`; infinite at 0 and 1, which no pair reaches.
    pub(crate) fn cosine(&self, similarity: f64) -> f64 {
        self.threshold + (similarity / (1.0 - similarity)).ln() / self.steepness()
    }

    /// The share of pairs of different people that pass the threshold `similarity`; `None` outside
    /// the measured range.
    pub(crate) fn false_match_rate(&self, similarity: f64) -> Option<f64> {
        let cosine = self.cosine(similarity);
        let between = |pair: &&[(f64, f64)]| (pair[0].0..=pair[1].0).contains(&cosine);
        let pair = self.rates.windows(2).find(between)?;
        let [(from, from_log), (to, to_log)] = [pair[0], pair[1]];
        Some(10f64.powf(from_log + (to_log - from_log) * (cosine - from) / (to - from)))
    }

    fn steepness(&self) -> f64 {
        (GENUINE_SIMILARITY / (1.0 - GENUINE_SIMILARITY)).ln() / (MEAN_GENUINE - self.threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODELS: [EmbeddingModel; 2] = [EmbeddingModel::Sface, EmbeddingModel::FrFeature];

    #[test]
    fn calibration_maps_its_two_anchor_points() {
        for (model, threshold) in MODELS.into_iter().zip([0.38, 0.36]) {
            let calibration = Calibration::of(model);
            assert!((calibration.similarity(threshold) - 0.5).abs() < 1e-12);
            assert!((calibration.similarity(0.68) - 0.9).abs() < 1e-12);
        }
    }

    #[test]
    fn similarity_is_monotone_and_invertible() {
        for model in MODELS {
            let calibration = Calibration::of(model);
            let similarities: Vec<f64> =
                (-10..=10).map(|i| calibration.similarity(f64::from(i) / 10.0)).collect();
            assert!(similarities.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(similarities.iter().all(|s| (0.0..1.0).contains(s)));
            assert!((calibration.cosine(calibration.similarity(0.45)) - 0.45).abs() < 1e-9);
        }
    }

    #[test]
    fn false_match_rate_is_null_outside_the_measured_range() {
        let calibration = Calibration::of(EmbeddingModel::Sface);
        let rate = |cosine| calibration.false_match_rate(calibration.similarity(cosine));
        assert!((rate(0.428).unwrap().log10() + 4.0).abs() < 1e-6);
        assert!((rate(0.45350).unwrap().log10() + 4.5).abs() < 1e-3);
        assert_eq!(rate(0.371), None);
        assert_eq!(rate(0.534), None);
        assert_eq!(calibration.false_match_rate(0.0), None);
        assert_eq!(calibration.false_match_rate(1.0), None);
    }
}
