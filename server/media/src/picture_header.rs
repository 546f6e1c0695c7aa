//! Walks the structure of JPEG, PNG and WebP files before any pixel is decoded: size, number of
//! scans, animation, metadata blocks, and whether the file is complete. Does not decode; the
//! decoders are in `photo.rs`. HEIC and AVIF are read by `heif.rs`.

use crate::heif::HeifPicture;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::refusal::Refusal;
use crate::sniff::PictureFormat;

/// Result of the walk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PictureHeader<'a> {
    /// Stored width, in pixels, before orientation.
    pub(crate) width: u32,
    /// Stored height, in pixels, before orientation.
    pub(crate) height: u32,
    /// Metadata blocks. Those of a PNG may follow the pixels.
    pub(crate) metadata: Metadata<'a>,
    /// How the pixels are to be decoded.
    pub(crate) decoding: Decoding,
}

/// How the pixels of a picture are to be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoding {
    /// In full.
    Full,
    /// At half the size: a baseline JPEG over [`Limits::max_pixels`].
    Reduced,
}

/// Walks the file and checks it against the limits.
pub(crate) fn inspect<'a>(
    bytes: &'a [u8],
    format: PictureFormat,
    limits: &Limits,
) -> Result<PictureHeader<'a>, Refusal> {
    match format {
        PictureFormat::Jpeg => jpeg(bytes, limits),
        PictureFormat::Png => png(bytes, limits),
        PictureFormat::WebP => webp(bytes, limits),
        PictureFormat::Heic | PictureFormat::Avif => {
            let picture = HeifPicture::open(bytes, format, limits)?;
            sized(format, (picture.width, picture.height), limits.max_pixels)
        }
    }
}

fn sized(
    format: PictureFormat,
    (width, height): (u32, u32),
    limit: u64,
) -> Result<PictureHeader<'static>, Refusal> {
    if width == 0 || height == 0 {
        return Err(Refusal::Unreadable { format: format.name(), step: "reading the size" });
    }
    if u64::from(width) * u64::from(height) > limit {
        return Err(Refusal::TooManyPixels { width, height, limit });
    }
    let (metadata, decoding) = (Metadata::default(), Decoding::Full);
    Ok(PictureHeader { width, height, metadata, decoding })
}

/// Start of an APP1 segment that holds an XMP packet.
const JPEG_XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

const JPEG_CUT: Refusal = Refusal::Truncated { format: "JPEG" };
/// Xcode writes it for apps: bytes are swapped and unpacked differently, and no viewer but Apple's
/// shows it.
const CGBI: &str = "Apple's CgBI variant of PNG";
/// Start of a text chunk that holds an XMP packet, not compressed, without a language.
const PNG_XMP: &[u8] = b"XML:com.adobe.xmp\0\0\0\0\0";
const PNG_CUT: Refusal = Refusal::Truncated { format: "PNG" };
const WEBP_CUT: Refusal = Refusal::Truncated { format: "WebP" };

/// ITU T.81, annex B: segments up to the end marker. Bytes after the end marker are ignored.
fn jpeg<'a>(bytes: &'a [u8], limits: &Limits) -> Result<PictureHeader<'a>, Refusal> {
    let mut header: Option<PictureHeader<'_>> = None;
    let mut metadata = Metadata::default();
    let mut scans = 0;
    let mut at = 2;
    loop {
        at +=
            bytes.get(at..).unwrap_or_default().iter().position(|&b| b == 0xff).ok_or(JPEG_CUT)?;
        let marker = *bytes.get(at + 1).ok_or(JPEG_CUT)?;
        match marker {
            0xff => {
                at += 1;
                continue;
            }
            0x00 | 0x01 | 0xd0..=0xd8 => {
                at += 2;
                continue;
            }
            0xd9 => break,
            _ => {}
        }
        let length = bytes.get(at + 2..at + 4).ok_or(JPEG_CUT)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let segment = bytes.get(at + 4..at + 2 + length.max(2)).ok_or(JPEG_CUT)?;
        at += 2 + length.max(2);
        match marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                header = Some(jpeg_frame(marker, segment, limits)?);
            }
            0xda => {
                scans += 1;
                if scans > limits.max_jpeg_scans {
                    return Err(Refusal::TooManyScans {
                        actual: scans,
                        limit: limits.max_jpeg_scans,
                    });
                }
                at = after_scan(bytes, at)?;
            }
            0xe1 if scans == 0 => {
                if segment.starts_with(b"Exif\0") {
                    metadata.exif = metadata.exif.or(Some(segment));
                } else if let Some(packet) = segment.strip_prefix(JPEG_XMP) {
                    metadata.xmp = metadata.xmp.or(Some(packet));
                }
            }
            _ => {}
        }
    }
    match header {
        Some(header) if scans > 0 => Ok(PictureHeader { metadata, ..header }),
        _ => Err(Refusal::Unreadable { format: "JPEG", step: "finding the picture" }),
    }
}

fn jpeg_frame(
    marker: u8,
    segment: &[u8],
    limits: &Limits,
) -> Result<PictureHeader<'static>, Refusal> {
    let unsupported = |format: &str| Err(Refusal::UnsupportedFormat { format: format.to_owned() });
    let &[precision, h1, h0, w1, w0, components, ..] = segment else {
        return Err(JPEG_CUT);
    };
    match marker {
        0xc0..=0xc2 if precision == 8 => {}
        0xc0..=0xc2 => return unsupported("JPEG of more than 8 bits"),
        0xc3 => return unsupported("lossless JPEG"),
        0xc9..=0xcb => return unsupported("arithmetic JPEG"),
        _ => return unsupported("hierarchical JPEG"),
    }
    let size = (u32::from(u16::from_be_bytes([w1, w0])), u32::from(u16::from_be_bytes([h1, h0])));
    // FFmpeg reduces grey and YCbCr pictures whose pixels are stored in one pass.
    let reducible = matches!(marker, 0xc0 | 0xc1) && matches!(components, 1 | 3);
    let limit = if reducible { limits.max_reduced_pixels } else { limits.max_pixels };
    let header = sized(PictureFormat::Jpeg, size, limit.max(limits.max_pixels))?;
    let over = u64::from(size.0) * u64::from(size.1) > limits.max_pixels;
    Ok(PictureHeader { decoding: if over { Decoding::Reduced } else { Decoding::Full }, ..header })
}

/// Position of the first marker after entropy-coded data: not a stuffed zero, a restart or a fill
/// byte.
fn after_scan(bytes: &[u8], mut at: usize) -> Result<usize, Refusal> {
    loop {
        at +=
            bytes.get(at..).unwrap_or_default().iter().position(|&b| b == 0xff).ok_or(JPEG_CUT)?;
        match *bytes.get(at + 1).ok_or(JPEG_CUT)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            0xff => at += 1,
            _ => return Ok(at),
        }
    }
}

/// PNG (ISO/IEC 15948): chunks up to IEND.
fn png<'a>(bytes: &'a [u8], limits: &Limits) -> Result<PictureHeader<'a>, Refusal> {
    let mut header: Option<PictureHeader<'a>> = None;
    let mut metadata = Metadata::default();
    let mut at = 8;
    loop {
        let start = bytes.get(at..at + 8).ok_or(PNG_CUT)?;
        let length = u32::from_be_bytes([start[0], start[1], start[2], start[3]]) as usize;
        let name = &start[4..8];
        if header.is_none() {
            if name == b"CgBI" {
                return Err(Refusal::UnsupportedFormat { format: CGBI.to_owned() });
            }
            if name != b"IHDR" || length != 13 {
                return Err(Refusal::Unreadable { format: "PNG", step: "reading the header" });
            }
            let size = bytes.get(at + 8..at + 16).ok_or(PNG_CUT)?;
            let side =
                |i: usize| u32::from_be_bytes([size[i], size[i + 1], size[i + 2], size[i + 3]]);
            header = Some(sized(PictureFormat::Png, (side(0), side(4)), limits.max_pixels)?);
        }
        let data = bytes.get(at + 8..at + 8 + length).ok_or(PNG_CUT)?;
        at += 12 + length;
        if at > bytes.len() {
            return Err(PNG_CUT);
        }
        match name {
            b"acTL" => return Err(Refusal::Animated { format: "PNG" }),
            b"eXIf" => metadata.exif = metadata.exif.or(Some(data)),
            b"iTXt" => metadata.xmp = metadata.xmp.or_else(|| data.strip_prefix(PNG_XMP)),
            b"cICP" if length == 4 => metadata.cicp = Some((data[0], data[1])),
            b"IEND" => break,
            _ => {}
        }
    }
    header.map(|header| PictureHeader { metadata, ..header }).ok_or(PNG_CUT)
}

/// WebP (RFC 9649): the RIFF length, the first chunk and the metadata.
fn webp<'a>(bytes: &'a [u8], limits: &Limits) -> Result<PictureHeader<'a>, Refusal> {
    let head = bytes.get(..30).ok_or(WEBP_CUT)?;
    let u24 = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], 0]);
    let u16 = |i: usize| u32::from(u16::from_le_bytes([head[i], head[i + 1]]));
    let u32 = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
    let size = match &head[12..16] {
        b"VP8X" if head[20] & 2 != 0 => return Err(Refusal::Animated { format: "WebP" }),
        b"VP8X" => (u24(24) + 1, u24(27) + 1),
        b"VP8 " if head[23..26] == [0x9d, 0x01, 0x2a] => (u16(26) & 0x3fff, u16(28) & 0x3fff),
        b"VP8L" if head[20] == 0x2f => ((u32(21) & 0x3fff) + 1, (u32(21) >> 14 & 0x3fff) + 1),
        _ => {
            return Err(Refusal::Unreadable { format: "WebP", step: "reading the header" });
        }
    };
    let header = sized(PictureFormat::WebP, size, limits.max_pixels)?;
    let end = usize::try_from(u32(4)).ok().and_then(|size| size.checked_add(8));
    let chunks = end.and_then(|end| bytes.get(12..end)).ok_or(WEBP_CUT)?;
    Ok(PictureHeader { metadata: webp_metadata(chunks), ..header })
}

/// The EXIF and XMP chunks. Chunks that are cut off are left out.
fn webp_metadata(mut chunks: &[u8]) -> Metadata<'_> {
    let mut metadata = Metadata::default();
    while let Some((head, rest)) = chunks.split_at_checked(8) {
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let Some(data) = rest.get(..size) else { break };
        match &head[..4] {
            b"EXIF" => metadata.exif = metadata.exif.or(Some(data)),
            b"XMP " => metadata.xmp = metadata.xmp.or(Some(data)),
            _ => {}
        }
        chunks = rest.get(size + size % 2..).unwrap_or_default();
    }
    metadata
}
