//! The result of the quality analyzer as typed objects.

use async_graphql::SimpleObject;
use serde_json::Value;

use super::media::Media;
use super::scalars::int;

/// What the quality analysis measured in one medium, in its best frame.
#[derive(Debug, Clone, SimpleObject)]
pub struct QualityMediaResult {
    /// The medium; null when it was deleted.
    pub(super) media: Option<Media>,
    /// The frame that the measures are of, counted from 0 in the frames that were taken from the
    /// medium; null when no frame shows a face.
    frame: Option<i32>,
    /// Number of faces in this frame.
    face_count: i32,
    /// The lowest measure, 0–100, the background left out; null without a face.
    overall: Option<f64>,
    /// The measures; null without a face.
    measures: Option<QualityMeasures>,
}

/// Measures of the picture of a face. Scores go from 0 to 100, 100 being the best.
#[derive(Debug, Clone, SimpleObject)]
pub struct QualityMeasures {
    /// How straight the face looks into the camera: the square of the cosine of its largest angle.
    pose: Option<f64>,
    /// How surely both eyes are open.
    eyes_open: Option<f64>,
    /// How sharp the face is.
    sharpness: Option<f64>,
    /// How little of the face is lost in the dark or the light.
    exposure: Option<f64>,
    /// Whether the face is large enough (90 pixels between the eyes give 100), and not too near.
    size: Option<f64>,
    /// Whether the face is whole and in the middle of the picture.
    centring: Option<f64>,
    /// How plain the background is; null where too little of it shows.
    background: Option<f64>,
    /// Angle in degrees; positive when the nose points to the left of the picture.
    yaw: Option<f64>,
    /// Angle in degrees; a level face is within a few degrees of 0.
    pitch: Option<f64>,
    /// Angle in degrees.
    roll: Option<f64>,
}

impl QualityMediaResult {
    /// Reads one entry of `media`; what is absent or of another type is null.
    pub(super) fn read(value: &Value, media: Option<Media>) -> Self {
        Self {
            media,
            frame: value.get("frame").and_then(Value::as_u64).map(int),
            face_count: int(value.get("faces").and_then(Value::as_u64).unwrap_or_default()),
            overall: value.get("overall").and_then(Value::as_f64),
            measures: value
                .get("measures")
                .filter(|measures| measures.is_object())
                .map(QualityMeasures::read),
        }
    }
}

impl QualityMeasures {
    fn read(value: &Value) -> Self {
        let number = |name: &str| value.get(name).and_then(Value::as_f64);
        Self {
            pose: number("pose"),
            eyes_open: number("eyesOpen"),
            sharpness: number("sharpness"),
            exposure: number("exposure"),
            size: number("size"),
            centring: number("centring"),
            background: number("background"),
            yaw: number("yaw"),
            pitch: number("pitch"),
            roll: number("roll"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn medium_without_a_face_has_no_measures() {
        let value =
            json!({"medium": 0, "frame": null, "faces": 0, "overall": null, "measures": null});
        let read = QualityMediaResult::read(&value, None);
        assert!(read.measures.is_none() && read.frame.is_none() && read.overall.is_none());
    }

    #[test]
    fn measures_are_read_under_the_names_of_the_result() {
        let value = json!({"frame": 3, "faces": 1, "overall": 61.5, "measures": {"eyesOpen": 98.0, "yaw": -2.5}});
        let read = QualityMediaResult::read(&value, None);
        let measures = read.measures.unwrap();
        assert_eq!((read.frame, read.overall), (Some(3), Some(61.5)));
        assert_eq!((measures.eyes_open, measures.yaw), (Some(98.0), Some(-2.5)));
        assert_eq!(measures.background, None);
    }
}
