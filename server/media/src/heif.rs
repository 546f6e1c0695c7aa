//! HEIC and AVIF pictures: the primary item, decoded by libheif. The transformations of the format
//! (crop, rotation, mirror) are applied as it prescribes; the orientation in an EXIF block repeats
//! them and is ignored, as in viewers. Thumbnails, depth maps, gain maps and alternative pictures
//! are never used.

mod library;

use crate::colour::Colour;
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::sniff::PictureFormat;
use library::{Context, Handle};

/// Maximum side that libheif may see, in pixels. libheif crashes on grids that claim much larger
/// sizes.
const LARGEST_SIDE: u32 = 16_384;
/// Maximum number of top-level boxes.
const MOST_BOXES: usize = 10_000;

/// An opened picture whose size is within the limits.
pub(crate) struct HeifPicture<'a> {
    format: PictureFormat,
    // Dropped before the context.
    handle: Handle,
    context: Context<'a>,
    /// Width after the transformations of the format, in pixels.
    pub(crate) width: u32,
    /// Height after the transformations of the format, in pixels.
    pub(crate) height: u32,
}

/// Decoded pixels.
pub(crate) struct Pixels {
    /// Packed RGB or RGBA.
    pub(crate) bytes: Vec<u8>,
    pub(crate) has_alpha: bool,
    pub(crate) colour: Colour,
}

impl<'a> HeifPicture<'a> {
    /// Reads the structure, without decoding, and checks it against the limits.
    pub(crate) fn open(
        bytes: &'a [u8],
        format: PictureFormat,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        check_boxes(bytes, format)?;
        let refusal = |step| Refusal::Unreadable { format: format.name(), step };
        let mut context = Context::new().ok_or_else(|| refusal("opening the decoder"))?;
        context.limit_side(LARGEST_SIDE);
        context.read(bytes).map_err(|error| error.refusal(format, "reading the structure"))?;
        let handle = context
            .primary()
            .map_err(|error| error.refusal(format, "finding the primary picture"))?;
        let (width, height) = handle.size();
        if width == 0 || height == 0 {
            return Err(refusal("reading the size"));
        }
        if u64::from(width) * u64::from(height) > limits.max_pixels {
            return Err(Refusal::TooManyPixels { width, height, limit: limits.max_pixels });
        }
        // A grid that is larger than its declared size would take memory for its own.
        let (stored_width, stored_height) = handle.stored_size();
        // libheif refuses a grid with a side equal to the limit, so the limit is one pixel more.
        context.limit_side(width.max(height).max(stored_width).max(stored_height) + 1);
        Ok(Self { format, handle, context, width, height })
    }

    /// Decodes the picture.
    pub(crate) fn decode(&self) -> Result<Pixels, Refusal> {
        const STEP: &str = "decoding the pixels";
        let image = self.handle.decode().map_err(|error| error.refusal(self.format, STEP))?;
        let bytes = image.packed(self.width, self.height);
        let bytes = bytes.ok_or(Refusal::Unreadable { format: self.format.name(), step: STEP })?;
        debug_assert!(self.context.is_read());
        Ok(Pixels { bytes, has_alpha: self.handle.has_alpha(), colour: self.handle.colour() })
    }
}

/// Walks the outermost boxes (ISO/IEC 14496-12): rejects a file that is cut off, one with a
/// movie, which viewers may play, and one that holds a second file.
fn check_boxes(bytes: &[u8], format: PictureFormat) -> Result<(), Refusal> {
    let cut = Refusal::Truncated { format: format.name() };
    let (mut at, mut pictures) = (0_usize, 0);
    for _ in 0..MOST_BOXES {
        let Some(&[s3, s2, s1, s0, ref name @ ..]) = bytes.get(at..at + 8) else {
            return Ok(());
        };
        if name == b"moov" {
            return Err(Refusal::Animated { format: format.name() });
        }
        pictures += u32::from(name == b"meta");
        if pictures > 1 {
            return Err(Refusal::Joined { format: format.name() });
        }
        let size = match u32::from_be_bytes([s3, s2, s1, s0]) {
            0 => return Ok(()),
            1 => {
                let wide = bytes.get(at + 8..at + 16).ok_or_else(|| cut.clone())?;
                wide.iter().fold(0_u64, |size, &byte| size << 8 | u64::from(byte))
            }
            size => u64::from(size),
        };
        let known = matches!(name, b"ftyp" | b"meta" | b"mdat" | b"free" | b"moov");
        let end = usize::try_from(size).ok().and_then(|size| at.checked_add(size));
        match end.filter(|&end| end <= bytes.len() && size >= 8) {
            Some(end) => at = end,
            None if known && size >= 8 => return Err(cut),
            // Bytes that a phone appended.
            None => return Ok(()),
        }
    }
    Err(Refusal::Unreadable { format: format.name(), step: "reading the structure" })
}
