//! Measures the exposure of a face: the shares of nearly black and nearly white pixels, and the
//! range of levels.
//!
//! The mean level is deliberately not used: it depends more on the colour of the skin than on the
//! light.

use crate::align::{ALIGNED_SIDE, AlignedFace};

/// Levels up to this one count as underexposed.
const DARK: usize = 25;
/// Levels from this one on count as overexposed.
const LIGHT: usize = 247;
/// Border of the aligned face, in pixels, that is ignored: mostly hair and background.
const RIM: usize = 16;

/// The exposure of a face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exposure {
    /// Share of underexposed pixels, 0–1.
    pub dark: f32,
    /// Share of overexposed pixels, 0–1.
    pub light: f32,
    /// Entropy of the levels in bits, 0–8. Low if all pixels have nearly the same level.
    pub range: f32,
}

impl Exposure {
    /// Measures an aligned face.
    pub fn measure(face: &AlignedFace) -> Self {
        let area = ALIGNED_SIDE * ALIGNED_SIDE;
        let (red, rest) = face.planes().split_at(area);
        let (green, blue) = rest.split_at(area);
        let mut histogram = [0_u32; 256];
        for y in RIM..ALIGNED_SIDE - RIM {
            for at in y * ALIGNED_SIDE + RIM..(y + 1) * ALIGNED_SIDE - RIM {
                let luma = (u32::from(red[at]) * 77
                    + u32::from(green[at]) * 150
                    + u32::from(blue[at]) * 29)
                    >> 8;
                histogram[luma as usize] += 1;
            }
        }
        let all: u32 = histogram.iter().sum();
        let share = |levels: &[u32]| levels.iter().sum::<u32>() as f32 / all as f32;
        let parts =
            histogram.iter().filter(|count| **count > 0).map(|count| *count as f32 / all as f32);
        let range = parts.map(|part| -part * part.log2()).sum();
        Self { dark: share(&histogram[..=DARK]), light: share(&histogram[LIGHT..]), range }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Channels, PixelView};

    fn measured(level: impl Fn(usize) -> u8) -> Exposure {
        let bytes: Vec<u8> = (0..ALIGNED_SIDE * ALIGNED_SIDE).map(level).collect();
        let side = ALIGNED_SIDE as u32;
        let picture = PixelView::new(&bytes, side, side, ALIGNED_SIDE, Channels::Gray).unwrap();
        let mut face = AlignedFace::default();
        face.take(&picture).unwrap();
        Exposure::measure(&face)
    }

    #[test]
    fn uniform_faces_have_no_range() {
        let [black, white, grey] = [0, 255, 128].map(|level| measured(|_| level));
        assert_eq!((black.dark, black.light, black.range), (1.0, 0.0, 0.0));
        assert_eq!((white.dark, white.light, white.range), (0.0, 1.0, 0.0));
        assert_eq!((grey.dark, grey.light, grey.range), (0.0, 0.0, 0.0));
    }

    #[test]
    fn range_is_the_entropy_of_the_levels() {
        let four = measured(|at| [60, 100, 140, 180][at % 4]);
        assert!((four.range - 2.0).abs() < 1e-3, "{four:?}");
    }
}
