//! The result of the analysis and its JSON Schema.

use serde::Serialize;
use serde_json::{Value, json};

use crate::measures::Measures;

/// The result of the analysis (`Outcome::result`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// The lowest `overall` of all media; null if one of them shows no face.
    overall: Option<f64>,
    media: Vec<MediumReport>,
}

/// The result of one medium: that of its best frame.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MediumReport {
    medium: u32,
    frame: Option<u32>,
    faces: u32,
    overall: Option<f64>,
    measures: Option<MeasuresReport>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MeasuresReport {
    pose: f64,
    eyes_open: f64,
    sharpness: f64,
    exposure: f64,
    size: f64,
    centring: f64,
    background: Option<f64>,
    yaw: f64,
    pitch: f64,
    roll: f64,
}

impl Report {
    pub(crate) fn of(media: Vec<MediumReport>) -> Self {
        let overall: Option<Vec<f64>> = media.iter().map(|medium| medium.overall).collect();
        Self { overall: overall.and_then(|all| all.into_iter().min_by(f64::total_cmp)), media }
    }
}

impl MediumReport {
    /// The report of a medium: index, number of faces and measures of its best frame; `None`
    /// without a face.
    pub(crate) fn of(medium: u32, best: Option<(u32, u32, &Measures)>) -> Self {
        let Some((frame, faces, measures)) = best else {
            return Self { medium, frame: None, faces: 0, overall: None, measures: None };
        };
        let tenth = |degrees: f32| (f64::from(degrees) * 10.0).round() / 10.0;
        let report = MeasuresReport {
            pose: measures.pose,
            eyes_open: measures.eyes_open,
            sharpness: measures.sharpness,
            exposure: measures.exposure,
            size: measures.size,
            centring: measures.centring,
            background: measures.background,
            yaw: tenth(measures.angles.yaw),
            pitch: tenth(measures.angles.pitch),
            roll: tenth(measures.angles.roll),
        };
        Self {
            medium,
            frame: Some(frame),
            faces,
            overall: Some(measures.overall()),
            measures: Some(report),
        }
    }
}

/// The JSON Schema of [`Report`].
pub(crate) fn schema() -> Value {
    let score =
        |about: &str| json!({"type": "number", "minimum": 0, "maximum": 100, "description": about});
    let optional = |about: &str| {
        json!({
            "type": ["number", "null"], "minimum": 0, "maximum": 100, "description": about
        })
    };
    let index = json!({"type": "integer", "minimum": 0});
    let angle = |about: &str| json!({"type": "number", "description": about});
    let measures = json!({
        "type": ["object", "null"], "additionalProperties": false,
        "required": [
            "pose", "eyesOpen", "sharpness", "exposure", "size", "centring", "background", "yaw",
            "pitch", "roll"
        ],
        "properties": {
            "pose": score("100: facing the camera. The squared cosine of the largest angle."),
            "eyesOpen": score("100: both eyes are certainly open."),
            "sharpness": score("100: sharp."),
            "exposure": score("100: no part of the face is underexposed or overexposed."),
            "size": score("100: at least 90 pixels between the eyes, and not too near."),
            "centring": score("100: in the middle, and complete."),
            "background": optional("100: a plain wall; null if too little of it is visible."),
            "yaw": angle("Degrees; positive if the nose points to the image's left."),
            "pitch": angle("Degrees; within a few degrees of 0 for level faces."),
            "roll": angle("Degrees.")
        }
    });
    let medium = json!({
        "type": "object", "additionalProperties": false,
        "required": ["medium", "frame", "faces", "overall", "measures"],
        "properties": {
            "medium": index,
            "frame": {
                "type": ["integer", "null"], "minimum": 0,
                "description": "The best frame, to which the other values refer."
            },
            "faces": index,
            "overall": optional("The lowest measure except the background."),
            "measures": measures
        }
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object", "additionalProperties": false,
        "required": ["overall", "media"],
        "properties": {
            "overall": optional("Of the worst medium; null if one shows no face."),
            "media": {"type": "array", "items": medium}
        }
    })
}
