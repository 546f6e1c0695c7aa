//! Single pictures: decodes JPEG, PNG, WebP, HEIC and AVIF to upright packed sRGB.
//!
//! Transparent pictures are laid on white, 16-bit channels become 8-bit, grey and CMYK become RGB;
//! RGB profiles are converted to sRGB. Animated pictures are rejected in `picture_header.rs` and
//! `heif.rs`.

use crate::colour::Colour;
use crate::heif::HeifPicture;
use crate::large_jpeg;
use crate::limits::Limits;
use crate::medium::{Frames, Probe};
use crate::orientation::Orientation;
use crate::picture_header::{self, Decoding, PictureHeader};
use crate::pixels::{self, StoredFrame};
use crate::refusal::Refusal;
use crate::sniff::PictureFormat;
use crate::source::Source;
use image::codecs::{jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder};
use image::{DynamicImage, ImageDecoder, ImageError};
use std::io::{Cursor, ErrorKind, Read, Seek};
use vultus_core::MediaKind;
use vultus_worker_protocol::ProbeReport;

/// Maximum size of one buffer of a picture decoder, in bytes.
const DECODER_BYTES: u64 = 512 << 20;

/// A decoded picture, upright.
pub(crate) struct Picture {
    /// Width of the source after orientation, in pixels.
    pub(crate) width: u32,
    /// Height of the source after orientation, in pixels.
    pub(crate) height: u32,
    /// The orientation that was applied.
    pub(crate) orientation: Orientation,
    /// The picture, scaled down to its stored size.
    pub(crate) frame: StoredFrame,
}

/// Probes a single picture by decoding it.
pub(crate) fn probe<S: Read + Seek>(
    source: &mut Source<S>,
    format: PictureFormat,
    limits: &Limits,
) -> Result<Probe, Refusal> {
    let bytes = source.all()?;
    let picture = picture(&bytes, format, limits, 1)?;
    let thumbnail = pixels::thumbnail(&picture.frame)?;
    let report = ProbeReport {
        kind: MediaKind::Image,
        content_type: format.content_type().to_owned(),
        width: picture.width,
        height: picture.height,
        orientation_applied: picture.orientation.exif(),
        duration_us: None,
        frame_count: None,
        frame_rate: None,
        thumbnail_bytes: 0,
        frame: None,
    };
    Ok(Probe::new(report, thumbnail, Some(picture.frame)))
}

/// Decodes a single picture.
pub(crate) fn decode<S: Read + Seek>(
    source: &mut Source<S>,
    format: PictureFormat,
    limits: &Limits,
) -> Result<Frames, Refusal> {
    let bytes = source.all()?;
    let picture = picture(&bytes, format, limits, 1)?;
    Ok(Frames {
        kind: MediaKind::Image,
        content_type: format.content_type().to_owned(),
        width: picture.width,
        height: picture.height,
        duration_us: None,
        frame_count: None,
        frames: vec![picture.frame],
        container: None,
        track: Vec::new(),
    })
}

/// Decodes one of `count` pictures that share the frame budget.
pub(crate) fn picture(
    bytes: &[u8],
    format: PictureFormat,
    limits: &Limits,
    count: usize,
) -> Result<Picture, Refusal> {
    let source = pixels_of(bytes, format, limits, count)?;
    let Stored { size, orientation, colour, .. } = source;
    let stored = limits.stored_size(size.0, size.1, count);
    let stored = (stored.0.min(source.decoded.0), stored.1.min(source.decoded.1));
    let mut rgb = if stored == source.decoded {
        source.rgb
    } else {
        pixels::resize(&source.rgb, source.decoded, stored)
    };
    colour.convert_to_srgb(&mut rgb);
    let rgb = if orientation == Orientation::UPRIGHT {
        rgb
    } else {
        orientation.apply::<3>(&rgb, stored.0 as usize * 3, stored.0 as usize, stored.1 as usize)
    };
    let (width, height) = orientation.turned(size);
    let (stored_width, stored_height) = orientation.turned(stored);
    let frame =
        StoredFrame { width: stored_width, height: stored_height, rgb, pts_us: 0, index: 0 };
    Ok(Picture { width, height, orientation, frame })
}

/// The pixels of a picture, before scaling, colour conversion and orientation.
struct Stored {
    /// Size that the file declares.
    size: (u32, u32),
    /// Size of `rgb`.
    decoded: (u32, u32),
    rgb: Vec<u8>,
    orientation: Orientation,
    colour: Colour,
}

fn pixels_of(
    bytes: &[u8],
    format: PictureFormat,
    limits: &Limits,
    count: usize,
) -> Result<Stored, Refusal> {
    if matches!(format, PictureFormat::Heic | PictureFormat::Avif) {
        return heif_pixels(bytes, format, limits);
    }
    let header = picture_header::inspect(bytes, format, limits)?;
    let mut decoder_limits = image::Limits::default();
    decoder_limits.max_alloc = Some(DECODER_BYTES);
    let refuse = |error| refusal(format, error);
    let cursor = Cursor::new(bytes);
    match (format, header.decoding) {
        (PictureFormat::Jpeg, Decoding::Reduced) => {
            return reduced_pixels(bytes, &header, limits, count);
        }
        (PictureFormat::Jpeg, Decoding::Full) => {
            all_pixels(JpegDecoder::new(cursor).map_err(refuse)?, &header)
        }
        (PictureFormat::Png, _) => {
            all_pixels(PngDecoder::with_limits(cursor, decoder_limits).map_err(refuse)?, &header)
        }
        // HEIC and AVIF were read above. A new format does not compile until it has an arm.
        (PictureFormat::WebP | PictureFormat::Heic | PictureFormat::Avif, _) => {
            all_pixels(WebPDecoder::new(cursor).map_err(refuse)?, &header)
        }
    }
    .map_err(refuse)?
    .ok_or(Refusal::Unreadable { format: format.name(), step: "reading the size" })
}

fn heif_pixels(bytes: &[u8], format: PictureFormat, limits: &Limits) -> Result<Stored, Refusal> {
    let picture = HeifPicture::open(bytes, format, limits)?;
    let size = (picture.width, picture.height);
    let pixels = picture.decode()?;
    let rgb = if pixels.has_alpha { on_white(&pixels.bytes) } else { pixels.bytes };
    let (orientation, colour) = (Orientation::UPRIGHT, pixels.colour);
    Ok(Stored { size, decoded: size, rgb, orientation, colour })
}

fn reduced_pixels(
    bytes: &[u8],
    header: &PictureHeader<'_>,
    limits: &Limits,
    count: usize,
) -> Result<Stored, Refusal> {
    let size = (header.width, header.height);
    let stored = limits.stored_size(size.0, size.1, count);
    let half = (size.0.div_ceil(2), size.1.div_ceil(2));
    let decoded = (stored.0.min(half.0), stored.1.min(half.1));
    let rgb = large_jpeg::decode_reduced(bytes, decoded, limits)?;
    let colour = JpegDecoder::new(Cursor::new(bytes))
        .and_then(|mut decoder| decoder.icc_profile())
        .ok()
        .flatten()
        .map_or(Colour::Srgb, Colour::Icc);
    Ok(Stored { size, decoded, rgb, orientation: header.metadata.orientation(), colour })
}

/// Decodes a picture. `None` if the decoder reads another size than the check of the limits did.
fn all_pixels(
    mut decoder: impl ImageDecoder,
    header: &PictureHeader<'_>,
) -> Result<Option<Stored>, ImageError> {
    let size = (header.width, header.height);
    if decoder.dimensions() != size {
        return Ok(None);
    }
    let colour = match header.metadata.cicp {
        Some((primaries, transfer)) => Colour::Coded { primaries, transfer },
        None => decoder.icc_profile().ok().flatten().map_or(Colour::Srgb, Colour::Icc),
    };
    let image = DynamicImage::from_decoder(decoder)?;
    let rgb = if image.color().has_alpha() {
        on_white(&image.into_rgba8())
    } else {
        image.into_rgb8().into_raw()
    };
    let orientation = header.metadata.orientation();
    Ok(Some(Stored { size, decoded: size, rgb, orientation, colour }))
}

fn on_white(rgba: &[u8]) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(rgba.len() / 4 * 3);
    for pixel in rgba.chunks_exact(4) {
        let alpha = u32::from(pixel[3]);
        let over_white =
            |value: u8| ((u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        rgb.extend([over_white(pixel[0]), over_white(pixel[1]), over_white(pixel[2])]);
    }
    rgb
}

fn refusal(format: PictureFormat, error: ImageError) -> Refusal {
    let format = format.name();
    match error {
        ImageError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => {
            Refusal::Truncated { format }
        }
        ImageError::Unsupported(_) => {
            Refusal::UnsupportedFormat { format: format!("this variant of {format}") }
        }
        _ => Refusal::Unreadable { format, step: "decoding the pixels" },
    }
}
