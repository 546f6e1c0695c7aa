//! Measures how uniform the background around a face is.

use crate::geometry::Rect;
use crate::pixels::PixelView;

/// Longest side, in cells, of the reduced copy that is measured: finer structure is noise.
const SIDE: usize = 160;
/// Head and hair extend beyond the detector's box by these shares of its width (each side) and
/// height (above).
const ASIDE: f32 = 0.45;
const ABOVE: f32 = 0.55;
/// Shoulders begin this far below the box, as a share of its height; everything below is ignored.
const SHOULDERS: f32 = 0.15;
/// Minimum number of background cells for a measurement.
const FEWEST_CELLS: u32 = 200;

/// Mean difference between neighbouring cells beside and above the head, in levels of 0–255.
/// `face` is the box in pixels of `picture`. `None` if too little background is visible.
pub fn background_unrest(picture: &PixelView<'_>, face: &Rect) -> Option<f32> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let step = width.max(height).div_ceil(SIDE).max(1);
    let (columns, rows) = (width / step, height / step);
    let cells: Vec<f32> = (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (column, row)))
        .map(|cell| mean(picture, cell, step))
        .collect();
    let head = (face.x - ASIDE * face.width)..(face.x + (1.0 + ASIDE) * face.width);
    let above = face.y - ABOVE * face.height;
    let below = face.y + (1.0 + SHOULDERS) * face.height;
    let is_background = |column: usize, row: usize| {
        let (x, y) = ((column * step) as f32, (row * step) as f32);
        y < below && (y < above || !head.contains(&x))
    };
    let (mut sum, mut count) = (0.0, 0_u32);
    for row in 0..rows.saturating_sub(1) {
        for column in 0..columns.saturating_sub(1) {
            if is_background(column, row)
                && is_background(column + 1, row)
                && is_background(column, row + 1)
            {
                let here = cells[row * columns + column];
                let (beside, under) =
                    (cells[row * columns + column + 1], cells[(row + 1) * columns + column]);
                sum += (beside - here).hypot(under - here);
                count += 1;
            }
        }
    }
    (count >= FEWEST_CELLS).then(|| sum / count as f32)
}

/// Mean luma of a square of `step` pixels a side.
fn mean(picture: &PixelView<'_>, (column, row): (usize, usize), step: usize) -> f32 {
    let channels = picture.channels().count();
    let bytes = (row * step..(row + 1) * step)
        .map(|y| &picture.row(y)[column * step * channels..(column + 1) * step * channels]);
    // The mean of all channels is close enough to luma for differences.
    let sum: u32 = bytes.flatten().map(|level| u32::from(*level)).sum();
    sum as f32 / (step * step * channels) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Channels;

    fn unrest(level: impl Fn(usize, usize) -> u8) -> Option<f32> {
        let bytes: Vec<u8> = (0..320 * 400).map(|at| level(at % 320, at / 320)).collect();
        let picture = PixelView::new(&bytes, 320, 400, 320, Channels::Gray).unwrap();
        background_unrest(&picture, &Rect::from([110.0, 120.0, 100.0, 130.0]))
    }

    #[test]
    fn pattern_counts_only_outside_the_face() {
        assert_eq!(unrest(|_, _| 180), Some(0.0));
        let pattern = unrest(|x, y| if (x / 12 + y / 12) % 2 == 0 { 40 } else { 200 }).unwrap();
        assert!(pattern > 15.0, "{pattern}");
        let striped_face = unrest(|x, y| {
            if (110..210).contains(&x) && (120..250).contains(&y) && x % 8 < 4 { 0 } else { 180 }
        });
        assert_eq!(striped_face, Some(0.0));
    }

    #[test]
    fn face_that_fills_the_picture_has_no_background() {
        let bytes = vec![90; 200 * 200];
        let picture = PixelView::new(&bytes, 200, 200, 200, Channels::Gray).unwrap();
        assert_eq!(background_unrest(&picture, &Rect::from([10.0, 10.0, 180.0, 180.0])), None);
    }
}
