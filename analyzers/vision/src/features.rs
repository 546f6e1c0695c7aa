//! The shapes of the features that the built-in plugins exchange as JSON.
//!
//! Coordinates are pixels of the medium's upright pictures before any scaling.

use serde::{Deserialize, Serialize};

use crate::embedder::EmbeddingModel;
use crate::geometry::{Landmarks, Point, Rect};
use crate::quality::Quality;

/// `faces/1`, of a frame: the faces found, largest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Faces {
    /// Empty when there is none.
    pub faces: Vec<Face>,
}

/// One face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Face {
    /// The detector's box; may reach beyond the picture.
    #[serde(rename = "box")]
    pub rect: Rect,
    /// How sure the detector is, 0–1.
    pub score: f32,
    /// Eyes, nose tip, mouth corners.
    pub landmarks: Landmarks,
}

impl Face {
    /// The same face after the picture was scaled by `factor`.
    #[must_use]
    pub fn scaled(self, factor: f32) -> Self {
        let landmarks = self.landmarks.map(|[x, y]| [x * factor, y * factor]);
        Self { rect: self.rect.scaled(factor), score: self.score, landmarks }
    }
}

/// `upright_document/1`, of a frame: where an identity document lies and which way up it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UprightDocument {
    /// Its corners, clockwise from its own upper left; null when its edges were not found (it may
    /// fill the picture).
    pub corners: Option<[Point; 4]>,
    /// How far it is turned clockwise in the picture: 0, 90, 180 or 270 degrees.
    pub rotation: u16,
}

/// `document_portrait/1`, of a frame: the holder's portrait on an identity document. Ghost images
/// are not meant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DocumentPortrait {
    /// The face as it lies in the picture; null without one.
    pub face: Option<Face>,
}

/// `face_template/1` and `face_template_aligned/1`, of a frame: the template of its largest face.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FaceTemplates {
    /// Empty when there is no face.
    pub templates: Vec<FaceTemplate>,
}

/// One template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaceTemplate {
    /// Index of the face in `faces/1` of the frame; 0 for an aligned picture.
    pub face: u32,
    /// The model that made it.
    pub model: EmbeddingModel,
    /// Direction of length 1.
    pub vector: Vec<f32>,
}

/// `face_track/1`, of a medium: the one person that it shows, frame by frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaceTrack {
    /// The model that made the templates.
    pub model: EmbeddingModel,
    /// Width of the medium's upright pictures in pixels.
    pub width: u32,
    /// Height of the medium's upright pictures in pixels.
    pub height: u32,
    /// The frames in which the subject's face was found, in order.
    pub frames: Vec<TrackFrame>,
    /// Indices of the frames without it.
    pub missing: Vec<u32>,
    /// For every frame, how many faces are large enough to count, see [`significant_faces`].
    pub face_counts: Vec<u32>,
    /// Indices of the frames at which another person begins.
    pub changes: Vec<u32>,
    /// Whether the face jumped to another place at one of the changes.
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
    /// Its box.
    #[serde(rename = "box")]
    pub rect: Rect,
    /// Its landmarks.
    pub landmarks: Landmarks,
    /// The detector's score, 0–1.
    pub score: f32,
    /// Cosine to the frame compared before; null for the first and for those not embedded.
    pub similarity_to_previous: Option<f32>,
    /// Cosine to the mean of the subject so far; null for the first and for those not embedded.
    pub similarity_to_subject: Option<f32>,
    /// How well the face can be judged.
    pub quality: Quality,
    /// Its template; null for frames that were not embedded.
    pub template: Option<Vec<f32>>,
}

/// A second face counts when its side is at least this share of the largest face's …
const SIGNIFICANT_SIDE: f32 = 0.5;
/// … and the detector is at least this sure of it.
const SIGNIFICANT_SCORE: f32 = 0.7;

/// How many of a frame's faces (largest first) count as persons before the camera: the largest, and
/// those at least half as tall. Passers-by in the background are smaller: of 50 live webcam frames
/// 22 hold a second face, up to 0.44 of the first.
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
    fn a_passer_by_in_the_background_does_not_count() {
        assert_eq!(significant_faces(&[]), 0);
        assert_eq!(significant_faces(&[face(200.0, 0.9), face(88.0, 0.9)]), 1);
        assert_eq!(significant_faces(&[face(200.0, 0.9), face(120.0, 0.9)]), 2);
        assert_eq!(significant_faces(&[face(200.0, 0.9), face(120.0, 0.61)]), 1);
    }

    #[test]
    fn faces_are_written_as_the_feature_contract_says() {
        let faces = Faces { faces: vec![face(2.0, 0.5)] };
        let json = serde_json::to_string(&faces).unwrap();
        assert!(
            json.starts_with(r#"{"faces":[{"box":[0.0,0.0,2.0,2.0],"score":0.5,"landmarks":[["#)
        );
        assert_eq!(serde_json::from_str::<Faces>(&json).unwrap(), faces);
    }
}
