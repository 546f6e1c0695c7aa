//! Plane geometry: quadrilaterals in pictures, and the projection between two of them.

use imageproc::geometric_transformations::Projection;
use vultus_document_text::Quad;

/// A point: x to the right, y down.
pub(crate) type Point = [f32; 2];

/// Distance of two points.
pub(crate) fn distance(a: Point, b: Point) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The point at `share` of the way from `a` to `b`.
pub(crate) fn between(a: Point, b: Point, share: f32) -> Point {
    [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share]
}

/// Centroid of the four corners.
pub(crate) fn centre(quad: &Quad) -> Point {
    let sum = quad.0.iter().fold([0.0, 0.0], |sum, p| [sum[0] + p[0], sum[1] + p[1]]);
    [sum[0] / 4.0, sum[1] / 4.0]
}

/// Mean length of the upper and lower side.
pub(crate) fn width(quad: &Quad) -> f32 {
    let [a, b, c, d] = quad.0;
    (distance(a, b) + distance(d, c)) / 2.0
}

/// Mean length of the left and right side.
pub(crate) fn height(quad: &Quad) -> f32 {
    let [a, b, c, d] = quad.0;
    (distance(a, d) + distance(b, c)) / 2.0
}

/// The same area with rotated corner order: as after `quarters` clockwise quarter turns.
pub(crate) fn turned(quad: &Quad, quarters: usize) -> Quad {
    let mut corners = quad.0;
    corners.rotate_right(quarters % 4);
    Quad(corners)
}

/// The quadrilateral with `map` applied to all corners.
pub(crate) fn mapped(quad: &Quad, map: impl Fn(Point) -> Point) -> Quad {
    Quad(quad.0.map(map))
}

/// An axis-parallel rectangle at the origin.
pub(crate) fn rectangle(width: f32, height: f32) -> Quad {
    Quad([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]])
}

/// Signed area by the shoelace formula; positive if the corners are in clockwise order.
pub(crate) fn area(quad: &Quad) -> f32 {
    let q = quad.0;
    (0..4).map(|i| (q[i], q[(i + 1) % 4])).map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum::<f32>()
        / 2.0
}

/// Whether the quadrilateral is convex with corners in clockwise order.
pub(crate) fn is_convex(quad: &Quad) -> bool {
    let q = quad.0;
    (0..4).all(|i| {
        let (a, b, c) = (q[i], q[(i + 1) % 4], q[(i + 2) % 4]);
        (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0]) > 0.0
    })
}

/// The quadrilateral with each side moved outwards, by shares of its height: `sideways` left and
/// right, `upright` above and below.
pub(crate) fn grown(quad: &Quad, sideways: f32, upright: f32) -> Quad {
    let [a, b, c, d] = quad.0;
    let (wide, high) = (width(quad).max(1.0), height(quad));
    let (x, y) = (sideways * high / wide, upright);
    let at = |u: f32, v: f32| between(between(a, b, u), between(d, c, u), v);
    Quad([at(-x, -y), at(1.0 + x, -y), at(1.0 + x, 1.0 + y), at(-x, 1.0 + y)])
}

/// The projection that takes the corners of `from` to those of `to`; `None` if they are degenerate.
pub(crate) fn projection(from: &Quad, to: &Quad) -> Option<Projection> {
    let points = |quad: &Quad| quad.0.map(|[x, y]| (x, y));
    Projection::from_control_points(points(from), points(to))
}

/// The image of a point under a projection.
pub(crate) fn project(projection: &Projection, [x, y]: Point) -> Point {
    let (x, y) = *projection * (x, y);
    [x, y]
}
