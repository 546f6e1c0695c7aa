//! The mesh of a face: 478 points, 52 blendshapes, found by MediaPipe's models in a turned square
//! crop. Also follows one face from frame to frame.

use crate::VisionError;
use crate::features::Face;
use crate::geometry::{Point, Rect};
use crate::mesh_rotation::{HeadRotation, head_rotation};
use crate::pixels::{Channels, PixelView};
use crate::session::{Model, ModelOptions};

/// Number of points of a mesh; the last ten are those of the irises.
pub const MESH_POINTS: usize = 478;
/// Number of blendshapes.
pub const BLENDSHAPES: usize = 52;

/// A point of a mesh in pixels: x to the right, y down, z away from the viewer.
pub type MeshPoint = [f32; 3];

const LANDMARKS: &str = "face_landmarks.onnx";
const EXPRESSION: &str = "face_blendshapes.onnx";
/// Weight files of this module.
pub const MESH_FILES: [&str; 2] = [LANDMARKS, EXPRESSION];

/// Side of the network's input.
const SIDE: usize = 256;
/// Side of the crop, in larger sides of the face's box.
const CROP_FACTOR: f32 = 1.5;
/// Minimum probability that the crop shows a face.
const PRESENCE: f32 = 0.5;
/// Points that are not of the irises.
const SURFACE: usize = 468;
/// Outer corners of the eyes, at the image's left and right in an unmirrored picture.
const EYE_CORNERS: [usize; 2] = [33, 263];

/// The points that the blendshape model reads.
const EXPRESSIVE: [usize; 146] = [
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65,
    66, 67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136,
    144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172,
    173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283,
    284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324,
    332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385,
    386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472,
    473, 474, 475, 476, 477,
];

/// A face in one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceMesh {
    /// Probability that it is a face, 0.5–1.
    pub presence: f32,
    /// The rotation of the head.
    pub rotation: HeadRotation,
    /// The expression, each 0–1, in MediaPipe's order.
    pub blendshapes: [f32; BLENDSHAPES],
    /// The points, in pixels of the picture.
    pub points: Box<[MeshPoint; MESH_POINTS]>,
}

/// A turned square of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Crop {
    centre: Point,
    side: f32,
    /// Sine and cosine of the angle between the eyes and the horizontal.
    turn: [f32; 2],
}

impl Crop {
    fn of_face(face: &Face) -> Self {
        let [left, right] = [face.landmarks[0], face.landmarks[1]];
        let side = CROP_FACTOR * face.rect.width.max(face.rect.height);
        Self { centre: face.rect.centre(), side, turn: direction(left, right) }
    }

    fn of_points(points: &[MeshPoint; MESH_POINTS]) -> Self {
        let [left, right] = EYE_CORNERS.map(|index| [points[index][0], points[index][1]]);
        let turn = direction(left, right);
        let [sin, cos] = turn;
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        for [x, y, _] in &points[..SURFACE] {
            for (axis, value) in [cos * x + sin * y, cos * y - sin * x].into_iter().enumerate() {
                low[axis] = low[axis].min(value);
                high[axis] = high[axis].max(value);
            }
        }
        let [u, v] = [0, 1].map(|axis: usize| (low[axis] + high[axis]) / 2.0);
        let side = CROP_FACTOR * (high[0] - low[0]).max(high[1] - low[1]);
        Self { centre: [cos * u - sin * v, sin * u + cos * v], side, turn }
    }

    /// The place in the picture of the place (`x`, `y`) in a crop of [`SIDE`] pixels.
    fn place(&self, x: f32, y: f32) -> Point {
        let scale = self.side / SIDE as f32;
        let half = SIDE as f32 / 2.0;
        let [sin, cos] = self.turn;
        let (x, y) = ((x - half) * scale, (y - half) * scale);
        [self.centre[0] + cos * x - sin * y, self.centre[1] + sin * x + cos * y]
    }
}

/// Sine and cosine of the direction from one point to another; horizontal if they coincide.
fn direction(from: Point, to: Point) -> [f32; 2] {
    let (x, y) = (to[0] - from[0], to[1] - from[1]);
    let length = x.hypot(y);
    if length > 1e-3 { [y / length, x / length] } else { [0.0, 1.0] }
}

/// The models with their buffers, and the face that they follow.
#[derive(Debug)]
pub struct MeshTracker {
    landmarks: Model,
    expression: ExpressionModel,
    tensor: Vec<f32>,
    next: Option<Crop>,
}

impl MeshTracker {
    /// Opens the models.
    pub fn open(options: &ModelOptions) -> Result<Self, VisionError> {
        Ok(Self {
            landmarks: Model::open(options, LANDMARKS)?,
            expression: ExpressionModel::open(options)?,
            tensor: vec![0.0; SIDE * SIDE * 3],
            next: None,
        })
    }

    /// Forgets the face that was followed.
    pub fn reset(&mut self) {
        self.next = None;
    }

    /// The followed face in the next frame; `None` if there is none to follow, or if it is lost.
    pub fn follow(&mut self, picture: &PixelView<'_>) -> Result<Option<FaceMesh>, VisionError> {
        match self.next.take() {
            Some(crop) => self.find(picture, &crop),
            None => Ok(None),
        }
    }

    /// The mesh of a detected face, which is followed from here on. The first mesh gives a better
    /// crop for a second one.
    pub fn start(
        &mut self,
        picture: &PixelView<'_>,
        face: &Face,
    ) -> Result<Option<FaceMesh>, VisionError> {
        self.next = Some(Crop::of_face(face));
        match self.follow(picture)? {
            Some(_) => self.follow(picture),
            None => Ok(None),
        }
    }

    fn find(
        &mut self,
        picture: &PixelView<'_>,
        crop: &Crop,
    ) -> Result<Option<FaceMesh>, VisionError> {
        cut(picture, crop, &mut self.tensor);
        let found = self.landmarks.run([1, SIDE, SIDE, 3], &self.tensor, |outputs| {
            let presence = 1.0 / (1.0 + (-outputs.read("Identity_1", 1)?[0]).exp());
            let values = outputs.read("Identity", 3 * MESH_POINTS)?;
            if !presence.is_finite() || values.iter().any(|value| !value.is_finite()) {
                return Err(outputs.unusable("Identity"));
            }
            let mut points = Box::new([[0.0; 3]; MESH_POINTS]);
            for (point, [x, y, z]) in points.iter_mut().zip(values.as_chunks::<3>().0) {
                let [left, top] = crop.place(*x, *y);
                *point = [left, top, z * crop.side / SIDE as f32];
            }
            Ok((presence >= PRESENCE).then_some((presence, points)))
        })?;
        let Some((presence, points)) = found else { return Ok(None) };
        let next = Crop::of_points(&points);
        let (Some(rotation), true) = (head_rotation(&points), next.side > 2.0) else {
            return Ok(None);
        };
        self.next = Some(next);
        let blendshapes = self.expression.blendshapes(&points)?;
        Ok(Some(FaceMesh { presence, rotation, blendshapes, points }))
    }
}

/// The model that reads an expression from the points of a face.
#[derive(Debug)]
pub struct ExpressionModel(Model);

impl ExpressionModel {
    /// Opens the model.
    pub fn open(options: &ModelOptions) -> Result<Self, VisionError> {
        Ok(Self(Model::open(options, EXPRESSION)?))
    }

    /// The expression of a face with these points; the model ignores place and size.
    pub fn blendshapes(
        &mut self,
        points: &[MeshPoint; MESH_POINTS],
    ) -> Result<[f32; BLENDSHAPES], VisionError> {
        let mut places = [0.0; 2 * EXPRESSIVE.len()];
        for (place, index) in places.as_chunks_mut::<2>().0.iter_mut().zip(EXPRESSIVE) {
            *place = [points[index][0], points[index][1]];
        }
        self.0.run([1, EXPRESSIVE.len(), 2], &places, |outputs| {
            let values = outputs.only(BLENDSHAPES)?;
            let shapes = values.first_chunk::<BLENDSHAPES>().copied();
            shapes
                .filter(|shapes| shapes.iter().all(|value| value.is_finite()))
                .ok_or_else(|| outputs.unusable("blendshapes"))
        })
    }
}

impl FaceMesh {
    /// The box around the face.
    pub fn rect(&self) -> Rect {
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        for point in &self.points[..SURFACE] {
            for axis in 0..2 {
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis]);
            }
        }
        Rect::from([low[0], low[1], high[0] - low[0], high[1] - low[1]])
    }
}

/// Samples the crop bilinearly into levels 0–1, channels last, black outside the picture.
fn cut(picture: &PixelView<'_>, crop: &Crop, out: &mut [f32]) {
    let offsets = picture.channels().offsets_for(Channels::Rgb);
    let step = picture.channels().count();
    let (width, height) = (picture.width() as i32, picture.height() as i32);
    let [start, beside, below] =
        [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]].map(|[x, y]| crop.place(x, y));
    let right = [beside[0] - start[0], beside[1] - start[1]];
    let down = [below[0] - start[0], below[1] - start[1]];
    for (row, line) in out.chunks_exact_mut(SIDE * 3).enumerate() {
        for (column, pixel) in line.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let (along, across) = (column as f32, row as f32);
            let x = start[0] + along * right[0] + across * down[0];
            let y = start[1] + along * right[1] + across * down[1];
            *pixel = [0.0; 3];
            // Written so that a place that is no number is outside.
            let inside = x > -1.0 && y > -1.0 && x < width as f32 && y < height as f32;
            if !inside {
                continue;
            }
            let (left, top) = (x.floor(), y.floor());
            let (shift_x, shift_y) = (x - left, y - top);
            let weights = [(1.0 - shift_y, 0), (shift_y, 1)];
            for (weight_y, offset_y) in weights {
                let from_y = top as i32 + offset_y;
                if !(0..height).contains(&from_y) {
                    continue;
                }
                let source = picture.row(from_y as usize);
                for (weight_x, offset_x) in [(1.0 - shift_x, 0), (shift_x, 1)] {
                    let from_x = left as i32 + offset_x;
                    if !(0..width).contains(&from_x) {
                        continue;
                    }
                    let weight = weight_x * weight_y / 255.0;
                    let levels = &source[from_x as usize * step..][..step];
                    for (sum, offset) in pixel.iter_mut().zip(offsets) {
                        *sum += weight * f32::from(levels[offset]);
                    }
                }
            }
        }
    }
}
