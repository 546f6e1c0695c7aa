//! Code shared by the built-in analyzers: pixel access, face geometry, ONNX sessions, face models,
//! and the types of the features that plugins exchange.
//!
//! Pixel loops belong here, because this crate is optimised in development builds too. The crate
//! makes no decisions: thresholds for verdicts belong to the analyzers.

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
mod mesh;
mod mesh_rotation;
mod mesh_track;
pub mod motion;
mod pixels;
mod plugin;
mod pose;
mod quality;
mod quarter_turn;
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
pub use mesh::{
    BLENDSHAPES, ExpressionModel, FaceMesh, MESH_FILES, MESH_POINTS, MeshPoint, MeshTracker,
};
pub use mesh_rotation::{HeadRotation, head_rotation};
pub use mesh_track::{MeshFrame, mesh_frames, mesh_table};
pub use pixels::{Channels, PixelView};
pub use plugin::{failure, imported_weight, options, view, weight};
pub use pose::{HeadPose, PoseEstimator};
pub use quality::{Framing, Quality, yaw_offset};
pub use quarter_turn::{QuarterTurned, turns_to_upright};
pub use session::{Model, ModelOptions, Outputs};
pub use spoof::{CROP_FACTOR, MINIFASNET_FILES, SpoofScorer, SpoofScores};
