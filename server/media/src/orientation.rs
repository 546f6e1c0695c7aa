//! The eight orientations of a picture, and the rotation of packed RGB to upright. Does not read
//! EXIF or containers.

/// The transformation that makes a stored picture upright, as an EXIF code (1 to 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Orientation(u8);

impl Orientation {
    /// Already upright.
    pub(crate) const UPRIGHT: Self = Self(1);

    /// The EXIF code, 1 to 8.
    pub(crate) fn exif(self) -> u8 {
        self.0
    }

    /// From an EXIF code; `None` if it is not 1 to 8.
    pub(crate) fn from_exif(code: u8) -> Option<Self> {
        (1..=8).contains(&code).then_some(Self(code))
    }

    /// Whether the transformation swaps width and height.
    pub(crate) fn swaps_sides(self) -> bool {
        self.0 >= 5
    }

    /// Width and height after the transformation.
    pub(crate) fn turned(self, (width, height): (u32, u32)) -> (u32, u32) {
        if self.swaps_sides() { (height, width) } else { (width, height) }
    }

    /// From the linear part `[a, b, c, d]` of a display matrix, which maps a stored point (p, q)
    /// to (a·p + c·q, b·p + d·q), y downwards (ISO/IEC 14496-12, `tkhd`). Other angles are
    /// rounded to the nearest quarter turn; a matrix that collapses the picture counts as upright.
    pub(crate) fn from_matrix([a, b, c, d]: [i32; 4]) -> Self {
        let [a, b, c, d] = [a, b, c, d].map(i64::from);
        let straight = a.abs().min(d.abs()) >= b.abs().max(c.abs());
        let crossed = b.abs().min(c.abs()) > a.abs().max(d.abs());
        let negative = |value: i64| value < 0;
        Self(match (straight, crossed) {
            (true, _) if a == 0 || d == 0 => 1,
            (true, _) => match (negative(a), negative(d)) {
                (false, false) => 1,
                (true, false) => 2,
                (true, true) => 3,
                (false, true) => 4,
            },
            (_, true) => match (negative(b), negative(c)) {
                (false, false) => 5,
                (false, true) => 6,
                (true, true) => 7,
                (true, false) => 8,
            },
            (false, false) => 1,
        })
    }

    /// Copies `height` rows of pixels of `BYTES` bytes, `stride` bytes apart, into an upright
    /// picture without padding.
    pub(crate) fn apply<const BYTES: usize>(
        self,
        rows: &[u8],
        stride: usize,
        width: usize,
        height: usize,
    ) -> Vec<u8> {
        let line = width * BYTES;
        let row = |y: usize| &rows[y * stride..y * stride + line];
        let mut upright = Vec::with_capacity(line * height);
        match self.0 {
            2 => (0..height).for_each(|y| mirrored::<BYTES>(row(y), &mut upright)),
            3 => (0..height).rev().for_each(|y| mirrored::<BYTES>(row(y), &mut upright)),
            4 => (0..height).rev().for_each(|y| upright.extend_from_slice(row(y))),
            5..=8 => {
                upright.resize(line * height, 0);
                self.transpose::<BYTES>(&row, width, height, &mut upright);
            }
            _ => (0..height).for_each(|y| upright.extend_from_slice(row(y))),
        }
        upright
    }

    /// Orientations 5 to 8, in tiles that fit the first-level cache.
    fn transpose<'a, const BYTES: usize>(
        self,
        row: &dyn Fn(usize) -> &'a [u8],
        width: usize,
        height: usize,
        upright: &mut [u8],
    ) {
        const TILE: usize = 32;
        let from_bottom = matches!(self.0, 6 | 7);
        let from_right = matches!(self.0, 7 | 8);
        for top in (0..height).step_by(TILE) {
            for left in (0..width).step_by(TILE) {
                let right = (left + TILE).min(width);
                for y in top..(top + TILE).min(height) {
                    let to_x = if from_bottom { height - 1 - y } else { y };
                    let pixels = &row(y)[left * BYTES..right * BYTES];
                    for (x, pixel) in (left..right).zip(pixels.chunks_exact(BYTES)) {
                        let to_y = if from_right { width - 1 - x } else { x };
                        let at = (to_y * height + to_x) * BYTES;
                        upright[at..at + BYTES].copy_from_slice(pixel);
                    }
                }
            }
        }
    }
}

fn mirrored<const BYTES: usize>(row: &[u8], upright: &mut Vec<u8>) {
    row.chunks_exact(BYTES).rev().for_each(|pixel| upright.extend_from_slice(pixel));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, pixel by pixel: where the EXIF standard places the stored row 0 and column
    /// 0.
    fn by_definition(code: u8, rgb: &[u8], width: usize, height: usize) -> Vec<u8> {
        let (to_width, to_height) = if code >= 5 { (height, width) } else { (width, height) };
        let mut upright = Vec::new();
        for y in 0..to_height {
            for x in 0..to_width {
                let (p, q) = match code {
                    1 => (x, y),
                    2 => (width - 1 - x, y),
                    3 => (width - 1 - x, height - 1 - y),
                    4 => (x, height - 1 - y),
                    5 => (y, x),
                    6 => (y, height - 1 - x),
                    7 => (width - 1 - y, height - 1 - x),
                    _ => (width - 1 - y, x),
                };
                let at = (q * width + p) * 3;
                upright.extend_from_slice(&rgb[at..at + 3]);
            }
        }
        upright
    }

    #[test]
    fn every_orientation_follows_its_definition_with_padded_rows() {
        let (width, height, stride) = (70, 45, 224);
        let padded: Vec<u8> = (0..stride * height).map(|i| (i * 7 % 251) as u8).collect();
        let packed: Vec<u8> =
            padded.chunks_exact(stride).flat_map(|row| row[..width * 3].to_vec()).collect();
        for code in 1..=8 {
            let upright = Orientation(code).apply::<3>(&padded, stride, width, height);
            assert_eq!(upright, by_definition(code, &packed, width, height), "orientation {code}");
        }
    }

    #[test]
    fn matrices_of_turns_and_mirrors_give_the_exif_code() {
        const ONE: i32 = 1 << 16;
        let cases = [
            ([ONE, 0, 0, ONE], 1),
            ([-ONE, 0, 0, ONE], 2),
            ([-ONE, 0, 0, -ONE], 3),
            ([ONE, 0, 0, -ONE], 4),
            ([0, ONE, ONE, 0], 5),
            ([0, ONE, -ONE, 0], 6),
            ([0, -ONE, -ONE, 0], 7),
            ([0, -ONE, ONE, 0], 8),
            ([0, 0, 0, 0], 1),
            ([i32::MIN, i32::MIN, i32::MIN, i32::MIN], 3),
        ];
        for (matrix, code) in cases {
            assert_eq!(Orientation::from_matrix(matrix).exif(), code, "{matrix:?}");
        }
    }
}
