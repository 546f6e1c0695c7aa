//! Maps findings to verdicts.
//!
//! | code | condition | verdict |
//! | --- | --- | --- |
//! | `NO_FACE` | no frame shows a face | DECLINED |
//! | `MULTIPLE_FACES` | a second face at least half as tall | OPERATOR_REQUIRED |
//! | `HEAD_TURNED` | pose < `minPose` | see below |
//! | `EYES_CLOSED` | eyesOpen < `minEyesOpen` | see below |
//! | `BLURRED` | sharpness < `minSharpness` | see below |
//! | `BADLY_LIT` | exposure < `minExposure` | see below |
//! | `WRONG_SIZE` | size < `minSize` | see below |
//! | `OFF_CENTRE` | centring < `minCentring` | see below |
//! | `BUSY_BACKGROUND` | background < `minBackground` | see below |
//!
//! A measure below half of its minimum is DECLINED: a new picture is needed. One between half of
//! the minimum and the minimum is OPERATOR_REQUIRED: an operator may accept it. Closed eyes alone
//! are never DECLINED, since the model confuses shaded eyes and eyes behind glasses with closed
//! ones.

use vultus_plugin_api::verdict::{self, Verdict};

use crate::measures::Measures;
use crate::params::Params;

/// A finding that prevents SUCCESS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    NoFace,
    MultipleFaces,
    Short(Measure, Extent),
}

/// A measure below its minimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    Pose,
    EyesOpen,
    Sharpness,
    Exposure,
    Size,
    Centring,
    Background,
}

/// How far a measure is below its minimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// At least half of the minimum.
    Somewhat,
    /// Less than half of the minimum.
    Badly,
}

impl verdict::Finding for Finding {
    fn code(self) -> &'static str {
        match self {
            Self::NoFace => "NO_FACE",
            Self::MultipleFaces => "MULTIPLE_FACES",
            Self::Short(Measure::Pose, _) => "HEAD_TURNED",
            Self::Short(Measure::EyesOpen, _) => "EYES_CLOSED",
            Self::Short(Measure::Sharpness, _) => "BLURRED",
            Self::Short(Measure::Exposure, _) => "BADLY_LIT",
            Self::Short(Measure::Size, _) => "WRONG_SIZE",
            Self::Short(Measure::Centring, _) => "OFF_CENTRE",
            Self::Short(Measure::Background, _) => "BUSY_BACKGROUND",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::NoFace => "No face was found.",
            Self::MultipleFaces => "There is more than one face in the picture.",
            Self::Short(Measure::Pose, _) => {
                "The head is turned away: look straight into the camera."
            }
            Self::Short(Measure::EyesOpen, _) => "The eyes do not appear to be open.",
            Self::Short(Measure::Sharpness, _) => {
                "The face is blurred: hold the camera still and clean its lens."
            }
            Self::Short(Measure::Exposure, _) => {
                "The light is bad: parts of the face are too dark, too bright or too flat."
            }
            Self::Short(Measure::Size, _) => {
                "The face is too small or too near: change the distance to the camera."
            }
            Self::Short(Measure::Centring, _) => {
                "The face is not in the middle of the picture, or it is cut off."
            }
            Self::Short(Measure::Background, _) => {
                "The background is not uniform: stand in front of a plain wall."
            }
        }
    }

    fn verdict(self) -> Verdict {
        match self {
            Self::NoFace => Verdict::Declined,
            Self::MultipleFaces
            | Self::Short(Measure::EyesOpen, _)
            | Self::Short(_, Extent::Somewhat) => Verdict::OperatorRequired,
            Self::Short(_, Extent::Badly) => Verdict::Declined,
        }
    }
}

/// Findings for all measures below their minimum.
pub(crate) fn shortcomings(measures: &Measures, params: &Params) -> Vec<Finding> {
    let all = [
        (Measure::Pose, Some(measures.pose), params.min_pose),
        (Measure::EyesOpen, Some(measures.eyes_open), params.min_eyes_open),
        (Measure::Sharpness, Some(measures.sharpness), params.min_sharpness),
        (Measure::Exposure, Some(measures.exposure), params.min_exposure),
        (Measure::Size, Some(measures.size), params.min_size),
        (Measure::Centring, Some(measures.centring), params.min_centring),
        (Measure::Background, measures.background, params.min_background),
    ];
    let short = |(measure, value, least): (Measure, Option<f64>, f64)| {
        // A background that is not visible counts as 0, which matters only if a minimum is set.
        let value = value.unwrap_or(0.0);
        let extent = if value < least / 2.0 { Extent::Badly } else { Extent::Somewhat };
        (value < least).then_some(Finding::Short(measure, extent))
    };
    all.into_iter().filter_map(short).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vultus_plugin_api::Resolution;
    use vultus_plugin_api::verdict::Finding as _;
    use vultus_vision::HeadPose;

    const GOOD: Measures = Measures {
        pose: 99.0,
        eyes_open: 99.0,
        sharpness: 90.0,
        exposure: 95.0,
        size: 100.0,
        centring: 90.0,
        background: None,
        angles: HeadPose { yaw: 0.0, pitch: 0.0, roll: 0.0 },
    };

    fn judged(measures: Measures, params: Params) -> (Vec<&'static str>, Resolution) {
        let found = shortcomings(&measures, &params);
        let codes = found.iter().map(|finding| finding.code()).collect();
        (codes, verdict::worst(found.into_iter().map(Finding::verdict)))
    }

    #[test]
    fn half_of_the_minimum_separates_operator_and_declined() {
        let params = Params::default();
        assert_eq!(judged(GOOD, params), (vec![], Resolution::Success));
        let somewhat = Measures { sharpness: 30.0, ..GOOD };
        assert_eq!(judged(somewhat, params), (vec!["BLURRED"], Resolution::OperatorRequired));
        let badly = Measures { sharpness: 20.0, ..GOOD };
        assert_eq!(judged(badly, params), (vec!["BLURRED"], Resolution::Declined));
        let closed = Measures { eyes_open: 0.0, ..GOOD };
        assert_eq!(judged(closed, params), (vec!["EYES_CLOSED"], Resolution::OperatorRequired));
    }

    #[test]
    fn invisible_background_matters_only_if_required() {
        assert_eq!(judged(GOOD, Params::default()).1, Resolution::Success);
        let strict = Params { min_background: 50.0, ..Params::default() };
        assert_eq!(judged(GOOD, strict), (vec!["BUSY_BACKGROUND"], Resolution::Declined));
        assert_eq!(
            judged(Measures { background: Some(60.0), ..GOOD }, strict).1,
            Resolution::Success
        );
    }
}
