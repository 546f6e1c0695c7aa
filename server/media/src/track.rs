//! Tracks: the frames of a clip at low resolution and a high frame rate, for judging movement.
//!
//! Kept as planar 4:2:0, half the size of RGB; the luma plane is the grey picture. RGB is computed
//! only for those who ask for it. Fixed by the medium alone, not by who asks: every frame says
//! whether it belongs to the slow part, which is the same if the other frames are not decoded.

/// One upright frame of a track. Its sides are even.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackFrame {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Time at which the frame is shown, in microseconds from the first presented frame.
    pub pts_us: i64,
    /// Whether it belongs to the part of at most 15 frames per second.
    pub slow: bool,
    /// Full-range luma, row by row from the top, no padding.
    pub(crate) luma: Vec<u8>,
    /// The two colour differences (blue, then red), each of half the width and height.
    pub(crate) chroma: [Vec<u8>; 2],
    pub(crate) matrix: ColourMatrix,
}

/// The weights of red and blue in luma, in thousandths of 65536: integers, so that the pixels are
/// the same on every processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ColourMatrix {
    red_from_cr: i32,
    green_from_cb: i32,
    green_from_cr: i32,
    blue_from_cb: i32,
}

impl ColourMatrix {
    /// From the weights of red and blue in luma.
    pub(crate) fn of_weights(red: f64, blue: f64) -> Self {
        let green = 1.0 - red - blue;
        let fixed = |value: f64| (value * 65536.0).round() as i32;
        Self {
            red_from_cr: fixed(2.0 * (1.0 - red)),
            green_from_cb: fixed(2.0 * blue * (1.0 - blue) / green),
            green_from_cr: fixed(2.0 * red * (1.0 - red) / green),
            blue_from_cb: fixed(2.0 * (1.0 - blue)),
        }
    }
}

impl TrackFrame {
    /// From packed sRGB, whose sides are even, with the weights of BT.601.
    pub(crate) fn of_rgb(rgb: &[u8], (width, height): (u32, u32), pts_us: i64, slow: bool) -> Self {
        const RED: f32 = 0.299;
        const BLUE: f32 = 0.114;
        let columns = width as usize;
        let light = |pixel: &[u8]| {
            let [red, green, blue] = [0, 1, 2].map(|at| f32::from(pixel[at]));
            RED * red + (1.0 - RED - BLUE) * green + BLUE * blue
        };
        let luma = rgb.chunks_exact(3).map(|pixel| light(pixel).round() as u8).collect();
        let mut chroma = [Vec::new(), Vec::new()];
        for rows in rgb.chunks_exact(columns * 6) {
            let (upper, lower) = rows.split_at(columns * 3);
            for (upper, lower) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
                let mut mean = [0.0; 2];
                for pixel in upper.chunks_exact(3).chain(lower.chunks_exact(3)) {
                    let luma = light(pixel);
                    mean[0] += (f32::from(pixel[2]) - luma) / (2.0 * (1.0 - BLUE)) / 4.0;
                    mean[1] += (f32::from(pixel[0]) - luma) / (2.0 * (1.0 - RED)) / 4.0;
                }
                for (plane, mean) in chroma.iter_mut().zip(mean) {
                    plane.push((mean + 128.0).round() as u8);
                }
            }
        }
        let matrix = ColourMatrix::of_weights(f64::from(RED), f64::from(BLUE));
        Self { width, height, pts_us, slow, luma, chroma, matrix }
    }

    /// Luma, row by row from the top, no padding.
    #[must_use]
    pub fn luma(&self) -> &[u8] {
        &self.luma
    }

    /// Packed RGB, 8 bits each, row by row from the top, no padding.
    #[must_use]
    pub fn rgb(&self) -> Vec<u8> {
        let width = self.width as usize;
        let mut rgb = vec![0; self.luma.len() * 3];
        let rows = self.luma.chunks_exact(width).zip(rgb.chunks_exact_mut(width * 3));
        for (y, (luma, row)) in rows.enumerate() {
            let half = (y / 2) * (width / 2)..(y / 2 + 1) * (width / 2);
            let pairs = luma.as_chunks::<2>().0.iter().zip(row.as_chunks_mut::<6>().0);
            let colours = self.chroma[0][half.clone()].iter().zip(&self.chroma[1][half]);
            for ((luma, out), (cb, cr)) in pairs.zip(colours) {
                let (cb, cr) = (i32::from(*cb) - 128, i32::from(*cr) - 128);
                let red = self.matrix.red_from_cr * cr;
                let green = -self.matrix.green_from_cb * cb - self.matrix.green_from_cr * cr;
                let blue = self.matrix.blue_from_cb * cb;
                for (luma, out) in luma.iter().zip(out.as_chunks_mut::<3>().0) {
                    let base = (i32::from(*luma) << 16) + (1 << 15);
                    let level = |add: i32| ((base + add) >> 16).clamp(0, 255) as u8;
                    *out = [level(red), level(green), level(blue)];
                }
            }
        }
        rgb
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_come_back_from_luma_and_differences() {
        let of = |luma: u8, cb: u8, cr: u8| TrackFrame {
            width: 2,
            height: 2,
            pts_us: 0,
            slow: true,
            luma: vec![luma; 4],
            chroma: [vec![cb], vec![cr]],
            matrix: ColourMatrix::of_weights(0.299, 0.114),
        };
        assert_eq!(of(77, 128, 128).rgb(), [77; 12]);
        for colour in [[200, 120, 90], [20, 220, 40], [255, 0, 0], [9, 9, 9]] {
            let back = TrackFrame::of_rgb(&colour.repeat(8), (4, 2), 0, true).rgb();
            let close = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= 2;
            assert!(back.iter().zip(colour.repeat(8).iter()).all(close), "{colour:?}: {back:?}");
        }
        // Pure red of BT.601: luma 76, differences 85 and 255.
        let red = of(76, 85, 255).rgb();
        assert!(red[0] >= 252 && red[1] <= 3 && red[2] <= 3, "{red:?}");
    }
}
