//! A borrowed picture with 8 bits per channel. Reading only; nothing here allocates.

use crate::VisionError;
use crate::features::Face;
use crate::geometry::{Point, Rect};

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

    /// For each channel of a target order (`Rgb` or `Bgr`), the offset of its byte in a pixel of
    /// this order.
    pub(crate) const fn offsets_for(self, target: Self) -> [usize; 3] {
        match (self, target) {
            (Self::Gray, _) => [0, 0, 0],
            (Self::Rgb, Self::Bgr) | (Self::Bgr, Self::Rgb) => [2, 1, 0],
            (Self::Rgb, Self::Rgb | Self::Gray) | (Self::Bgr, Self::Bgr | Self::Gray) => [0, 1, 2],
        }
    }
}

/// A picture in someone else's memory, proven to lie inside it.
#[derive(Debug, Clone, Copy)]
pub struct PixelView<'a> {
    pixels: &'a [u8],
    width: usize,
    height: usize,
    stride: usize,
    channels: Channels,
}

impl<'a> PixelView<'a> {
    /// Checks that `pixels` really holds `height` rows of `stride` bytes with `width` pixels each.
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

    /// The bytes of row `y`; the last row when `y` lies below.
    pub(crate) fn row(&self, y: usize) -> &'a [u8] {
        let start = y.min(self.height - 1) * self.stride;
        &self.pixels[start..start + self.width * self.channels.count()]
    }

    /// The part that starts at (`x`, `y`), cut to what there is. At least one pixel.
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

/// A copy of a picture, turned by quarters.
#[derive(Debug)]
pub struct QuarterTurned {
    pixels: Vec<u8>,
    width: u32,
    height: u32,
    channels: Channels,
    turns: u8,
}

impl QuarterTurned {
    /// `picture` turned clockwise by `turns` quarters.
    pub fn of(picture: &PixelView<'_>, turns: u8) -> Self {
        let (turns, channels) = (turns % 4, picture.channels);
        let (width, height) = match turns {
            0 | 2 => (picture.width(), picture.height()),
            _ => (picture.height(), picture.width()),
        };
        let mut turned = Self { pixels: Vec::new(), width, height, channels, turns };
        turned.pixels.reserve(width as usize * height as usize * channels.count());
        for y in 0..height {
            for x in 0..width {
                let [from_x, from_y] = turned.source_pixel(x, y);
                let start = from_x as usize * channels.count();
                let row = picture.row(from_y as usize);
                turned.pixels.extend_from_slice(&row[start..start + channels.count()]);
            }
        }
        turned
    }

    /// Its pixels.
    pub fn view(&self) -> PixelView<'_> {
        let (width, height) = (self.width as usize, self.height as usize);
        let stride = width * self.channels.count();
        PixelView { pixels: &self.pixels, width, height, stride, channels: self.channels }
    }

    /// Where a face of this copy lies in the picture that it was turned from.
    pub fn turn_back(&self, face: &Face) -> Face {
        let Rect { x, y, width, height } = face.rect;
        let corner = self.source_point([x, y]);
        let opposite = self.source_point([x + width, y + height]);
        let rect = Rect {
            x: corner[0].min(opposite[0]),
            y: corner[1].min(opposite[1]),
            width: (corner[0] - opposite[0]).abs(),
            height: (corner[1] - opposite[1]).abs(),
        };
        Face { rect, score: face.score, landmarks: face.landmarks.map(|p| self.source_point(p)) }
    }

    fn source_pixel(&self, x: u32, y: u32) -> [u32; 2] {
        match self.turns {
            0 => [x, y],
            1 => [y, self.width - 1 - x],
            2 => [self.width - 1 - x, self.height - 1 - y],
            _ => [self.height - 1 - y, x],
        }
    }

    fn source_point(&self, [x, y]: Point) -> Point {
        let (width, height) = (self.width as f32, self.height as f32);
        match self.turns {
            0 => [x, y],
            1 => [y, width - x],
            2 => [width - x, height - y],
            _ => [height - y, x],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_is_one_byte_short_is_refused() {
        let bytes = [0u8; 2 * 16 + 12];
        assert!(PixelView::new(&bytes, 4, 3, 16, Channels::Rgb).is_ok());
        assert!(PixelView::new(&bytes[..43], 4, 3, 16, Channels::Rgb).is_err());
        assert!(PixelView::new(&bytes, 4, 3, 11, Channels::Rgb).is_err());
        assert!(PixelView::new(&bytes, 0, 3, 16, Channels::Rgb).is_err());
        assert!(PixelView::new(&bytes, u32::MAX, u32::MAX, usize::MAX, Channels::Rgb).is_err());
    }

    #[test]
    fn a_face_of_a_turned_copy_lies_where_its_pixels_came_from() {
        let bytes: Vec<u8> = (0..6 * 4).collect();
        let picture = PixelView::new(&bytes, 6, 4, 6, Channels::Gray).unwrap();
        for turns in 0..4 {
            let turned = QuarterTurned::of(&picture, turns);
            let (x, y) = (1, 2);
            let level = turned.view().row(y)[x];
            let point = [x as f32 + 0.5, y as f32 + 0.5];
            let rect = Rect::from([x as f32, y as f32, 1.0, 1.0]);
            let face = Face { rect, score: 1.0, landmarks: [point; 5] };
            let back = turned.turn_back(&face);
            assert_eq!(picture.row(back.rect.y as usize)[back.rect.x as usize], level);
            let [px, py] = back.landmarks[0];
            assert_eq!(picture.row(py as usize)[px as usize], level);
        }
    }
}
