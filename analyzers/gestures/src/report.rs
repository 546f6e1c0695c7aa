//! The result of the analysis and its JSON Schema.

use serde::Serialize;
use serde_json::{Value, json};

use crate::detect::{Flaw, Seen};
use crate::gesture::Gesture;
use crate::series::Series;

/// The result of the analysis (`Outcome::result`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Whether the gestures were drawn by the server.
    pub(crate) challenge: bool,
    pub(crate) media: Vec<MediumReport>,
}

/// One clip.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MediumReport {
    pub(crate) medium: u32,
    /// The gestures that were asked for.
    pub(crate) wanted: Vec<Gesture>,
    /// Whether all of them were seen.
    pub(crate) complete: bool,
    /// Number of frames that were looked at, and of those that show the face.
    pub(crate) frames: usize,
    pub(crate) faces: usize,
    /// Frames per second; null with fewer than two frames.
    pub(crate) frame_rate: Option<f64>,
    pub(crate) neutral: Option<NeutralReport>,
    pub(crate) seen: Vec<SeenReport>,
}

/// The face at rest.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NeutralReport {
    /// Degrees: positive to the person's own right.
    yaw: f64,
    /// Degrees: positive up.
    pitch: f64,
    smile: f64,
}

/// A gesture that was seen.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeenReport {
    gesture: Gesture,
    from_us: i64,
    to_us: i64,
    /// The most extreme measure: degrees from the neutral position, 0–1, or a factor of distance.
    peak: f64,
    /// Why it does not count.
    flaw: Option<&'static str>,
}

impl NeutralReport {
    pub(crate) fn of(series: &Series) -> Self {
        let neutral = &series.neutral;
        Self {
            yaw: rounded(neutral.yaw),
            pitch: rounded(neutral.pitch),
            smile: rounded(neutral.smile),
        }
    }
}

impl SeenReport {
    pub(crate) fn of(seen: &Seen) -> Self {
        let flaw = seen.flaw.map(|flaw| match flaw {
            Flaw::TooFast => "TOO_FAST",
            Flaw::NotNeutral => "NOT_NEUTRAL",
        });
        let (from_us, to_us) = (seen.from_us, seen.to_us);
        Self { gesture: seen.gesture, from_us, to_us, peak: rounded(seen.peak), flaw }
    }
}

/// Rounds to three decimals, the useful precision.
pub(crate) fn rounded(value: f32) -> f64 {
    (f64::from(value) * 1e3).round() / 1e3
}

/// The JSON Schema of [`Report`].
pub(crate) fn schema() -> Value {
    let names: Vec<&str> = Gesture::ALL.iter().map(|gesture| gesture.name()).collect();
    let gesture = json!({"type": "string", "enum": names});
    let index = json!({"type": "integer", "minimum": 0});
    let number = json!({"type": "number"});
    let seen = json!({
        "type": "object", "additionalProperties": false,
        "required": ["gesture", "fromUs", "toUs", "peak", "flaw"],
        "properties": {
            "gesture": gesture, "fromUs": {"type": "integer"}, "toUs": {"type": "integer"},
            "peak": number, "flaw": {"enum": [null, "TOO_FAST", "NOT_NEUTRAL"]}
        }
    });
    let neutral = json!({
        "type": ["object", "null"], "additionalProperties": false,
        "required": ["yaw", "pitch", "smile"],
        "properties": {"yaw": number, "pitch": number, "smile": number}
    });
    let medium = json!({
        "type": "object", "additionalProperties": false,
        "required": [
            "medium", "wanted", "complete", "frames", "faces", "frameRate", "neutral", "seen"
        ],
        "properties": {
            "medium": index, "wanted": {"type": "array", "items": gesture},
            "complete": {"type": "boolean"}, "frames": index, "faces": index,
            "frameRate": {"type": ["number", "null"], "minimum": 0},
            "neutral": neutral, "seen": {"type": "array", "items": seen}
        }
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object", "additionalProperties": false,
        "required": ["challenge", "media"],
        "properties": {
            "challenge": {"type": "boolean"},
            "media": {"type": "array", "items": medium}
        }
    })
}
