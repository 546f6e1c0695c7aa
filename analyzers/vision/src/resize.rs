//! Bilinear resizing from interleaved bytes to planar floats, with the arithmetic of OpenCV's
//! `INTER_LINEAR`.
//!
//! The models were evaluated with this filter: half-pixel centres, repeated edges, no smoothing
//! before shrinking, weights of 11 bits, results rounded to whole levels. OpenCV versions differ
//! from each other by one level in the last rounding.

use crate::pixels::{Channels, PixelView};

const ONE: i32 = 1 << 11;
const HALF_LEVEL: i32 = 1 << 21;

/// A planar float image inside a model's input tensor: three planes, the picture in the upper left
/// corner.
pub(crate) struct Planes<'a> {
    /// Three planes of `stride * rows` values each.
    pub(crate) data: &'a mut [f32],
    /// Values per row of a plane, at least the picture's width.
    pub(crate) stride: usize,
    /// Rows per plane, at least the picture's height.
    pub(crate) rows: usize,
    /// Order of the planes: `Rgb` or `Bgr`.
    pub(crate) order: Channels,
}

/// Source positions and weights of the two neighbours of each target column or row.
#[derive(Debug, Default)]
struct Taps {
    first: Vec<u32>,
    second: Vec<u32>,
    weight: Vec<i32>,
}

impl Taps {
    fn prepare(&mut self, source: usize, target: usize, step: usize) {
        self.first.clear();
        self.second.clear();
        self.weight.clear();
        let scale = source as f64 / target as f64;
        let last = source - 1;
        for i in 0..target {
            let position = ((i as f64 + 0.5) * scale - 0.5).max(0.0);
            let whole = (position.floor() as usize).min(last);
            let fraction = if whole == last { 0.0 } else { position - whole as f64 };
            self.first.push((whole * step) as u32);
            self.second.push(((whole + 1).min(last) * step) as u32);
            self.weight.push((fraction * f64::from(ONE)).round() as i32);
        }
    }
}

/// Resizes pictures; keeps its tables and row buffers between calls.
#[derive(Debug, Default)]
pub(crate) struct Resizer {
    columns: Taps,
    lines: Taps,
    upper: Vec<i32>,
    lower: Vec<i32>,
}

impl Resizer {
    /// Resizes `source` to `width` x `height` and writes it as floats 0–255 into `target`.
    pub(crate) fn resize(
        &mut self,
        source: &PixelView<'_>,
        width: usize,
        height: usize,
        target: &mut Planes<'_>,
    ) {
        let (width, height) = (width.min(target.stride), height.min(target.rows));
        if width == 0 || height == 0 {
            return;
        }
        let offsets = source.channels().offsets_for(target.order);
        if source.width() as usize == width && source.height() as usize == height {
            return copy(source, offsets, target);
        }
        self.columns.prepare(source.width() as usize, width, source.channels().count());
        self.lines.prepare(source.height() as usize, height, 1);
        self.upper.resize(3 * width, 0);
        self.lower.resize(3 * width, 0);
        let mut held = [u32::MAX; 2];
        for y in 0..height {
            let wanted = [self.lines.first[y], self.lines.second[y]];
            if held[1] == wanted[0] {
                std::mem::swap(&mut self.upper, &mut self.lower);
                held.swap(0, 1);
            }
            if held[0] != wanted[0] {
                blend_row(source.row(wanted[0] as usize), &self.columns, offsets, &mut self.upper);
            }
            if held[1] != wanted[1] {
                blend_row(source.row(wanted[1] as usize), &self.columns, offsets, &mut self.lower);
            }
            held = wanted;
            let weight = self.lines.weight[y];
            for channel in 0..3 {
                let start = (channel * target.rows + y) * target.stride;
                let out = &mut target.data[start..start + width];
                let upper = &self.upper[channel * width..][..width];
                let lower = &self.lower[channel * width..][..width];
                for ((out, upper), lower) in out.iter_mut().zip(upper).zip(lower) {
                    let level = (upper * (ONE - weight) + lower * weight + HALF_LEVEL) >> 22;
                    *out = level as f32;
                }
            }
        }
    }
}

/// One source row, blended horizontally into three planes of 19-bit values.
fn blend_row(row: &[u8], columns: &Taps, offsets: [usize; 3], out: &mut [i32]) {
    let width = columns.first.len();
    let (first, rest) = out.split_at_mut(width);
    let (second, third) = rest.split_at_mut(width);
    let taps = columns.first.iter().zip(&columns.second).zip(&columns.weight);
    for (((((a, b), weight), p0), p1), p2) in taps.zip(first).zip(second).zip(third) {
        let (left, right) = (&row[*a as usize..], &row[*b as usize..]);
        let blend = |offset: usize| {
            i32::from(left[offset]) * (ONE - weight) + i32::from(right[offset]) * weight
        };
        *p0 = blend(offsets[0]);
        *p1 = blend(offsets[1]);
        *p2 = blend(offsets[2]);
    }
}

fn copy(source: &PixelView<'_>, offsets: [usize; 3], target: &mut Planes<'_>) {
    let width = source.width() as usize;
    let step = source.channels().count();
    for y in 0..source.height() as usize {
        let row = source.row(y);
        for (channel, offset) in offsets.into_iter().enumerate() {
            let start = (channel * target.rows + y) * target.stride;
            let out = &mut target.data[start..start + width];
            for (out, pixel) in out.iter_mut().zip(row.chunks_exact(step)) {
                *out = f32::from(pixel[offset]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resized(source: &PixelView<'_>, width: usize, height: usize, order: Channels) -> Vec<f32> {
        let mut data = vec![0.0; 3 * width * height];
        let mut target = Planes { data: &mut data, stride: width, rows: height, order };
        Resizer::default().resize(source, width, height, &mut target);
        data
    }

    fn assert_within_one_level(got: &[f32], expected: &[f32]) {
        assert_eq!(got.len(), expected.len());
        let worst = got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 1.0, "off by {worst}");
    }

    /// The expected levels were computed by cv2.resize of OpenCV 5.0 from the same bytes.
    #[test]
    fn levels_equal_those_of_opencv() {
        let bytes: Vec<u8> = (0..7 * 5 * 3u32).map(|i| (i * 37 % 251) as u8).collect();
        let source = PixelView::new(&bytes, 7, 5, 21, Channels::Bgr).unwrap();
        let got = resized(&source, 4, 3, Channels::Bgr);
        assert_within_one_level(&got, &OPENCV_7X5_TO_4X3);
        let got = resized(&source, 9, 6, Channels::Bgr);
        assert_within_one_level(&got[..18], &OPENCV_7X5_TO_9X6_FIRST_ROWS);
    }

    #[test]
    fn planes_follow_the_requested_channel_order() {
        let bytes = [10, 20, 30, 10, 20, 30];
        let source = PixelView::new(&bytes, 2, 1, 6, Channels::Rgb).unwrap();
        assert_eq!(resized(&source, 2, 1, Channels::Bgr), [30.0, 30.0, 20.0, 20.0, 10.0, 10.0]);
        assert_eq!(resized(&source, 1, 1, Channels::Rgb), [10.0, 20.0, 30.0]);
    }

    const OPENCV_7X5_TO_4X3: [f32; 36] = [
        49.0, 212.0, 187.0, 130.0, 90.0, 33.0, 227.0, 170.0, 129.0, 73.0, 47.0, 106.0, 86.0, 30.0,
        151.0, 167.0, 127.0, 70.0, 45.0, 207.0, 166.0, 110.0, 84.0, 90.0, 124.0, 67.0, 41.0, 152.0,
        164.0, 107.0, 82.0, 88.0, 109.0, 126.0, 100.0, 127.0,
    ];

    const OPENCV_7X5_TO_9X6_FIRST_ROWS: [f32; 18] = [
        0.0, 74.0, 160.0, 191.0, 82.0, 168.0, 115.0, 90.0, 164.0, 18.0, 92.0, 178.0, 209.0, 100.0,
        186.0, 133.0, 108.0, 182.0,
    ];
}
