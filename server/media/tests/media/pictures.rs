//! Picture files for the tests: an asymmetric picture in every format, and files built from bytes.

use image::codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder};
use image::{DynamicImage, ImageEncoder, Rgb, RgbImage};

/// A smooth picture without symmetry.
pub(crate) fn asymmetric(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let corner = if x < width / 4 && y < height / 3 { 120 } else { 0 };
        Rgb([(x * 200 / width) as u8, (y * 120 / height) as u8 + corner, 40 + (x * y % 7) as u8])
    })
}

/// An EXIF block that holds only an orientation.
pub(crate) fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    block.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    block
}

/// A JPEG of quality 95.
pub(crate) fn jpeg(picture: &RgbImage, exif: Option<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    with_exif(JpegEncoder::new_with_quality(&mut bytes, 95), picture.clone().into(), exif);
    bytes
}

/// A PNG of any pixel format.
pub(crate) fn png(picture: impl Into<DynamicImage>, exif: Option<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    with_exif(PngEncoder::new(&mut bytes), picture.into(), exif);
    bytes
}

/// A lossless WebP.
pub(crate) fn webp(picture: &RgbImage, exif: Option<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    with_exif(WebPEncoder::new_lossless(&mut bytes), picture.clone().into(), exif);
    bytes
}

fn with_exif(mut encoder: impl ImageEncoder, picture: DynamicImage, exif: Option<Vec<u8>>) {
    if let Some(exif) = exif {
        encoder.set_exif_metadata(exif).unwrap();
    }
    picture.write_with_encoder(encoder).unwrap();
}

/// A PNG header that declares a size, without pixels.
pub(crate) fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend(b"\x08\x02\0\0\0\0\0\0\0");
    bytes
}

/// A JPEG header of a frame kind (0xc0 baseline, 0xc2 progressive) that declares a size, then
/// `scans` empty scans.
pub(crate) fn jpeg_header(kind: u8, width: u16, height: u16, scans: usize) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, kind, 0, 11, 8];
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend([1, 1, 0x11, 0]);
    for _ in 0..scans {
        bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0, 0x7f]);
    }
    bytes.extend([0xff, 0xd9]);
    bytes
}

/// An 8 × 8 JPEG of one CMYK colour, inverted as Adobe programs write it and encoded by hand (ITU
/// T.81, annex F): quantised by 8, so that a DC difference is the level itself; one DC code of 4
/// bits per category.
pub(crate) fn cmyk_jpeg(inks: [u8; 4]) -> Vec<u8> {
    let mut bytes = b"\xff\xd8\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0".to_vec();
    bytes.extend([0xff, 0xdb, 0, 67, 0]);
    bytes.extend([8; 64]);
    bytes.extend([0xff, 0xc0, 0, 20, 8, 0, 8, 0, 8, 4]);
    (1..=4).for_each(|component| bytes.extend([component, 0x11, 0]));
    let mut lengths = [0; 16];
    lengths[3] = 9;
    bytes.extend([0xff, 0xc4, 0, 28, 0x00]);
    bytes.extend(lengths);
    bytes.extend(0..9);
    lengths[3] = 1;
    bytes.extend([0xff, 0xc4, 0, 20, 0x10]);
    bytes.extend(lengths);
    bytes.push(0);
    bytes.extend([0xff, 0xda, 0, 14, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0]);
    let mut bits = String::new();
    for ink in inks {
        let level = i32::from(255 - ink) - 128;
        let category = 32 - level.unsigned_abs().leading_zeros();
        bits += &format!("{category:04b}");
        if category > 0 {
            let code = if level < 0 { level + (1 << category) - 1 } else { level };
            bits += &format!("{code:0width$b}", width = category as usize);
        }
        bits += "0000";
    }
    while !bits.len().is_multiple_of(8) {
        bits.push('1');
    }
    for at in (0..bits.len()).step_by(8) {
        let byte = u8::from_str_radix(&bits[at..at + 8], 2).unwrap();
        bytes.push(byte);
        if byte == 0xff {
            bytes.push(0);
        }
    }
    bytes.extend([0xff, 0xd9]);
    bytes
}
