//! The result of the analysis and its JSON Schema.

use serde::Serialize;
use serde_json::{Value, json};
use vultus_vision::{EmbeddingModel, Rect};

/// The result of the analysis (`Outcome::result`).
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Calibrated similarity of the least similar pair, 0–1; null if fewer than two media have a
    /// face.
    pub(crate) similarity: Option<f64>,
    /// Cosine of that pair.
    pub(crate) cosine: Option<f64>,
    /// False match rate of `acceptFrom`, 0–1; null outside the measured range.
    pub(crate) fmr: Option<f64>,
    /// The embedding model; null if no medium has a face.
    pub(crate) model: Option<EmbeddingModel>,
    pub(crate) thresholds: Thresholds,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) media: Vec<MediumReport>,
}

/// The applied thresholds, as calibrated similarities.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Thresholds {
    pub(crate) accept_from: f64,
    pub(crate) decline_below: f64,
}

/// The comparison of two media.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Pair {
    pub(crate) a: u32,
    pub(crate) b: u32,
    pub(crate) similarity: f64,
    pub(crate) cosine: f64,
}

/// One medium.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MediumReport {
    pub(crate) medium: u32,
    /// Maximum number of faces in one frame.
    pub(crate) faces: u32,
    /// Frames whose templates were averaged, best first.
    pub(crate) frames_used: Vec<u32>,
    /// Box of the face in the best of them; null without a face and for aligned pictures.
    #[serde(rename = "box")]
    pub(crate) rect: Option<Rect>,
}

/// Rounds to six decimals, the useful precision, so that the value has the same text everywhere.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// The JSON Schema of [`Report`].
pub(crate) fn schema() -> Value {
    let fraction = json!({"type": "number", "minimum": 0, "maximum": 1});
    let optional_fraction = json!({"type": ["number", "null"], "minimum": 0, "maximum": 1});
    let index = json!({"type": "integer", "minimum": 0});
    let cosine = json!({"type": "number", "minimum": -1, "maximum": 1});
    let pair = json!({
        "type": "object", "additionalProperties": false,
        "required": ["a", "b", "similarity", "cosine"],
        "properties": {"a": index, "b": index, "similarity": fraction, "cosine": cosine}
    });
    let medium = json!({
        "type": "object", "additionalProperties": false,
        "required": ["medium", "faces", "framesUsed", "box"],
        "properties": {
            "medium": index, "faces": index, "framesUsed": {"type": "array", "items": index},
            "box": {
                "type": ["array", "null"], "items": {"type": "number"},
                "minItems": 4, "maxItems": 4
            }
        }
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object", "additionalProperties": false,
        "required": ["similarity", "cosine", "fmr", "model", "thresholds", "pairs", "media"],
        "properties": {
            "similarity": {
                "type": ["number", "null"], "minimum": 0, "maximum": 1,
                "description": "Calibrated similarity of the least similar pair; 0.5 is the \
                                model's default threshold."
            },
            "cosine": {"type": ["number", "null"], "minimum": -1, "maximum": 1},
            "fmr": optional_fraction,
            "model": {"enum": ["sface", "fr_feature", null]},
            "thresholds": {
                "type": "object", "additionalProperties": false,
                "required": ["acceptFrom", "declineBelow"],
                "properties": {"acceptFrom": fraction, "declineBelow": fraction}
            },
            "pairs": {"type": "array", "items": pair},
            "media": {"type": "array", "items": medium}
        }
    })
}
