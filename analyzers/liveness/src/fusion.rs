//! Combines the scores of models and frames to the score of a medium. Pure.
//!
//! Of a frame: half of `fr_liveness` and a quarter of each MiniFASNet, if both are installed; they
//! fail on different things. Of a medium: the **median** of its counted frames and its **worst
//! window**, the highest mean over [`WINDOW`] successive frames. The median decides what is
//! declined. A bad window, which may be a spliced attack or a bad moment, prevents SUCCESS and
//! declines no one: of live clips the worst window goes up to 0.99.
//!
//! The score is calibrated, so that it means the same with and without the optional models: below
//! [`ACCEPT_BELOW`] live, from [`DECLINE_FROM`] on an attack, between them unsure. The points of
//! the curves are those figures of the models at which the development clips change their band;
//! the figures are in the card of `fr_liveness`.
//!
//! The models expect faces towards the camera: a bona fide face in profile scores up to 0.98.
//! Frames turned further than [`TURNED`] are therefore scored and reported, but not counted unless
//! hardly any others are left.

use vultus_vision::SpoofScores;

/// Default of the score below which a medium is live.
pub(crate) const ACCEPT_BELOW: f32 = 0.35;
/// Default of the score from which on a medium is an attack.
pub(crate) const DECLINE_FROM: f32 = 0.75;

/// Number of successive frames that are averaged.
const WINDOW: usize = 3;

/// Nose offset, in eye distances, above which a face is turned too far: about 30 degrees of yaw.
pub(crate) const TURNED: f32 = 0.30;

/// Weights of `fr_liveness` and of each MiniFASNet.
const WEIGHTS: (f32, f32) = (0.5, 0.25);

/// The models that scored a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Models {
    /// `fr_liveness` alone.
    One,
    /// `fr_liveness` and the MiniFASNet pair.
    Three,
}

/// One scored frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scored {
    /// Probability of an attack, 0–1.
    pub(crate) score: f32,
    /// The models behind it.
    pub(crate) models: Models,
    /// Whether the face is turned too far to count.
    pub(crate) turned: bool,
}

/// The score of a medium.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fused {
    /// Calibrated probability of an attack, 0–1.
    pub(crate) score: f32,
    /// Median of the counted frames.
    pub(crate) median: f32,
    /// The highest mean of successive counted frames.
    pub(crate) worst_window: f32,
    /// Number of frames that counted.
    pub(crate) counted: usize,
    /// Whether hardly any frame shows the face from the front; in that case, all frames counted.
    pub(crate) mostly_turned: bool,
}

/// The score of one frame by all models that are installed.
pub(crate) fn of_frame(scores: &SpoofScores) -> (f32, Models) {
    match scores.minifasnet {
        [Some(v2), Some(v1se)] => {
            let fused = WEIGHTS.0 * scores.fr_liveness + WEIGHTS.1 * (v2 + v1se);
            (fused, Models::Three)
        }
        [_, _] => (scores.fr_liveness, Models::One),
    }
}

/// The score of a medium from its frames, in order. `None` without frames.
pub(crate) fn fuse(frames: &[Scored]) -> Option<Fused> {
    let models = frames.first()?.models;
    let frontal = frames.iter().filter(|frame| !frame.turned).count();
    let mostly_turned = frontal * 4 < frames.len();
    let counted: Vec<f32> =
        frames.iter().filter(|f| mostly_turned || !f.turned).map(|f| f.score).collect();
    let width = WINDOW.min(counted.len());
    let mean = |window: &[f32]| window.iter().sum::<f32>() / window.len() as f32;
    let worst_window = counted.windows(width).map(mean).fold(0.0, f32::max);
    let median = middle(&counted);
    let score = if counted.len() == 1 {
        median
    } else {
        let decided = match models {
            Models::Three => median,
            // Alone it scores live clips up to 0.95: only a clip without any doubt is declined.
            Models::One => calibrated(mean(&counted), &ALONE_DECLINED),
        };
        let unsure = match models {
            Models::Three => calibrated(worst_window, &WINDOW_OF_THREE),
            Models::One => {
                calibrated(median, &ALONE_MEDIAN).max(calibrated(worst_window, &WINDOW_OF_ONE))
            }
        };
        decided.max(unsure.min(JUST_UNSURE))
    };
    Some(Fused { score, median, worst_window, counted: counted.len(), mostly_turned })
}

/// The highest score that declines nothing.
const JUST_UNSURE: f32 = DECLINE_FROM - 0.001;

/// Curves: (figure of the models, score), ascending.
type Curve = [(f32, f32); 4];

/// Mean of `fr_liveness` alone. Replays: 0.97 and more. Live clips, re-encoded as well: up to 0.86.
const ALONE_DECLINED: Curve = [(0.0, 0.0), (0.60, 0.0), (0.93, DECLINE_FROM), (1.0, 1.0)];
/// Median of `fr_liveness` alone.
const ALONE_MEDIAN: Curve = [(0.0, 0.0), (0.35, ACCEPT_BELOW), (0.95, DECLINE_FROM), (1.0, 1.0)];
/// Worst window of `fr_liveness` alone: clear live clips have up to 0.84.
const WINDOW_OF_ONE: Curve = [(0.0, 0.0), (0.85, ACCEPT_BELOW), (0.97, DECLINE_FROM), (1.0, 1.0)];
/// Worst window of all models.
const WINDOW_OF_THREE: Curve = [(0.0, 0.0), (0.65, ACCEPT_BELOW), (0.90, DECLINE_FROM), (1.0, 1.0)];

/// The score of a figure on a curve, linear between its points.
fn calibrated(figure: f32, curve: &Curve) -> f32 {
    let after = curve.iter().position(|(at, _)| figure <= *at).unwrap_or(curve.len() - 1).max(1);
    let ((from, low), (to, high)) = (curve[after - 1], curve[after]);
    let share = ((figure - from) / (to - from)).clamp(0.0, 1.0);
    low + share * (high - low)
}

/// The median; the mean of the two middle values of an even number. Not empty.
fn middle(values: &[f32]) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(models: Models, scores: &[f32]) -> Vec<Scored> {
        scores.iter().map(|score| Scored { score: *score, models, turned: false }).collect()
    }

    fn score(models: Models, scores: &[f32]) -> f32 {
        fuse(&frames(models, scores)).unwrap().score
    }

    fn clip(level: f32, bad: f32, count: usize) -> Vec<f32> {
        (0..16).map(|i| if (6..6 + count).contains(&i) { bad } else { level }).collect()
    }

    #[test]
    fn attack_segment_prevents_success_and_declines_nobody() {
        for models in [Models::One, Models::Three] {
            let live = score(models, &clip(0.02, 0.02, 0));
            assert!(live < ACCEPT_BELOW, "{models:?} {live}");
            let segment = score(models, &clip(0.02, 0.99, 3));
            assert!((ACCEPT_BELOW..DECLINE_FROM).contains(&segment), "{models:?} {segment}");
            assert!(score(models, &clip(0.02, 0.99, 1)) < ACCEPT_BELOW, "{models:?}: one frame");
            assert!(score(models, &clip(0.98, 0.98, 0)) >= DECLINE_FROM, "{models:?}");
        }
    }

    #[test]
    fn one_model_alone_declines_only_clips_without_doubt() {
        // As of a live person with glasses before a webcam.
        let webcam =
            [0.1, 0.3, 0.5, 0.2, 0.6, 0.7, 0.2, 0.8, 0.8, 0.8, 0.4, 0.3, 0.7, 1.0, 1.0, 0.9];
        let unsure = score(Models::One, &webcam);
        assert!((ACCEPT_BELOW..DECLINE_FROM).contains(&unsure), "{unsure}");
        assert!(score(Models::Three, &clip(0.76, 0.76, 0)) >= DECLINE_FROM);
        assert!(score(Models::One, &clip(0.76, 0.76, 0)) < DECLINE_FROM);
    }

    #[test]
    fn curves_rise_and_meet_the_thresholds() {
        for curve in [ALONE_DECLINED, ALONE_MEDIAN, WINDOW_OF_ONE, WINDOW_OF_THREE] {
            let values: Vec<f32> =
                (0..=100).map(|i| calibrated(i as f32 / 100.0, &curve)).collect();
            assert!(values.windows(2).all(|pair| pair[0] <= pair[1]), "{curve:?}");
            assert_eq!((values[0], values[100]), (0.0, 1.0));
        }
        assert_eq!(calibrated(0.35, &ALONE_MEDIAN), ACCEPT_BELOW);
        assert_eq!(calibrated(0.93, &ALONE_DECLINED), DECLINE_FROM);
    }

    #[test]
    fn single_picture_keeps_its_score() {
        assert_eq!(score(Models::One, &[0.7]), 0.7);
        assert_eq!(score(Models::Three, &[0.4]), 0.4);
        assert_eq!(fuse(&[]), None);
    }

    #[test]
    fn pair_counts_only_whole() {
        let scores = |minifasnet| SpoofScores { fr_liveness: 0.8, minifasnet };
        assert_eq!(of_frame(&scores([Some(0.4), Some(0.0)])), (0.5, Models::Three));
        assert_eq!(of_frame(&scores([Some(0.4), None])), (0.8, Models::One));
    }

    #[test]
    fn turned_frames_count_only_if_hardly_any_others_are_left() {
        let mut clip = frames(Models::One, &[0.95, 0.95, 0.95, 0.01, 0.01, 0.01, 0.01]);
        clip[..3].iter_mut().for_each(|frame| frame.turned = true);
        let fused = fuse(&clip).unwrap();
        assert_eq!((fused.counted, fused.mostly_turned), (4, false));
        assert!(fused.score < 0.1);
        clip.iter_mut().take(6).for_each(|frame| frame.turned = true);
        let fused = fuse(&clip).unwrap();
        assert_eq!((fused.counted, fused.mostly_turned), (7, true));
        assert!(fused.score > ACCEPT_BELOW);
    }
}
