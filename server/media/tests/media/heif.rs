//! HEIC and AVIF pictures.

use crate::clips::QUADRANTS;
use crate::heif_files::{Item, av1, boxed, grid, heif, hevc, irot, ispe, item, nclx, prof};
use crate::{decode, probe};
use vultus_media::{Limits, MediaKind, Refusal, StoredFrame};

const SIZE: (u32, u32) = (320, 240);
const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const BLACK: [u8; 3] = [0, 0, 0];

/// The colours at the centres of the quarters: top left, top right, bottom left, bottom right.
fn quarters(frame: &StoredFrame) -> [[u8; 3]; 4] {
    let (width, height) = (frame.width as usize, frame.height as usize);
    [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| {
        let at = (y * height / 4 * width + x * width / 4) * 3;
        [frame.rgb[at], frame.rgb[at + 1], frame.rgb[at + 2]]
    })
}

#[track_caller]
fn assert_quarters(bytes: &[u8], expected: [[u8; 3]; 4]) {
    let found = quarters(&decode(bytes).unwrap().frames[0]);
    let near = |a: [u8; 3], b: [u8; 3]| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 24);
    assert!(found.iter().zip(expected).all(|(&f, e)| near(f, e)), "{found:?}");
}

#[test]
fn heic_and_avif_of_8_and_10_bits_are_read() {
    for depth in ["yuv420p", "yuv420p10le"] {
        for (brand, coded, content_type) in [
            (b"heic", hevc(QUADRANTS, depth), "image/heic"),
            (b"avif", av1(QUADRANTS, depth), "image/avif"),
        ] {
            let bytes = heif(brand, &[item(&coded, SIZE, &[])], 1);
            assert_quarters(&bytes, [RED, GREEN, BLUE, BLACK]);
            let report = probe(&bytes).unwrap().report;
            assert_eq!(
                (report.kind, report.content_type.as_str()),
                (MediaKind::Image, content_type)
            );
            assert_eq!((report.width, report.height), SIZE);
        }
    }
}

#[test]
fn rotation_and_mirror_are_applied_once() {
    let coded = hevc(QUADRANTS, "yuv420p");
    let with = |more: &[Vec<u8>]| heif(b"heic", &[item(&coded, SIZE, more)], 1);
    assert_quarters(&with(&[irot(1)]), [GREEN, BLACK, RED, BLUE]);
    assert_quarters(&with(&[irot(2)]), [BLACK, BLUE, GREEN, RED]);
    assert_quarters(&with(&[irot(3)]), [BLUE, RED, BLACK, GREEN]);
    // Mirrored at a vertical axis.
    assert_quarters(&with(&[boxed(b"imir", &[1])]), [GREEN, RED, BLACK, BLUE]);
    let report = probe(&with(&[irot(1)])).unwrap().report;
    assert_eq!((report.width, report.height), (240, 320));
}

#[test]
fn grids_are_put_together_and_the_primary_picture_is_taken() {
    let red = item(&hevc("color=red:s=64x64:r=1", "yuv420p"), (64, 64), &[]);
    let blue = item(&hevc("color=blue:s=64x64:r=1", "yuv420p"), (64, 64), &[]);
    let tiles = grid(1, 2, (128, 64), vec![1, 2]);
    let bytes = heif(b"heic", &[red, blue, tiles], 3);
    assert_quarters(&bytes, [[254, 0, 0], BLUE, [254, 0, 0], BLUE]);
    let first = item(&hevc("color=lime:s=64x64:r=1", "yuv420p"), (64, 64), &[]);
    let second = item(&hevc(QUADRANTS, "yuv420p"), SIZE, &[]);
    assert_quarters(&heif(b"heic", &[first, second], 2), [RED, GREEN, BLUE, BLACK]);
}

#[test]
fn colour_of_heic_is_converted_to_srgb() {
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    // 234, 51, 35 in Display P3 is pure red in sRGB.
    let coded = hevc("color=0xea3323:s=64x64:r=1", "yuv444p");
    for colour in [nclx(12, 13), prof(&profile)] {
        let bytes = heif(b"heic", &[item(&coded, (64, 64), &[colour])], 1);
        let frames = decode(&bytes).unwrap();
        let [red, green, blue] = frames.frames[0].rgb[..3] else { panic!() };
        assert!(red > 245 && green < 25 && blue < 25, "{red} {green} {blue}");
    }
}

#[test]
fn sizes_over_the_limit_are_refused_before_decoding() {
    let tile = || item(&hevc("color=red:s=64x64:r=1", "yuv420p"), (64, 64), &[]);
    let claims = |size| heif(b"heic", &[tile(), grid(1, 1, size, vec![1])], 2);
    let refusal = probe(&claims((32_000, 25_600))).unwrap_err();
    assert!(!matches!(refusal, Refusal::Truncated { .. }), "{refusal:?}");
    let limit = Limits::default().max_pixels;
    let refusal = probe(&claims((9000, 8000))).unwrap_err();
    assert_eq!(refusal, Refusal::TooManyPixels { width: 9000, height: 8000, limit });
    // A grid that is larger than the size that its property declares.
    let lying = Item { properties: vec![ispe((64, 64))], ..grid(1, 1, (16_000, 16_000), vec![1]) };
    assert!(probe(&heif(b"heic", &[tile(), lying], 2)).is_err());
}

#[test]
fn cut_animated_and_joined_files_are_refused() {
    let bytes = heif(b"heic", &[item(&hevc(QUADRANTS, "yuv420p"), SIZE, &[])], 1);
    for cut in [bytes.len() - 1, bytes.len() / 2] {
        assert_eq!(probe(&bytes[..cut]), Err(Refusal::Truncated { format: "HEIC" }));
    }
    let sequence = [bytes.clone(), boxed(b"moov", &[0; 8])].concat();
    assert_eq!(probe(&sequence), Err(Refusal::Animated { format: "HEIC" }));
    let joined = [bytes.clone(), bytes].concat();
    assert_eq!(probe(&joined), Err(Refusal::Joined { format: "HEIC" }));
}
