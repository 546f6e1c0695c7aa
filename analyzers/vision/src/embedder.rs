//! Computes the template of an aligned face: a unit vector that is similar for faces of one person.

use serde::{Deserialize, Serialize};

use crate::VisionError;
use crate::align::AlignedFace;
use crate::session::{Model, ModelOptions};

/// The supported embedding models. Templates of different models cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmbeddingModel {
    /// SFace, 128 numbers. Apache-2.0; more accurate at low false match rates.
    Sface,
    /// The model of the npm package faceplugin-face-recognition-js, 512 numbers. Faster.
    FrFeature,
}

impl EmbeddingModel {
    /// The weight file.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Sface => "face_recognition_sface.onnx",
            Self::FrFeature => "fr_feature.onnx",
        }
    }

    /// Numbers in a template.
    pub const fn length(self) -> usize {
        match self {
            Self::Sface => 128,
            Self::FrFeature => 512,
        }
    }

    const fn output(self) -> &'static str {
        match self {
            Self::Sface => "fc1",
            Self::FrFeature => "output",
        }
    }
}

/// An embedding model with its input buffer.
#[derive(Debug)]
pub struct FaceEmbedder {
    kind: EmbeddingModel,
    model: Model,
    tensor: Vec<f32>,
}

impl FaceEmbedder {
    /// Opens the model.
    pub fn open(options: &ModelOptions, kind: EmbeddingModel) -> Result<Self, VisionError> {
        Ok(Self { kind, model: Model::open(options, kind.file())?, tensor: Vec::new() })
    }

    /// Which model this is.
    pub fn kind(&self) -> EmbeddingModel {
        self.kind
    }

    /// The template of `face`, a vector of Euclidean length 1.
    pub fn embed(&mut self, face: &AlignedFace) -> Result<Vec<f32>, VisionError> {
        let planes = face.planes();
        self.tensor.clear();
        match self.kind {
            // RGB 0–255: the graph itself normalises the input.
            EmbeddingModel::Sface => self.tensor.extend(planes.iter().map(|v| f32::from(*v))),
            // BGR, (v - 127) / 128.
            EmbeddingModel::FrFeature => {
                for plane in planes.chunks_exact(planes.len() / 3).rev() {
                    self.tensor.extend(plane.iter().map(|v| (f32::from(*v) - 127.0) / 128.0));
                }
            }
        }
        let (output, length) = (self.kind.output(), self.kind.length());
        let side = crate::ALIGNED_SIDE;
        self.model.run([1, 3, side, side], &self.tensor, |outputs| {
            let raw = &outputs.read(output, length)?[..length];
            normalised(raw).ok_or_else(|| outputs.unusable(output))
        })
    }
}

/// Cosine of the angle between two unit vectors: 1 for identical templates, about 0 for different
/// people. 0 if they differ in dimension, because they then come from different models.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return 0.0;
    }
    a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>().clamp(-1.0, 1.0)
}

/// The normalised mean of several templates. `None` if there are none or if they cancel each other
/// out.
pub fn mean_template<'a>(templates: impl IntoIterator<Item = &'a [f32]>) -> Option<Vec<f32>> {
    let mut sum: Vec<f32> = Vec::new();
    for template in templates {
        if sum.is_empty() {
            sum.extend_from_slice(template);
        } else {
            sum.iter_mut().zip(template).for_each(|(sum, v)| *sum += v);
        }
    }
    normalised(&sum)
}

/// `raw` scaled to Euclidean length 1. `None` if its length is zero or not finite.
fn normalised(raw: &[f32]) -> Option<Vec<f32>> {
    let length = raw.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
    let usable = length.is_finite() && length > 1e-9;
    usable.then(|| raw.iter().map(|v| (f64::from(*v) / length) as f32).collect())
}
