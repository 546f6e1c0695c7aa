//! Draws the sides of a document, flat, and photographs of them on a table.

use std::sync::LazyLock;

use ab_glyph::{Font, FontVec, PxScale, ScaleFont, point};
use image::imageops::{FilterType, overlay, resize};
use image::{Rgb, RgbImage};
use imageproc::geometric_transformations::{Border, Interpolation, Projection, warp_into};

use super::{Document, Kind};

/// Typefaces of the zone, of labels and of values.
const OCR_B: &str = "/usr/share/fonts/opentype/ocr-b/OCRB.otf";
const PLAIN: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";
const BOLD: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf";
/// Pixels per millimetre.
const SCALE: f32 = 12.0;
/// Colours of text.
const DARK: Rgb<u8> = Rgb([24, 24, 30]);
const PALE: Rgb<u8> = Rgb([70, 78, 92]);

static FONTS: LazyLock<[FontVec; 3]> = LazyLock::new(|| {
    [OCR_B, PLAIN, BOLD].map(|path| {
        let bytes = std::fs::read(path).expect("the typefaces are installed by `make setup`");
        FontVec::try_from_vec(bytes).expect("the typeface can be read")
    })
});

/// Size in millimetres, pitch of the zone's lines, and its left margin.
fn size(kind: Kind) -> [f32; 4] {
    match kind {
        Kind::Passport => [125.0, 88.0, 6.4, 6.0],
        Kind::Card => [85.6, 54.0, 4.3, 4.0],
        Kind::LargeCard => [105.0, 74.0, 6.4, 5.0],
    }
}

/// The flat sides of a document. The zone of a card is on its back.
pub(super) fn sides(document: &Document, portrait: &RgbImage) -> Vec<RgbImage> {
    let [wide, high, ..] = size(document.kind).map(|side| side * SCALE);
    let mut front = paper(wide as u32, high as u32);
    let photo = [wide * 0.24, high * 0.44];
    let photo = resize(portrait, photo[0] as u32, photo[1] as u32, FilterType::Triangle);
    overlay(&mut front, &photo, (0.05 * wide) as i64, (0.17 * high) as i64);
    let [.., plain, bold] = &*FONTS;
    write(&mut front, bold, &document.title, [0.05 * wide, 0.03 * high], 0.045 * high, PALE, None);
    let (top, step) = (0.12 * high, if document.kind == Kind::Card { 0.122 } else { 0.095 } * high);
    for (at, (label, value)) in document.fields.iter().enumerate() {
        let y = top + at as f32 * step;
        write(&mut front, plain, label, [0.34 * wide, y], 0.3 * step, PALE, None);
        write(&mut front, bold, value, [0.34 * wide, y + 0.32 * step], 0.44 * step, DARK, None);
    }
    if document.kind != Kind::Card {
        zone(&mut front, document);
        return vec![front];
    }
    let mut back = paper(wide as u32, high as u32);
    write(&mut back, plain, "Authority", [0.06 * wide, 0.1 * high], 0.035 * high, PALE, None);
    write(&mut back, bold, "REGISTRY 12", [0.06 * wide, 0.14 * high], 0.05 * high, DARK, None);
    zone(&mut back, document);
    vec![front, back]
}

fn zone(page: &mut RgbImage, document: &Document) {
    let [.., step, left] = size(document.kind).map(|side| side * SCALE);
    let [ocr_b, ..] = &*FONTS;
    for (at, line) in document.zone.iter().rev().enumerate() {
        let y = page.height() as f32 - 9.5 * SCALE - at as f32 * step;
        write(page, ocr_b, line, [left, y], 3.9 * SCALE, DARK, Some(2.54 * SCALE));
    }
}

fn paper(wide: u32, high: u32) -> RgbImage {
    RgbImage::from_fn(wide, high, |x, y| {
        let wave = ((x as f32 * 0.04).sin() + (y as f32 * 0.06 + x as f32 * 0.01).sin()) * 6.0;
        Rgb([(216.0 + wave) as u8, (228.0 - wave) as u8, (226.0 + wave / 2.0) as u8])
    })
}

/// Writes `text` with its upper left corner at `at`, with a fixed `pitch` in pixels if given.
fn write(
    page: &mut RgbImage,
    font: &FontVec,
    text: &str,
    at: [f32; 2],
    size: f32,
    colour: Rgb<u8>,
    pitch: Option<f32>,
) {
    let scaled = font.as_scaled(PxScale::from(size));
    let mut x = at[0];
    for c in text.chars() {
        let id = scaled.glyph_id(c);
        let own = scaled.h_advance(id);
        let advance = pitch.unwrap_or(own);
        let place = point(x + (advance - own) / 2.0, at[1] + scaled.ascent());
        let glyph = id.with_scale_and_position(PxScale::from(size), place);
        if let Some(outline) = font.outline_glyph(glyph) {
            let bounds = outline.px_bounds();
            outline.draw(|gx, gy, cover| {
                let (px, py) =
                    (bounds.min.x as i64 + i64::from(gx), bounds.min.y as i64 + i64::from(gy));
                if let (Ok(px), Ok(py)) = (u32::try_from(px), u32::try_from(py))
                    && let Some(pixel) = page.get_pixel_mut_checked(px, py)
                {
                    for (value, ink) in pixel.0.iter_mut().zip(colour.0) {
                        let mixed = f32::from(*value) * (1.0 - cover) + f32::from(ink) * cover;
                        *value = mixed as u8;
                    }
                }
            });
        }
        x += advance;
    }
}

/// The flat side on a table, seen a little from the side.
pub(crate) fn on_table(side: &RgbImage) -> RgbImage {
    let (w, h) = (side.width() as f32, side.height() as f32);
    let (margin_x, margin_y) = (0.09 * w, 0.12 * h);
    let (width, height) = ((w + 2.0 * margin_x) as u32, (h + 2.0 * margin_y) as u32);
    let corners = [
        (margin_x, margin_y),
        (margin_x + w, margin_y + 2.0),
        (margin_x + w + 4.0, margin_y + h - 6.0),
        (margin_x - 5.0, margin_y + h + 4.0),
    ];
    let from = [(0.0, 0.0), (w, 0.0), (w, h), (0.0, h)];
    let projection =
        Projection::from_control_points(from, corners).expect("the corners are not collinear");
    let mut scene = RgbImage::from_fn(width, height, |x, y| {
        let grain = (x.wrapping_mul(31) ^ y.wrapping_mul(17)) % 7;
        let level = 74 + grain as u8 + (12 * y / height.max(1)) as u8;
        Rgb([level, level - level / 6, level - level / 4])
    });
    // Black marks the area outside the side, so no pixel of the side may be black.
    let mut lifted = side.clone();
    lifted.pixels_mut().for_each(|p| *p = Rgb(p.0.map(|v| v.max(2))));
    let mut placed = RgbImage::new(width, height);
    let outside = Border::Constant(Rgb([0; 3]));
    warp_into(&lifted, projection, Interpolation::Bilinear, outside, &mut placed);
    for (at, from) in scene.pixels_mut().zip(placed.pixels()) {
        if from.0 != [0; 3] {
            *at = *from;
        }
    }
    scene
}
