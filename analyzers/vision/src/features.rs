//! The types of the features that the built-in plugins exchange as JSON.
//!
//! Coordinates are pixels of the medium's upright pictures, before scaling.

use serde::{Deserialize, Serialize};

use crate::embedder::EmbeddingModel;
use crate::geometry::{Landmarks, Point, Rect};
use crate::quality::Quality;

/// `faces/1`, per frame: the detected faces, largest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Faces {
    /// Empty if no face was found.
    pub faces: Vec<Face>,
}

/// One face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Face {
    /// The detector's box; may extend beyond the picture.
    #[serde(rename = "box")]
    pub rect: Rect,
    /// The detector's score, 0–1.
    pub score: f32,
    /// Eyes, nose tip, mouth corners.
    pub landmarks: Landmarks,
}

impl Face {
    /// The face in a picture scaled by `factor`.
    #[must_use]
    pub fn scaled(self, factor: f32) -> Self {
        let landmarks = self.landmarks.map(|[x, y]| [x * factor, y * factor]);
        Self { rect: self.rect.scaled(factor), score: self.score, landmarks }
    }
}

/// `upright_document/1`, per frame: location and rotation of an identity document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UprightDocument {
    /// The corners, clockwise from the document's upper left; null if no edges were found, as when
    /// the document fills the picture.
    pub corners: Option<[Point; 4]>,
    /// Clockwise rotation of the document in the picture: 0, 90, 180 or 270 degrees.
    pub rotation: u16,
}

/// `document_portrait/1`, per frame: the holder's portrait on an identity document, not a ghost
/// image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DocumentPortrait {
    /// The face in picture coordinates; null without a portrait.
    pub face: Option<Face>,
}

/// `face_template/1` and `face_template_aligned/1`, per frame: the template of the largest face.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FaceTemplates {
    /// Empty if there is no face.
    pub templates: Vec<FaceTemplate>,
}

/// One template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaceTemplate {
    /// Index of the face in `faces/1` of the frame; 0 for an aligned picture.
    pub face: u32,
    /// The model that computed it.
    pub model: EmbeddingModel,
    /// The template, a vector of Euclidean length 1.
    pub vector: Vec<f32>,
}

/// `face_track/1`, per medium: its subject, frame by frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaceTrack {
    /// The model that computed the templates.
    pub model: EmbeddingModel,
    /// Width of the medium's upright pictures in pixels.
    pub width: u32,
    /// Height of the medium's upright pictures in pixels.
    pub height: u32,
    /// The frames that show the subject's face, in order.
    pub frames: Vec<TrackFrame>,
    /// Indices of the frames without the subject's face.
    pub missing: Vec<u32>,
    /// Number of faces per frame that are large enough to count, see [`significant_faces`].
    pub face_counts: Vec<u32>,
    /// Indices of the first frames that show another person.
    pub changes: Vec<u32>,
    /// Whether the face moved to another place at one of the changes.
    pub broken: bool,
}

/// The subject in one frame of a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrackFrame {
    /// Index of the frame in its medium.
    pub frame: u32,
    /// Time in the medium, in microseconds.
    pub pts_us: i64,
    /// Index of the face in `faces/1` of the frame.
    pub face: u32,
    /// Box of the face.
    #[serde(rename = "box")]
    pub rect: Rect,
    /// Landmarks of the face.
    pub landmarks: Landmarks,
    /// The detector's score, 0–1.
    pub score: f32,
    /// Cosine to the previous embedded frame; null for the first frame and those not embedded.
    pub similarity_to_previous: Option<f32>,
    /// Cosine to the mean of the subject so far; null for the first frame and those not embedded.
    pub similarity_to_subject: Option<f32>,
    /// Quality of the face.
    pub quality: Quality,
    /// Template of the face; null for frames that were not embedded.
    pub template: Option<Vec<f32>>,
}

/// Minimum side of a further face that counts, as a share of the largest face's side.
const SIGNIFICANT_SIDE: f32 = 0.5;
/// Minimum detector score of a further face that counts.
const SIGNIFICANT_SCORE: f32 = 0.7;

/// Number of faces (given largest first) that count as persons in front of the camera: the largest,
/// and those at least half as tall. People in the background are smaller: of 50 live webcam frames
/// 22 show a second face, whose side is up to 0.44 of the first.
pub fn significant_faces(faces: &[Face]) -> u32 {
    let Some(largest) = faces.first() else {
        return 0;
    };
    let least = largest.rect.area() * SIGNIFICANT_SIDE * SIGNIFICANT_SIDE;
    let others = faces[1..].iter();
    let counting =
        others.filter(|f| f.rect.area() >= least && f.score >= SIGNIFICANT_SCORE).count();
    1 + counting as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(side: f32, score: f32) -> Face {
        Face { rect: [0.0, 0.0, side, side].into(), score, landmarks: [[0.0; 2]; 5] }
    }

    #[test]
    fn small_face_in_the_background_does_not_count() {
        assert_eq!(significant_faces(&[]), 0);
        assert_eq!(significant_faces(&[face(200.0, 0.9), face(88.0, 0.9)]), 1);
        assert_eq!(significant_faces(&[face(200.0, 0.9), face(120.0, 0.9)]), 2);
        assert_eq!(significant_faces(&[face(200.0, 0.9), face(120.0, 0.61)]), 1);
    }

    #[test]
    fn faces_json_follows_the_feature_contract() {
        let faces = Faces { faces: vec![face(2.0, 0.5)] };
        let json = serde_json::to_string(&faces).unwrap();
        assert!(
            json.starts_with(r#"{"faces":[{"box":[0.0,0.0,2.0,2.0],"score":0.5,"landmarks":[["#)
        );
        assert_eq!(serde_json::from_str::<Faces>(&json).unwrap(), faces);
    }
}
