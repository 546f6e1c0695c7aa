//! Finds places where a machine-readable zone may be: two or three long parallel lines, one above
//! the other, with common left and right ends.

use vultus_document_text::Quad;

use crate::plane::{self, Point, distance};
use crate::text::detect::FoundLine;

/// Minimum length of a zone's line, in heights. The shortest lines have 30 characters.
const SLENDER: f32 = 9.0;
/// Minimum length of a line whose direction is reliable, as a share of the longest line.
const WHOLE: f32 = 0.8;
/// Maximum perspective convergence of the lines, as a share of their distance.
const NEARER: f32 = 0.35;
/// Minimum convergence that is not a measurement error.
const CERTAIN: f32 = 0.08;
/// Maximum gap between pieces of one line, in heights.
const PIECE_GAP: f32 = 6.0;
/// Maximum number of bands that are read.
const MOST: usize = 3;

/// A place where a zone may be: its lines from the top, all with the same left and right ends.
#[derive(Debug, Clone)]
pub(crate) struct Band {
    pub(crate) lines: Vec<Quad>,
}

/// A piece of text as centre, unit direction, length and height, in pixels.
#[derive(Debug, Clone, Copy)]
struct Strip {
    centre: Point,
    direction: Point,
    length: f32,
    height: f32,
}

impl Strip {
    fn of(quad: &Quad) -> Self {
        let [a, b, c, d] = quad.0;
        let (left, right) = (plane::between(a, d, 0.5), plane::between(b, c, 0.5));
        let length = distance(left, right).max(1.0);
        Self {
            centre: plane::centre(quad),
            direction: [(right[0] - left[0]) / length, (right[1] - left[1]) / length],
            length,
            height: plane::height(quad),
        }
    }

    /// The coordinates of a point along and across the strip, relative to its centre.
    fn place(&self, p: Point) -> [f32; 2] {
        let (x, y) = (p[0] - self.centre[0], p[1] - self.centre[1]);
        [
            x * self.direction[0] + y * self.direction[1],
            y * self.direction[0] - x * self.direction[1],
        ]
    }

    fn point(&self, along: f32, across: f32) -> Point {
        let [x, y] = self.direction;
        [self.centre[0] + along * x - across * y, self.centre[1] + along * y + across * x]
    }

    fn is_parallel(&self, other: &Self) -> bool {
        let dot = self.direction[0] * other.direction[0] + self.direction[1] * other.direction[1];
        dot.abs() > 0.996
    }

    fn quad(&self) -> Quad {
        let (x, y) = (self.length / 2.0, self.height / 2.0);
        Quad([self.point(-x, -y), self.point(x, -y), self.point(x, y), self.point(-x, y)])
    }
}

/// The bands among the lines of a picture, likeliest first.
pub(crate) fn bands(found: &[FoundLine]) -> Vec<Band> {
    let strips = joined(found);
    let mut bands: Vec<(f32, Band)> = Vec::new();
    let long: Vec<&Strip> = strips.iter().filter(|s| s.length > SLENDER * s.height).collect();
    for first in &long {
        let mut group: Vec<(f32, Strip)> = vec![(0.0, **first)];
        for other in &strips {
            if let Some(across) = follows(first, other) {
                group.push((across, *other));
            }
        }
        if group.len() < 2 {
            continue;
        }
        group.sort_by(|a, b| a.0.total_cmp(&b.0));
        for count in [3, 2] {
            for lines in group.windows(count) {
                if lines.iter().any(|(across, _)| *across == 0.0) && is_even(lines) {
                    let likely = likelihood(lines);
                    bands.push((likely, between_edges(first, lines)));
                }
            }
        }
    }
    bands.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut kept: Vec<Band> = Vec::new();
    for (_, band) in bands {
        let is_known = |known: &Band| {
            let near = |a: &Quad, b: &Quad| {
                distance(plane::centre(a), plane::centre(b)) < plane::height(a) / 2.0
            };
            band.lines.iter().all(|line| known.lines.iter().any(|other| near(line, other)))
        };
        if !kept.iter().any(is_known) {
            kept.push(band);
        }
    }
    kept.truncate(MOST);
    kept
}

/// Joins pieces of one line to one strip: the detector splits lines at wide gaps.
fn joined(found: &[FoundLine]) -> Vec<Strip> {
    let mut strips: Vec<Strip> = found.iter().map(|line| Strip::of(&line.quad)).collect();
    strips.sort_by(|a, b| b.length.total_cmp(&a.length));
    let mut joined: Vec<Strip> = Vec::new();
    for strip in strips {
        let same = joined.iter_mut().find(|whole| {
            let [along, across] = whole.place(strip.centre);
            let gap = along.abs() - (whole.length + strip.length) / 2.0;
            let alike = (0.5..2.0).contains(&(strip.height / whole.height));
            alike
                && across.abs() < 0.4 * whole.height
                && gap < PIECE_GAP * whole.height
                && whole.length > 4.0 * whole.height
                && (whole.is_parallel(&strip) || strip.length < 3.0 * strip.height)
        });
        match same {
            Some(whole) => {
                let ends: Vec<f32> = strip.quad().0.iter().map(|p| whole.place(*p)[0]).collect();
                let low = ends.iter().copied().fold(-whole.length / 2.0, f32::min);
                let high = ends.iter().copied().fold(whole.length / 2.0, f32::max);
                whole.centre = whole.point((low + high) / 2.0, 0.0);
                whole.length = high - low;
            }
            None => joined.push(strip),
        }
    }
    joined
}

/// Distance of `other` across the direction of `first`; `None` if they cannot be lines of one zone.
fn follows(first: &Strip, other: &Strip) -> Option<f32> {
    let [along, across] = first.place(other.centre);
    let steps = across.abs() / first.height;
    let alike = (0.6..1.7).contains(&(other.height / first.height));
    // The detector may miss the fillers at the end of one line, but not most of both lines.
    let inside = along.abs() + other.length / 2.0 < first.length / 2.0 + 2.5 * first.height;
    let long_enough = other.length > 0.25 * first.length;
    (alike && inside && long_enough && first.is_parallel(other) && (0.6..6.0).contains(&steps))
        .then_some(across)
}

/// Whether the distances between the lines are about equal and not too large.
fn is_even(lines: &[(f32, Strip)]) -> bool {
    let gaps: Vec<f32> = lines.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    let height = lines.iter().map(|(_, s)| s.height).fold(0.0, f32::max);
    let (least, most) =
        gaps.iter().fold((f32::MAX, 0.0f32), |(l, m), gap| (l.min(*gap), m.max(*gap)));
    least > 0.6 * height && most < 3.2 * height && most < 1.35 * least
}

/// Score of a band: higher for long lines of equal length, and for three lines.
fn likelihood(lines: &[(f32, Strip)]) -> f32 {
    let longest = lines.iter().map(|(_, s)| s.length).fold(0.0, f32::max);
    let slender = lines.iter().map(|(_, s)| s.length / s.height).fold(0.0, f32::max).min(40.0);
    let alike: f32 = lines.iter().map(|(_, s)| s.length / longest).sum();
    longest * alike * slender.sqrt()
}

/// The band of these lines, extended to common left and right ends.
fn between_edges(first: &Strip, lines: &[(f32, Strip)]) -> Band {
    let longest =
        lines.iter().max_by(|a, b| a.1.length.total_cmp(&b.1.length)).map_or(*first, |(_, s)| *s);
    let (mut low, mut high) = (f32::MAX, f32::MIN);
    for (_, strip) in lines {
        for corner in strip.quad().0 {
            let along = longest.place(corner)[0];
            (low, high) = (low.min(along), high.max(along));
        }
    }
    let height = lines.iter().map(|(_, s)| s.height).sum::<f32>() / lines.len() as f32;
    let cut = |strip: &Strip| {
        // The direction of a short piece is less certain than that of the longest line.
        let direction =
            if strip.length > WHOLE * longest.length { strip.direction } else { longest.direction };
        let turned =
            direction[0] * longest.direction[0] + direction[1] * longest.direction[1] < 0.0;
        let direction = if turned { [-direction[0], -direction[1]] } else { direction };
        let base = Strip { direction, ..*strip };
        let own = longest.place(base.centre)[0];
        let middle = (low + high) / 2.0 - own;
        Strip {
            centre: base.point(middle, 0.0),
            length: high - low,
            height: height.max(strip.height),
            ..base
        }
        .quad()
    };
    let whole = lines.iter().all(|(_, strip)| strip.length > WHOLE * longest.length);
    let cut: Vec<Quad> = lines.iter().map(|(_, strip)| cut(strip)).collect();
    let nearer =
        Some(nearing(&cut)).filter(|nearer| whole && nearer.abs() > CERTAIN).unwrap_or_default();
    Band { lines: cut.iter().map(|quad| narrowed(quad, nearer)).collect() }
}

/// Perspective convergence: the difference between the distances of the first and last line at the
/// right and at the left, as a share of their distance in the middle.
fn nearing(lines: &[Quad]) -> f32 {
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return 0.0 };
    let gap = |near: usize, far: usize| {
        distance(
            plane::between(first.0[near], first.0[far], 0.5),
            plane::between(last.0[near], last.0[far], 0.5),
        )
    };
    let (left, right) = (gap(0, 3), gap(1, 2));
    (2.0 * (right - left) / (right + left).max(1.0)).clamp(-NEARER, NEARER)
}

/// The line with its height at the right larger than at the left by the share `nearer`.
fn narrowed(quad: &Quad, nearer: f32) -> Quad {
    let [a, b, c, d] = quad.0;
    let (left, right) = (nearer / 4.0, -nearer / 4.0);
    Quad([
        plane::between(a, d, left),
        plane::between(b, c, right),
        plane::between(c, b, right),
        plane::between(d, a, left),
    ])
}

impl Band {
    /// Direction of the lines in the picture, in degrees clockwise from the right, 0–360.
    pub(crate) fn angle(&self) -> f32 {
        let [a, b, ..] = self.lines[0].0;
        (b[1] - a[1]).atan2(b[0] - a[0]).to_degrees().rem_euclid(360.0)
    }

    /// The band read in the opposite direction.
    pub(crate) fn reversed(&self) -> Self {
        Self { lines: self.lines.iter().rev().map(|line| plane::turned(line, 2)).collect() }
    }

    /// The extrapolated line after the last one (`side` > 0) or before the first one (`side` < 0).
    pub(crate) fn next_line(&self, side: f32) -> Option<Quad> {
        let (near, far) = match self.lines.as_slice() {
            [.., far, near] if side > 0.0 => (near, far),
            [near, far, ..] if side < 0.0 => (near, far),
            _ => return None,
        };
        let (a, b) = (plane::centre(near), plane::centre(far));
        Some(plane::mapped(near, |p| [p[0] + a[0] - b[0], p[1] + a[1] - b[1]]))
    }

    /// The quadrilateral around all lines.
    pub(crate) fn quad(&self) -> Option<Quad> {
        let (first, last) = (self.lines.first()?, self.lines.last()?);
        Some(Quad([first.0[0], first.0[1], last.0[2], last.0[3]]))
    }
}
