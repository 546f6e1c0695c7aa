//! Specimens of identity documents, drawn by the tests: no real document, no external picture
//! except a sample portrait. The font is OCR-B of Debian's `fonts-ocr-b`, which `make setup`
//! installs. Included by path into the tests of several crates; part of no library.

use ab_glyph::{Font, FontVec, PxScale, ScaleFont, point};
use image::imageops::{FilterType, overlay, resize};
use image::{Rgb, RgbImage};
use imageproc::geometric_transformations::{Border, Interpolation, Projection, warp_into};

/// The font file.
const FONT: &str = "/usr/share/fonts/opentype/ocr-b/OCRB.otf";
/// Pixels per millimetre of a drawn document.
const SCALE: f32 = 10.0;

/// Size and zone of a document according to ICAO 9303.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A card: 85.6 x 54 mm, three lines of 30.
    Td1,
    /// A passport page: 125 x 88 mm, two lines of 44.
    Td3,
}

/// The text of a specimen.
#[derive(Debug, Clone)]
pub(crate) struct Specimen {
    /// Its format.
    pub(crate) format: Format,
    /// Lines of its machine-readable zone, from the top.
    pub(crate) lines: Vec<String>,
    /// Labels and values of its visual zone.
    pub(crate) fields: Vec<(&'static str, String)>,
}

/// Check digit of `text` according to ICAO 9303.
fn digit(text: &str) -> char {
    let value = |c: u8| match c {
        b'0'..=b'9' => u32::from(c - b'0'),
        b'A'..=b'Z' => u32::from(c - b'A') + 10,
        _ => 0,
    };
    let sum: u32 =
        text.bytes().zip([7, 3, 1].into_iter().cycle()).map(|(c, weight)| value(c) * weight).sum();
    char::from_digit(sum % 10, 10).expect("a remainder by ten is a digit")
}

fn filled(text: &str, width: usize) -> String {
    format!("{text:<<width$}")
}

impl Specimen {
    /// A passport with a distant date of expiry, issued by Norway to Kari Nordmann.
    pub(crate) fn passport() -> Self {
        let (number, birth, expiry) = ("FH0012345", "890312", "340817");
        let (n, b, e) = (digit(number), digit(birth), digit(expiry));
        let optional = filled("", 14);
        let o = digit(&optional);
        let composite = digit(&format!("{number}{n}{birth}{b}{expiry}{e}{optional}{o}"));
        let second = format!("{number}{n}NOR{birth}{b}F{expiry}{e}{optional}{o}{composite}");
        Self {
            format: Format::Td3,
            lines: vec![filled("P<NORNORDMANN<<KARI<ANNE", 44), second],
            fields: vec![
                ("Surname", "NORDMANN".into()),
                ("Given names", "KARI ANNE".into()),
                ("Nationality", "NORWEGIAN".into()),
                ("Date of birth", "12 03 1989".into()),
                ("Sex", "F".into()),
                ("Passport No.", number.into()),
                ("Date of expiry", "17 08 2034".into()),
            ],
        }
    }

    /// The back of an identity card of the same person.
    pub(crate) fn card() -> Self {
        let (number, birth, expiry) = ("CD7743021", "890312", "340817");
        let (n, b, e) = (digit(number), digit(birth), digit(expiry));
        let first = filled(&format!("IDNOR{number}{n}"), 30);
        let second = format!("{birth}{b}F{expiry}{e}NOR{}", filled("", 11));
        let composite = digit(&format!("{}{birth}{b}{expiry}{e}{}", &first[5..], &second[18..]));
        Self {
            format: Format::Td1,
            lines: vec![first, format!("{second}{composite}"), filled("NORDMANN<<KARI<ANNE", 30)],
            fields: vec![("Document No.", number.into()), ("Authority", "OSLO".into())],
        }
    }

    /// Draws the document, flat and complete, with `portrait` if given.
    pub(crate) fn draw(&self, portrait: Option<&RgbImage>) -> RgbImage {
        let (width, height) = match self.format {
            Format::Td1 => (856, 540),
            Format::Td3 => (1250, 880),
        };
        let mut page = RgbImage::from_fn(width, height, |x, y| {
            let wave = ((x as f32 * 0.05).sin() + (y as f32 * 0.07 + x as f32 * 0.01).sin()) * 5.0;
            Rgb([(214.0 + wave) as u8, (226.0 - wave) as u8, (232.0 + wave / 2.0) as u8])
        });
        let font = FontVec::try_from_vec(
            std::fs::read(FONT).expect("fonts-ocr-b is installed by `make setup`"),
        )
        .expect("the font can be read");
        if let Some(portrait) = portrait {
            overlay(&mut page, &resize(portrait, 300, 390, FilterType::Triangle), 60, 150);
            // A ghost image: the same face, small and pale.
            let mut ghost = resize(portrait, 110, 143, FilterType::Triangle);
            ghost.pixels_mut().for_each(|p| *p = Rgb(p.0.map(|v| 170 + v / 4)));
            overlay(&mut page, &ghost, i64::from(width) - 190, 420);
        }
        let left = if portrait.is_some() { 420.0 } else { 60.0 };
        for (i, (label, value)) in self.fields.iter().enumerate() {
            let top = 70.0 + i as f32 * 82.0;
            write(&mut page, &font, label, [left, top], 20.0, None);
            write(&mut page, &font, value, [left, top + 26.0], 34.0, None);
        }
        // Pitch of 2.54 mm; the last line is 7 mm above the lower edge.
        let pitch = 2.54 * SCALE;
        let (step, start) = match self.format {
            Format::Td1 => (4.3 * SCALE, 4.0 * SCALE),
            Format::Td3 => (6.4 * SCALE, 6.0 * SCALE),
        };
        for (i, line) in self.lines.iter().rev().enumerate() {
            let top = height as f32 - 9.5 * SCALE - i as f32 * step;
            write(&mut page, &font, line, [start, top], 3.9 * SCALE, Some(pitch));
        }
        page
    }
}

/// Writes `text` with its upper left corner at `at`, with a fixed `pitch` in pixels if given.
fn write(
    page: &mut RgbImage,
    font: &FontVec,
    text: &str,
    at: [f32; 2],
    size: f32,
    pitch: Option<f32>,
) {
    let scaled = font.as_scaled(PxScale::from(size));
    let mut x = at[0];
    for c in text.chars() {
        let id = scaled.glyph_id(c);
        let advance = pitch.unwrap_or_else(|| scaled.h_advance(id));
        let own = scaled.h_advance(id);
        let glyph = id.with_scale_and_position(
            PxScale::from(size),
            point(x + (advance - own) / 2.0, at[1] + scaled.ascent()),
        );
        if let Some(outline) = font.outline_glyph(glyph) {
            let bounds = outline.px_bounds();
            outline.draw(|gx, gy, cover| {
                let (px, py) =
                    (bounds.min.x as i64 + i64::from(gx), bounds.min.y as i64 + i64::from(gy));
                if px >= 0
                    && py >= 0
                    && px < i64::from(page.width())
                    && py < i64::from(page.height())
                {
                    let pixel = page.get_pixel_mut(px as u32, py as u32);
                    *pixel =
                        Rgb(pixel.0.map(|v| (f32::from(v) * (1.0 - cover) + 25.0 * cover) as u8));
                }
            });
        }
        x += advance;
    }
}

/// A dark table as a background, with the noise of a camera.
pub(crate) fn table(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let grain = (x.wrapping_mul(31) ^ y.wrapping_mul(17) ^ (x * y)) % 9;
        let level = 58 + grain + 20 * y / height.max(1);
        Rgb([level as u8, (level * 9 / 10) as u8, (level * 7 / 10) as u8])
    })
}

/// The document photographed on the table, with noise; its corners are at `corners`, clockwise from
/// its upper left.
pub(crate) fn photographed(
    page: &RgbImage,
    width: u32,
    height: u32,
    corners: [[f32; 2]; 4],
) -> RgbImage {
    let (w, h) = (page.width() as f32, page.height() as f32);
    let from = [(0.0, 0.0), (w, 0.0), (w, h), (0.0, h)];
    let projection = Projection::from_control_points(from, corners.map(|[x, y]| (x, y)))
        .expect("the corners are not collinear");
    // Black marks the area outside the page, so no pixel of the page may be black.
    let mut lifted = page.clone();
    lifted.pixels_mut().for_each(|p| *p = Rgb(p.0.map(|v| v.max(2))));
    let mut placed = RgbImage::new(width, height);
    warp_into(
        &lifted,
        projection,
        Interpolation::Bilinear,
        Border::Constant(Rgb([0; 3])),
        &mut placed,
    );
    let mut scene = table(width, height);
    let mut state = 12345u32;
    for (at, from) in scene.pixels_mut().zip(placed.pixels()) {
        if from.0 != [0; 3] {
            *at = *from;
        }
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 28) as i32 - 8;
        *at = Rgb(at.0.map(|v| (i32::from(v) + noise / 2).clamp(0, 255) as u8));
    }
    scene
}
