//! What does not move, and what jumps.

use vultus_vision::motion::{Grey, quantile};

use super::{Clip, Integrity};

/// Mean difference, in grey levels, below which two frames are the same picture.
const SAME: f32 = 0.15;
/// Frames whose mean hides noise: a third of a second.
const WINDOW: usize = 5;
/// Windows between two that are compared: two thirds of a second, and a second. The face of a loop
/// whose period is one of them changes over the other.
const APART: [usize; 2] = [2, 3];
/// Mean difference, in grey levels, of a cut, and how many times that of its neighbours it is.
const CUT: (f32, f32) = (12.0, 6.0);
/// Neighbours on each side with which a cut is compared.
const AROUND: usize = 6;

fn steps(frames: &[Grey]) -> Vec<f32> {
    frames.windows(2).map(|pair| pair[0].difference(&pair[1])).collect()
}

/// Share of neighbouring frames that are the same picture.
pub(super) fn frozen(frames: &[Grey]) -> f64 {
    let steps = steps(frames);
    let same = steps.iter().filter(|step| **step < SAME).count();
    Integrity::rounded(same as f64 / steps.len().max(1) as f64)
}

/// Times of the first frames after a cut.
pub(super) fn cuts(clip: &Clip) -> Vec<i64> {
    let steps = steps(&clip.small);
    let is_cut = |at: usize| {
        let (from, to) = (at.saturating_sub(AROUND), (at + AROUND + 1).min(steps.len()));
        let others = (from..to).filter(|other| *other != at).map(|other| steps[other]).collect();
        steps[at] >= CUT.0 && steps[at] >= CUT.1 * quantile(others, 0.75)
    };
    (0..steps.len()).filter(|at| is_cut(*at)).map(|at| clip.times[at + 1]).collect()
}

/// Change of the face's structure within about a second, over its contrast: the median, at the
/// distance in time at which it is largest. Means over windows hide noise, and the structure hides
/// changing light. `None` without a face.
pub(super) fn face_change(clip: &Clip) -> Option<f64> {
    let middle = clip.times.len() / 2;
    let area = clip.face(middle, clip.small.first()?.width)?;
    let windows: Vec<Grey> = clip
        .small
        .chunks_exact(WINDOW)
        .filter_map(|frames| Some(Grey::mean(frames)?.structure().part(area)))
        .collect();
    if windows.len() <= APART[1] || windows[0].levels.is_empty() {
        return None;
    }
    let contrast = quantile(windows.iter().map(Grey::contrast).collect(), 0.5);
    let change = APART
        .map(|apart| {
            let pairs = windows.windows(apart + 1).map(|it| it[0].distance(&it[apart]));
            quantile(pairs.collect(), 0.5)
        })
        .into_iter()
        .fold(0.0, f32::max);
    (contrast > 0.0).then(|| Integrity::rounded(f64::from(change / contrast)))
}
