//! Gestures, and the result of the gestures analyzer as typed objects.

use async_graphql::{Enum, SimpleObject};
use serde_json::Value;

use super::media::Media;

/// A gesture. Left and right are the person's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum Gesture {
    /// Turn the head to the left.
    Left,
    /// Turn the head to the right.
    Right,
    /// Look up.
    Up,
    /// Look down.
    Down,
    /// Smile.
    Smile,
    /// Blink.
    Blink,
    /// Come nearer. Never part of a challenge.
    ZoomIn,
    /// Go away. Never part of a challenge.
    ZoomOut,
}

impl Gesture {
    /// The gesture that plugins and challenges call `name`.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "left" => Self::Left,
            "right" => Self::Right,
            "up" => Self::Up,
            "down" => Self::Down,
            "smile" => Self::Smile,
            "blink" => Self::Blink,
            "zoom_in" => Self::ZoomIn,
            "zoom_out" => Self::ZoomOut,
            _ => return None,
        })
    }
}

/// Why a gesture does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum GestureFlaw {
    /// It is shorter than its minimum time.
    TooFast,
    /// The face is not at rest before or after it.
    NotNeutral,
}

/// The gestures of one clip.
#[derive(Debug, Clone, SimpleObject)]
pub struct GesturesMediaResult {
    /// The clip; null if it was deleted.
    media: Option<Media>,
    /// The gestures that were asked for, in order.
    wanted: Vec<Gesture>,
    /// Whether the clip shows them.
    complete: bool,
    /// Frames per second that were judged; null with fewer than two frames.
    frame_rate: Option<f64>,
    /// The gestures that were seen, in the order of their beginning.
    seen: Vec<SeenGesture>,
}

/// A gesture that was seen.
#[derive(Debug, Clone, PartialEq, SimpleObject)]
pub struct SeenGesture {
    /// The gesture.
    gesture: Gesture,
    /// Its beginning, in seconds from the first picture of the clip.
    from_seconds: f64,
    /// Its end, likewise.
    to_seconds: f64,
    /// Its most extreme measure: degrees from the face at rest, 0–1 of a smile or blink, or a
    /// factor of the distance.
    peak: Option<f64>,
    /// Why it does not count; null if it counts.
    flaw: Option<GestureFlaw>,
}

impl GesturesMediaResult {
    /// Reads one entry of `media`. Gestures that the schema does not know are left out.
    pub(super) fn read(value: &Value, media: Option<Media>) -> Self {
        let list = |name: &str| value.get(name).and_then(Value::as_array).into_iter().flatten();
        Self {
            media,
            wanted: list("wanted").filter_map(|name| Gesture::of(name.as_str()?)).collect(),
            complete: value.get("complete").and_then(Value::as_bool).unwrap_or_default(),
            frame_rate: value.get("frameRate").and_then(Value::as_f64),
            seen: list("seen").filter_map(SeenGesture::read).collect(),
        }
    }

    /// Number of gestures that were seen.
    pub(super) fn seen_count(&self) -> usize {
        self.seen.len()
    }
}

impl SeenGesture {
    fn read(value: &Value) -> Option<Self> {
        let seconds = |name: &str| value.get(name)?.as_f64().map(|us| us / 1e6);
        Some(Self {
            gesture: Gesture::of(value.get("gesture")?.as_str()?)?,
            from_seconds: seconds("fromUs")?,
            to_seconds: seconds("toUs")?,
            peak: value.get("peak").and_then(Value::as_f64),
            flaw: match value.get("flaw").and_then(Value::as_str) {
                Some("TOO_FAST") => Some(GestureFlaw::TooFast),
                Some("NOT_NEUTRAL") => Some(GestureFlaw::NotNeutral),
                _ => None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn seen_gestures_are_read_under_the_names_of_the_result() {
        let seen = json!([
            {"gesture": "left", "fromUs": 1_500_000, "toUs": 2_000_000, "peak": -31.5},
            {"gesture": "zoom_in", "fromUs": 0, "toUs": 1, "peak": 1.3, "flaw": "TOO_FAST"},
            {"gesture": "wink", "fromUs": 0, "toUs": 1, "peak": 1.0, "flaw": null},
        ]);
        let value = json!({"wanted": ["left"], "complete": true, "frameRate": 30.0, "seen": seen});
        let read = GesturesMediaResult::read(&value, None);
        assert_eq!((read.wanted, read.complete), (vec![Gesture::Left], true));
        let left = SeenGesture {
            gesture: Gesture::Left,
            from_seconds: 1.5,
            to_seconds: 2.0,
            peak: Some(-31.5),
            flaw: None,
        };
        assert_eq!(read.seen[0], left);
        assert_eq!((read.seen[1].gesture, read.seen.len()), (Gesture::ZoomIn, 2));
        assert_eq!(read.seen[1].flaw, Some(GestureFlaw::TooFast));
    }
}
