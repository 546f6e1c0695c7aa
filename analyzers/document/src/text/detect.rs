//! Detection of text lines: PP-OCRv4's detector, whose output is a map of text probabilities per
//! pixel, and the rectangles around the connected regions of that map.

use image::{GrayImage, Luma, RgbImage};
use imageproc::contours::{BorderType, find_contours};
use imageproc::geometry::convex_hull;
use imageproc::point::Point as Pixel;
use vultus_document_text::Quad;
use vultus_vision::{Model, ModelOptions, VisionError};

use crate::plane::{self, Point};
use crate::sample;

pub(crate) const WEIGHTS: &str = "ppocr_v4_det.onnx";
/// Sides of the network's input are multiples of this.
const CELL: u32 = 32;
/// Minimum probability of a text pixel.
const TEXT: f32 = 0.3;
/// Minimum mean probability of a region that is a line.
const LINE: f32 = 0.5;
/// Growth of a region's rectangle ("unclip ratio" of PP-OCR): the network shrinks lines.
const GROWTH: f32 = 1.6;
/// Minimum height of a region, in pixels of the map.
const THINNEST: f32 = 3.0;
/// Minimum length of a long line, in heights.
const LONG: f32 = 5.0;
/// Maximum number of regions; a page full of text has fewer lines.
const MOST: usize = 1000;

/// A line of text in a picture.
#[derive(Debug, Clone)]
pub(crate) struct FoundLine {
    /// Its rectangle, in pixels of the picture. The upper side is parallel to the text, but may be
    /// upside down.
    pub(crate) quad: Quad,
}

/// The detector with its buffer.
#[derive(Debug)]
pub(crate) struct TextDetector {
    model: Model,
    tensor: Vec<f32>,
}

impl TextDetector {
    /// Opens the model.
    pub(crate) fn open(options: &ModelOptions) -> Result<Self, VisionError> {
        Ok(Self { model: Model::open_large(options, WEIGHTS)?, tensor: Vec::new() })
    }

    /// The lines in `picture`, detected with its longer side scaled to about `side` pixels.
    pub(crate) fn find(
        &mut self,
        picture: &RgbImage,
        side: u32,
    ) -> Result<Vec<FoundLine>, VisionError> {
        let factor = side as f32 / picture.width().max(picture.height()) as f32;
        let fitted =
            |length: u32| (((length as f32 * factor) / CELL as f32).round() as u32).max(1) * CELL;
        let (width, height) = (fitted(picture.width()), fitted(picture.height()));
        let small = sample::scaled(picture, width, height);
        fill(&small, &mut self.tensor);
        let (columns, rows) = (width as usize, height as usize);
        let output = self.model.output().to_owned();
        let map = self.model.run([1, 3, rows, columns], &self.tensor, |outputs| {
            Ok(outputs.read(&output, rows * columns)?[..rows * columns].to_vec())
        })?;
        let back = [picture.width() as f32 / width as f32, picture.height() as f32 / height as f32];
        let mut lines = rectangles(&map, width, height);
        for line in &mut lines {
            line.quad = plane::mapped(&line.quad, |[x, y]| [x * back[0], y * back[1]]);
        }
        Ok(lines)
    }
}

/// Fills `tensor` with three planes of the picture, blue first, with values from -1 to 1.
pub(super) fn fill(picture: &RgbImage, tensor: &mut Vec<f32>) {
    let area = picture.width() as usize * picture.height() as usize;
    tensor.resize(3 * area, 0.0);
    let (blue, rest) = tensor.split_at_mut(area);
    let (green, red) = rest.split_at_mut(area);
    for (i, pixel) in picture.pixels().enumerate() {
        let [r, g, b] = pixel.0.map(|level| f32::from(level) / 127.5 - 1.0);
        (blue[i], green[i], red[i]) = (b, g, r);
    }
}

fn rectangles(map: &[f32], width: u32, height: u32) -> Vec<FoundLine> {
    let at = |x: u32, y: u32| map[(y * width + x) as usize];
    // Dilated by one pixel to the right and below, like in PP-OCR.
    let spots = GrayImage::from_fn(width, height, |x, y| {
        let (left, above) = (x.saturating_sub(1), y.saturating_sub(1));
        let text =
            [(x, y), (left, y), (x, above), (left, above)].iter().any(|(x, y)| at(*x, *y) > TEXT);
        Luma([if text { 255 } else { 0 }])
    });
    let mut lines = Vec::new();
    for contour in find_contours::<i32>(&spots)
        .into_iter()
        .filter(|c| c.border_type == BorderType::Outer)
        .take(MOST)
    {
        let Some(rectangle) = least_rectangle(&contour.points) else { continue };
        if plane::height(&rectangle) < THINNEST {
            continue;
        }
        if mean_inside(map, width, height, &rectangle) < LINE {
            continue;
        }
        let (wide, high) = (plane::width(&rectangle), plane::height(&rectangle));
        let growth = wide * high * GROWTH / (2.0 * (wide + high));
        lines.push(FoundLine { quad: plane::grown(&rectangle, growth / high, growth / high) });
    }
    lines
}

/// The rectangle around the points with the longer side on top: along the principal axis for a long
/// line, otherwise the one with the smallest area. For a long line, the few edges of the hull would
/// be off by more than the line's height at its ends.
fn least_rectangle(points: &[Pixel<i32>]) -> Option<Quad> {
    let hull: Vec<Point> =
        convex_hull(points).iter().map(|p| [p.x as f32 + 0.5, p.y as f32 + 0.5]).collect();
    if hull.len() < 3 {
        return None;
    }
    let directions = (0..hull.len()).filter_map(|i| {
        let (a, b) = (hull[i], hull[(i + 1) % hull.len()]);
        let length = plane::distance(a, b);
        (length > 0.0).then(|| [(b[0] - a[0]) / length, (b[1] - a[1]) / length])
    });
    let boxes = directions.map(|along| along_axis(&hull, along));
    let least = boxes.min_by(|a, b| plane::area(a).abs().total_cmp(&plane::area(b).abs()))?;
    let least = along_the_text(least);
    if plane::width(&least) < LONG * plane::height(&least) {
        return Some(least);
    }
    Some(along_the_text(along_axis(&hull, principal_axis(points))))
}

/// The rectangle around the points with one side in the direction `along`.
fn along_axis(points: &[Point], along: Point) -> Quad {
    let across = [-along[1], along[0]];
    let bound = |direction: Point| {
        let places = points.iter().map(|p| p[0] * direction[0] + p[1] * direction[1]);
        places.fold((f32::MAX, f32::MIN), |(low, high), place| (low.min(place), high.max(place)))
    };
    let ((left, right), (top, bottom)) = (bound(along), bound(across));
    let corner = |u: f32, v: f32| [u * along[0] + v * across[0], u * along[1] + v * across[1]];
    Quad([corner(left, top), corner(right, top), corner(right, bottom), corner(left, bottom)])
}

/// The principal axis of the points, as a unit vector.
fn principal_axis(points: &[Pixel<i32>]) -> Point {
    let count = points.len() as f32;
    let mean = points
        .iter()
        .fold([0.0, 0.0], |sum, p| [sum[0] + p.x as f32 / count, sum[1] + p.y as f32 / count]);
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for p in points {
        let (x, y) = (p.x as f32 - mean[0], p.y as f32 - mean[1]);
        (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
    }
    let angle = 0.5 * (2.0 * xy).atan2(xx - yy);
    [angle.cos(), angle.sin()]
}

/// The corners reordered so that the upper side is the longer one and points to the right, or down.
fn along_the_text(quad: Quad) -> Quad {
    let quad =
        if plane::height(&quad) > plane::width(&quad) { plane::turned(&quad, 1) } else { quad };
    let [a, b, ..] = quad.0;
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let backwards = if dx.abs() >= dy.abs() { dx < 0.0 } else { dy < 0.0 };
    if backwards { plane::turned(&quad, 2) } else { quad }
}

fn mean_inside(map: &[f32], width: u32, height: u32, quad: &Quad) -> f32 {
    let bound = |axis: usize, most: u32| {
        let low = quad.0.iter().map(|p| p[axis]).fold(f32::MAX, f32::min).floor().max(0.0) as u32;
        let high = quad.0.iter().map(|p| p[axis]).fold(f32::MIN, f32::max).ceil().max(0.0) as u32;
        (low, high.min(most))
    };
    let ((left, right), (top, bottom)) = (bound(0, width), bound(1, height));
    let [a, b, _, d] = quad.0;
    let (u, v) = ([b[0] - a[0], b[1] - a[1]], [d[0] - a[0], d[1] - a[1]]);
    let (uu, vv) = (u[0] * u[0] + u[1] * u[1], v[0] * v[0] + v[1] * v[1]);
    let (mut sum, mut count) = (0.0, 0u32);
    for y in top..bottom {
        for x in left..right {
            let p = [x as f32 + 0.5 - a[0], y as f32 + 0.5 - a[1]];
            let (s, t) = (p[0] * u[0] + p[1] * u[1], p[0] * v[0] + p[1] * v[1]);
            if (0.0..=uu).contains(&s) && (0.0..=vv).contains(&t) {
                sum += map[(y * width + x) as usize];
                count += 1;
            }
        }
    }
    if count == 0 { 0.0 } else { sum / count as f32 }
}
