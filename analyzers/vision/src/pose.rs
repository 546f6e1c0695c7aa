//! Head pose, estimated by the model `fr_pose`.

use crate::VisionError;
use crate::geometry::Rect;
use crate::pixels::{Channels, PixelView};
use crate::resize::{Planes, Resizer};
use crate::session::{Model, ModelOptions, Outputs};

const SIDE: usize = 224;
const BINS: usize = 66;
const WEIGHTS: &str = "fr_pose.onnx";
/// Margin added on each side of the box, as a share of its width and height.
const MARGIN: f32 = 0.25;
/// Mean and standard deviation per channel (the ImageNet statistics).
const NORMS: [(f32, f32); 3] = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)];
/// Offset of the model's pitch in degrees: it estimates −5 to −12 for level faces.
const LEVEL_PITCH: f32 = -8.0;

/// Angles of a head in degrees; 0 is facing the camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadPose {
    /// Positive if the nose points to the image's left.
    pub yaw: f32,
    /// Up or down; within a few degrees of 0 for level faces.
    pub pitch: f32,
    /// Tilt towards a shoulder.
    pub roll: f32,
}

/// The pose model with its buffers.
#[derive(Debug)]
pub struct PoseEstimator {
    model: Model,
    resizer: Resizer,
    tensor: Vec<f32>,
}

impl PoseEstimator {
    /// Opens the model.
    pub fn open(options: &ModelOptions) -> Result<Self, VisionError> {
        let tensor = vec![0.0; 3 * SIDE * SIDE];
        Ok(Self { model: Model::open(options, WEIGHTS)?, resizer: Resizer::default(), tensor })
    }

    /// The pose of the face in the box `face` (pixels of `picture`).
    pub fn estimate(
        &mut self,
        picture: &PixelView<'_>,
        face: &Rect,
    ) -> Result<HeadPose, VisionError> {
        let pixel = |value: f32, size: u32| value.clamp(0.0, size as f32) as usize;
        let (grow_x, grow_y) = (MARGIN * face.width, MARGIN * face.height);
        let left = pixel(face.x - grow_x, picture.width());
        let top = pixel(face.y - grow_y, picture.height());
        let right = pixel(face.x + face.width + grow_x, picture.width());
        let bottom = pixel(face.y + face.height + grow_y, picture.height());
        let part = picture.part(left, top, right.saturating_sub(left), bottom.saturating_sub(top));
        let mut planes =
            Planes { data: &mut self.tensor, stride: SIDE, rows: SIDE, order: Channels::Rgb };
        self.resizer.resize(&part, SIDE, SIDE, &mut planes);
        for (plane, (mean, deviation)) in self.tensor.chunks_exact_mut(SIDE * SIDE).zip(NORMS) {
            plane.iter_mut().for_each(|level| *level = (*level / 255.0 - mean) / deviation);
        }
        self.model.run([1, 3, SIDE, SIDE], &self.tensor, |outputs| {
            let pitch = degrees(outputs, "617")? - LEVEL_PITCH;
            Ok(HeadPose { yaw: degrees(outputs, "output")?, pitch, roll: degrees(outputs, "618")? })
        })
    }
}

/// The expected angle in degrees: softmax over 66 bins of 3 degrees, starting at −99 (Ruiz et al.
/// 2018, "Hopenet").
fn degrees(outputs: &Outputs<'_>, name: &str) -> Result<f32, VisionError> {
    let logits = &outputs.read(name, BINS)?[..BINS];
    let highest = logits.iter().copied().fold(f32::MIN, f32::max);
    let (mut sum, mut expected) = (0.0, 0.0);
    for (bin, logit) in logits.iter().enumerate() {
        let power = (logit - highest).exp();
        sum += power;
        expected += power * bin as f32;
    }
    let angle = expected / sum * 3.0 - 99.0;
    if angle.is_finite() { Ok(angle) } else { Err(outputs.unusable(name)) }
}
