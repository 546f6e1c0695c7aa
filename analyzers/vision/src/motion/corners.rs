//! Corners: points that can be found again in the next frame (Shi and Tomasi).

use std::ops::Range;

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
    if columns.is_empty() || rows.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<(f32, usize, usize)> = Vec::new();
    let mut sums = GradientSums::new(picture, columns.clone(), rows.start);
    for y in rows {
        let strengths = sums.next_row();
        for (x, strength) in columns.clone().zip(strengths) {
            let skipped = region.except.is_some_and(|[l, t, r, b]| {
                (l..r).contains(&(x as f32)) && (t..b).contains(&(y as f32))
            });
            if *strength >= LEAST && !skipped {
                found.push((*strength, x, y));
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

/// The smaller eigenvalues of the gradients around the pixels of successive rows. Each gradient is
/// computed once: products of the rows around are kept, and summed down and then across.
struct GradientSums<'p> {
    picture: &'p Pyramid,
    columns: Range<usize>,
    /// The next row.
    next: usize,
    /// Products of the last rows, `xx`, `xy` and `yy` of each pixel from [`RADIUS`] before the
    /// first column on; row `y` is at `y % SIDE`.
    products: [Vec<[f32; 3]>; SIDE],
    down: Vec<[f32; 3]>,
    strengths: Vec<f32>,
}

const SIDE: usize = 2 * RADIUS + 1;

impl<'p> GradientSums<'p> {
    /// Begins with the row `first`. Columns and rows keep [`RADIUS`] + 1 from the edges.
    fn new(picture: &'p Pyramid, columns: Range<usize>, first: usize) -> Self {
        let width = columns.len() + 2 * RADIUS;
        let mut sums = Self {
            picture,
            columns,
            next: first,
            products: std::array::from_fn(|_| vec![[0.0; 3]; width]),
            down: vec![[0.0; 3]; width],
            strengths: Vec::new(),
        };
        for y in first - RADIUS..first + RADIUS {
            sums.read(y);
        }
        sums
    }

    fn read(&mut self, y: usize) {
        let from = self.columns.start - RADIUS;
        for (x, product) in self.products[y % SIDE].iter_mut().enumerate() {
            let [dx, dy] = self.picture.gradient(from + x, y);
            *product = [dx * dx, dx * dy, dy * dy];
        }
    }

    fn next_row(&mut self) -> &[f32] {
        self.read(self.next + RADIUS);
        self.next += 1;
        for (x, sum) in self.down.iter_mut().enumerate() {
            *sum = [0.0; 3];
            for row in &self.products {
                (0..3).for_each(|i| sum[i] += row[x][i]);
            }
        }
        let strength = |around: &[[f32; 3]]| {
            let [xx, xy, yy] = [0, 1, 2].map(|i| around.iter().map(|sum| sum[i]).sum::<f32>());
            let (half_sum, half_gap) = ((xx + yy) / 2.0, (xx - yy) / 2.0);
            (half_sum - half_gap.hypot(xy)) / (SIDE * SIDE) as f32
        };
        self.strengths.clear();
        self.strengths.extend(self.down.windows(SIDE).map(strength));
        &self.strengths
    }
}
