//! Makes harder variants of labelled document pictures for `vultus eval document`: rotated, tilted,
//! askew, scaled, strongly compressed and noisy ones. `document_variants LIST.csv ROOT FOLDER`
//! writes the pictures and a `documents.csv` with the column `variant`. It also writes pictures of
//! documents on screens and under lamps, listed in `suspects.csv`.

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use imageproc::geometric_transformations::{Border, Interpolation, Projection, warp_into};
use std::path::{Path, PathBuf};
use vultus_tests::capture::{Noise, on_screen, under_a_lamp};

/// Colour of the background around a moved document.
const TABLE: Rgb<u8> = Rgb([96, 88, 80]);
/// JPEG quality of simulated photos.
const GOOD: u8 = 92;

type Failure = Box<dyn std::error::Error>;

/// Camera pixels per screen pixel, and rotation of the screen in degrees.
const SCREENS: [(f32, f32); 6] =
    [(1.5, 3.0), (1.8, 25.0), (2.2, 0.0), (2.7, 45.0), (3.5, 3.0), (5.0, 12.0)];
/// Share of a picture that a lamp burns out, and its position.
const LAMPS: [(f32, [f32; 2]); 3] = [(0.05, [0.4, 0.45]), (0.12, [0.6, 0.4]), (0.25, [0.5, 0.6])];

/// A changed picture with its class. It is saved as a JPEG of this quality, or else as a PNG.
struct Variant {
    class: String,
    picture: RgbImage,
    quality: Option<u8>,
}

fn variants(original: &RgbImage) -> Vec<Variant> {
    let variant =
        |class: &str, picture, quality| Variant { class: class.to_owned(), picture, quality };
    let good = |class, picture| variant(class, picture, None);
    let mut all = vec![good("original", original.clone())];
    all.push(good("turned", imageops::rotate90(original)));
    all.push(good("turned", imageops::rotate180(original)));
    all.push(good("turned", imageops::rotate270(original)));
    for degrees in [-20.0, -10.0, 10.0, 20.0] {
        all.push(good("tilted", tilted(original, degrees, 0.0)));
        all.push(good("tilted", tilted(original, 0.0, degrees)));
    }
    for degrees in [-20.0, -8.0, 8.0, 20.0] {
        all.push(good("askew", askew(original, degrees)));
    }
    for factor in [0.5, 0.75, 1.5, 2.0] {
        let side = |length: u32| ((length as f32 * factor) as u32).max(1);
        let picture = imageops::resize(
            original,
            side(original.width()),
            side(original.height()),
            FilterType::Triangle,
        );
        all.push(good("scaled", picture));
    }
    all.push(variant("jpeg", original.clone(), Some(40)));
    all.push(good("noise", noisy(original, 8.0)));
    all.push(good("noise", noisy(original, 16.0)));
    all.push(variant(
        "mixed",
        noisy(&tilted(&imageops::rotate90(original), 10.0, 10.0), 6.0),
        Some(60),
    ));
    all.push(variant("mixed", noisy(&askew(&imageops::rotate180(original), 8.0), 6.0), Some(60)));
    all
}

fn suspects(original: &RgbImage) -> Vec<Variant> {
    let good = |class: String, picture| Variant { class, picture, quality: Some(GOOD) };
    let screens = SCREENS.map(|(pitch, degrees)| {
        good(format!("screen {pitch} px"), on_screen(original, pitch, degrees))
    });
    let lamps = LAMPS.map(|(share, at)| {
        good(format!("lamp {:.0} %", share * 100.0), under_a_lamp(original, at, share))
    });
    std::iter::once(good("original".to_owned(), original.clone()))
        .chain(screens)
        .chain(lamps)
        .collect()
}

/// The document seen by a camera `across` degrees left of and `down` degrees above its centre.
fn tilted(original: &RgbImage, across: f32, down: f32) -> RgbImage {
    let (w, h) = (original.width() as f32, original.height() as f32);
    let distance = 1.6 * w.max(h);
    let (across, down) = (across.to_radians(), down.to_radians());
    let seen = |x: f32, y: f32| {
        let (x, y) = (x - w / 2.0, y - h / 2.0);
        let depth = distance + x * across.sin() + y * down.sin();
        (x * across.cos() * distance / depth, y * down.cos() * distance / depth)
    };
    placed(original, [seen(0.0, 0.0), seen(w, 0.0), seen(w, h), seen(0.0, h)])
}

/// The document rotated by a few degrees.
fn askew(original: &RgbImage, degrees: f32) -> RgbImage {
    let (w, h) = (original.width() as f32, original.height() as f32);
    let (sin, cos) = degrees.to_radians().sin_cos();
    let seen = |x: f32, y: f32| {
        let (x, y) = (x - w / 2.0, y - h / 2.0);
        (cos * x - sin * y, sin * x + cos * y)
    };
    placed(original, [seen(0.0, 0.0), seen(w, 0.0), seen(w, h), seen(0.0, h)])
}

/// The picture projected to these corners, on a background with a margin.
fn placed(original: &RgbImage, corners: [(f32, f32); 4]) -> RgbImage {
    let (w, h) = (original.width() as f32, original.height() as f32);
    let bound = |axis: fn(&(f32, f32)) -> f32| {
        let places = corners.iter().map(axis);
        places.fold((f32::MAX, f32::MIN), |(low, high), place| (low.min(place), high.max(place)))
    };
    let ((left, right), (top, bottom)) = (bound(|p| p.0), bound(|p| p.1));
    let margin = 0.06 * w.max(h);
    let size = [(right - left + 2.0 * margin) as u32, (bottom - top + 2.0 * margin) as u32];
    let to = corners.map(|(x, y)| (x - left + margin, y - top + margin));
    let from = [(0.0, 0.0), (w, 0.0), (w, h), (0.0, h)];
    let projection =
        Projection::from_control_points(from, to).expect("the corners are not on one line");
    let mut scene = RgbImage::new(size[0], size[1]);
    warp_into(original, projection, Interpolation::Bicubic, Border::Constant(TABLE), &mut scene);
    scene
}

/// The picture with noise of about this many levels.
fn noisy(original: &RgbImage, levels: f32) -> RgbImage {
    let mut noise = Noise::seeded();
    let mut noisy = original.clone();
    noisy.pixels_mut().for_each(|pixel| {
        *pixel = Rgb(pixel
            .0
            .map(|level| (f32::from(level) + noise.draw() * levels).clamp(0.0, 255.0) as u8))
    });
    noisy
}

/// Writes the variants of each listed document, or only of those of a known type, and their list.
/// Returns the number of variants.
fn write(
    [list, root, folder]: [&Path; 3],
    name: &str,
    only_known: bool,
    make: impl Fn(&RgbImage) -> Vec<Variant>,
) -> Result<usize, Failure> {
    let text = std::fs::read_to_string(list)?;
    let mut rows = text.lines();
    let heading = rows.next().ok_or("the list is empty")?;
    let mut listed = vec![format!("{heading},variant")];
    for row in rows.filter(|row| !row.is_empty()) {
        let (file, truth) = row.split_once(',').ok_or("a row has one column only")?;
        if only_known && truth.starts_with(',') {
            continue;
        }
        let original = image::open(root.join(file))?.to_rgb8();
        for (number, variant) in make(&original).into_iter().enumerate() {
            let file = format!(
                "{name}-{}-{number:02}",
                file.rsplit_once('.').map_or(file, |(stem, _)| stem)
            );
            let file = match variant.quality {
                Some(quality) => {
                    let mut bytes = Vec::new();
                    JpegEncoder::new_with_quality(&mut bytes, quality)
                        .encode_image(&variant.picture)?;
                    std::fs::write(folder.join(format!("{file}.jpg")), bytes)?;
                    format!("{file}.jpg")
                }
                None => {
                    variant.picture.save(folder.join(format!("{file}.png")))?;
                    format!("{file}.png")
                }
            };
            listed.push(format!("{file},{truth},{}", variant.class));
        }
    }
    let count = listed.len() - 1;
    std::fs::write(folder.join(format!("{name}.csv")), listed.join("\n") + "\n")?;
    Ok(count)
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [list, root, folder] = arguments.as_slice() else {
        return Err("usage: document_variants LIST.csv ROOT FOLDER".into());
    };
    std::fs::create_dir_all(folder)?;
    let places = [list.as_path(), root, folder];
    let written =
        write(places, "documents", true, variants)? + write(places, "suspects", false, suspects)?;
    println!("{written} pictures written");
    Ok(())
}
