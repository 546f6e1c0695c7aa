//! Corners: points that can be found again in the next frame (Shi and Tomasi).

use super::flow::Pyramid;
use crate::geometry::Point;

/// Radius of the neighbourhood that makes a corner, in pixels.
const RADIUS: usize = 2;
/// Strength of the weakest corner, as a share of the strongest.
const WEAKEST: f32 = 0.01;
/// Smaller eigenvalue, in squared grey levels, below which nothing is a corner: flat areas with
/// noise.
const LEAST: f32 = 1.5;

/// The pixels in which corners are searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// Left, top, right, bottom; the last two are outside.
    pub inside: [f32; 4],
    /// A part that is left out, likewise.
    pub except: Option<[f32; 4]>,
}

/// At most `most` corners of the picture in the region, strongest first, at least `apart` pixels
/// from each other.
pub fn corners(picture: &Pyramid, region: &Region, most: usize, apart: f32) -> Vec<Point> {
    let (width, height) = picture.size();
    let border = RADIUS + 2;
    let edge = |value: f32, most: usize| {
        (value.max(0.0) as usize).clamp(border, most.saturating_sub(border).max(border))
    };
    let [left, top, right, bottom] = region.inside;
    let (columns, rows) =
        (edge(left, width)..edge(right, width), edge(top, height)..edge(bottom, height));
    let mut found: Vec<(f32, usize, usize)> = Vec::new();
    for y in rows {
        for x in columns.clone() {
            let strength = strength(picture, x, y);
            let skipped = region.except.is_some_and(|[l, t, r, b]| {
                (l..r).contains(&(x as f32)) && (t..b).contains(&(y as f32))
            });
            if strength >= LEAST && !skipped {
                found.push((strength, x, y));
            }
        }
    }
    found.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then((a.2, a.1).cmp(&(b.2, b.1))));
    let weakest = found.first().map_or(0.0, |best| best.0 * WEAKEST);
    let mut kept: Vec<Point> = Vec::new();
    for (strength, x, y) in found {
        if strength < weakest || kept.len() >= most {
            break;
        }
        let (x, y) = (x as f32, y as f32);
        if kept.iter().all(|[a, b]| (a - x).hypot(b - y) >= apart) {
            kept.push([x, y]);
        }
    }
    kept
}

/// The smaller eigenvalue of the gradients around a pixel.
fn strength(picture: &Pyramid, x: usize, y: usize) -> f32 {
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for row in y - RADIUS..=y + RADIUS {
        for column in x - RADIUS..=x + RADIUS {
            let [dx, dy] = picture.gradient(column, row);
            xx += dx * dx;
            xy += dx * dy;
            yy += dy * dy;
        }
    }
    let count = ((2 * RADIUS + 1) * (2 * RADIUS + 1)) as f32;
    let (half_sum, half_gap) = ((xx + yy) / 2.0, (xx - yy) / 2.0);
    (half_sum - half_gap.hypot(xy)) / count
}
