//! Recognition of a model by its answers: fixed inputs, and the comparison of the outputs.
//!
//! A model that no registry publishes has no checksum to pin, because each export of the same
//! weights gives other bytes. Its function is the same, so its outputs for fixed inputs are.

use crate::manifest::ImportedModel;

/// Largest difference between an output and the listed one. Exports of the same weights differ by
/// about 1e-5, because sums are added in another order; other weights differ by more than 0.1.
pub const TOLERANCE: f32 = 1e-3;

impl ImportedModel {
    /// The input for the answer `number`: levels 0–255 that depend on channel, row and column by
    /// integer arithmetic only, so that every machine makes the same ones.
    pub fn question(&self, number: usize) -> Vec<f32> {
        let [batch, channels, rows, columns] = self.input;
        let mut levels = Vec::with_capacity(batch * channels * rows * columns);
        for place in 0..batch * channels * rows * columns {
            let (x, rest) = (place % columns, place / columns);
            let (y, channel) = (rest % rows, rest / rows % channels);
            let level = match number {
                0 => 3 * x + 2 * y + 40 * channel,
                1 => x * x + 7 * y * (channel + 1),
                // Soft blobs, as of a face before a wall.
                _ => {
                    255 - (x.abs_diff(columns / 2).pow(2) + y.abs_diff(rows / 2).pow(2)) / 16
                        - 20 * channel
                }
            };
            levels.push((level % 256) as f32);
        }
        levels
    }

    /// The largest difference between `outputs`, one list for each question, and the listed
    /// answers. Infinite if an output has another length or is not a number.
    pub fn difference(&self, outputs: &[Vec<f32>]) -> f32 {
        let same_length = outputs.len() == self.answers.len()
            && outputs.iter().zip(&self.answers).all(|(a, b)| a.len() == b.len());
        if !same_length {
            return f32::INFINITY;
        }
        let pairs = outputs.iter().flatten().zip(self.answers.iter().flatten());
        let differences = pairs.map(|(output, answer)| (output - answer).abs());
        differences.fold(0.0, |most, it| if it.is_nan() { f32::INFINITY } else { it.max(most) })
    }
}
