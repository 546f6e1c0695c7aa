//! Shapes of the features that the server's own plugins provide to everybody.
//!
//! A feature's name and version fix its shape: `faces/1` will never mean anything else. Fields may
//! be added, so that reading ignores what it does not know.

use serde::{Deserialize, Serialize};

/// Name of the feature whose shape is [`Faces`].
pub const FACES: &str = "faces/1";

/// `faces/1`, of a frame: the faces found, largest first. Coordinates are pixels of the upright
/// picture before scaling ([`crate::Frame::source_width`]); multiply them by
/// [`crate::Frame::scale`] to find them in the pixels of the frame.
///
/// ```
/// use vultus_plugin_api::features::Faces;
///
/// let json = r#"{"faces": [{"box": [10, 20, 30, 40], "score": 0.9,
///     "landmarks": [[18, 32], [32, 32], [25, 42], [19, 50], [31, 50]]}]}"#;
/// let faces: Faces = serde_json::from_str(json)?;
/// assert_eq!(faces.largest().map(|face| face.rect), Some([10.0, 20.0, 30.0, 40.0]));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Faces {
    /// Empty when there is none.
    pub faces: Vec<Face>,
}

impl Faces {
    /// The largest face, if there is any.
    pub fn largest(&self) -> Option<&Face> {
        self.faces.first()
    }
}

/// One face of [`Faces`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Face {
    /// Left edge, upper edge, width, height. May reach beyond the picture.
    #[serde(rename = "box")]
    pub rect: [f32; 4],
    /// How sure the detector is, 0–1.
    pub score: f32,
    /// Eye at the image's left, eye at its right, nose tip, mouth corner at its left, mouth corner
    /// at its right.
    pub landmarks: [[f32; 2]; 5],
}
