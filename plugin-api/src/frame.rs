//! A frame as an analyzer sees it: borrowed pixels with their time and scale.

use crate::abi;
use crate::error::Failure;

/// Layout of pixels: interleaved, eight bits per channel.
///
/// ```
/// use vultus_plugin_api::PixelFormat;
///
/// assert_eq!(PixelFormat::from_name("gray8"), Some(PixelFormat::Gray8));
/// assert_eq!(PixelFormat::Bgr8.bytes_per_pixel(), 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Red, green, blue.
    Rgb8,
    /// Blue, green, red.
    Bgr8,
    /// Luma only.
    Gray8,
}

impl PixelFormat {
    /// Number of bytes of one pixel.
    pub fn bytes_per_pixel(self) -> usize {
        match self {
            Self::Rgb8 | Self::Bgr8 => 3,
            Self::Gray8 => 1,
        }
    }

    /// The name in a manifest's `pixel_formats`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rgb8 => "rgb8",
            Self::Bgr8 => "bgr8",
            Self::Gray8 => "gray8",
        }
    }

    /// The format with this name in a manifest.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Rgb8, Self::Bgr8, Self::Gray8].into_iter().find(|format| format.name() == name)
    }

    /// The number that crosses the ABI.
    pub fn code(self) -> u32 {
        match self {
            Self::Rgb8 => abi::format::RGB8,
            Self::Bgr8 => abi::format::BGR8,
            Self::Gray8 => abi::format::GRAY8,
        }
    }

    /// The format for a number that crossed the ABI.
    pub fn from_code(code: u32) -> Option<Self> {
        [Self::Rgb8, Self::Bgr8, Self::Gray8].into_iter().find(|format| format.code() == code)
    }
}

/// An upright frame, scaled to at most the analysis' `max_side`. The pixels are borrowed from the
/// host during the job. Read it row by row, because rows may be padded.
///
/// ```
/// use vultus_plugin_api::testing::Picture;
///
/// let picture = Picture::from_fn(4, 2, |x, y| [x as u8, y as u8, 0]);
/// let frame = picture.frame();
/// let rows: Vec<&[u8]> = (0..frame.height()).filter_map(|y| frame.row(y)).collect();
/// assert_eq!(rows[1][3..6], [1, 1, 0]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    pub(crate) medium: u32,
    pub(crate) index: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) stride: usize,
    pub(crate) pixels: &'a [u8],
    pub(crate) format: PixelFormat,
    pub(crate) pts_us: i64,
    pub(crate) source_width: u32,
    pub(crate) source_height: u32,
}

impl<'a> Frame<'a> {
    /// Index of the medium in `job.media()`.
    pub fn medium(&self) -> u32 {
        self.medium
    }

    /// Index of this frame in its medium.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Pixels per row; at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Number of rows; at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Bytes from the start of one row to the start of the next; may exceed the bytes of a row.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The pixels, top row first. At least `stride * (height - 1) + width * bytes_per_pixel` bytes.
    pub fn pixels(&self) -> &'a [u8] {
        self.pixels
    }

    /// The pixels of row `y` without padding; `None` below the last row.
    pub fn row(&self, y: u32) -> Option<&'a [u8]> {
        if y >= self.height {
            return None;
        }
        let start = y as usize * self.stride;
        self.pixels.get(start..start + self.width as usize * self.format.bytes_per_pixel())
    }

    /// Layout of the pixels.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Presentation time in microseconds; 0 for a picture.
    pub fn pts_us(&self) -> i64 {
        self.pts_us
    }

    /// Width of the medium's upright pictures before scaling, in pixels. Coordinates of features
    /// refer to it.
    pub fn source_width(&self) -> u32 {
        self.source_width
    }

    /// Height of the medium's upright pictures before scaling, in pixels.
    pub fn source_height(&self) -> u32 {
        self.source_height
    }

    /// `width / source_width`: multiply coordinates of features by it to get coordinates in
    /// `pixels`.
    pub fn scale(&self) -> f32 {
        self.width as f32 / self.source_width as f32
    }

    /// Checks a frame that a host passed.
    ///
    /// # Safety
    /// `raw` and its planes must follow `abi::Frame` during `'a`.
    pub(crate) unsafe fn from_raw(raw: &'a abi::Frame) -> Result<Self, Failure> {
        let broken = |what: &str| {
            let (medium, index) = (raw.medium, raw.index);
            Failure::internal(format!("the host's frame {index} of medium {medium} has {what}"))
        };
        if (raw.struct_size as usize) < size_of::<abi::Frame>() {
            return Err(broken("a struct_size below that of v1.0"));
        }
        let format =
            PixelFormat::from_code(raw.format).ok_or_else(|| broken("an unknown format"))?;
        if raw.width == 0 || raw.height == 0 || raw.source_width == 0 || raw.source_height == 0 {
            return Err(broken("no pixels"));
        }
        let plane = raw.planes[0];
        let row = raw.width as usize * format.bytes_per_pixel();
        let stride = plane.stride as usize;
        let needed = stride
            .checked_mul(raw.height as usize - 1)
            .and_then(|rows| rows.checked_add(row))
            .ok_or_else(|| broken("a size that overflows"))?;
        // SAFETY: the caller guarantees the plane.
        let pixels = unsafe { abi::Bytes { ptr: plane.data, len: plane.len }.get(u64::MAX) };
        let pixels = pixels.ok_or_else(|| broken("a null plane"))?;
        if raw.plane_count == 0 || stride < row || pixels.len() < needed {
            return Err(broken("a plane shorter than its size"));
        }
        Ok(Self {
            medium: raw.medium,
            index: raw.index,
            width: raw.width,
            height: raw.height,
            stride,
            pixels,
            format,
            pts_us: raw.pts_us,
            source_width: raw.source_width,
            source_height: raw.source_height,
        })
    }
}
