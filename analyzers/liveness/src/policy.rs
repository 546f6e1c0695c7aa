//! Which finding leads to which verdict: the one place where liveness decides what is refused and
//! what a person must look at. No finding ever leads to SUCCESS.
//!
//! | code | when | verdict unless configured otherwise |
//! | --- | --- | --- |
//! | `NO_FACE` | no frame of the medium shows a face | DECLINED |
//! | `MULTIPLE_FACES` | a frame shows a second face at least half as tall | DECLINED |
//! | `FACE_CHANGED` | the person changes within the medium | DECLINED |
//! | `SPOOF_SUSPECTED` | score ≥ `declineFrom` | DECLINED |
//! | `SCORE_BETWEEN_THRESHOLDS` | `acceptBelow` ≤ score < `declineFrom` | OPERATOR_REQUIRED |
//! | `FACE_TOO_SMALL` | narrower than 48 pixels in more than a quarter of the frames | DECLINED |
//! | `FACE_TOO_CLOSE` | over 70 % of the picture's width or height, likewise | OPERATOR_REQUIRED |
//! | `FACE_CUT_OFF` | more than 4 % of the box outside the picture, likewise | OPERATOR_REQUIRED |
//! | `FACE_LOST` | no face in more than a quarter of the frames | OPERATOR_REQUIRED |
//! | `FACE_NOT_FRONTAL` | turned away in more than half of the frames | OPERATOR_REQUIRED |
//! | `TOO_FEW_FRAMES` | fewer than 8 frames judged of a clip that has as many | OPERATOR_REQUIRED |
//!
//! The limits come from measurements with the shipped model. Size: 121 live and attack pictures
//! scaled down were still judged rightly at 40 pixels of face width, but clips lose more to
//! compression. Share: of 69 live pictures cropped so that the face takes 50, 55, 60, 65, 70, 75,
//! 80 % of width and height 0, 3, 6, 10, 16, 30, 54 % are rejected wrongly, while attacks stay
//! rejected (1 of 48 at 70 %).

use std::collections::BTreeMap;

use serde::Deserialize;
use vultus_plugin_api::{Config, Failure, Resolution};

/// A finding that keeps a medium from passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Finding {
    NoFace,
    MultipleFaces,
    FaceChanged,
    SpoofSuspected,
    ScoreBetweenThresholds,
    FaceTooSmall,
    FaceTooClose,
    FaceCutOff,
    FaceLost,
    FaceNotFrontal,
    TooFewFrames,
}

impl Finding {
    /// The stable code.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NoFace => "NO_FACE",
            Self::MultipleFaces => "MULTIPLE_FACES",
            Self::FaceChanged => "FACE_CHANGED",
            Self::SpoofSuspected => "SPOOF_SUSPECTED",
            Self::ScoreBetweenThresholds => "SCORE_BETWEEN_THRESHOLDS",
            Self::FaceTooSmall => "FACE_TOO_SMALL",
            Self::FaceTooClose => "FACE_TOO_CLOSE",
            Self::FaceCutOff => "FACE_CUT_OFF",
            Self::FaceLost => "FACE_LOST",
            Self::FaceNotFrontal => "FACE_NOT_FRONTAL",
            Self::TooFewFrames => "TOO_FEW_FRAMES",
        }
    }

    /// One sentence for people.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::NoFace => "No face was found.",
            Self::MultipleFaces => "More than one face is before the camera.",
            Self::FaceChanged => "The person changes within the medium.",
            Self::SpoofSuspected => "The face looks like a presentation attack.",
            Self::ScoreBetweenThresholds => "The score lies between the two thresholds.",
            Self::FaceTooSmall => "The face is too small to be judged.",
            Self::FaceTooClose => "The face is too close to the camera to be judged.",
            Self::FaceCutOff => "The face is cut off by the edge of the picture.",
            Self::FaceLost => "The face is missing in many frames.",
            Self::FaceNotFrontal => "The face is turned away in most frames.",
            Self::TooFewFrames => "Too few frames of the clip could be judged.",
        }
    }

    const fn verdict(self) -> Verdict {
        match self {
            Self::NoFace
            | Self::MultipleFaces
            | Self::FaceChanged
            | Self::SpoofSuspected
            | Self::FaceTooSmall => Verdict::Declined,
            Self::ScoreBetweenThresholds
            | Self::FaceTooClose
            | Self::FaceCutOff
            | Self::FaceLost
            | Self::FaceNotFrontal
            | Self::TooFewFrames => Verdict::OperatorRequired,
        }
    }
}

/// What a finding may lead to. There is no third value: nothing found wrong can mean SUCCESS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Verdict {
    OperatorRequired,
    Declined,
}

/// The table, with the operator's changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Policy {
    /// Verdicts by code that differ from the table above: `OPERATOR_REQUIRED` or `DECLINED`.
    policy: BTreeMap<Finding, Verdict>,
}

impl Policy {
    /// Reads and checks the operator's settings.
    pub(crate) fn read(config: &Config) -> Result<Self, Failure> {
        serde_json::from_value(serde_json::Value::Object(config.settings.clone()))
            .map_err(|e| Failure::invalid_input(format!("reading liveness' settings: {e}")))
    }

    /// The verdict over all findings: the worst.
    pub(crate) fn resolution(&self, findings: impl IntoIterator<Item = Finding>) -> Resolution {
        let verdict =
            |finding| match self.policy.get(&finding).copied().unwrap_or(finding.verdict()) {
                Verdict::OperatorRequired => Resolution::OperatorRequired,
                Verdict::Declined => Resolution::Declined,
            };
        findings.into_iter().map(verdict).max().unwrap_or(Resolution::Success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(json: &str) -> Result<Policy, Failure> {
        let settings = serde_json::from_str(json).unwrap();
        Policy::read(&Config { onnxruntime: None, weights_dir: None, threads: 1, settings })
    }

    #[test]
    fn the_worst_finding_decides() {
        let table = Policy::default();
        assert_eq!(table.resolution([]), Resolution::Success);
        assert_eq!(table.resolution([Finding::FaceTooClose]), Resolution::OperatorRequired);
        let both = [Finding::FaceTooClose, Finding::NoFace, Finding::FaceLost];
        assert_eq!(table.resolution(both), Resolution::Declined);
    }

    #[test]
    fn the_operator_can_move_a_finding_but_never_to_success() {
        let moved = policy(r#"{"policy":{"FACE_TOO_SMALL":"OPERATOR_REQUIRED"}}"#).unwrap();
        assert_eq!(moved.resolution([Finding::FaceTooSmall]), Resolution::OperatorRequired);
        assert!(policy(r#"{"policy":{"FACE_TOO_SMALL":"SUCCESS"}}"#).is_err());
        assert!(policy(r#"{"policy":{"FACE_TO_SMALL":"DECLINED"}}"#).is_err());
        assert!(policy(r#"{"polices":{}}"#).is_err());
    }
}
