//! The 112x112 crop on which both embedding models were trained: a similarity transform takes the
//! five landmarks to fixed places; bilinear sampling, black outside the picture.

use crate::VisionError;
use crate::geometry::{Landmarks, Point};
use crate::pixels::{Channels, PixelView};

/// Width and height of an aligned face in pixels.
pub const ALIGNED_SIDE: usize = 112;

const AREA: usize = ALIGNED_SIDE * ALIGNED_SIDE;

/// Target places of the five landmarks (the ArcFace template).
const PLACES: Landmarks = [
    [38.2946, 51.6963],
    [73.5318, 51.5014],
    [56.0252, 71.7366],
    [41.5493, 92.3655],
    [70.7299, 92.2041],
];

/// An aligned face: three planes (red, green, blue) of 112x112 levels.
#[derive(Debug, Clone)]
pub struct AlignedFace {
    planes: Vec<u8>,
}

impl Default for AlignedFace {
    fn default() -> Self {
        Self { planes: vec![0; 3 * AREA] }
    }
}

impl AlignedFace {
    /// Replaces the content by the face of `picture` with these landmarks (pixels of `picture`).
    /// [`VisionError::Landmarks`] if they coincide.
    pub fn cut(
        &mut self,
        picture: &PixelView<'_>,
        landmarks: &Landmarks,
    ) -> Result<(), VisionError> {
        let transform =
            Similarity::least_squares(&PLACES, landmarks).ok_or(VisionError::Landmarks)?;
        warp(picture, &transform, &mut self.planes);
        Ok(())
    }

    /// Replaces the content by a picture that is already aligned. `None` if its size is not
    /// 112x112.
    pub fn take(&mut self, picture: &PixelView<'_>) -> Option<()> {
        let side = ALIGNED_SIDE as u32;
        if picture.width() != side || picture.height() != side {
            return None;
        }
        let offsets = picture.channels().offsets_for(Channels::Rgb);
        for (plane, offset) in self.planes.chunks_exact_mut(AREA).zip(offsets) {
            for (y, line) in plane.chunks_exact_mut(ALIGNED_SIDE).enumerate() {
                let pixels = picture.row(y).chunks_exact(picture.channels().count());
                for (level, pixel) in line.iter_mut().zip(pixels) {
                    *level = pixel[offset];
                }
            }
        }
        Some(())
    }

    /// The three planes, one after the other: red, green, blue.
    pub fn planes(&self) -> &[u8] {
        &self.planes
    }

    /// Variance of the Laplacian of the grey face without its border, in squared levels. Low values
    /// mean blur (Pech-Pacheco et al., ICPR 2000).
    pub fn laplacian_variance(&self) -> f32 {
        const RIM: usize = 16;
        let (red, rest) = self.planes.split_at(AREA);
        let (green, blue) = rest.split_at(AREA);
        let grey: Vec<i32> = red
            .iter()
            .zip(green)
            .zip(blue)
            .map(|((r, g), b)| (i32::from(*r) * 77 + i32::from(*g) * 150 + i32::from(*b) * 29) >> 8)
            .collect();
        let (mut sum, mut squares, mut count) = (0i64, 0i64, 0i64);
        for y in RIM..ALIGNED_SIDE - RIM {
            for x in RIM..ALIGNED_SIDE - RIM {
                let at = y * ALIGNED_SIDE + x;
                let edge =
                    grey[at - 1] + grey[at + 1] + grey[at - ALIGNED_SIDE] + grey[at + ALIGNED_SIDE]
                        - 4 * grey[at];
                sum += i64::from(edge);
                squares += i64::from(edge * edge);
                count += 1;
            }
        }
        let mean = sum as f32 / count as f32;
        squares as f32 / count as f32 - mean * mean
    }
}

/// x' = a·x − b·y + tx, y' = b·x + a·y + ty.
#[derive(Debug, Clone, Copy)]
struct Similarity {
    a: f64,
    b: f64,
    tx: f64,
    ty: f64,
}

impl Similarity {
    /// The rotation, scale and shift that takes `from` to `to` with the least squared error
    /// (Umeyama 1991; without reflection it has this closed form in the plane).
    fn forward(from: &Landmarks, to: &Landmarks) -> Option<Self> {
        let mean = |points: &Landmarks| -> [f64; 2] {
            let sum = points.iter().fold([0.0, 0.0], |sum: [f64; 2], p: &Point| {
                [sum[0] + f64::from(p[0]), sum[1] + f64::from(p[1])]
            });
            [sum[0] / 5.0, sum[1] / 5.0]
        };
        let (centre_from, centre_to) = (mean(from), mean(to));
        let (mut dot, mut cross, mut spread) = (0.0, 0.0, 0.0);
        for (p, q) in from.iter().zip(to) {
            let (px, py) = (f64::from(p[0]) - centre_from[0], f64::from(p[1]) - centre_from[1]);
            let (qx, qy) = (f64::from(q[0]) - centre_to[0], f64::from(q[1]) - centre_to[1]);
            dot += px * qx + py * qy;
            cross += px * qy - py * qx;
            spread += px * px + py * py;
        }
        let (a, b) = (dot / spread, cross / spread);
        let usable = a.is_finite() && b.is_finite() && a.hypot(b) > 1e-6;
        usable.then(|| Self {
            a,
            b,
            tx: centre_to[0] - a * centre_from[0] + b * centre_from[1],
            ty: centre_to[1] - b * centre_from[0] - a * centre_from[1],
        })
    }

    /// The transform from aligned to picture coordinates. It is the inverse of the least-squares
    /// fit from the picture to the places, the direction in which the training data was fitted.
    fn least_squares(places: &Landmarks, picture: &Landmarks) -> Option<Self> {
        let fit = Self::forward(picture, places)?;
        let square = fit.a * fit.a + fit.b * fit.b;
        let (a, b) = (fit.a / square, -fit.b / square);
        Some(Self { a, b, tx: -(a * fit.tx - b * fit.ty), ty: -(b * fit.tx + a * fit.ty) })
    }
}

fn warp(picture: &PixelView<'_>, transform: &Similarity, planes: &mut [u8]) {
    let offsets = picture.channels().offsets_for(Channels::Rgb);
    let step = picture.channels().count();
    let (right, bottom) = (picture.width() as i64 - 1, picture.height() as i64 - 1);
    let (red, rest) = planes.split_at_mut(AREA);
    let (green, blue) = rest.split_at_mut(AREA);
    for y in 0..ALIGNED_SIDE {
        for x in 0..ALIGNED_SIDE {
            let sx = transform.a * x as f64 - transform.b * y as f64 + transform.tx;
            let sy = transform.b * x as f64 + transform.a * y as f64 + transform.ty;
            let (left, top) = (sx.floor(), sy.floor());
            let (fx, fy) = ((sx - left) as f32, (sy - top) as f32);
            let (left, top) = (left as i64, top as i64);
            let at = y * ALIGNED_SIDE + x;
            if left >= 0 && top >= 0 && left < right && top < bottom {
                let upper = &picture.row(top as usize)[left as usize * step..][..2 * step];
                let lower = &picture.row(top as usize + 1)[left as usize * step..][..2 * step];
                let level = |offset: usize| {
                    let (a, b) = (f32::from(upper[offset]), f32::from(upper[offset + step]));
                    let (c, d) = (f32::from(lower[offset]), f32::from(lower[offset + step]));
                    let (high, low) = (a + (b - a) * fx, c + (d - c) * fx);
                    (high + (low - high) * fy + 0.5) as u8
                };
                red[at] = level(offsets[0]);
                green[at] = level(offsets[1]);
                blue[at] = level(offsets[2]);
            } else {
                let level = |offset: usize| {
                    let value = |dx: i64, dy: i64| {
                        let (x, y) = (left + dx, top + dy);
                        if x < 0 || y < 0 || x > right || y > bottom {
                            return 0.0;
                        }
                        f32::from(picture.row(y as usize)[x as usize * step + offset])
                    };
                    let high = value(0, 0) + (value(1, 0) - value(0, 0)) * fx;
                    let low = value(0, 1) + (value(1, 1) - value(0, 1)) * fx;
                    (high + (low - high) * fy + 0.5) as u8
                };
                red[at] = level(offsets[0]);
                green[at] = level(offsets[1]);
                blue[at] = level(offsets[2]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment_inverts_rotation_scale_and_shift() {
        let (sin, cos) = 0.6f64.sin_cos();
        let moved = PLACES.map(|[x, y]| {
            let (x, y) = (f64::from(x), f64::from(y));
            [(2.5 * (cos * x - sin * y) + 40.0) as f32, (2.5 * (sin * x + cos * y) - 7.0) as f32]
        });
        let back = Similarity::least_squares(&PLACES, &moved).unwrap();
        for (place, target) in PLACES.iter().zip(&moved) {
            let (x, y) = (f64::from(place[0]), f64::from(place[1]));
            assert!((back.a * x - back.b * y + back.tx - f64::from(target[0])).abs() < 1e-3);
            assert!((back.b * x + back.a * y + back.ty - f64::from(target[1])).abs() < 1e-3);
        }
    }

    #[test]
    fn face_already_aligned_is_copied_unchanged() {
        let bytes: Vec<u8> = (0..AREA * 3).map(|i| (i * 31 % 255) as u8).collect();
        let picture = PixelView::new(&bytes, 112, 112, 336, Channels::Rgb).unwrap();
        let (mut cut, mut taken) = (AlignedFace::default(), AlignedFace::default());
        cut.cut(&picture, &PLACES).unwrap();
        taken.take(&picture).unwrap();
        let differing = cut.planes.iter().zip(&taken.planes).filter(|(a, b)| a.abs_diff(**b) > 1);
        assert_eq!(differing.count(), 0);
    }

    #[test]
    fn degenerate_landmarks_are_rejected() {
        let bytes = [0u8; 12];
        let picture = PixelView::new(&bytes, 2, 2, 6, Channels::Rgb).unwrap();
        assert!(AlignedFace::default().cut(&picture, &[[1.0, 1.0]; 5]).is_err());
        assert!(AlignedFace::default().cut(&picture, &[[f32::NAN; 2]; 5]).is_err());
    }
}
