//! The result of the quality analyzer as typed objects.

use async_graphql::SimpleObject;
use serde_json::Value;

use super::media::Media;
use super::scalars::int;

/// The measurements of the quality analysis in the best frame of a medium.
#[derive(Debug, Clone, SimpleObject)]
pub struct QualityMediaResult {
    /// The medium; null if it was deleted.
    pub(super) media: Option<Media>,
    /// The best frame, counted from 0 over the frames taken from the medium; null if no frame shows
    /// a face.
    frame: Option<i32>,
    /// Number of faces in this frame.
    face_count: i32,
    /// The lowest measure without the background, 0–100; null without a face.
    overall: Option<f64>,
    /// The measures; null without a face.
    measures: Option<QualityMeasures>,
}

/// Measures of the picture of a face. Scores go from 0 to 100, 100 being the best.
#[derive(Debug, Clone, SimpleObject)]
pub struct QualityMeasures {
    /// How frontal the face is: the square of the cosine of its largest angle.
    pose: Option<f64>,
    /// Confidence that both eyes are open.
    eyes_open: Option<f64>,
    /// Sharpness of the face.
    sharpness: Option<f64>,
    /// Exposure: how little of the face is too dark or too bright.
    exposure: Option<f64>,
    /// Size of the face: 90 pixels between the eyes give 100; a face too close to the camera gives
    /// less.
    size: Option<f64>,
    /// How completely and centrally the picture shows the face.
    centring: Option<f64>,
    /// Uniformity of the background; null if too little of it is visible.
    background: Option<f64>,
    /// Angle in degrees; positive when the nose points to the left of the picture.
    yaw: Option<f64>,
    /// Angle in degrees; a level face is within a few degrees of 0.
    pitch: Option<f64>,
    /// Angle in degrees.
    roll: Option<f64>,
}

impl QualityMediaResult {
    /// Reads one entry of `media`; an absent value or one of another type is null.
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
        let measures = json!({"eyesOpen": 98.0, "yaw": -2.5});
        let value = json!({"frame": 3, "faces": 1, "overall": 61.5, "measures": measures});
        let read = QualityMediaResult::read(&value, None);
        let measures = read.measures.unwrap();
        assert_eq!((read.frame, read.overall), (Some(3), Some(61.5)));
        assert_eq!((measures.eyes_open, measures.yaw), (Some(98.0), Some(-2.5)));
        assert_eq!(measures.background, None);
    }
}
