//! The gestures, their names in the API, and the tags of clips that carry them.

use serde::{Deserialize, Serialize};

/// A gesture. Left and right are the person's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Gesture {
    Left,
    Right,
    Up,
    Down,
    Smile,
    Blink,
    ZoomIn,
    ZoomOut,
}

impl Gesture {
    /// All gestures.
    pub(crate) const ALL: [Self; 8] = [
        Self::Left,
        Self::Right,
        Self::Up,
        Self::Down,
        Self::Smile,
        Self::Blink,
        Self::ZoomIn,
        Self::ZoomOut,
    ];

    /// Name in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Up => "up",
            Self::Down => "down",
            Self::Smile => "smile",
            Self::Blink => "blink",
            Self::ZoomIn => "zoom_in",
            Self::ZoomOut => "zoom_out",
        }
    }

    /// The tag of a clip that shows it.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Left => "video_selfie_left",
            Self::Right => "video_selfie_right",
            Self::Up => "video_selfie_high",
            Self::Down => "video_selfie_down",
            Self::Smile => "video_selfie_smile",
            Self::Blink => "video_selfie_eyes",
            Self::ZoomIn => "video_selfie_zoom_in",
            Self::ZoomOut => "video_selfie_zoom_out",
        }
    }

    /// The gesture that a mirror image shows.
    pub(crate) fn mirrored(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
            Self::Up | Self::Down | Self::Smile | Self::Blink | Self::ZoomIn | Self::ZoomOut => {
                self
            }
        }
    }

    /// Whether people make it without being asked. Such gestures count only where they are wanted.
    pub(crate) fn is_involuntary(self) -> bool {
        match self {
            Self::Blink | Self::ZoomIn | Self::ZoomOut => true,
            Self::Left | Self::Right | Self::Up | Self::Down | Self::Smile => false,
        }
    }

    /// The gestures that the tags of a clip name.
    pub(crate) fn of_tags(tags: &[String]) -> Vec<Self> {
        let named = |gesture: &Self| tags.iter().any(|tag| tag == gesture.tag());
        Self::ALL.into_iter().filter(named).collect()
    }
}
