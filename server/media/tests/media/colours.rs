//! Colour profiles, and metadata in every container.

use crate::pictures::{asymmetric, jpeg, png, webp};
use crate::{decode, decode_within, probe, probe_within};
use image::codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder};
use image::{ImageEncoder, Rgb, RgbImage};
use vultus_media::{Limits, Refusal};

#[test]
fn display_p3_becomes_srgb_in_every_format() {
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let picture = RgbImage::from_pixel(64, 48, Rgb([234, 51, 35]));
    let (mut jpeg, mut png, mut webp) = (Vec::new(), Vec::new(), Vec::new());
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 98);
    encoder.set_icc_profile(profile.clone()).unwrap();
    picture.write_with_encoder(encoder).unwrap();
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_icc_profile(profile.clone()).unwrap();
    picture.write_with_encoder(encoder).unwrap();
    let mut encoder = WebPEncoder::new_lossless(&mut webp);
    encoder.set_icc_profile(profile).unwrap();
    picture.write_with_encoder(encoder).unwrap();
    for bytes in [&jpeg, &png, &webp] {
        let frames = decode(bytes).unwrap();
        let [red, green, blue] = frames.frames[0].rgb[..3] else { panic!() };
        assert!(red > 250 && green < 12 && blue < 12, "{red} {green} {blue}");
    }
    // Without a profile the same numbers are sRGB.
    let plain = decode(&crate::pictures::png(picture, None)).unwrap();
    assert_eq!(plain.frames[0].rgb[..3], [234, 51, 35]);
}

/// An EXIF block whose orientation has a type.
fn exif_of(order: &[u8; 2], kind: u16, value: [u8; 4]) -> Vec<u8> {
    let big = order == b"MM";
    let u16 = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let u32 = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    [&order[..], &u16(42), &u32(8), &u16(1), &u16(0x112), &u16(kind), &u32(1), &value, &[0; 4]]
        .concat()
}

#[test]
fn orientation_is_obeyed_in_every_form_and_container() {
    let picture = asymmetric(80, 56);
    let upright = |bytes: &[u8]| {
        let report = probe(bytes).unwrap().report;
        assert_eq!((report.width, report.orientation_applied), (56, 6));
    };
    for exif in [
        exif_of(b"II", 4, [6, 0, 0, 0]),
        exif_of(b"MM", 4, [0, 0, 0, 6]),
        exif_of(b"II", 1, [6, 0, 0, 0]),
        exif_of(b"MM", 3, [0, 6, 0, 0]),
    ] {
        let prefixed = [b"Exif\0\0", &exif[..]].concat();
        upright(&jpeg(&picture, Some(exif.clone())));
        for exif in [exif, prefixed] {
            upright(&png(picture.clone(), Some(exif.clone())));
            upright(&webp(&picture, Some(exif)));
        }
    }
}

#[test]
fn orientation_of_xmp_counts_where_exif_has_none() {
    let packet = b"<x:xmpmeta><rdf:Description tiff:Orientation=\"6\"/></x:xmpmeta>";
    let segment = [b"http://ns.adobe.com/xap/1.0/\0", &packet[..]].concat();
    let mut bytes = jpeg(&asymmetric(80, 56), None);
    let length = (segment.len() as u16 + 2).to_be_bytes();
    bytes.splice(2..2, [&[0xff, 0xe1][..], &length, &segment].concat());
    assert_eq!(probe(&bytes).unwrap().report.orientation_applied, 6);
    let mut bytes = png(asymmetric(80, 56), None);
    let text = [b"XML:com.adobe.xmp\0\0\0\0\0", &packet[..]].concat();
    let mut chunk = (text.len() as u32).to_be_bytes().to_vec();
    chunk.extend(b"iTXt");
    chunk.extend(&text);
    chunk.extend(crate::archives::crc32(&chunk[4..]).to_be_bytes());
    bytes.splice(33..33, chunk);
    assert_eq!(probe(&bytes).unwrap().report.orientation_applied, 6);
}

#[test]
fn baseline_jpeg_over_the_limit_is_decoded_at_half_its_size() {
    let picture = asymmetric(321, 240);
    let bytes = jpeg(&picture, Some(crate::pictures::exif(6)));
    let limits = Limits { max_pixels: 40_000, max_reduced_pixels: 80_000, ..Limits::default() };
    let frames = decode_within(&bytes, &limits).unwrap();
    assert_eq!((frames.width, frames.height), (240, 321), "the size of the source is told");
    let frame = &frames.frames[0];
    assert_eq!((frame.width, frame.height), (120, 161));
    let full = decode(&bytes).unwrap();
    let small = vultus_media::scale(&full.frames[0], 161);
    let difference: f64 =
        small.rgb.iter().zip(&frame.rgb).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>()
            / frame.rgb.len() as f64;
    assert!(difference < 6.0, "{difference}");
    let limits = Limits { max_pixels: 40_000, max_reduced_pixels: 70_000, ..Limits::default() };
    let refusal = Refusal::TooManyPixels { width: 321, height: 240, limit: 70_000 };
    assert_eq!(probe_within(&bytes, &limits), Err(refusal));
}

#[test]
fn unreadable_pictures_are_named_with_what_to_send() {
    let mut cgbi = png(asymmetric(8, 8), None);
    cgbi.splice(8..8, *b"\0\0\0\x04CgBI\x50\0\x20\x02\0\0\0\0");
    let told = probe(&cgbi).unwrap_err().to_string();
    assert!(told.contains("CgBI") && told.contains("ordinary"), "{told}");
    for (bytes, name) in [
        (&b"\xff\x0a\0\0"[..], "JPEG XL"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"BM\x36\0\0\0", "BMP"),
        (b"%PDF-1.7", "PDF"),
        (b"GIF89a\x01\0", "GIF"),
    ] {
        let told = probe(bytes).unwrap_err().to_string();
        assert!(told.contains(name) && told.contains("send "), "{told}");
    }
}
