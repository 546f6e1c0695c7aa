//! The 68 facial landmarks of the model `fr_landmark`, in the iBUG 300-W order.

use crate::VisionError;
use crate::geometry::{Point, Rect};
use crate::pixels::{Channels, PixelView};
use crate::resize::{Planes, Resizer};
use crate::session::{Model, ModelOptions};
use crate::spoof::crop;

const SIDE: usize = 64;
const POINTS: usize = 68;
const WEIGHTS: &str = "fr_landmark.onnx";
/// Divisor of grey levels; the model expects 0 to less than 1.
const LEVELS: f32 = 256.0;

/// The landmarks of one face, in pixels of its picture.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceOutline {
    points: [Point; POINTS],
}

/// Indices of the corner and lid points of one eye.
struct EyePoints {
    corners: [usize; 2],
    lids: [usize; 4],
}

const EYES: [EyePoints; 2] = [
    EyePoints { corners: [36, 39], lids: [37, 38, 40, 41] },
    EyePoints { corners: [42, 45], lids: [43, 44, 46, 47] },
];

impl FaceOutline {
    /// Centre and width (corner to corner) of both eyes, in pixels; the one at the image's left
    /// first.
    pub fn eyes(&self) -> [(Point, f32); 2] {
        EYES.map(|EyePoints { corners, lids }| {
            let sum = lids.iter().fold([0.0, 0.0], |sum, &at| {
                [sum[0] + self.points[at][0], sum[1] + self.points[at][1]]
            });
            let [from, to] = corners.map(|at| self.points[at]);
            ([sum[0] / 4.0, sum[1] / 4.0], (to[0] - from[0]).hypot(to[1] - from[1]))
        })
    }
}

/// The landmark model with its buffers.
#[derive(Debug)]
pub struct LandmarkFinder {
    model: Model,
    resizer: Resizer,
    planes: Vec<f32>,
    tensor: Vec<f32>,
}

impl LandmarkFinder {
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

    /// The landmarks of the face in the box `face` (pixels of `picture`).
    pub fn find(
        &mut self,
        picture: &PixelView<'_>,
        face: &Rect,
    ) -> Result<FaceOutline, VisionError> {
        let [left, top, right, bottom] = crop(picture.width(), picture.height(), face, 1.0);
        let (width, height) = (right - left + 1, bottom - top + 1);
        let part = picture.part(left, top, width, height);
        grey(&mut self.resizer, &part, SIDE, &mut self.planes, LEVELS, &mut self.tensor);
        self.model.run([1, 1, SIDE, SIDE], &self.tensor, |outputs| {
            let output = outputs.only(2 * POINTS)?;
            if output.iter().any(|value| !value.is_finite()) {
                return Err(outputs.unusable("(the only one)"));
            }
            let mut points = [[0.0; 2]; POINTS];
            for (point, fractions) in points.iter_mut().zip(output.as_chunks::<2>().0) {
                *point = [
                    left as f32 + fractions[0] * width as f32,
                    top as f32 + fractions[1] * height as f32,
                ];
            }
            Ok(FaceOutline { points })
        })
    }
}

/// Resizes a picture to a square of `side` pixels of grey levels divided by `levels`. `planes` is
/// scratch space for three planes of that size.
pub(crate) fn grey(
    resizer: &mut Resizer,
    picture: &PixelView<'_>,
    side: usize,
    planes: &mut [f32],
    levels: f32,
    target: &mut [f32],
) {
    let area = side * side;
    let mut colours = Planes { data: &mut *planes, stride: side, rows: side, order: Channels::Rgb };
    resizer.resize(picture, side, side, &mut colours);
    let (red, rest) = planes.split_at(area);
    let (green, blue) = rest.split_at(area);
    for (((grey, r), g), b) in target.iter_mut().zip(red).zip(green).zip(blue) {
        *grey = (0.299 * r + 0.587 * g + 0.114 * b).round() / levels;
    }
}
