//! The result of the analysis and its JSON Schema.

use serde::Serialize;
use serde_json::{Value, json};
use vultus_vision::Rect;

/// The result of the analysis (`Outcome::result`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Probability of an attack in the worst medium, 0–1; null if no medium could be scored.
    pub(crate) score: Option<f64>,
    pub(crate) thresholds: Thresholds,
    pub(crate) media: Vec<MediumReport>,
    pub(crate) best_shot: Option<BestShot>,
}

/// The applied thresholds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Thresholds {
    pub(crate) accept_below: f64,
    pub(crate) decline_from: f64,
}

/// One medium.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MediumReport {
    pub(crate) medium: u32,
    pub(crate) score: Option<f64>,
    /// Maximum number of faces in one frame.
    pub(crate) faces: u32,
    /// Number of frames that counted for the score.
    pub(crate) frames_judged: u32,
    pub(crate) frames: Vec<FrameReport>,
}

/// One frame that shows the subject.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FrameReport {
    pub(crate) frame: u32,
    pub(crate) pts_us: i64,
    pub(crate) score: f64,
    /// Whether the frame counted for the medium's score; turned faces do not.
    pub(crate) judged: bool,
    #[serde(rename = "box")]
    pub(crate) rect: Rect,
}

/// The best picture of the face.
#[derive(Debug, Serialize)]
pub(crate) struct BestShot {
    pub(crate) medium: u32,
    pub(crate) frame: u32,
    /// Quality of the face times the probability that it is bona fide, 0–1.
    pub(crate) quality: f64,
    /// Name of the artifact.
    pub(crate) artifact: String,
}

/// Rounds to six decimals, the useful precision, so that the value has the same text everywhere.
pub(crate) fn rounded(value: f32) -> f64 {
    (f64::from(value) * 1e6).round() / 1e6
}

/// The JSON Schema of [`Report`].
pub(crate) fn schema() -> Value {
    let fraction = json!({"type": "number", "minimum": 0, "maximum": 1});
    let optional_fraction = json!({"type": ["number", "null"], "minimum": 0, "maximum": 1});
    let index = json!({"type": "integer", "minimum": 0});
    let frame = json!({
        "type": "object", "additionalProperties": false,
        "required": ["frame", "ptsUs", "score", "judged", "box"],
        "properties": {
            "frame": index, "ptsUs": {"type": "integer"}, "score": fraction,
            "judged": {"type": "boolean"},
            "box": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}
        }
    });
    let medium = json!({
        "type": "object", "additionalProperties": false,
        "required": ["medium", "score", "faces", "framesJudged", "frames"],
        "properties": {
            "medium": index, "score": optional_fraction, "faces": index, "framesJudged": index,
            "frames": {"type": "array", "items": frame}
        }
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object", "additionalProperties": false,
        "required": ["score", "thresholds", "media", "bestShot"],
        "properties": {
            "score": {
                "type": ["number", "null"], "minimum": 0, "maximum": 1,
                "description": "Probability of a presentation attack in the worst medium."
            },
            "thresholds": {
                "type": "object", "additionalProperties": false,
                "required": ["acceptBelow", "declineFrom"],
                "properties": {"acceptBelow": fraction, "declineFrom": fraction}
            },
            "media": {"type": "array", "items": medium},
            "bestShot": {
                "type": ["object", "null"], "additionalProperties": false,
                "required": ["medium", "frame", "quality", "artifact"],
                "properties": {
                    "medium": index, "frame": index, "quality": fraction,
                    "artifact": {"type": "string"}
                }
            }
        }
    })
}
