//! Measures the picture of a document: sharpness, overexposure, missing colours, screen patterns,
//! cut-off parts. Measures only; thresholds belong to the policy.

use image::RgbImage;
use vultus_document_text::{PageQuality, Quad};

use crate::{pattern, plane, sample};

/// Maximum width, in pixels, at which the document is measured.
const WIDTH: f32 = 1000.0;
/// Side of the measured cells, in pixels.
const CELL: u32 = 24;
/// Standard deviation of levels above which a cell contains print.
const PRINTED: f32 = 14.0;
/// Level from which a pixel is overexposed.
const BURNT: u8 = 250;
/// Level from which a pixel is white paper.
const WHITE: u8 = 240;
/// Mean and 99th percentile of colourfulness, in levels, below which a picture is grey.
const GREY: [f32; 2] = [4.0, 16.0];
/// Tolerance for corners outside the picture, as a share of the document's longer side.
const OUTSIDE: f32 = 0.01;

/// Measures the document inside `document`, or the whole picture if it is `None`.
pub(crate) fn measure(picture: &RgbImage, document: Option<&Quad>, quarters: usize) -> PageQuality {
    let whole = plane::rectangle(picture.width() as f32, picture.height() as f32);
    let area = crate::edges::upright(document.unwrap_or(&whole), quarters);
    let (wide, high) = (plane::width(&area), plane::height(&area));
    let factor = (WIDTH / wide.max(1.0)).min(1.0);
    let size = |length: f32| ((length * factor) as u32).max(1);
    let page = match document {
        Some(_) => sample::cut(picture, &area, size(wide), size(high)),
        // The measures do not depend on the rotation.
        None => Some(sample::scaled(picture, size(whole.0[2][0]), size(whole.0[2][1]))),
    };
    let Some(page) = page else {
        return PageQuality::default();
    };
    PageQuality {
        sharpness: sharpness(&page),
        glare: glare(&page, document.is_some()),
        grey: is_grey(&page),
        moire: pattern::strength(picture, &area),
        cut_off: document.is_some_and(|quad| is_cut_off(quad, picture)),
        width_px: wide as u32,
    }
}

fn is_cut_off(quad: &Quad, picture: &RgbImage) -> bool {
    let margin = OUTSIDE * plane::width(quad).max(plane::height(quad));
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let outside = |[x, y]: &[f32; 2]| {
        *x < -margin || *y < -margin || *x > width + margin || *y > height + margin
    };
    quad.0.iter().any(outside)
}

/// Upper left corners of the cells of a picture.
fn cells(page: &RgbImage) -> impl Iterator<Item = (u32, u32)> {
    let (columns, rows) = (page.width() / CELL, page.height() / CELL);
    (0..rows).flat_map(move |y| (0..columns).map(move |x| (x * CELL, y * CELL)))
}

/// Steepness of printed edges relative to their contrast: 0 for a smear, 1 for a clean scan.
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
                    let bend =
                        level(x - 1, y) + level(x + 1, y) + level(x, y - 1) + level(x, y + 1)
                            - 4.0 * v;
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

/// Brightness class of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Light {
    Burnt,
    White,
    Other,
    /// Overexposed, but beside the document.
    Outside,
}

/// Share of overexposed cells; 0 if the paper is mostly white. If the edges of the document are
/// unknown, overexposed cells connected to a corner of the picture count as the background.
fn glare(page: &RgbImage, has_edges: bool) -> f32 {
    let mut light: Vec<Light> = cells(page).map(|cell| light(page, cell)).collect();
    if !has_edges {
        leave_out_corners(&mut light, (page.width() / CELL) as usize);
    }
    let count = |wanted: Light| light.iter().filter(|light| **light == wanted).count();
    let (burnt, white, other) = (count(Light::Burnt), count(Light::White), count(Light::Other));
    let left = white + other;
    if left == 0 || white * 4 > left || burnt > left {
        0.0
    } else {
        burnt as f32 / (burnt + left) as f32
    }
}

fn light(page: &RgbImage, (left, top): (u32, u32)) -> Light {
    let (mut saturated, mut bright) = (0, 0);
    for y in top..top + CELL {
        for x in left..left + CELL {
            let lowest = page.get_pixel(x, y).0.into_iter().min().unwrap_or(0);
            saturated += u32::from(lowest >= BURNT);
            bright += u32::from(lowest >= WHITE);
        }
    }
    let area = CELL * CELL;
    if saturated * 100 >= area * 95 {
        Light::Burnt
    } else if bright * 2 > area {
        Light::White
    } else {
        Light::Other
    }
}

fn leave_out_corners(light: &mut [Light], columns: usize) {
    if columns == 0 || light.is_empty() {
        return;
    }
    let rows = light.len() / columns;
    let mut todo = vec![(0, 0), (columns - 1, 0), (0, rows - 1), (columns - 1, rows - 1)];
    while let Some((x, y)) = todo.pop() {
        let cell = &mut light[y * columns + x];
        if *cell != Light::Burnt {
            continue;
        }
        *cell = Light::Outside;
        let near = [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)];
        todo.extend(near.into_iter().filter(|(x, y)| *x < columns && *y < rows));
    }
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
