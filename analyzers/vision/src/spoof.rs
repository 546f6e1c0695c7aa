//! Passive liveness of one face in one picture, scored by the model `fr_liveness` and, if the
//! operator imported them, by the MiniFASNet pair.

use crate::VisionError;
use crate::geometry::Rect;
use crate::pixels::{Channels, PixelView};
use crate::resize::{Planes, Resizer};
use crate::session::{Model, ModelOptions, Outputs};

/// Size of the model's crop, in sizes of the face's box.
pub const CROP_FACTOR: f32 = 2.7;

const SIDE: usize = 128;
const WEIGHTS: &str = "fr_liveness.onnx";

/// The weight files of the optional pair: MiniFASNetV2 and MiniFASNetV1SE.
pub const MINIFASNET_FILES: [&str; 2] = ["minifasnet_v2.onnx", "minifasnet_v1se.onnx"];

/// Input side and crop factors of the pair.
const MINIFASNET_SIDE: usize = 80;
const MINIFASNET_FACTORS: [f32; 2] = [2.7, 4.0];

/// Probabilities of an attack, 0–1, one for each model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpoofScores {
    /// `fr_liveness`.
    pub fr_liveness: f32,
    /// The models of [`MINIFASNET_FILES`]; `None` if a file is not installed.
    pub minifasnet: [Option<f32>; 2],
}

/// The anti-spoofing models with their buffers.
#[derive(Debug)]
pub struct SpoofScorer {
    model: Model,
    minifasnet: [Option<Model>; 2],
    resizer: Resizer,
    tensor: Vec<f32>,
}

impl SpoofScorer {
    /// Opens the model.
    pub fn open(options: &ModelOptions) -> Result<Self, VisionError> {
        let [v2, v1se] = MINIFASNET_FILES.map(|file| Model::open_imported(options, file));
        Ok(Self {
            model: Model::open(options, WEIGHTS)?,
            minifasnet: [v2?, v1se?],
            resizer: Resizer::default(),
            tensor: vec![0.0; 3 * SIDE * SIDE],
        })
    }

    /// The scores of all models that are installed, as [`SpoofScorer::score`].
    pub fn scores(
        &mut self,
        picture: &PixelView<'_>,
        face: &Rect,
    ) -> Result<SpoofScores, VisionError> {
        let fr_liveness = self.score(picture, face)?;
        let mut minifasnet = [None, None];
        for (which, model) in self.minifasnet.iter_mut().enumerate() {
            let Some(model) = model else { continue };
            let [left, top, right, bottom] =
                crop(picture.width(), picture.height(), face, MINIFASNET_FACTORS[which]);
            let part = picture.part(left, top, right - left + 1, bottom - top + 1);
            let side = MINIFASNET_SIDE;
            let data = &mut self.tensor[..3 * side * side];
            let mut planes = Planes { data, stride: side, rows: side, order: Channels::Bgr };
            self.resizer.resize(&part, side, side, &mut planes);
            let attack = model.run([1, 3, side, side], data, |outputs| {
                probability(outputs, outputs.only(3)?, &[0, 2])
            })?;
            minifasnet[which] = Some(attack);
        }
        Ok(SpoofScores { fr_liveness, minifasnet })
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
            let logits = outputs.read("output", 3)?;
            probability(outputs, logits, &[1, 2])
        })
    }
}

/// The probability of one of `classes` by softmax over the first three of `logits`.
fn probability(
    outputs: &Outputs<'_>,
    logits: &[f32],
    classes: &[usize],
) -> Result<f32, VisionError> {
    let highest = logits[..3].iter().copied().fold(f32::MIN, f32::max);
    let powers = [0, 1, 2].map(|class| (logits[class] - highest).exp());
    let share =
        classes.iter().map(|class| powers[*class]).sum::<f32>() / powers.iter().sum::<f32>();
    if share.is_finite() { Ok(share) } else { Err(outputs.unusable("output")) }
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
