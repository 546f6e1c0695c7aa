//! Single pictures.

use crate::pictures::{asymmetric, cmyk_jpeg, exif, jpeg, jpeg_header, png, png_header, webp};
use crate::{decode, decode_within, probe, probe_within};
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, Luma, Rgba, RgbaImage};
use vultus_media::{Limits, MediaKind, Refusal};

/// The stored form of an upright picture that this EXIF orientation makes upright again.
fn stored_for(picture: &image::RgbImage, code: u8) -> image::RgbImage {
    let inverse = match code {
        6 => 8,
        8 => 6,
        other => other,
    };
    let mut stored = DynamicImage::from(picture.clone());
    stored.apply_orientation(Orientation::from_exif(inverse).unwrap());
    stored.into_rgb8()
}

fn mean_difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}

#[test]
fn all_eight_exif_orientations_give_the_same_upright_picture() {
    let picture = asymmetric(80, 56);
    for code in 1..=8 {
        let stored = stored_for(&picture, code);
        let files = [
            ("image/jpeg", jpeg(&stored, Some(exif(code))), 2.0),
            ("image/png", png(stored.clone(), Some(exif(code))), 0.0),
            ("image/webp", webp(&stored, Some(exif(code))), 0.0),
        ];
        for (content_type, bytes, tolerance) in files {
            let frames = decode(&bytes).unwrap();
            let frame = &frames.frames[0];
            assert_eq!((frame.width, frame.height), (80, 56), "{content_type} {code}");
            let difference = mean_difference(&frame.rgb, picture.as_raw());
            assert!(difference <= tolerance, "{content_type} {code}: {difference}");
            let probe = probe(&bytes).unwrap();
            assert_eq!(
                (probe.report.kind, probe.report.content_type.as_str()),
                (MediaKind::Image, content_type)
            );
            assert_eq!(
                (probe.report.width, probe.report.height, probe.report.orientation_applied),
                (80, 56, code)
            );
        }
    }
}

#[test]
fn png_orientation_after_the_pixels_is_applied() {
    let picture = asymmetric(40, 30);
    let bytes = png(stored_for(&picture, 6), Some(exif(6)));
    let at = bytes.windows(4).position(|name| name == b"eXIf").unwrap() - 4;
    let chunk = bytes[at..at + 12 + exif(6).len()].to_vec();
    let mut moved = [&bytes[..at], &bytes[at + chunk.len()..]].concat();
    let end = moved.len() - 12;
    moved.splice(end..end, chunk);
    assert_eq!(decode(&moved).unwrap().frames[0].rgb, *picture.as_raw());
}

#[test]
fn every_pixel_format_becomes_rgb_on_white() {
    let grey = ImageBuffer::from_pixel(4, 4, Luma([77_u8]));
    assert_eq!(decode(&png(grey, None)).unwrap().frames[0].rgb[..3], [77; 3]);
    let deep = ImageBuffer::from_pixel(4, 4, image::Rgb([0xffff_u16, 0x8080, 0]));
    assert_eq!(decode(&png(deep, None)).unwrap().frames[0].rgb[..3], [255, 128, 0]);
    let clear = RgbaImage::from_pixel(4, 4, Rgba([200, 0, 0, 0]));
    assert_eq!(decode(&png(clear, None)).unwrap().frames[0].rgb[..3], [255; 3]);
    let half = RgbaImage::from_pixel(4, 4, Rgba([0, 0, 0, 128]));
    assert_eq!(decode(&png(half, None)).unwrap().frames[0].rgb[..3], [127; 3]);
    for (inks, rgb) in
        [([0, 0, 0, 0], [255; 3]), ([0, 255, 255, 0], [255, 0, 0]), ([0, 0, 0, 255], [0; 3])]
    {
        let frame = &decode(&cmyk_jpeg(inks)).unwrap().frames[0];
        assert!(mean_difference(&frame.rgb[..3], &rgb) <= 3.0, "{inks:?}: {:?}", &frame.rgb[..3]);
    }
}

#[test]
fn a_picture_cut_anywhere_is_refused_as_truncated() {
    let picture = asymmetric(120, 90);
    for bytes in [jpeg(&picture, None), png(picture.clone(), None), webp(&picture, None)] {
        for percent in [1, 10, 50, 90, 99] {
            let cut = (bytes.len() * percent / 100).max(13);
            let refusal = probe(&bytes[..cut]).unwrap_err();
            assert!(matches!(refusal, Refusal::Truncated { .. }), "{percent} %: {refusal:?}");
            assert_eq!((refusal.code(), refusal.is_limit()), ("TRUNCATED", false));
        }
        let refusal = probe(&bytes[..bytes.len() - 1]).unwrap_err();
        assert!(matches!(refusal, Refusal::Truncated { .. }), "{refusal:?}");
    }
}

#[test]
fn pictures_over_the_pixel_limit_are_refused_from_their_header() {
    let Limits { max_pixels, max_reduced_pixels, .. } = Limits::default();
    let claims = [
        (png_header(65_535, 65_535), 65_535, 65_535, max_pixels),
        (jpeg_header(0xc2, 65_500, 65_500, 1), 65_500, 65_500, max_pixels),
        (jpeg_header(0xc0, 16_320, 12_240, 1), 16_320, 12_240, max_reduced_pixels),
        (png_header(7200, 7100), 7200, 7100, max_pixels),
    ];
    for (bytes, width, height, limit) in claims {
        let refusal = probe(&bytes).unwrap_err();
        assert_eq!(refusal, Refusal::TooManyPixels { width, height, limit });
        assert_eq!((refusal.code(), refusal.is_limit()), ("TOO_MANY_PIXELS", true));
    }
    let limit = 80 * 56 - 1;
    // A baseline JPEG over `max_pixels` is read at a reduced size, within its own limit.
    let limits = Limits { max_pixels: limit, max_reduced_pixels: limit, ..Limits::default() };
    let picture = asymmetric(80, 56);
    for bytes in [jpeg(&picture, None), png(picture.clone(), None), webp(&picture, None)] {
        let refusal = Refusal::TooManyPixels { width: 80, height: 56, limit };
        assert_eq!(probe_within(&bytes, &limits), Err(refusal.clone()));
        assert_eq!(decode_within(&bytes, &limits).unwrap_err(), refusal);
    }
}

#[test]
fn a_progressive_bomb_is_refused_before_it_is_decoded() {
    let bytes = jpeg_header(0xc2, 7000, 7000, 5000);
    assert_eq!(probe(&bytes), Err(Refusal::TooManyScans { actual: 33, limit: 32 }));
}

#[test]
fn animated_pictures_are_refused() {
    let mut animated = png(asymmetric(8, 8), None);
    animated.splice(33..33, *b"\0\0\0\x08acTL\0\0\0\x02\0\0\0\0\0\0\0\0");
    assert_eq!(probe(&animated), Err(Refusal::Animated { format: "PNG" }));
    let mut animated = b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x07\0\0\x07\0\0".to_vec();
    animated.resize(72, 0);
    assert_eq!(probe(&animated), Err(Refusal::Animated { format: "WebP" }));
}

#[test]
fn jpeg_variants_that_are_not_decoded_are_named() {
    for (kind, name) in
        [(0xc3, "lossless JPEG"), (0xc9, "arithmetic JPEG"), (0xc5, "hierarchical JPEG")]
    {
        let refusal = Refusal::UnsupportedFormat { format: name.to_owned() };
        assert_eq!(probe(&jpeg_header(kind, 8, 8, 1)), Err(refusal));
    }
}

#[test]
fn a_thumbnail_is_small_upright_and_carries_no_metadata() {
    let picture = asymmetric(900, 600);
    let bytes = jpeg(&stored_for(&picture, 6), Some(exif(6)));
    let thumbnail = probe(&bytes).unwrap().thumbnail;
    assert!(!thumbnail.windows(4).any(|window| window == b"Exif"));
    let small = image::load_from_memory(&thumbnail).unwrap().into_rgb8();
    assert_eq!(small.dimensions(), (256, 171));
    let left_top = small.get_pixel(10, 10)[1];
    assert!(
        left_top > 100,
        "the bright corner of the upright picture is at its left top: {left_top}"
    );
}

#[test]
fn large_pictures_fit_the_budget_and_keep_their_reported_size() {
    let bytes = jpeg(&asymmetric(3000, 2000), Some(exif(8)));
    let limits = Limits { max_stored_side: 1500, ..Limits::default() };
    let frames = decode_within(&bytes, &limits).unwrap();
    assert_eq!((frames.width, frames.height), (2000, 3000));
    assert_eq!((frames.frames[0].width, frames.frames[0].height), (1000, 1500));
    let limits = Limits { frame_bytes: 300_000, ..Limits::default() };
    let frame = &decode_within(&bytes, &limits).unwrap().frames[0];
    assert!(frame.rgb.len() <= 300_000 && frame.rgb.len() > 290_000, "{}", frame.rgb.len());
    assert_eq!(frame.rgb.len(), (frame.width * frame.height * 3) as usize);
}

#[test]
fn other_formats_are_refused_by_name() {
    assert_eq!(probe(b""), Err(Refusal::Empty));
    for (bytes, format) in
        [(&b"just text"[..], "unknown"), (b"GIF89a....", "GIF"), (b"<svg/>", "SVG")]
    {
        let refusal = probe(bytes).unwrap_err();
        assert_eq!(refusal, Refusal::UnsupportedFormat { format: format.to_owned() });
        assert_eq!(refusal.code(), "UNSUPPORTED_FORMAT");
    }
    let picture = png(asymmetric(8, 8), None);
    let limits = Limits { max_bytes: picture.len() as u64 - 1, ..Limits::default() };
    let (actual, limit) = (picture.len() as u64, picture.len() as u64 - 1);
    assert_eq!(probe_within(&picture, &limits), Err(Refusal::TooManyBytes { actual, limit }));
}
