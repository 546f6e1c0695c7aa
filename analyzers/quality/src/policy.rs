//! Which shortcoming leads to which verdict.
//!
//! | code | when | verdict |
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
//! A measure below half of its least value is DECLINED: a new picture is needed. One between that
//! and the least value is OPERATOR_REQUIRED: a person may find it good enough. Closed eyes alone
//! are never DECLINED, since the model takes shaded eyes and those behind glasses for closed.

use vultus_plugin_api::Resolution;

use crate::measures::Measures;
use crate::params::Params;

/// What keeps a picture from passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    NoFace,
    MultipleFaces,
    Short(Measure, Extent),
}

/// A measure that may fall short.
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

/// How far it falls short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Less than by half.
    Somewhat,
    /// By half or more.
    Badly,
}

impl Finding {
    /// The stable code.
    pub(crate) const fn code(self) -> &'static str {
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

    /// One sentence for people: what to do about it.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::NoFace => "No face was found.",
            Self::MultipleFaces => "More than one face is in the picture.",
            Self::Short(Measure::Pose, _) => {
                "The head is turned away: look straight into the camera."
            }
            Self::Short(Measure::EyesOpen, _) => "The eyes do not seem to be open.",
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
                "The face is not in the middle of the picture, or is cut off."
            }
            Self::Short(Measure::Background, _) => {
                "The background is restless: stand before a plain wall."
            }
        }
    }

    const fn resolution(self) -> Resolution {
        match self {
            Self::NoFace => Resolution::Declined,
            Self::MultipleFaces
            | Self::Short(Measure::EyesOpen, _)
            | Self::Short(_, Extent::Somewhat) => Resolution::OperatorRequired,
            Self::Short(_, Extent::Badly) => Resolution::Declined,
        }
    }
}

/// The measures that fall short of their least values.
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
        // A background of which nothing can be seen falls short where one is asked for.
        let value = value.unwrap_or(0.0);
        let extent = if value < least / 2.0 { Extent::Badly } else { Extent::Somewhat };
        (value < least).then_some(Finding::Short(measure, extent))
    };
    all.into_iter().filter_map(short).collect()
}

/// The worst of all findings; SUCCESS without any.
pub(crate) fn resolution(findings: impl Iterator<Item = Finding>) -> Resolution {
    findings.map(Finding::resolution).max().unwrap_or(Resolution::Success)
}

#[cfg(test)]
mod tests {
    use super::*;
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
        (found.iter().map(|finding| finding.code()).collect(), resolution(found.into_iter()))
    }

    #[test]
    fn a_measure_somewhat_below_its_least_value_is_for_a_person_and_one_far_below_is_declined() {
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
    fn a_background_that_cannot_be_seen_matters_only_where_one_is_asked_for() {
        assert_eq!(judged(GOOD, Params::default()).1, Resolution::Success);
        let strict = Params { min_background: 50.0, ..Params::default() };
        assert_eq!(judged(GOOD, strict), (vec!["BUSY_BACKGROUND"], Resolution::Declined));
        assert_eq!(
            judged(Measures { background: Some(60.0), ..GOOD }, strict).1,
            Resolution::Success
        );
    }
}
