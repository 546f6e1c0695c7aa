//! Where corners go from one frame to the next: pyramidal Lucas and Kanade.

use crate::geometry::Point;

/// Levels of a pyramid. With 15 frames per second, fast heads move up to 20 pixels per frame.
const LEVELS: usize = 4;
/// Radius of the neighbourhood that is followed, in pixels.
const RADIUS: isize = 4;
const SIDE: usize = (2 * RADIUS + 1) as usize;
/// Maximum number of steps per level.
const STEPS: usize = 8;
/// Step, in pixels, below which a position is final.
const FINAL: f32 = 0.02;
/// Smaller eigenvalue of the gradients, in squared grey levels, below which a point has no place.
const LEAST: f32 = 0.3;

/// A grey picture with smaller copies of itself.
#[derive(Debug, Clone)]
pub struct Pyramid {
    levels: Vec<Level>,
}

#[derive(Debug, Clone)]
struct Level {
    width: usize,
    height: usize,
    pixels: Vec<f32>,
}

impl Pyramid {
    /// From rows of bytes.
    pub fn new(width: usize, rows: &[&[u8]]) -> Self {
        let mut pixels = Vec::with_capacity(width * rows.len());
        for row in rows {
            pixels.extend(row[..width].iter().map(|level| f32::from(*level)));
        }
        let height = pixels.len() / width.max(1);
        let mut levels = vec![Level { width, height, pixels }];
        while levels.len() < LEVELS {
            let last = &levels[levels.len() - 1];
            if last.width < 4 * SIDE || last.height < 4 * SIDE {
                break;
            }
            levels.push(last.halved());
        }
        Self { levels }
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.levels[0].width, self.levels[0].height)
    }

    /// Half the difference of the neighbours; the pixel must not be at the edge.
    pub(super) fn gradient(&self, x: usize, y: usize) -> [f32; 2] {
        let Level { width, pixels, .. } = &self.levels[0];
        let at = y * width + x;
        [(pixels[at + 1] - pixels[at - 1]) / 2.0, (pixels[at + width] - pixels[at - width]) / 2.0]
    }
}

impl Level {
    fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            let upper = &self.pixels[2 * y * self.width..][..2 * width];
            let lower = &self.pixels[(2 * y + 1) * self.width..][..2 * width];
            let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
            pixels.extend(pairs.map(|([a, b], [c, d])| (a + b + c + d) / 4.0));
        }
        Self { width, height, pixels }
    }

    /// The square of `2 * radius + 1` pixels around a point, bilinear. `None` if it crosses an
    /// edge.
    fn patch<const COUNT: usize>(&self, [x, y]: Point, radius: isize) -> Option<[f32; COUNT]> {
        let (left, top) = (x.floor(), y.floor());
        let (fx, fy) = (x - left, y - top);
        let (left, top) = (left as isize - radius, top as isize - radius);
        let side = 2 * radius + 1;
        let fits = left >= 0
            && top >= 0
            && left + side < self.width as isize
            && top + side < self.height as isize;
        if !fits || !x.is_finite() || !y.is_finite() {
            return None;
        }
        let (left, top, side) = (left as usize, top as usize, side as usize);
        let weights = [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy];
        let mut patch = [0.0; COUNT];
        for (row, out) in patch.chunks_exact_mut(side).enumerate() {
            let start = (top + row) * self.width + left;
            let upper = &self.pixels[start..][..side + 1];
            let lower = &self.pixels[start + self.width..][..side + 1];
            for (column, out) in out.iter_mut().enumerate() {
                *out = weights[0] * upper[column]
                    + weights[1] * upper[column + 1]
                    + weights[2] * lower[column]
                    + weights[3] * lower[column + 1];
            }
        }
        Some(patch)
    }
}

const PATCH: usize = SIDE * SIDE;
const WIDE: usize = SIDE + 2;

/// Where the point of one frame is in another; `None` if it is lost.
pub fn follow(from: &Pyramid, to: &Pyramid, point: Point) -> Option<Point> {
    let coarsest = from.levels.len().min(to.levels.len()) - 1;
    let mut shift = [0.0_f32; 2];
    for level in (0..=coarsest).rev() {
        let scale = 1.0 / (1u32 << level) as f32;
        // The centres of halved pixels lie half a pixel further.
        let place = point.map(|value| (value + 0.5) * scale - 0.5);
        shift = match at_level(&from.levels[level], &to.levels[level], place, shift) {
            Some(shift) => shift,
            // Near the edge the coarse levels have no room; the finest one decides.
            None if level > 0 => shift,
            None => return None,
        };
        if level > 0 {
            shift = shift.map(|value| value * 2.0);
        }
    }
    Some([point[0] + shift[0], point[1] + shift[1]])
}

/// The shift at one level, starting with a guess.
fn at_level(from: &Level, to: &Level, place: Point, guess: [f32; 2]) -> Option<[f32; 2]> {
    let wide = from.patch::<{ WIDE * WIDE }>(place, RADIUS + 1)?;
    let mut template = [0.0; PATCH];
    let mut gradients = [[0.0_f32; 2]; PATCH];
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for row in 0..SIDE {
        for column in 0..SIDE {
            let at = (row + 1) * WIDE + column + 1;
            let dx = (wide[at + 1] - wide[at - 1]) / 2.0;
            let dy = (wide[at + WIDE] - wide[at - WIDE]) / 2.0;
            template[row * SIDE + column] = wide[at];
            gradients[row * SIDE + column] = [dx, dy];
            xx += dx * dx;
            xy += dx * dy;
            yy += dy * dy;
        }
    }
    let least = (xx + yy) / 2.0 - ((xx - yy) / 2.0).hypot(xy);
    let determinant = xx * yy - xy * xy;
    if least / (PATCH as f32) < LEAST || determinant <= f32::EPSILON {
        return None;
    }
    let mut shift = guess;
    for _ in 0..STEPS {
        let found = to.patch::<PATCH>([place[0] + shift[0], place[1] + shift[1]], RADIUS)?;
        let (mut bx, mut by) = (0.0, 0.0);
        for ((then, now), [dx, dy]) in template.iter().zip(&found).zip(&gradients) {
            bx += (then - now) * dx;
            by += (then - now) * dy;
        }
        let step = [(yy * bx - xy * by) / determinant, (xx * by - xy * bx) / determinant];
        shift = [shift[0] + step[0], shift[1] + step[1]];
        if step[0].hypot(step[1]) < FINAL {
            break;
        }
    }
    Some(shift)
}

#[cfg(test)]
mod tests {
    use super::super::{Region, corners};
    use super::*;

    /// Smooth, uneven texture, moved by `shift`.
    fn texture(shift: [f32; 2]) -> Pyramid {
        let (width, height) = (160_usize, 120_usize);
        let level = |x: f32, y: f32| {
            let wave = (x * 0.31).sin() * (y * 0.27).cos() + (x * 0.11 + y * 0.17).sin();
            (128.0 + 50.0 * wave) as u8
        };
        let row = |y: usize| -> Vec<u8> {
            (0..width).map(|x| level(x as f32 - shift[0], y as f32 - shift[1])).collect()
        };
        let rows: Vec<Vec<u8>> = (0..height).map(row).collect();
        let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        Pyramid::new(width, &rows)
    }

    #[test]
    fn corners_are_followed_to_a_tenth_of_a_pixel() {
        let first = texture([0.0, 0.0]);
        let region = Region { inside: [30.0, 30.0, 130.0, 90.0], except: None };
        let points = corners(&first, &region, 20, 6.0);
        assert!(points.len() >= 10, "{points:?}");
        for shift in [[0.4, -0.3], [3.2, 1.7], [-5.0, 3.5]] {
            let moved = texture(shift);
            let near = |point: &&Point| {
                follow(&first, &moved, **point).is_some_and(|[x, y]| {
                    (x - point[0] - shift[0]).hypot(y - point[1] - shift[1]) < 0.1
                })
            };
            let found = points.iter().filter(near).count();
            assert!(found * 10 >= points.len() * 9, "{found} of {} at {shift:?}", points.len());
        }
        assert_eq!(follow(&first, &first, [1.0, 1.0]), None, "at the edge");
    }

    #[test]
    fn flat_pictures_have_no_corners() {
        let row = [90_u8; 64];
        let flat = Pyramid::new(64, &[&row[..]; 64]);
        let region = Region { inside: [0.0, 0.0, 64.0, 64.0], except: None };
        assert_eq!(corners(&flat, &region, 20, 3.0), [[0.0; 2]; 0]);
    }
}
