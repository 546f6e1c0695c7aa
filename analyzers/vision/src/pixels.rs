//! A borrowed picture with 8 bits per channel. Read-only, without allocation.

use crate::VisionError;

/// Order of the channels of one pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// One channel.
    Gray,
}

impl Channels {
    /// Bytes per pixel.
    pub const fn count(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Gray => 1,
        }
    }

    /// The byte offsets, in a pixel of this order, of the channels of the order `target` (`Rgb` or
    /// `Bgr`).
    pub(crate) const fn offsets_for(self, target: Self) -> [usize; 3] {
        match (self, target) {
            (Self::Gray, _) => [0, 0, 0],
            (Self::Rgb, Self::Bgr) | (Self::Bgr, Self::Rgb) => [2, 1, 0],
            (Self::Rgb, Self::Rgb | Self::Gray) | (Self::Bgr, Self::Bgr | Self::Gray) => [0, 1, 2],
        }
    }
}

/// A borrowed picture whose size is checked against its buffer.
#[derive(Debug, Clone, Copy)]
pub struct PixelView<'a> {
    pixels: &'a [u8],
    width: usize,
    height: usize,
    stride: usize,
    channels: Channels,
}

impl<'a> PixelView<'a> {
    /// A view of `height` rows of `width` pixels; `stride` is the distance between two rows in
    /// bytes. [`VisionError::Pixels`] if the buffer is too small or a side is 0.
    pub fn new(
        pixels: &'a [u8],
        width: u32,
        height: u32,
        stride: usize,
        channels: Channels,
    ) -> Result<Self, VisionError> {
        let refuse = || VisionError::Pixels { width, height, length: pixels.len() };
        let (w, h) = (width as usize, height as usize);
        let row = w.checked_mul(channels.count()).ok_or_else(refuse)?;
        if w == 0 || h == 0 || stride < row {
            return Err(refuse());
        }
        let needed =
            stride.checked_mul(h - 1).and_then(|n| n.checked_add(row)).ok_or_else(refuse)?;
        if pixels.len() < needed {
            return Err(refuse());
        }
        Ok(Self { pixels, width: w, height: h, stride, channels })
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width as u32
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height as u32
    }

    /// Order of the channels.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// The bytes of row `y`; the last row if `y` is too large.
    pub(crate) fn row(&self, y: usize) -> &'a [u8] {
        let start = y.min(self.height - 1) * self.stride;
        &self.pixels[start..start + self.width * self.channels.count()]
    }

    /// The luma (BT.601) of row `y`.
    pub(crate) fn luma_row(&self, y: usize) -> Vec<u8> {
        let row = self.row(y);
        if self.channels == Channels::Gray {
            return row.to_vec();
        }
        let [red, green, blue] = self.channels.offsets_for(Channels::Rgb);
        let luma = |pixel: &[u8; 3]| {
            let [r, g, b] = [red, green, blue].map(|at| u32::from(pixel[at]));
            ((77 * r + 150 * g + 29 * b + 128) >> 8) as u8
        };
        row.as_chunks::<3>().0.iter().map(luma).collect()
    }

    /// The part that starts at (`x`, `y`), clipped to the picture. At least one pixel.
    pub(crate) fn part(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        let (x, y) = (x.min(self.width - 1), y.min(self.height - 1));
        let start = y * self.stride + x * self.channels.count();
        Self {
            pixels: &self.pixels[start..],
            width: width.clamp(1, self.width - x),
            height: height.clamp(1, self.height - y),
            stride: self.stride,
            channels: self.channels,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_one_byte_too_short_is_rejected() {
        let bytes = [0u8; 2 * 16 + 12];
        assert!(PixelView::new(&bytes, 4, 3, 16, Channels::Rgb).is_ok());
        assert!(PixelView::new(&bytes[..43], 4, 3, 16, Channels::Rgb).is_err());
        assert!(PixelView::new(&bytes, 4, 3, 11, Channels::Rgb).is_err());
        assert!(PixelView::new(&bytes, 0, 3, 16, Channels::Rgb).is_err());
        assert!(PixelView::new(&bytes, u32::MAX, u32::MAX, usize::MAX, Channels::Rgb).is_err());
    }
}
