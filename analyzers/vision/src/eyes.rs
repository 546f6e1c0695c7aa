//! Open eyes: the model `fr_eye`, applied to the eyes that `fr_landmark` located.

use crate::VisionError;
use crate::landmarks::{FaceOutline, grey};
use crate::pixels::PixelView;
use crate::resize::Resizer;
use crate::session::{Model, ModelOptions};

const SIDE: usize = 24;
const WEIGHTS: &str = "fr_eye.onnx";
/// Side of the model's crop, in widths of the eye (corner to corner).
const CROP: f32 = 1.6;
const LEVELS: f32 = 255.0;

/// The probability, 0–1, that each eye is open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenEyes {
    /// The eye at the image's left, then the one at its right.
    pub each: [f32; 2],
}

impl OpenEyes {
    /// The lower of the two probabilities.
    pub fn least(self) -> f32 {
        self.each[0].min(self.each[1])
    }
}

/// The eye model with its buffers.
#[derive(Debug)]
pub struct EyeScorer {
    model: Model,
    resizer: Resizer,
    planes: Vec<f32>,
    tensor: Vec<f32>,
}

impl EyeScorer {
    /// Opens the model.
    pub fn open(options: &ModelOptions) -> Result<Self, VisionError> {
        let (planes, tensor) = (vec![0.0; 3 * SIDE * SIDE], vec![0.0; SIDE * SIDE]);
        Ok(Self {
            model: Model::open(options, WEIGHTS)?,
            resizer: Resizer::default(),
            planes,
            tensor,
        })
    }

    /// Scores both eyes of the face with this outline (pixels of `picture`).
    pub fn score(
        &mut self,
        picture: &PixelView<'_>,
        outline: &FaceOutline,
    ) -> Result<OpenEyes, VisionError> {
        let [left, right] = outline.eyes();
        Ok(OpenEyes { each: [self.one(picture, left)?, self.one(picture, right)?] })
    }

    fn one(
        &mut self,
        picture: &PixelView<'_>,
        ([x, y], width): ([f32; 2], f32),
    ) -> Result<f32, VisionError> {
        let half = (CROP * width / 2.0).max(1.0);
        let pixel = |value: f32, size: u32| value.clamp(0.0, (size - 1) as f32) as usize;
        let (left, right) = (pixel(x - half, picture.width()), pixel(x + half, picture.width()));
        let (top, bottom) = (pixel(y - half, picture.height()), pixel(y + half, picture.height()));
        let part = picture.part(left, top, right - left, bottom - top);
        grey(&mut self.resizer, &part, SIDE, &mut self.planes, LEVELS, &mut self.tensor);
        self.model.run([1, 1, SIDE, SIDE], &self.tensor, |outputs| {
            let logits = &outputs.only(2)?[..2];
            // Softmax over two classes; class 0 is "closed".
            let open = 1.0 / (1.0 + (logits[0] - logits[1]).exp());
            if open.is_finite() { Ok(open) } else { Err(outputs.unusable("(the only one)")) }
        })
    }
}
