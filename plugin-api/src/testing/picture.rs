//! Pictures for tests: generated, scaled and converted as by a worker.

use crate::frame::{Frame, PixelFormat};

/// A picture for a test, with 8-bit red, green and blue.
///
/// ```
/// use vultus_plugin_api::testing::Picture;
///
/// let gradient = Picture::from_fn(64, 48, |x, _| [4 * x as u8; 3]);
/// assert_eq!(gradient.scaled(32).width, 32);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels per row.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
    /// `width * height * 3` bytes: red, green, blue.
    pub rgb: Vec<u8>,
    /// Presentation time in microseconds.
    pub pts_us: i64,
}

impl Picture {
    /// A picture of one colour, at time 0.
    pub fn filled(width: u32, height: u32, rgb: [u8; 3]) -> Self {
        Self::from_fn(width, height, |_, _| rgb)
    }

    /// A picture from a function of column and row, at time 0.
    pub fn from_fn(width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> Self {
        let colour = &colour;
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| colour(x, y))).collect();
        Self { width, height, rgb, pts_us: 0 }
    }

    /// The same picture at another time, in microseconds.
    #[must_use]
    pub fn at(mut self, pts_us: i64) -> Self {
        self.pts_us = pts_us;
        self
    }

    /// The picture scaled to at most `max_side` pixels, as a host would do it: each pixel is the
    /// mean of the pixels that it covers.
    #[must_use]
    pub fn scaled(&self, max_side: u32) -> Self {
        let (width, height, rgb) = scaled(self, max_side);
        Self { width, height, rgb, pts_us: self.pts_us }
    }

    /// The pixels in another format, without padding between rows.
    ///
    /// ```
    /// use vultus_plugin_api::PixelFormat;
    /// use vultus_plugin_api::testing::Picture;
    ///
    /// assert_eq!(Picture::filled(1, 1, [255, 255, 255]).pixels_as(PixelFormat::Gray8), [255]);
    /// ```
    pub fn pixels_as(&self, format: PixelFormat) -> Vec<u8> {
        converted(self.rgb.clone(), format)
    }

    /// The picture as frame 0 of medium 0, unscaled. For tests of an analyzer's inner functions.
    pub fn frame(&self) -> Frame<'_> {
        Frame {
            medium: 0,
            index: 0,
            width: self.width,
            height: self.height,
            stride: self.width as usize * 3,
            pixels: &self.rgb,
            format: PixelFormat::Rgb8,
            pts_us: self.pts_us,
            source_width: self.width,
            source_height: self.height,
        }
    }
}

/// Scales a picture to at most `max_side` pixels: each pixel is the mean of the source pixels that
/// it covers.
pub(super) fn scaled(picture: &Picture, max_side: u32) -> (u32, u32, Vec<u8>) {
    let longest = picture.width.max(picture.height);
    if longest <= max_side {
        return (picture.width, picture.height, picture.rgb.clone());
    }
    let shrink = |side: u32| {
        let exact = f64::from(side) * f64::from(max_side) / f64::from(longest);
        (exact.round() as u32).max(1)
    };
    let (width, height) = (shrink(picture.width), shrink(picture.height));
    let span = |at: u32, target: u32, source: u32| {
        let edge = |at: u32| (u64::from(at) * u64::from(source) / u64::from(target)) as usize;
        edge(at)..edge(at + 1).max(edge(at) + 1)
    };
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        let rows = span(y, height, picture.height);
        for x in 0..width {
            let columns = span(x, width, picture.width);
            for channel in 0..3 {
                let values = rows.clone().flat_map(|row| {
                    let start = row * picture.width as usize;
                    columns.clone().map(move |column| (start + column) * 3 + channel)
                });
                let sum: usize = values.map(|at| usize::from(picture.rgb[at])).sum();
                let count = rows.len() * columns.len();
                rgb.push(((sum + count / 2) / count) as u8);
            }
        }
    }
    (width, height, rgb)
}

/// Converts red, green, blue to another format; luma by BT.601 in 16-bit fixed point.
pub(super) fn converted(mut rgb: Vec<u8>, format: PixelFormat) -> Vec<u8> {
    match format {
        PixelFormat::Rgb8 => rgb,
        PixelFormat::Bgr8 => {
            rgb.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.swap(0, 2));
            rgb
        }
        PixelFormat::Gray8 => rgb
            .as_chunks::<3>()
            .0
            .iter()
            .map(|&[r, g, b]| {
                ((19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b) + 32_768)
                    >> 16) as u8
            })
            .collect(),
    }
}
