//! Sampled frames that show nothing to judge: blank ones, such as the black start of a camera, and
//! the copies of a picture that a camera repeats until it runs. Pure: does not use FFmpeg.

use crate::pixels::StoredFrame;
use std::ops::RangeInclusive;

/// Greatest standard deviation of the brightness of a blank frame.
const BLANK_DEVIATION: f64 = 6.0;
/// Greatest mean difference of the brightness of two frames that repeat one picture.
const REPEATED_DIFFERENCE: f64 = 0.25;
/// Number of pixels per side at which frames are looked at.
const GRID: usize = 48;

/// Whether the frame is of one colour, up to noise.
pub(super) fn is_blank(frame: &StoredFrame) -> bool {
    let grid = grid(frame);
    let count = grid.len() as f64;
    let mean = grid.iter().sum::<f64>() / count;
    let variance = grid.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    variance.sqrt() < BLANK_DEVIATION
}

/// The times in which frames are usable: between two usable samples that follow each other. `None`
/// if all samples are usable, or none of these times is known.
pub(super) fn usable_times(
    frames: &[StoredFrame],
    duration_us: i64,
) -> Option<Vec<RangeInclusive<i64>>> {
    let repeated = repeated_start(frames);
    let usable: Vec<bool> =
        frames.iter().enumerate().map(|(i, frame)| i >= repeated && !is_blank(frame)).collect();
    if usable.iter().all(|&usable| usable) {
        return None;
    }
    let mut times: Vec<RangeInclusive<i64>> = Vec::new();
    for (i, frame) in frames.iter().enumerate().filter(|&(i, _)| usable[i]) {
        let from = if i == 0 { 0 } else { frame.pts_us };
        let to = match usable.get(i + 1) {
            None => duration_us,
            Some(true) => frames[i + 1].pts_us,
            Some(false) => frame.pts_us,
        };
        match times.last_mut() {
            Some(last) if *last.end() >= from => *last = *last.start()..=to,
            _ => times.push(from..=to),
        }
    }
    times.iter().any(|time| time.end() > time.start()).then_some(times)
}

/// Number of samples at the start that the next one repeats, if most of the clip moves.
fn repeated_start(frames: &[StoredFrame]) -> usize {
    let grids: Vec<Vec<f64>> = frames.iter().map(grid).collect();
    let repeats = |pair: &[Vec<f64>]| {
        let sum: f64 = pair[0].iter().zip(&pair[1]).map(|(a, b)| (a - b).abs()).sum();
        sum / (pair[0].len() as f64) < REPEATED_DIFFERENCE
    };
    let repeated = grids.windows(2).take_while(|pair| repeats(pair)).count();
    if repeated * 2 <= frames.len() { repeated } else { 0 }
}

/// Brightness at evenly spaced pixels.
fn grid(frame: &StoredFrame) -> Vec<f64> {
    let (width, height) = (frame.width as usize, frame.height as usize);
    let mut grid = Vec::with_capacity(GRID * GRID);
    for row in 0..GRID {
        let y = (2 * row + 1) * height / (2 * GRID);
        for column in 0..GRID {
            let x = (2 * column + 1) * width / (2 * GRID);
            let at = (y * width + x) * 3;
            let sum: u32 = frame.rgb[at..at + 3].iter().map(|&value| u32::from(value)).sum();
            grid.push(f64::from(sum) / 3.0);
        }
    }
    grid
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame at a time in seconds: black, or a ramp moved by a number of pixels.
    fn frame(seconds: i64, shift: Option<u32>) -> StoredFrame {
        let (width, height) = (96, 64);
        let value = |i: u32| shift.map_or(16, |shift| ((i % width + shift) % width * 2) as u8);
        let rgb = (0..width * height).flat_map(|i| [value(i); 3]).collect();
        StoredFrame { width, height, rgb, pts_us: seconds * 1_000_000, index: 0 }
    }

    fn times(shifts: &[Option<u32>]) -> Option<Vec<RangeInclusive<i64>>> {
        let frames: Vec<_> = (0..).zip(shifts).map(|(at, &shift)| frame(at, shift)).collect();
        let times = usable_times(&frames, shifts.len() as i64 * 1_000_000)?;
        Some(times.iter().map(|time| time.start() / 1_000_000..=time.end() / 1_000_000).collect())
    }

    #[test]
    fn blank_samples_and_a_repeated_start_leave_the_times_between_good_ones() {
        let moving = [Some(0), Some(9), Some(20), Some(33), Some(47)];
        assert_eq!(times(&moving), None);
        assert_eq!(times(&[None, Some(0), Some(9), Some(20)]), Some(vec![1..=4]));
        assert_eq!(times(&[Some(0), Some(9), None, Some(20), Some(33)]), Some(vec![0..=1, 3..=5]));
        assert_eq!(times(&[Some(5), Some(5), Some(9), Some(20)]), Some(vec![1..=4]));
    }

    #[test]
    fn clips_that_never_change_or_are_all_black_stay_as_they_are() {
        assert_eq!(times(&[Some(5); 6]), None);
        assert_eq!(times(&[None; 6]), None);
        assert_eq!(times(&[None, Some(3), None, None]), None);
    }
}
