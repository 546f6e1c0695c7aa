//! Face detection with YuNet: boxes, five landmarks and scores.

use crate::VisionError;
use crate::features::Face;
use crate::geometry::{Landmarks, Rect};
use crate::pixels::{Channels, PixelView};
use crate::resize::{Planes, Resizer};
use crate::session::{Model, ModelOptions, Outputs};

/// Longest sides, in pixels, at which detection is tried until a face is found. Of 555 LFW pictures
/// 320 misses one, 160–288 none, 640 misses 63 (faces that fill the picture); 640 finds small
/// faces.
pub const CASCADE: [u32; 3] = [320, 192, 640];

/// Minimum score of a face, 0–1.
pub const MIN_SCORE: f32 = 0.6;

/// Intersection over union from which two boxes are the same face.
const MAX_OVERLAP: f32 = 0.3;
const STRIDES: [usize; 3] = [8, 16, 32];
const MAX_FACES: usize = 64;
const WEIGHTS: &str = "face_detection_yunet.onnx";

/// YuNet with its buffers.
#[derive(Debug)]
pub struct FaceDetector {
    model: Model,
    resizer: Resizer,
    tensor: Vec<f32>,
    filled: [usize; 2],
    names: [[String; 4]; 3],
}

impl FaceDetector {
    /// Opens the model.
    pub fn open(options: &ModelOptions) -> Result<Self, VisionError> {
        let names =
            STRIDES.map(|s| ["cls", "obj", "bbox", "kps"].map(|kind| format!("{kind}_{s}")));
        Ok(Self {
            model: Model::open(options, WEIGHTS)?,
            resizer: Resizer::default(),
            tensor: Vec::new(),
            filled: [0, 0],
            names,
        })
    }

    /// Tries the sizes of [`CASCADE`] until faces are found. Coordinates are pixels of `picture`.
    pub fn find(&mut self, picture: &PixelView<'_>) -> Result<Vec<Face>, VisionError> {
        for side in CASCADE {
            let faces = self.find_at(picture, side)?;
            if !faces.is_empty() {
                return Ok(faces);
            }
        }
        Ok(Vec::new())
    }

    /// Detects faces with the longest side scaled to `side` pixels. Largest face first, in pixels
    /// of `picture`.
    pub fn find_at(
        &mut self,
        picture: &PixelView<'_>,
        side: u32,
    ) -> Result<Vec<Face>, VisionError> {
        let factor = f64::from(side) / f64::from(picture.width().max(picture.height()));
        let scaled = |length: u32| ((f64::from(length) * factor).round() as usize).max(1);
        let (width, height) = (scaled(picture.width()), scaled(picture.height()));
        let (columns, rows) = (width.next_multiple_of(32), height.next_multiple_of(32));
        if self.tensor.len() != 3 * columns * rows || self.filled != [width, height] {
            self.tensor.clear();
            self.tensor.resize(3 * columns * rows, 0.0);
            self.filled = [width, height];
        }
        let mut planes =
            Planes { data: &mut self.tensor, stride: columns, rows, order: Channels::Bgr };
        self.resizer.resize(picture, width, height, &mut planes);
        let names = &self.names;
        let found = self.model.run([1, 3, rows, columns], &self.tensor, |outputs| {
            let mut found = Vec::new();
            for (stride, names) in STRIDES.into_iter().zip(names) {
                decode(outputs, names, stride, columns / stride, rows / stride, &mut found)?;
            }
            Ok(suppress(found))
        })?;
        let back = (1.0 / factor) as f32;
        let mut faces: Vec<Face> = found.into_iter().map(|face| face.scaled(back)).collect();
        faces.sort_by(|a, b| b.rect.area().total_cmp(&a.rect.area()));
        Ok(faces)
    }
}

/// Adds the faces of one stride to `found`, in pixels of the network's input.
fn decode(
    outputs: &Outputs<'_>,
    names: &[String; 4],
    stride: usize,
    columns: usize,
    rows: usize,
    found: &mut Vec<Face>,
) -> Result<(), VisionError> {
    let cells = columns * rows;
    let classes = outputs.read(&names[0], cells)?;
    let objects = outputs.read(&names[1], cells)?;
    let boxes = outputs.read(&names[2], 4 * cells)?;
    let points = outputs.read(&names[3], 10 * cells)?;
    let step = stride as f32;
    for cell in 0..cells {
        let likelihood = classes[cell].clamp(0.0, 1.0) * objects[cell].clamp(0.0, 1.0);
        if likelihood.is_nan() || likelihood < MIN_SCORE * MIN_SCORE {
            continue;
        }
        let (column, row) = ((cell % columns) as f32, (cell / columns) as f32);
        let b = &boxes[4 * cell..][..4];
        let (width, height) = (b[2].exp() * step, b[3].exp() * step);
        let (x, y) = ((column + b[0]) * step - width / 2.0, (row + b[1]) * step - height / 2.0);
        let mut landmarks: Landmarks = [[0.0; 2]; 5];
        for (point, k) in landmarks.iter_mut().zip(points[10 * cell..].chunks_exact(2)) {
            *point = [(column + k[0]) * step, (row + k[1]) * step];
        }
        let finite =
            [x, y, width, height].iter().chain(landmarks.iter().flatten()).all(|v| v.is_finite());
        if !finite {
            return Err(outputs.unusable(&names[2]));
        }
        let rect = Rect { x, y, width, height };
        found.push(Face { rect, score: likelihood.sqrt(), landmarks });
    }
    Ok(())
}

/// Non-maximum suppression: of overlapping faces, keeps the one with the best score.
fn suppress(mut found: Vec<Face>) -> Vec<Face> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Face> = Vec::new();
    for face in found {
        if kept.len() == MAX_FACES {
            break;
        }
        if kept.iter().all(|other| other.rect.overlap(&face.rect) <= MAX_OVERLAP) {
            kept.push(face);
        }
    }
    kept
}
