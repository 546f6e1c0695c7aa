//! Positions of lines relative to each other, along and across the reading direction of the page,
//! independent of its rotation in the picture.

use crate::reading::{Quad, TextLine};

/// A line with its position along (`left`, `right`) and across (`middle`) the reading direction, in
/// pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed<'l> {
    pub(super) line: &'l TextLine,
    pub(super) left: f32,
    pub(super) right: f32,
    pub(super) middle: f32,
    pub(super) height: f32,
}

/// All lines of a page in the page's directions, from the top.
pub(super) fn placed(lines: &[TextLine]) -> Vec<Placed<'_>> {
    let direction = |quad: &Quad| difference(quad.0[1], quad.0[0]);
    let sum = lines
        .iter()
        .map(|line| direction(&line.quad))
        .fold([0.0, 0.0], |sum: [f32; 2], d| [sum[0] + d[0], sum[1] + d[1]]);
    let length = sum[0].hypot(sum[1]);
    let along = if length > 0.0 { [sum[0] / length, sum[1] / length] } else { [1.0, 0.0] };
    let mut placed: Vec<Placed<'_>> = lines.iter().map(|line| Placed::new(line, along)).collect();
    placed.sort_by(|a, b| a.middle.total_cmp(&b.middle).then(a.left.total_cmp(&b.left)));
    placed
}

fn difference(to: [f32; 2], from: [f32; 2]) -> [f32; 2] {
    [to[0] - from[0], to[1] - from[1]]
}

/// Maximum distance of a value below its label, in heights of the label.
const FARTHEST_BELOW: f32 = 3.2;
/// Maximum distance of a value to the right of its label's end, in heights of the label.
const FARTHEST_RIGHT: f32 = 14.0;

impl<'l> Placed<'l> {
    /// `along` is the reading direction of the page.
    fn new(line: &'l TextLine, along: [f32; 2]) -> Self {
        let on =
            |axis: [f32; 2]| line.quad.0.map(|corner| corner[0] * axis[0] + corner[1] * axis[1]);
        let (x, y) = (on(along), on([-along[1], along[0]]));
        let (top, bottom) = ((y[0] + y[1]) / 2.0, (y[2] + y[3]) / 2.0);
        let height = (bottom - top).abs().max(1.0);
        Self {
            line,
            left: x[0].min(x[3]),
            right: x[1].max(x[2]),
            middle: (top + bottom) / 2.0,
            height,
        }
    }

    /// The lines that may be the value of this label, likeliest first: below its beginning, then to
    /// its right. A line below another label, one of `others`, is that label's value.
    pub(super) fn value_places<'a>(
        &self,
        lines: &'a [Placed<'l>],
        others: &[Placed<'l>],
    ) -> Vec<&'a Placed<'l>> {
        let mut below: Vec<(f32, &Placed<'l>)> = Vec::new();
        let mut right: Vec<(f32, &Placed<'l>)> = Vec::new();
        for other in lines.iter().filter(|other| !std::ptr::eq(other.line, self.line)) {
            let height = self.height.max(other.height);
            let (down, gap) = (other.middle - self.middle, other.left - self.right);
            let aligned = other.left < self.right
                && other.right > self.left
                && other.left > self.left - 4.0 * height;
            let nearer = |label: &Placed<'l>| {
                let between = label.middle > self.middle + 0.45 * height
                    && label.middle < other.middle - 0.3 * height;
                between && label.left < other.right && label.right > other.left
            };
            let beside = |label: &Placed<'l>| {
                (label.middle - self.middle).abs() < 0.6 * height
                    && label.left > self.right - 0.5 * height
                    && label.right < other.left + height
            };
            if down > 0.45 * height && down < FARTHEST_BELOW * height && aligned {
                if !others.iter().any(nearer) {
                    below.push((down + (other.left - self.left).abs() * 0.3, other));
                }
            } else if down.abs() < 0.6 * height
                && gap > -0.5 * height
                && gap < FARTHEST_RIGHT * height
                && !others.iter().any(beside)
            {
                right.push((gap, other));
            }
        }
        for places in [&mut below, &mut right] {
            places.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        below.into_iter().take(2).chain(right.into_iter().take(1)).map(|(_, place)| place).collect()
    }
}
