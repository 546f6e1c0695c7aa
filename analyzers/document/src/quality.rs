//! What the picture of a document is like: sharp or blurred, burnt out, without colours, with the pattern of a
//! screen, cut off. Measures only; what they mean is for the policy.

use image::RgbImage;
use vultus_document_text::{PageQuality, Quad};

use crate::plane;
use crate::sample;

/// Width in pixels to which the document is brought before it is measured.
const WIDTH: f32 = 1000.0;
/// Side of the cells that are measured one by one.
const CELL: u32 = 24;
/// Spread of levels from which a cell shows print.
const PRINTED: f32 = 14.0;
/// Level from which a pixel is burnt out.
const BURNT: u8 = 250;
/// Level from which paper is white.
const WHITE: u8 = 240;
/// Mean and high colourfulness (in levels) under which a picture is grey.
const GREY: [f32; 2] = [4.0, 16.0];
/// Side of the pieces whose spectrum is taken.
const PIECE: usize = 64;
/// How far a corner may lie outside the picture, as a share of the document's width.
const OUTSIDE: f32 = 0.01;

/// Measures the document inside `document` (or the whole picture).
pub(crate) fn measure(picture: &RgbImage, document: Option<&Quad>, quarters: usize) -> PageQuality {
    let whole = plane::rectangle(picture.width() as f32, picture.height() as f32);
    let area = crate::edges::upright(document.unwrap_or(&whole), quarters);
    let (wide, high) = (plane::width(&area), plane::height(&area));
    let factor = (WIDTH / wide.max(1.0)).min(1.0);
    let size = |length: f32| ((length * factor) as u32).max(1);
    let Some(page) = sample::cut(picture, &area, size(wide), size(high)) else {
        return PageQuality::default();
    };
    PageQuality {
        sharpness: sharpness(&page),
        glare: glare(&page),
        grey: is_grey(&page),
        moire: pattern(picture, &area),
        cut_off: document.is_some_and(|quad| is_cut_off(quad, picture)),
        width_px: wide as u32,
    }
}

fn is_cut_off(quad: &Quad, picture: &RgbImage) -> bool {
    let margin = OUTSIDE * plane::width(quad).max(plane::height(quad));
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let outside = |[x, y]: &[f32; 2]| *x < -margin || *y < -margin || *x > width + margin || *y > height + margin;
    quad.0.iter().any(outside)
}

/// Upper left corners of the cells of a picture.
fn cells(page: &RgbImage) -> impl Iterator<Item = (u32, u32)> {
    let (columns, rows) = (page.width() / CELL, page.height() / CELL);
    (0..rows).flat_map(move |y| (0..columns).map(move |x| (x * CELL, y * CELL)))
}

/// How steep the edges of print are for their contrast: 0 for a smear, 1 for a clean scan.
fn sharpness(page: &RgbImage) -> f32 {
    let grey = sample::grey(page);
    let level = |x: u32, y: u32| f32::from(grey.get_pixel(x, y).0[0]);
    let mut steepness: Vec<f32> = Vec::new();
    for (left, top) in cells(page) {
        let (mut sum, mut squares, mut bends) = (0.0, 0.0, 0.0);
        for y in top..top + CELL {
            for x in left..left + CELL {
                let v = level(x, y);
                sum += v;
                squares += v * v;
                if x > left && y > top && x + 1 < left + CELL && y + 1 < top + CELL {
                    let bend = level(x - 1, y) + level(x + 1, y) + level(x, y - 1) + level(x, y + 1) - 4.0 * v;
                    bends += bend * bend;
                }
            }
        }
        let count = (CELL * CELL) as f32;
        let spread = (squares / count - (sum / count).powi(2)).max(0.0).sqrt();
        if spread > PRINTED {
            let inner = ((CELL - 2) * (CELL - 2)) as f32;
            steepness.push((bends / inner).sqrt() / spread);
        }
    }
    if steepness.is_empty() {
        return 0.0;
    }
    steepness.sort_by(f32::total_cmp);
    (steepness[steepness.len() * 3 / 4] / 1.2).clamp(0.0, 1.0)
}

/// Share of cells that are burnt out, unless the paper is simply white.
fn glare(page: &RgbImage) -> f32 {
    let (mut burnt, mut white, mut count) = (0u32, 0u32, 0u32);
    for (left, top) in cells(page) {
        let mut saturated = 0;
        let mut bright = 0;
        for y in top..top + CELL {
            for x in left..left + CELL {
                let lowest = page.get_pixel(x, y).0.into_iter().min().unwrap_or(0);
                saturated += u32::from(lowest >= BURNT);
                bright += u32::from(lowest >= WHITE);
            }
        }
        let area = CELL * CELL;
        count += 1;
        let is_burnt = saturated * 100 >= area * 95;
        burnt += u32::from(is_burnt);
        white += u32::from(!is_burnt && bright * 2 > area);
    }
    let left = count - burnt;
    if left == 0 || white * 4 > left || burnt * 2 > count { 0.0 } else { burnt as f32 / count as f32 }
}

fn is_grey(page: &RgbImage) -> bool {
    let mut colours: Vec<u8> = page
        .pixels()
        .step_by(7)
        .map(|pixel| {
            let [r, g, b] = pixel.0;
            r.max(g).max(b) - r.min(g).min(b)
        })
        .collect();
    if colours.is_empty() {
        return false;
    }
    colours.sort_unstable();
    let mean = colours.iter().map(|c| f32::from(*c)).sum::<f32>() / colours.len() as f32;
    let high = f32::from(colours[colours.len() * 99 / 100]);
    mean < GREY[0] && high < GREY[1]
}

/// Strength of a pattern that is the same all over the document: the pixels of a screen, the raster of a
/// print. Print and guilloches differ from place to place; such a pattern does not.
fn pattern(picture: &RgbImage, area: &Quad) -> f32 {
    const ACROSS: usize = 4;
    let mut sum = vec![0.0f32; PIECE * PIECE];
    let mut count = 0;
    let [a, b, c, d] = area.0;
    for i in 0..ACROSS * ACROSS {
        let u = ((i % ACROSS) as f32 + 0.5) / ACROSS as f32;
        let v = ((i / ACROSS) as f32 + 0.5) / ACROSS as f32;
        let [x, y] = plane::between(plane::between(a, b, u), plane::between(d, c, u), v);
        let half = PIECE as f32 / 2.0;
        let (left, top) = (x - half, y - half);
        if left < 0.0
            || top < 0.0
            || left + (PIECE as f32) >= picture.width() as f32
            || top + (PIECE as f32) >= picture.height() as f32
        {
            continue;
        }
        let spectrum = spectrum(picture, left as u32, top as u32);
        for (sum, power) in sum.iter_mut().zip(&spectrum) {
            *sum += (power + 1.0).ln();
        }
        count += 1;
    }
    if count < ACROSS {
        return 0.0;
    }
    strongest_peak(&sum.iter().map(|s| s / count as f32).collect::<Vec<_>>())
}

/// How far the highest peak of fine detail stands out of its surroundings, 0–1.
fn strongest_peak(spectrum: &[f32]) -> f32 {
    let at = |u: i32, v: i32| {
        let wrap = |k: i32| k.rem_euclid(PIECE as i32) as usize;
        spectrum[wrap(v) * PIECE + wrap(u)]
    };
    let half = PIECE as i32 / 2;
    let mut highest = 0.0f32;
    for v in 0..half {
        for u in -half..half {
            // Coarse detail is print; along the axes lie the frames of tables and of JPEG blocks.
            if u * u + v * v < 64 || u.abs() < 2 || v < 2 || u % 8 == 0 || v % 8 == 0 {
                continue;
            }
            let mut ring: Vec<f32> = Vec::new();
            for dv in -3..=3i32 {
                for du in -3..=3i32 {
                    if du.abs().max(dv.abs()) >= 2 {
                        ring.push(at(u + du, v + dv));
                    }
                }
            }
            ring.sort_by(f32::total_cmp);
            highest = highest.max(at(u, v) - ring[ring.len() / 2]);
        }
    }
    (highest / 6.0).clamp(0.0, 1.0)
}

/// Power of the frequencies of a piece of the picture.
fn spectrum(picture: &RgbImage, left: u32, top: u32) -> Vec<f32> {
    let angle = |k: usize| std::f32::consts::TAU * k as f32 / PIECE as f32;
    let wave: Vec<(f32, f32)> = (0..PIECE).map(|k| (angle(k).cos(), angle(k).sin())).collect();
    let window = |k: usize| 0.5 - 0.5 * angle(k).cos();
    let mut levels = vec![0.0f32; PIECE * PIECE];
    for y in 0..PIECE {
        for x in 0..PIECE {
            let [r, g, b] = picture.get_pixel(left + x as u32, top + y as u32).0.map(f32::from);
            levels[y * PIECE + x] = 0.299 * r + 0.587 * g + 0.114 * b;
        }
    }
    let mean = levels.iter().sum::<f32>() / levels.len() as f32;
    let mut rows = vec![(0.0f32, 0.0f32); PIECE * PIECE];
    for y in 0..PIECE {
        for u in 0..PIECE {
            let mut sum = (0.0, 0.0);
            for x in 0..PIECE {
                let level = (levels[y * PIECE + x] - mean) * window(x) * window(y);
                let (cos, sin) = wave[u * x % PIECE];
                sum.0 += level * cos;
                sum.1 -= level * sin;
            }
            rows[y * PIECE + u] = sum;
        }
    }
    let mut power = vec![0.0f32; PIECE * PIECE];
    for v in 0..PIECE {
        for u in 0..PIECE {
            let mut sum = (0.0, 0.0);
            for y in 0..PIECE {
                let (re, im) = rows[y * PIECE + u];
                let (cos, sin) = wave[v * y % PIECE];
                sum.0 += re * cos + im * sin;
                sum.1 += im * cos - re * sin;
            }
            power[v * PIECE + u] = sum.0 * sum.0 + sum.1 * sum.1;
        }
    }
    power
}
