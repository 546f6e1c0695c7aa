//! Small grey pictures: reduced, blurred and compared.

use crate::pixels::PixelView;

/// A grey picture of floats.
#[derive(Debug, Clone, PartialEq)]
pub struct Grey {
    /// Pixels per row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// Levels 0–255, row by row.
    pub levels: Vec<f32>,
}

impl Grey {
    /// A picture of rows of bytes reduced to at most `side` pixels: each level is the mean of the
    /// pixels that it covers.
    pub fn reduced((width, height): (usize, usize), rows: &[&[u8]], side: usize) -> Self {
        let longest = width.max(height).max(1);
        let to = |length: usize| (length * side.min(longest)).div_ceil(longest).max(1);
        let (columns, lines) = (to(width), to(height));
        // First the rows of a line are added, which is quick, then the columns of the sums.
        let edges: Vec<usize> =
            (0..=columns).map(|column| (column * width).div_ceil(columns)).collect();
        let mut levels = Vec::with_capacity(columns * lines);
        let mut sums = vec![0_u32; width];
        let mut rows = rows.iter().take(height).enumerate().peekable();
        for line in 0..lines {
            let mut added = 0;
            while let Some((_, row)) = rows.next_if(|(y, _)| y * lines / height == line) {
                sums.iter_mut().zip(*row).for_each(|(sum, level)| *sum += u32::from(*level));
                added += 1;
            }
            levels.extend(edges.windows(2).map(|edge| {
                let part = &sums[edge[0]..edge[1]];
                part.iter().sum::<u32>() as f32 / (part.len() * added).max(1) as f32
            }));
            sums.fill(0);
        }
        Self { width: columns, height: lines, levels }
    }

    /// The luma of a picture, reduced likewise.
    #[must_use]
    pub fn of(picture: &PixelView<'_>, side: usize) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let rows: Vec<Vec<u8>> = (0..height).map(|y| picture.luma_row(y)).collect();
        let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        Self::reduced((width, height), &rows, side)
    }

    /// Mean absolute difference to a picture of the same size.
    #[must_use]
    pub fn difference(&self, other: &Self) -> f32 {
        let sum: f32 = self.levels.iter().zip(&other.levels).map(|(a, b)| (a - b).abs()).sum();
        sum / self.levels.len().max(1) as f32
    }

    /// The mean of pictures of the same size; `None` without pictures.
    pub fn mean<'a>(pictures: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut pictures = pictures.into_iter();
        let mut mean = pictures.next()?.clone();
        let mut count = 1.0;
        for picture in pictures {
            count += 1.0;
            mean.levels.iter_mut().zip(&picture.levels).for_each(|(sum, level)| *sum += level);
        }
        mean.levels.iter_mut().for_each(|level| *level /= count);
        Some(mean)
    }

    /// The structure without the light: a slight blur minus a strong one.
    #[must_use]
    pub fn structure(&self) -> Self {
        let (fine, coarse) = (self.blurred(1), self.blurred(4));
        let levels = fine.levels.iter().zip(&coarse.levels).map(|(a, b)| a - b).collect();
        Self { levels, ..*self }
    }

    /// The mean over squares of `2 * radius + 1` pixels, twice; near the edges over what is there.
    #[must_use]
    pub fn blurred(&self, radius: usize) -> Self {
        let mut blurred = self.clone();
        for _ in 0..2 {
            let rows = blurred.levels.chunks_exact_mut(self.width);
            rows.for_each(|row| running_mean(row, radius));
            let mut column = vec![0.0; self.height];
            for x in 0..self.width {
                let levels = &mut blurred.levels;
                column.iter_mut().enumerate().for_each(|(y, to)| *to = levels[y * self.width + x]);
                running_mean(&mut column, radius);
                column.iter().enumerate().for_each(|(y, from)| levels[y * self.width + x] = *from);
            }
        }
        blurred
    }

    /// The part between left, top, right and bottom (the last two outside), cut to the picture.
    #[must_use]
    pub fn part(&self, [left, top, right, bottom]: [f32; 4]) -> Self {
        let edge = |value: f32, most: usize| (value.max(0.0).round() as usize).min(most);
        let (left, right) = (edge(left, self.width), edge(right, self.width));
        let (top, bottom) = (edge(top, self.height), edge(bottom, self.height));
        let (width, height) = (right.saturating_sub(left), bottom.saturating_sub(top));
        let row = |y: usize| &self.levels[y * self.width + left..][..width];
        let levels = (top..top + height).flat_map(row).copied().collect();
        Self { width, height, levels }
    }

    /// Root of the mean square of the difference; 0 for empty pictures.
    #[must_use]
    pub fn distance(&self, other: &Self) -> f32 {
        let squares = self.levels.iter().zip(&other.levels).map(|(a, b)| (a - b).powi(2));
        (squares.sum::<f32>() / self.levels.len().max(1) as f32).sqrt()
    }

    /// Standard deviation of the levels; 0 for an empty picture.
    #[must_use]
    pub fn contrast(&self) -> f32 {
        let count = self.levels.len().max(1) as f32;
        let mean = self.levels.iter().sum::<f32>() / count;
        (self.levels.iter().map(|level| (level - mean).powi(2)).sum::<f32>() / count).sqrt()
    }
}

fn running_mean(values: &mut [f32], radius: usize) {
    let mut sums = Vec::with_capacity(values.len() + 1);
    let mut sum = 0.0_f64;
    sums.push(sum);
    for value in values.iter() {
        sum += f64::from(*value);
        sums.push(sum);
    }
    let count = values.len();
    for (at, value) in values.iter_mut().enumerate() {
        let (from, to) = (at.saturating_sub(radius), (at + radius + 1).min(count));
        *value = ((sums[to] - sums[from]) / (to - from) as f64) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reduction_keeps_shape_and_mean() {
        let rows: Vec<Vec<u8>> = (0..90).map(|y| vec![(y % 2 * 200) as u8; 160]).collect();
        let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        let small = Grey::reduced((160, 90), &rows, 40);
        assert_eq!((small.width, small.height), (40, 23));
        assert!((small.levels.iter().sum::<f32>() / small.levels.len() as f32 - 100.0).abs() < 3.0);
        let same = Grey::reduced((160, 90), &rows, 500);
        assert_eq!((same.width, same.levels[160]), (160, 200.0));
    }

    #[test]
    fn light_changes_no_structure() {
        let picture = |light: f32| Grey {
            width: 32,
            height: 24,
            levels: (0..32 * 24).map(|i| light + (i % 7) as f32 * 10.0).collect(),
        };
        let (dark, bright) = (picture(20.0), picture(90.0));
        assert!(dark.difference(&bright) > 69.0);
        assert!(dark.structure().distance(&bright.structure()) < 0.01);
        assert!(dark.contrast() > 15.0);
    }
}
