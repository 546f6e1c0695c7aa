//! The plane that explains the movement of points: a homography by least median of squares, which
//! up to half of the points may contradict.

use crate::geometry::Point;

/// Number of tried samples of four points. Of points of which 30 % contradict, a sample is clean
/// with 24 %.
const SAMPLES: usize = 100;
/// Minimum number of points.
const FEWEST: usize = 8;

/// A homography of the plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Homography([f64; 9]);

impl Homography {
    /// Where the plane's movement takes a point.
    #[must_use]
    pub fn apply(&self, [x, y]: Point) -> Point {
        let (x, y, h) = (f64::from(x), f64::from(y), &self.0);
        let w = h[6] * x + h[7] * y + h[8];
        let at = |row: usize| ((h[row] * x + h[row + 1] * y + h[row + 2]) / w) as f32;
        [at(0), at(3)]
    }

    /// Distance between where the plane takes `from` and `to`; infinite if it takes it nowhere.
    #[must_use]
    pub fn residual(&self, from: Point, to: Point) -> f32 {
        let [x, y] = self.apply(from);
        let distance = (x - to[0]).hypot(y - to[1]);
        if distance.is_finite() { distance } else { f32::INFINITY }
    }
}

/// The plane that explains the movement of most points; `None` for too few points or none that fit
/// a plane.
#[must_use]
pub fn fit_plane(pairs: &[(Point, Point)]) -> Option<Homography> {
    if pairs.len() < FEWEST {
        return None;
    }
    let frame = Frame::around(pairs);
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % pairs.len()
    };
    let mut best: Option<(f32, Homography)> = None;
    for _ in 0..SAMPLES {
        let sample = [next(), next(), next(), next()];
        if (1..4).any(|at| sample[..at].contains(&sample[at])) {
            continue;
        }
        let Some(fitted) = solve(&frame, sample.iter().map(|at| pairs[*at])) else { continue };
        let median = quantile(residuals(&fitted, pairs), 0.5);
        if best.is_none_or(|(least, _)| median < least) {
            best = Some((median, fitted));
        }
    }
    let (median, fitted) = best?;
    // Rousseeuw's scale, from the median.
    let scale = 2.5 * 1.4826 * (1.0 + 5.0 / (pairs.len() as f32 - 4.0)) * median;
    let near = scale.max(0.05);
    let agreeing = pairs.iter().filter(|(from, to)| fitted.residual(*from, *to) <= near);
    Some(solve(&frame, agreeing.copied()).unwrap_or(fitted))
}

fn residuals(plane: &Homography, pairs: &[(Point, Point)]) -> Vec<f32> {
    pairs.iter().map(|(from, to)| plane.residual(*from, *to)).collect()
}

/// The value below which this share of the values lies; 0 without values.
#[must_use]
pub fn quantile(mut values: Vec<f32>, share: f32) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_unstable_by(f32::total_cmp);
    values[((values.len() - 1) as f32 * share).round() as usize]
}

/// Centre and scale that keep the equations well conditioned.
struct Frame {
    centre: [f64; 2],
    scale: f64,
}

impl Frame {
    fn around(pairs: &[(Point, Point)]) -> Self {
        let count = pairs.len() as f64;
        let mean = |axis: usize| pairs.iter().map(|(a, _)| f64::from(a[axis])).sum::<f64>() / count;
        let centre = [mean(0), mean(1)];
        let spread = pairs
            .iter()
            .map(|(a, _)| (f64::from(a[0]) - centre[0]).hypot(f64::from(a[1]) - centre[1]))
            .sum::<f64>()
            / count;
        Self { centre, scale: 1.0 / spread.max(1e-6) }
    }

    fn of(&self, point: Point) -> [f64; 2] {
        [0, 1].map(|axis| (f64::from(point[axis]) - self.centre[axis]) * self.scale)
    }

    /// The homography of pixels that belongs to one of this frame.
    fn undo(&self, h: [f64; 9]) -> Homography {
        let ([cx, cy], s) = (self.centre, self.scale);
        // From the right: pixels to the frame; from the left: the frame to pixels.
        let row = |a: f64, b: f64, c: f64| [a * s, b * s, c - (a * cx + b * cy) * s];
        let (r0, r1, r2) = (row(h[0], h[1], h[2]), row(h[3], h[4], h[5]), row(h[6], h[7], h[8]));
        let mut pixels = [0.0; 9];
        for column in 0..3 {
            pixels[column] = r0[column] / s + cx * r2[column];
            pixels[3 + column] = r1[column] / s + cy * r2[column];
            pixels[6 + column] = r2[column];
        }
        Homography(pixels)
    }
}

/// Least squares of the eight unknowns, with the last entry 1. `None` if the points determine no
/// plane.
fn solve(frame: &Frame, pairs: impl Iterator<Item = (Point, Point)>) -> Option<Homography> {
    let mut normal = [[0.0_f64; 9]; 8];
    let mut count = 0;
    for (from, to) in pairs {
        count += 1;
        let ([x, y], [u, v]) = (frame.of(from), frame.of(to));
        for (row, value) in [
            ([x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y], u),
            ([0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y], v),
        ] {
            for i in 0..8 {
                for j in 0..8 {
                    normal[i][j] += row[i] * row[j];
                }
                normal[i][8] += row[i] * value;
            }
        }
    }
    if count < 4 {
        return None;
    }
    let h = eliminate(normal)?;
    Some(frame.undo([h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], 1.0]))
}

fn eliminate(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for column in 0..8 {
        let pivot =
            (column..8).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        rows.swap(column, pivot);
        let top = rows[column];
        if top[column].abs() < 1e-10 {
            return None;
        }
        for row in rows.iter_mut().skip(column + 1) {
            let factor = row[column] / top[column];
            for (value, above) in row.iter_mut().zip(&top).skip(column) {
                *value -= factor * above;
            }
        }
    }
    let mut solution = [0.0; 8];
    for row in (0..8).rev() {
        let known: f64 = (row + 1..8).map(|at| rows[row][at] * solution[at]).sum();
        solution[row] = (rows[row][8] - known) / rows[row][row];
    }
    solution.iter().all(|value| value.is_finite()).then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(move_point: impl Fn(usize, Point) -> Point) -> Vec<(Point, Point)> {
        (0..40)
            .map(|i| {
                let from = [100.0 + (i % 8) as f32 * 20.0, 60.0 + (i / 8) as f32 * 25.0];
                (from, move_point(i, from))
            })
            .collect()
    }

    #[test]
    fn plane_is_found_although_a_third_of_the_points_contradict() {
        let tilted = |[x, y]: Point| {
            let w = 1.0 + 4e-4 * x - 2e-4 * y;
            [(1.02 * x + 0.03 * y + 4.0) / w, (-0.02 * x + 0.98 * y - 2.0) / w]
        };
        let pairs = grid(|i, from| {
            let [x, y] = tilted(from);
            if i % 3 == 0 { [x + 9.0, y - 5.0 * (i % 4) as f32] } else { [x, y] }
        });
        let plane = fit_plane(&pairs).unwrap();
        for (from, _) in &pairs {
            assert!(plane.residual(*from, tilted(*from)) < 0.02, "{from:?}");
        }
    }

    #[test]
    fn bent_surface_is_no_plane_and_few_points_are_none() {
        let bent = grid(|_, [x, y]| [x + ((x - 170.0) / 30.0).powi(2), y]);
        let plane = fit_plane(&bent).unwrap();
        let left = residuals(&plane, &bent);
        assert!(quantile(left, 0.8) > 1.0);
        assert_eq!(fit_plane(&bent[..7]), None);
    }
}
