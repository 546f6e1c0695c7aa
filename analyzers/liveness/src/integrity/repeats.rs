//! Loops: a clip whose frames come again, forwards or backwards.

use vultus_vision::motion::{Grey, quantile};

use super::{Clip, Integrity};

/// Shortest period, in seconds.
const SHORTEST: f64 = 0.8;
/// Distance of the frames with which a repetition is compared, in seconds.
const BESIDE: f64 = 0.4;
/// Minimum number of pairs of frames for a period.
const FEWEST_PAIRS: usize = 12;
/// Maximum number of frames that are compared with each other; of longer clips, every second and so
/// on.
const MOST: usize = 150;

pub(super) fn measure(clip: &Clip, integrity: &mut Integrity) {
    let every = clip.tiny.len().div_ceil(MOST).max(1);
    let frames: Vec<&Grey> = clip.tiny.iter().step_by(every).collect();
    let times: Vec<i64> = clip.times.iter().copied().step_by(every).collect();
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return };
    let step_us = (last - first) as f64 / (times.len() - 1).max(1) as f64;
    if step_us <= 0.0 {
        return;
    }
    let frames_of = |seconds: f64| ((seconds * 1e6 / step_us).round() as usize).max(1);
    let (shortest, beside) = (frames_of(SHORTEST), frames_of(BESIDE));
    let distances = Distances::of(&frames);
    if let Some((ratio, lag)) = distances.best_lag(shortest, beside) {
        integrity.repetition = Some(Integrity::rounded(f64::from(ratio)));
        integrity.period_us = Some((lag as f64 * step_us) as i64);
    }
    let reversal = distances.best_turn(shortest, beside);
    integrity.reversal = reversal.map(|ratio| Integrity::rounded(f64::from(ratio)));
}

/// The differences of all pairs of frames.
struct Distances {
    count: usize,
    values: Vec<f32>,
}

impl Distances {
    fn of(frames: &[&Grey]) -> Self {
        let count = frames.len();
        let mut values = vec![0.0; count * count];
        for (i, one) in frames.iter().enumerate() {
            for (j, other) in frames.iter().enumerate().skip(i + 1) {
                let difference = one.difference(other);
                values[i * count + j] = difference;
                values[j * count + i] = difference;
            }
        }
        Self { count, values }
    }

    fn between(&self, i: usize, j: usize) -> f32 {
        self.values[i * self.count + j]
    }

    fn median(&self, pairs: impl Iterator<Item = (usize, usize)>) -> Option<f32> {
        let values: Vec<f32> = pairs.map(|(i, j)| self.between(i, j)).collect();
        (values.len() >= FEWEST_PAIRS).then(|| quantile(values, 0.5))
    }

    /// The lowest ratio of the difference at a lag to that at lags a little shorter and longer.
    fn best_lag(&self, shortest: usize, beside: usize) -> Option<(f32, usize)> {
        let at =
            |lag: usize| self.median((0..self.count.saturating_sub(lag)).map(|i| (i, i + lag)));
        let medians: Vec<Option<f32>> = (0..self.count).map(at).collect();
        let mut best: Option<(f32, usize)> = None;
        for lag in shortest..self.count {
            let Some(here) = medians[lag] else { break };
            let shorter = medians.get(lag.saturating_sub(beside)).copied().flatten();
            let longer = medians.get(lag + beside).copied().flatten();
            // Near the end only shorter lags have enough pairs.
            let around = match (shorter, longer) {
                (Some(shorter), Some(longer)) => (shorter + longer) / 2.0,
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => continue,
            };
            let ratio = here / around.max(0.1);
            if best.is_none_or(|(least, _)| ratio < least) {
                best = Some((ratio, lag));
            }
        }
        best
    }

    /// The lowest ratio of the difference of frames that mirror each other around a moment to that
    /// around moments a little earlier and later.
    fn best_turn(&self, shortest: usize, beside: usize) -> Option<f32> {
        // Frames closer to the moment than this are alike in every clip.
        let nearest = shortest / 2;
        let around = |centre: usize| {
            let most = centre.min((self.count - 1).saturating_sub(centre));
            self.median((nearest..=most).map(|k| (centre - k, centre + k)))
        };
        let medians: Vec<Option<f32>> = (0..self.count).map(around).collect();
        let mut best: Option<f32> = None;
        for centre in beside..self.count.saturating_sub(beside) {
            let (Some(here), Some(earlier), Some(later)) =
                (medians[centre], medians[centre - beside], medians[centre + beside])
            else {
                continue;
            };
            let ratio = here / ((earlier + later) / 2.0).max(0.1);
            best = Some(best.map_or(ratio, |least| least.min(ratio)));
        }
        best
    }
}
