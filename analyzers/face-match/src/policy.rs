//! Which finding leads to which verdict. No finding ever leads to SUCCESS.
//!
//! | code | when | verdict |
//! | --- | --- | --- |
//! | `NO_FACE` | no frame of the medium shows a face | DECLINED |
//! | `MULTIPLE_FACES` | a medium that is no ID photo shows a second face at least half as tall | DECLINED |
//! | `FACE_CHANGED` | the person changes within the medium | DECLINED |
//! | `NOT_SAME_PERSON` | the least similar pair is under `declineBelow` | DECLINED |
//! | `SIMILARITY_BELOW_THRESHOLD` | it is under `acceptFrom` | OPERATOR_REQUIRED |
//! | `FACE_TOO_SMALL` | the face is narrower than 32 pixels | OPERATOR_REQUIRED |
//! | `TOO_FEW_FRAMES` | fewer than 3 usable frames of a clip that has as many | OPERATOR_REQUIRED |
//! | `ALIGNED_INPUT` | the media were taken as aligned faces | OPERATOR_REQUIRED |

use vultus_plugin_api::{Reason, Resolution};

/// A finding that keeps the analysis from succeeding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    NoFace,
    MultipleFaces,
    FaceChanged,
    NotSamePerson,
    SimilarityBelowThreshold,
    FaceTooSmall,
    TooFewFrames,
    AlignedInput,
}

impl Finding {
    /// The reason with the stable code.
    pub(crate) fn reason(self) -> Reason {
        let (code, message) = match self {
            Self::NoFace => ("NO_FACE", "No face was found."),
            Self::MultipleFaces => ("MULTIPLE_FACES", "More than one face is before the camera."),
            Self::FaceChanged => ("FACE_CHANGED", "The person changes within the medium."),
            Self::NotSamePerson => {
                ("NOT_SAME_PERSON", "The faces are not those of the same person.")
            }
            Self::SimilarityBelowThreshold => {
                ("SIMILARITY_BELOW_THRESHOLD", "The faces are not similar enough to be accepted.")
            }
            Self::FaceTooSmall => ("FACE_TOO_SMALL", "The face is too small to be compared."),
            Self::TooFewFrames => ("TOO_FEW_FRAMES", "Too few frames of the clip show the face."),
            Self::AlignedInput => {
                ("ALIGNED_INPUT", "The media were compared as aligned faces, for evaluation only.")
            }
        };
        Reason::new(code, message)
    }

    /// The verdict that it leads to.
    pub(crate) const fn resolution(self) -> Resolution {
        match self {
            Self::NoFace | Self::MultipleFaces | Self::FaceChanged | Self::NotSamePerson => {
                Resolution::Declined
            }
            Self::SimilarityBelowThreshold
            | Self::FaceTooSmall
            | Self::TooFewFrames
            | Self::AlignedInput => Resolution::OperatorRequired,
        }
    }
}
