//! JSON shapes of the features that the server's plugins provide to every plugin.
//!
//! The name and version of a feature determine its shape: `faces/1` never changes its meaning.
//! Fields may be added, so a reader must ignore unknown fields.

use serde::{Deserialize, Serialize};

/// Name of the feature of a clip that says what its container states and has; the host itself
/// provides it, and `null` for other media. Its shape is in `ABI.md`.
pub const CONTAINER: &str = "container/1";
/// The features that the host provides; no plugin may.
pub const OF_HOST: [&str; 1] = [CONTAINER];

/// Name of the feature whose shape is [`Faces`].
pub const FACES: &str = "faces/1";

/// `faces/1`, of a frame: the faces found, largest first. Coordinates are pixels of the upright
/// picture before scaling ([`crate::Frame::source_width`]); multiply them by
/// [`crate::Frame::scale`] to get pixels of the frame.
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
    /// The faces; empty if no face was found.
    pub faces: Vec<Face>,
}

impl Faces {
    /// The largest face, if any.
    pub fn largest(&self) -> Option<&Face> {
        self.faces.first()
    }
}

/// One face of [`Faces`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Face {
    /// Left edge, top edge, width, height. May extend beyond the picture.
    #[serde(rename = "box")]
    pub rect: [f32; 4],
    /// Confidence of the detector, 0–1.
    pub score: f32,
    /// Left eye, right eye, nose tip, left mouth corner, right mouth corner, as (x, y); left and
    /// right as in the image.
    pub landmarks: [[f32; 2]; 5],
}
