//! Passive liveness of one face in one picture, scored by the model `fr_liveness`.

use crate::VisionError;
use crate::geometry::Rect;
use crate::pixels::{Channels, PixelView};
use crate::resize::{Planes, Resizer};
use crate::session::{Model, ModelOptions};

/// Size of the model's crop, in sizes of the face's box.
pub const CROP_FACTOR: f32 = 2.7;

const SIDE: usize = 128;
const WEIGHTS: &str = "fr_liveness.onnx";

/// Probabilities of an attack, 0–1, one for each model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpoofScores {
    /// `fr_liveness`.
    pub fr_liveness: f32,
    /// The MiniFASNet pair; `None` if a file is not installed.
    pub minifasnet: [Option<f32>; 2],
}

/// The anti-spoofing model with its buffers.
#[derive(Debug)]
pub struct SpoofScorer {
    model: Model,
    resizer: Resizer,
    tensor: Vec<f32>,
}

impl SpoofScorer {
    /// Opens the model.
    pub fn open(options: &ModelOptions) -> Result<Self, VisionError> {
        let tensor = vec![0.0; 3 * SIDE * SIDE];
        Ok(Self { model: Model::open(options, WEIGHTS)?, resizer: Resizer::default(), tensor })
    }

    /// The scores of all models that are installed, as [`SpoofScorer::score`].
    pub fn scores(
        &mut self,
        picture: &PixelView<'_>,
        face: &Rect,
    ) -> Result<SpoofScores, VisionError> {
        Ok(SpoofScores { fr_liveness: self.score(picture, face)?, minifasnet: [None, None] })
    }

    /// The probability, 0–1, that the face in the box `face` (pixels of `picture`) is a
    /// presentation attack: a print, a screen, a cut-out. It is 1 minus the model's class "live".
    pub fn score(&mut self, picture: &PixelView<'_>, face: &Rect) -> Result<f32, VisionError> {
        let [left, top, right, bottom] = crop(picture.width(), picture.height(), face, CROP_FACTOR);
        let part = picture.part(left, top, right - left + 1, bottom - top + 1);
        let mut planes =
            Planes { data: &mut self.tensor, stride: SIDE, rows: SIDE, order: Channels::Bgr };
        self.resizer.resize(&part, SIDE, SIDE, &mut planes);
        self.model.run([1, 3, SIDE, SIDE], &self.tensor, |outputs| {
            let logits = &outputs.read("output", 3)?[..3];
            let highest = logits.iter().copied().fold(f32::MIN, f32::max);
            let powers: Vec<f32> = logits.iter().map(|v| (v - highest).exp()).collect();
            let attack = (powers[1] + powers[2]) / powers.iter().sum::<f32>();
            if attack.is_finite() { Ok(attack) } else { Err(outputs.unusable("output")) }
        })
    }
}

/// Left, top, right and bottom pixel (inclusive) of a model's crop: the box enlarged by `factor`
/// around its centre, by less if the picture is too small, and shifted into the picture if it
/// crosses an edge.
pub(crate) fn crop(width: u32, height: u32, face: &Rect, factor: f32) -> [usize; 4] {
    let (far_x, far_y) = ((width - 1) as f32, (height - 1) as f32);
    let (box_width, box_height) = (face.width.max(1.0), face.height.max(1.0));
    let factor = factor.min(far_x / box_width).min(far_y / box_height);
    let [x, y] = face.centre();
    let (half_width, half_height) = (box_width * factor / 2.0, box_height * factor / 2.0);
    let (mut left, mut right) = (x - half_width, x + half_width);
    let (mut top, mut bottom) = (y - half_height, y + half_height);
    if left < 0.0 {
        (left, right) = (0.0, right - left);
    }
    if top < 0.0 {
        (top, bottom) = (0.0, bottom - top);
    }
    if right > far_x {
        (left, right) = (left - (right - far_x), far_x);
    }
    if bottom > far_y {
        (top, bottom) = (top - (bottom - far_y), far_y);
    }
    let pixel = |value: f32, far: f32| value.clamp(0.0, far) as usize;
    let (left, top) = (pixel(left, far_x), pixel(top, far_y));
    [left, top, pixel(right, far_x).max(left), pixel(bottom, far_y).max(top)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn central_face_gets_the_full_crop_factor() {
        let face = Rect::from([270.0, 190.0, 100.0, 100.0]);
        assert_eq!(crop(640, 480, &face, CROP_FACTOR), [185, 105, 455, 375]);
    }

    #[test]
    fn crop_across_the_edge_is_shifted_back() {
        let face = Rect::from([0.0, 0.0, 100.0, 100.0]);
        assert_eq!(crop(640, 480, &face, CROP_FACTOR), [0, 0, 270, 270]);
        let face = Rect::from([560.0, 400.0, 100.0, 100.0]);
        let [left, top, right, bottom] = crop(640, 480, &face, CROP_FACTOR);
        assert_eq!([right, bottom], [639, 479]);
        assert!((269..=271).contains(&(right - left)) && (269..=271).contains(&(bottom - top)));
    }

    #[test]
    fn face_larger_than_the_picture_gives_the_picture() {
        let face = Rect::from([-50.0, -50.0, 400.0, 400.0]);
        let [left, top, right, bottom] = crop(300, 300, &face, CROP_FACTOR);
        assert_eq!([left, top], [0, 0]);
        assert!(right >= 298 && bottom >= 298);
    }
}
