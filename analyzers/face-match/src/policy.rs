//! Maps findings to verdicts. No finding leads to SUCCESS.
//!
//! | code | condition | verdict |
//! | --- | --- | --- |
//! | `NO_FACE` | no frame of the medium shows a face | DECLINED |
//! | `MULTIPLE_FACES` | a second face, at least half as tall, not on an ID photo | DECLINED |
//! | `FACE_CHANGED` | the person changes within the medium | DECLINED |
//! | `NOT_SAME_PERSON` | the least similar pair is below `declineBelow` | DECLINED |
//! | `SIMILARITY_BELOW_THRESHOLD` | it is below `acceptFrom` | OPERATOR_REQUIRED |
//! | `FACE_TOO_SMALL` | the face is narrower than 32 pixels | OPERATOR_REQUIRED |
//! | `TOO_FEW_FRAMES` | fewer than 3 usable frames (*) | OPERATOR_REQUIRED |
//! | `SAME_PICTURE` | a selfie and an ID photo are copies of one picture | OPERATOR_REQUIRED |
//! | `ALIGNED_INPUT` | the media were processed as aligned faces | OPERATOR_REQUIRED |
//!
//! (*) All frames of a photo or shot set with fewer.

use vultus_plugin_api::verdict::{self, Verdict};

/// A finding that prevents SUCCESS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    NoFace,
    MultipleFaces,
    FaceChanged,
    NotSamePerson,
    SimilarityBelowThreshold,
    FaceTooSmall,
    TooFewFrames,
    SamePicture,
    AlignedInput,
}

impl verdict::Finding for Finding {
    fn code(self) -> &'static str {
        match self {
            Self::NoFace => "NO_FACE",
            Self::MultipleFaces => "MULTIPLE_FACES",
            Self::FaceChanged => "FACE_CHANGED",
            Self::NotSamePerson => "NOT_SAME_PERSON",
            Self::SimilarityBelowThreshold => "SIMILARITY_BELOW_THRESHOLD",
            Self::FaceTooSmall => "FACE_TOO_SMALL",
            Self::TooFewFrames => "TOO_FEW_FRAMES",
            Self::SamePicture => "SAME_PICTURE",
            Self::AlignedInput => "ALIGNED_INPUT",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::NoFace => "No face was found.",
            Self::MultipleFaces => "More than one face is in front of the camera.",
            Self::FaceChanged => "The person changes within the medium.",
            Self::NotSamePerson => "The faces are not those of the same person.",
            Self::SimilarityBelowThreshold => "The faces are not similar enough to be accepted.",
            Self::FaceTooSmall => "The face is too small for a comparison.",
            Self::TooFewFrames => "Too few frames of the clip show the face.",
            Self::SamePicture => "The selfie and the ID photo are copies of one picture.",
            Self::AlignedInput => "The media were compared as aligned faces, for evaluation only.",
        }
    }

    fn verdict(self) -> Verdict {
        match self {
            Self::NoFace | Self::MultipleFaces | Self::FaceChanged | Self::NotSamePerson => {
                Verdict::Declined
            }
            Self::SimilarityBelowThreshold
            | Self::FaceTooSmall
            | Self::TooFewFrames
            | Self::SamePicture
            | Self::AlignedInput => Verdict::OperatorRequired,
        }
    }
}
