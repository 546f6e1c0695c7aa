//! What the built-in analyzers share: pixels, face geometry, the ONNX sessions and the features'
//! shapes.
//!
//! Everything that touches pixels in a loop lives here, because this crate alone is optimised in
//! development builds. It decides nothing: thresholds that make a verdict belong to the analyzers.

mod align;
mod background;
mod detector;
mod embedder;
mod error;
mod exposure;
mod eyes;
mod features;
mod geometry;
mod landmarks;
mod pixels;
mod plugin;
mod pose;
mod quality;
mod resize;
mod session;
mod spoof;

pub use align::{ALIGNED_SIDE, AlignedFace};
pub use background::background_unrest;
pub use detector::{CASCADE, FaceDetector, MIN_SCORE};
pub use embedder::{EmbeddingModel, FaceEmbedder, cosine, mean_template};
pub use error::VisionError;
pub use exposure::Exposure;
pub use eyes::{EyeScorer, OpenEyes};
pub use features::{
    DocumentPortrait, Face, FaceTemplate, FaceTemplates, FaceTrack, Faces, TrackFrame,
    UprightDocument, significant_faces,
};
pub use geometry::{Landmarks, Point, Rect};
pub use landmarks::{FaceOutline, LandmarkFinder};
pub use pixels::{Channels, PixelView, QuarterTurned};
pub use plugin::{failure, options, view, weight};
pub use pose::{HeadPose, PoseEstimator};
pub use quality::{Framing, Quality, yaw_offset};
pub use session::{Model, ModelOptions, Outputs};
pub use spoof::{CROP_FACTOR, SpoofScorer};
