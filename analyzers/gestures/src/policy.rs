//! Maps findings to verdicts.
//!
//! | code | condition | verdict |
//! | --- | --- | --- |
//! | `NO_FACE` | no frame at the beginning shows a face | DECLINED |
//! | `FACE_CHANGED` | the person changes within a clip | DECLINED |
//! | `MULTIPLE_FACES` | a second face at least half as tall | OPERATOR_REQUIRED |
//! | `FACE_LOST` | no face in a third of the frames, profiles not counted | OPERATOR_REQUIRED |
//! | `CLIP_TOO_SHORT` | shorter than 1.5 s; of a challenge 3.5 s | OPERATOR_REQUIRED |
//! | `CLIP_TOO_LONG` | of a challenge: longer than 8.5 s | OPERATOR_REQUIRED |
//! | `LOW_FRAME_RATE` | below 15 frames per second; for a blink 24 | OPERATOR_REQUIRED |
//! | `NO_GESTURE_ASKED` | neither tag nor parameter names a gesture | OPERATOR_REQUIRED |
//! | `SIDEWAYS` | the head leans by over 45° at rest | OPERATOR_REQUIRED |
//! | `NOT_NEUTRAL` | clip or gesture does not begin and end at rest | OPERATOR_REQUIRED |
//! | `GESTURE_TOO_FAST` | shorter than its least time | OPERATOR_REQUIRED |
//! | `WRONG_GESTURE` | another gesture instead, or one in between | OPERATOR_REQUIRED |
//! | `GESTURE_NOT_SEEN` | the gesture is not in the clip | OPERATOR_REQUIRED |
//!
//! A wrong gesture is not declined: people mix up left and right. An operator who wants that sets
//! it in the plugin's settings.

use serde::Deserialize;
use vultus_plugin_api::verdict::{self, Verdict, VerdictTable};

/// A finding that prevents SUCCESS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Finding {
    NoFace,
    FaceChanged,
    MultipleFaces,
    FaceLost,
    ClipTooShort,
    ClipTooLong,
    LowFrameRate,
    NoGestureAsked,
    Sideways,
    NotNeutral,
    GestureTooFast,
    WrongGesture,
    GestureNotSeen,
}

impl verdict::Finding for Finding {
    fn code(self) -> &'static str {
        match self {
            Self::NoFace => "NO_FACE",
            Self::FaceChanged => "FACE_CHANGED",
            Self::MultipleFaces => "MULTIPLE_FACES",
            Self::FaceLost => "FACE_LOST",
            Self::ClipTooShort => "CLIP_TOO_SHORT",
            Self::ClipTooLong => "CLIP_TOO_LONG",
            Self::LowFrameRate => "LOW_FRAME_RATE",
            Self::NoGestureAsked => "NO_GESTURE_ASKED",
            Self::Sideways => "SIDEWAYS",
            Self::NotNeutral => "NOT_NEUTRAL",
            Self::GestureTooFast => "GESTURE_TOO_FAST",
            Self::WrongGesture => "WRONG_GESTURE",
            Self::GestureNotSeen => "GESTURE_NOT_SEEN",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::NoFace => "No face was found.",
            Self::FaceChanged => "The person changes within the clip.",
            Self::MultipleFaces => "There is more than one face in the clip.",
            Self::FaceLost => "The face is missing in many frames: keep it in the picture.",
            Self::ClipTooShort => "The clip is too short: record for about 5 seconds.",
            Self::ClipTooLong => "The clip is too long for a challenge: record 4 to 8 seconds.",
            Self::LowFrameRate => {
                "The clip has too few frames per second: record with 30, in better light."
            }
            Self::NoGestureAsked => {
                "No gesture is asked for: tag the clip with one, or set the parameter sequence."
            }
            Self::Sideways => "The clip lies on its side: record it upright.",
            Self::NotNeutral => {
                "The gesture does not begin and end at rest: look into the camera before and after."
            }
            Self::GestureTooFast => "The gesture is too fast: hold it for half a second.",
            Self::WrongGesture => "Another gesture was made than the one that was asked for.",
            Self::GestureNotSeen => "The gesture that was asked for was not seen.",
        }
    }

    fn verdict(self) -> Verdict {
        match self {
            Self::NoFace | Self::FaceChanged => Verdict::Declined,
            Self::MultipleFaces
            | Self::FaceLost
            | Self::ClipTooShort
            | Self::ClipTooLong
            | Self::LowFrameRate
            | Self::NoGestureAsked
            | Self::Sideways
            | Self::NotNeutral
            | Self::GestureTooFast
            | Self::WrongGesture
            | Self::GestureNotSeen => Verdict::OperatorRequired,
        }
    }
}

/// The verdicts of all findings, as configured by the operator.
pub(crate) type Policy = VerdictTable<Finding>;
