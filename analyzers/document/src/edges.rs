//! Finds the four straight edges of the document, without a model.
//!
//! A document that fills the picture has no visible edges; that is not an error. The edges are used
//! to measure the picture and to cut out the portrait. Text is read independently of them, so that
//! a wrong edge loses no line.

use image::{GrayImage, RgbImage};
use imageproc::edges::canny;
use imageproc::filter::gaussian_blur_f32;
use imageproc::hough::{LineDetectionOptions, PolarLine, detect_lines};
use vultus_document_text::Quad;

use crate::plane::{self, Point, between};
use crate::sample;

/// Longer side, in pixels, of the reduced picture that is searched.
const SIDE: u32 = 512;
/// Maximum number of candidate lines, strongest first.
const MOST_LINES: usize = 24;
/// Minimum share of edge pixels, for each side and on average.
const LEAST_SUPPORT: f32 = 0.45;
const MEAN_SUPPORT: f32 = 0.65;
/// Minimum area of a document, as a share of the picture.
const LEAST_AREA: f32 = 0.04;
/// Maximum distance of a corner outside the picture, as a share of the longer side.
const OUTSIDE: f32 = 0.12;
/// Range of the side ratio of documents, including perspective.
const PROPORTIONS: [f32; 2] = [1.15, 2.1];

/// A line: the points p with p·normal = offset.
#[derive(Debug, Clone, Copy)]
struct Line {
    normal: Point,
    offset: f32,
}

impl Line {
    fn of(line: &PolarLine) -> Self {
        let angle = (line.angle_in_degrees as f32).to_radians();
        Self { normal: [angle.cos(), angle.sin()], offset: line.r }
    }

    fn meets(&self, other: &Self) -> Option<Point> {
        let determinant = self.normal[0] * other.normal[1] - self.normal[1] * other.normal[0];
        let x = (self.offset * other.normal[1] - other.offset * self.normal[1]) / determinant;
        let y = (other.offset * self.normal[0] - self.offset * other.normal[0]) / determinant;
        (determinant.abs() > 0.5).then_some([x, y])
    }

    fn is_along(&self, other: &Self) -> bool {
        (self.normal[0] * other.normal[0] + self.normal[1] * other.normal[1]).abs() > 0.9
    }
}

/// The corners of the document in `picture`, clockwise from the one nearest to the picture's upper
/// left.
pub(crate) fn find(picture: &RgbImage) -> Option<Quad> {
    let factor = SIDE as f32 / picture.width().max(picture.height()) as f32;
    let fitted = |length: u32| ((length as f32 * factor).round() as u32).max(1);
    let small = sample::scaled(picture, fitted(picture.width()), fitted(picture.height()));
    let (width, height) = (small.width() as f32, small.height() as f32);
    if width.min(height) < 64.0 {
        return None;
    }
    let edges = canny(&gaussian_blur_f32(&sample::grey(&small), 1.4), 12.0, 36.0);
    let lines = strongest(&edges);
    let mut best: Option<(f32, Quad)> = None;
    let pairs: Vec<(usize, usize)> = (0..lines.len())
        .flat_map(|i| (i + 1..lines.len()).map(move |j| (i, j)))
        .filter(|(i, j)| lines[*i].is_along(&lines[*j]))
        .collect();
    for (at, first) in pairs.iter().enumerate() {
        for second in &pairs[at + 1..] {
            if lines[first.0].is_along(&lines[second.0]) {
                continue;
            }
            let sides = [lines[first.0], lines[first.1], lines[second.0], lines[second.1]];
            let Some(quad) = corners(&sides).filter(|quad| may_be_document(quad, width, height))
            else {
                continue;
            };
            let Some(support) = support(&edges, &quad) else { continue };
            let score = support + 0.5 * plane::area(&quad) / (width * height);
            if best.as_ref().is_none_or(|(known, _)| score > *known) {
                best = Some((score, quad));
            }
        }
    }
    best.map(|(_, quad)| plane::mapped(&quad, |[x, y]| [x / factor, y / factor]))
}

fn strongest(edges: &GrayImage) -> Vec<Line> {
    let options = LineDetectionOptions { vote_threshold: 40, suppression_radius: 5 };
    let polar = detect_lines(edges, options);
    let mut lines: Vec<(f32, Line)> =
        polar.iter().map(|line| (votes(edges, &Line::of(line)), Line::of(line))).collect();
    lines.sort_by(|a, b| b.0.total_cmp(&a.0));
    lines.into_iter().take(MOST_LINES).map(|(_, line)| refined(edges, line)).collect()
}

/// Fits the line to the edge pixels near it: the Hough transform only yields whole degrees.
fn refined(edges: &GrayImage, mut line: Line) -> Line {
    for reach in [5i32, 2] {
        let along = [-line.normal[1], line.normal[0]];
        let far = (edges.width() + edges.height()) as i32;
        let place = |t: f32, d: f32| {
            let [nx, ny] = line.normal;
            [nx * (line.offset + d) + along[0] * t, ny * (line.offset + d) + along[1] * t]
        };
        let is_set = |[x, y]: Point| {
            x >= 0.0
                && y >= 0.0
                && edges.get_pixel_checked(x as u32, y as u32).is_some_and(|pixel| pixel.0[0] > 0)
        };
        let nearest = |t: f32| {
            let mut distances: Vec<i32> = (-reach..=reach).collect();
            distances.sort_by_key(|d| d.abs());
            distances.into_iter().map(|d| d as f32).find(|d| is_set(place(t, *d)))
        };
        let points: Vec<Point> =
            (-far..far).filter_map(|t| Some([t as f32, nearest(t as f32)?])).collect();
        let count = points.len() as f32;
        if count < 8.0 {
            return line;
        }
        let mean =
            points.iter().fold([0.0, 0.0], |sum, p| [sum[0] + p[0] / count, sum[1] + p[1] / count]);
        let spread: f32 = points.iter().map(|p| (p[0] - mean[0]).powi(2)).sum();
        let slope = points.iter().map(|p| (p[0] - mean[0]) * (p[1] - mean[1])).sum::<f32>()
            / spread.max(1.0);
        let on_line = place(mean[0], mean[1]);
        let length = slope.hypot(1.0);
        let normal = [
            (line.normal[0] - slope * along[0]) / length,
            (line.normal[1] - slope * along[1]) / length,
        ];
        line = Line { normal, offset: normal[0] * on_line[0] + normal[1] * on_line[1] };
    }
    line
}

/// Number of edge pixels along the line.
fn votes(edges: &GrayImage, line: &Line) -> f32 {
    let along = [-line.normal[1], line.normal[0]];
    let reach = (edges.width() + edges.height()) as i32;
    let on_edge = |t: &i32| {
        let t = *t as f32;
        is_edge(
            edges,
            [
                line.normal[0] * line.offset + along[0] * t,
                line.normal[1] * line.offset + along[1] * t,
            ],
            line.normal,
        )
    };
    (-reach..reach).filter(on_edge).count() as f32
}

fn is_edge(edges: &GrayImage, p: Point, across: Point) -> bool {
    [-1.5f32, 0.0, 1.5].into_iter().any(|d| {
        let (x, y) = (p[0] + d * across[0], p[1] + d * across[1]);
        x >= 0.0
            && y >= 0.0
            && edges.get_pixel_checked(x as u32, y as u32).is_some_and(|pixel| pixel.0[0] > 0)
    })
}

/// The intersections of the four lines, two of each direction.
fn corners(sides: &[Line; 4]) -> Option<Quad> {
    let [a, b, c, d] = sides;
    let mut points = [a.meets(c)?, a.meets(d)?, b.meets(d)?, b.meets(c)?];
    if plane::area(&Quad(points)) < 0.0 {
        points.reverse();
    }
    let first = (0..4).min_by(|i, j| {
        (points[*i][0] + points[*i][1]).total_cmp(&(points[*j][0] + points[*j][1]))
    })?;
    points.rotate_left(first);
    Some(Quad(points))
}

fn may_be_document(quad: &Quad, width: f32, height: f32) -> bool {
    let margin = OUTSIDE * width.max(height);
    let inside = quad.0.iter().all(|[x, y]| {
        (-margin..width + margin).contains(x) && (-margin..height + margin).contains(y)
    });
    let (wide, high) = (plane::width(quad), plane::height(quad));
    let proportion = wide.max(high) / wide.min(high).max(1.0);
    inside
        && plane::is_convex(quad)
        && plane::area(quad) > LEAST_AREA * width * height
        && (PROPORTIONS[0]..PROPORTIONS[1]).contains(&proportion)
}

/// Mean share of edge pixels along the sides; `None` if it is too small.
fn support(edges: &GrayImage, quad: &Quad) -> Option<f32> {
    let mut sum = 0.0;
    for i in 0..4 {
        let (a, b) = (quad.0[i], quad.0[(i + 1) % 4]);
        let length = plane::distance(a, b).max(1.0);
        let across = [(a[1] - b[1]) / length, (b[0] - a[0]) / length];
        // Corners are often rounded: only the middle of a side counts.
        let steps = (0.9 * length) as usize;
        let inside = |p: &Point| {
            (0.0..edges.width() as f32).contains(&p[0])
                && (0.0..edges.height() as f32).contains(&p[1])
        };
        let points: Vec<Point> = (0..steps)
            .map(|s| between(a, b, 0.05 + 0.9 * s as f32 / steps as f32))
            .filter(inside)
            .collect();
        if points.len() * 2 < steps {
            return None;
        }
        let share = points.iter().filter(|p| is_edge(edges, **p, across)).count() as f32
            / points.len().max(1) as f32;
        if share < LEAST_SUPPORT {
            return None;
        }
        sum += share;
    }
    (sum / 4.0 > MEAN_SUPPORT).then_some(sum / 4.0)
}

/// Clockwise rotation of the document in quarter turns, given the direction of its text in degrees.
pub(crate) fn quarters(angle: f32) -> usize {
    (angle.rem_euclid(360.0) / 90.0).round() as usize % 4
}

/// The corners reordered to start at the upper left of the upright document.
pub(crate) fn upright(quad: &Quad, quarters: usize) -> Quad {
    let mut corners = quad.0;
    corners.rotate_left(quarters % 4);
    Quad(corners)
}
