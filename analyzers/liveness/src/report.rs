//! The result of the analysis and its JSON Schema.

use serde::Serialize;
use serde_json::{Value, json};
use vultus_vision::{Rect, SpoofScores};

use crate::integrity::Integrity;

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
    /// Median of the counted frames.
    pub(crate) median: Option<f64>,
    /// The highest mean of three successive counted frames.
    pub(crate) worst_window: Option<f64>,
    /// What was measured of movement and container; absent for single pictures.
    pub(crate) integrity: Option<Integrity>,
    pub(crate) frames: Vec<FrameReport>,
}

/// One frame that shows the subject.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FrameReport {
    pub(crate) frame: u32,
    pub(crate) pts_us: i64,
    pub(crate) score: f64,
    /// The probability by each model that scored the frame.
    pub(crate) models: ModelScores,
    /// Whether the frame counted for the medium's score; turned faces do not.
    pub(crate) judged: bool,
    #[serde(rename = "box")]
    pub(crate) rect: Rect,
}

/// Probabilities of an attack by model; null for a model that is not installed.
#[derive(Debug, Serialize)]
pub(crate) struct ModelScores {
    pub(crate) fr_liveness: f64,
    pub(crate) minifasnet_v2: Option<f64>,
    pub(crate) minifasnet_v1se: Option<f64>,
}

impl ModelScores {
    pub(crate) fn of(scores: &SpoofScores) -> Self {
        let [v2, v1se] = scores.minifasnet.map(|score| score.map(rounded));
        let fr_liveness = rounded(scores.fr_liveness);
        Self { fr_liveness, minifasnet_v2: v2, minifasnet_v1se: v1se }
    }
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
        "required": ["frame", "ptsUs", "score", "models", "judged", "box"],
        "properties": {
            "frame": index, "ptsUs": {"type": "integer"}, "score": fraction,
            "models": {
                "type": "object", "description": "Probability of an attack by each model.",
                "additionalProperties": optional_fraction
            },
            "judged": {"type": "boolean"},
            "box": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}
        }
    });
    let medium = json!({
        "type": "object", "additionalProperties": false,
        "required": [
            "medium", "score", "faces", "framesJudged", "median", "worstWindow", "integrity",
            "frames"
        ],
        "properties": {
            "medium": index, "score": optional_fraction, "faces": index, "framesJudged": index,
            "median": optional_fraction, "worstWindow": optional_fraction,
            "integrity": {"type": ["object", "null"]},
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
