//! Detects the pattern of a screen's pixels or of a printed raster: a single fine frequency all
//! over the document. The print of a genuine document has none: guilloches and letters vary from
//! place to place, and frames and lines are spread along an axis of the spectrum.

use image::RgbImage;
use vultus_document_text::Quad;

use crate::plane;

/// Side of the analysed pieces, in pixels.
const SIDE: usize = 64;
/// Number of pieces in each direction.
const ACROSS: usize = 4;
/// Minimum number of pieces for a result.
const FEWEST: usize = 4;
/// Power of noise: that of about two levels under the window.
const NOISE: f32 = 2000.0;
/// Minimum frequency of a pattern, in periods per piece; lower ones belong to print and paper.
const COARSE: i32 = 8;
/// Prominence, as a natural logarithm of power, that gives a strength of 1.
const FULL: f32 = 6.0;

/// One value per frequency of a piece.
type Spectrum = Vec<f32>;

/// Strength of the pattern inside `area` (pixels of `picture`), 0–1: the largest median, over all
/// pieces, of the prominence of a fine frequency.
pub(crate) fn strength(picture: &RgbImage, area: &Quad) -> f32 {
    let waves = Waves::new();
    let pieces: Vec<Spectrum> = corners(picture, area)
        .map(|at| widened(&prominence(&waves.spectrum(picture, at))))
        .collect();
    if pieces.len() < FEWEST {
        return 0.0;
    }
    let half = SIDE as i32 / 2;
    let frequencies =
        (0..half).flat_map(|v| (-half..half).map(move |u| (u, v))).filter(|(u, v)| is_fine(*u, *v));
    let mut values = vec![0.0; pieces.len()];
    let typical = frequencies.map(|(u, v)| {
        values.iter_mut().zip(&pieces).for_each(|(value, piece)| *value = piece[place(u, v)]);
        median(&mut values)
    });
    (typical.fold(0.0, f32::max) / FULL).clamp(0.0, 1.0)
}

/// Upper left corners of the pieces, evenly distributed over the area; only those inside the
/// picture.
fn corners(picture: &RgbImage, area: &Quad) -> impl Iterator<Item = [u32; 2]> {
    let [a, b, c, d] = area.0;
    let share = |i: usize| (i as f32 + 0.5) / ACROSS as f32;
    let most = [picture.width(), picture.height()].map(|length| length as f32 - SIDE as f32);
    let corner = move |i: usize| {
        let (u, v) = (share(i % ACROSS), share(i / ACROSS));
        let centre = plane::between(plane::between(a, b, u), plane::between(d, c, u), v);
        let corner = centre.map(|place| place - SIDE as f32 / 2.0);
        let is_inside = corner.iter().zip(most).all(|(place, most)| (0.0..=most).contains(place));
        is_inside.then_some(corner.map(|place| place as u32))
    };
    (0..ACROSS * ACROSS).filter_map(corner)
}

/// Whether a frequency is fine enough, and not one of the 8x8 blocks of JPEG.
fn is_fine(u: i32, v: i32) -> bool {
    let is_of_blocks = (u % 8 == 0 && v.abs() < 2) || (v % 8 == 0 && u.abs() < 2);
    u * u + v * v >= COARSE * COARSE && !is_of_blocks
}

fn place(u: i32, v: i32) -> usize {
    let wrapped = |k: i32| k.rem_euclid(SIDE as i32) as usize;
    wrapped(v) * SIDE + wrapped(u)
}

/// How far each frequency exceeds the median of those around it, beside it, and above and below it.
/// A line along an axis, the spectrum of an edge, does not stand out in all three.
fn prominence(spectrum: &Spectrum) -> Spectrum {
    let ring: Vec<(i32, i32)> = around(3).filter(|(du, dv)| du.abs().max(dv.abs()) >= 2).collect();
    let steps = [-4, -3, -2, 2, 3, 4];
    let (beside, above) = (steps.map(|step| (step, 0)), steps.map(|step| (0, step)));
    let mut values = Vec::with_capacity(ring.len());
    let mut typical = |u: i32, v: i32, offsets: &[(i32, i32)]| {
        values.clear();
        values.extend(offsets.iter().map(|(du, dv)| spectrum[place(u + du, v + dv)]));
        median(&mut values)
    };
    let mut out = vec![0.0; SIDE * SIDE];
    for (at, out) in out.iter_mut().enumerate() {
        let (u, v) = ((at % SIDE) as i32, (at / SIDE) as i32);
        // The other half of the spectrum is symmetric.
        if v > SIDE as i32 / 2 + 1 && v < SIDE as i32 - 1 {
            continue;
        }
        let ground = typical(u, v, &ring).max(typical(u, v, &beside)).max(typical(u, v, &above));
        *out = spectrum[at] - ground;
    }
    out
}

/// The maximum of each frequency and its neighbours: in perspective, the frequency of a pattern
/// shifts from piece to piece.
fn widened(spectrum: &Spectrum) -> Spectrum {
    let highest = |at: usize| {
        let (u, v) = ((at % SIDE) as i32, (at / SIDE) as i32);
        around(1).map(|(du, dv)| spectrum[place(u + du, v + dv)]).fold(f32::MIN, f32::max)
    };
    (0..SIDE * SIDE).map(highest).collect()
}

fn around(reach: i32) -> impl Iterator<Item = (i32, i32)> {
    (-reach..=reach).flat_map(move |dv| (-reach..=reach).map(move |du| (du, dv)))
}

/// The median; the lower one of two.
fn median(values: &mut [f32]) -> f32 {
    let middle = (values.len() - 1) / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// Tables of the discrete Fourier transform, and the Hann window of a piece.
struct Waves {
    cos: Vec<f32>,
    sin: Vec<f32>,
    window: Vec<f32>,
}

impl Waves {
    fn new() -> Self {
        let angle = |k: usize| std::f32::consts::TAU * k as f32 / SIDE as f32;
        let table = |wave: fn(f32) -> f32| {
            (0..SIDE * SIDE).map(|at| wave(angle(at / SIDE * (at % SIDE) % SIDE))).collect()
        };
        Self {
            cos: table(f32::cos),
            sin: table(f32::sin),
            window: (0..SIDE).map(|k| 0.5 - 0.5 * angle(k).cos()).collect(),
        }
    }

    /// Natural logarithm of the power plus noise of each frequency of the piece at `left`, `top`.
    fn spectrum(&self, picture: &RgbImage, [left, top]: [u32; 2]) -> Spectrum {
        let mut levels = vec![0.0f32; SIDE * SIDE];
        for (at, level) in levels.iter_mut().enumerate() {
            let [r, g, b] = picture
                .get_pixel(left + (at % SIDE) as u32, top + (at / SIDE) as u32)
                .0
                .map(f32::from);
            *level = 0.299 * r + 0.587 * g + 0.114 * b;
        }
        let mean = levels.iter().sum::<f32>() / levels.len() as f32;
        for (at, level) in levels.iter_mut().enumerate() {
            *level = (*level - mean) * self.window[at % SIDE] * self.window[at / SIDE];
        }
        // First along the rows, then along the columns.
        let (mut rows_re, mut rows_im) = (vec![0.0f32; SIDE * SIDE], vec![0.0f32; SIDE * SIDE]);
        for (at, level) in levels.iter().enumerate() {
            let (y, x) = (at / SIDE * SIDE, at % SIDE * SIDE);
            add(&mut rows_re[y..y + SIDE], &self.cos[x..x + SIDE], *level);
            add(&mut rows_im[y..y + SIDE], &self.sin[x..x + SIDE], -*level);
        }
        let mut out = Vec::with_capacity(SIDE * SIDE);
        for v in 0..SIDE {
            let (mut re, mut im) = ([0.0f32; SIDE], [0.0f32; SIDE]);
            for y in 0..SIDE {
                let (cos, sin) = (self.cos[v * SIDE + y], self.sin[v * SIDE + y]);
                let row = y * SIDE..y * SIDE + SIDE;
                add(&mut re, &rows_re[row.clone()], cos);
                add(&mut re, &rows_im[row.clone()], sin);
                add(&mut im, &rows_im[row.clone()], cos);
                add(&mut im, &rows_re[row], -sin);
            }
            out.extend(re.iter().zip(&im).map(|(re, im)| (re * re + im * im + NOISE).ln()));
        }
        out
    }
}

fn add(sums: &mut [f32], values: &[f32], factor: f32) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn strength_of(pixel: impl Fn(f32, f32) -> f32) -> f32 {
        let picture = RgbImage::from_fn(640, 400, |x, y| {
            Rgb([pixel(x as f32, y as f32).clamp(0.0, 255.0) as u8; 3])
        });
        strength(&picture, &plane::rectangle(640.0, 400.0))
    }

    #[test]
    fn only_a_fine_wave_all_over_is_a_pattern() {
        let wave = |x: f32, y: f32| 150.0 + 20.0 * (2.4 * x + 0.7 * y).sin();
        assert!(strength_of(wave) > 0.7, "{}", strength_of(wave));
        let in_a_corner = |x: f32, y: f32| if x < 200.0 && y < 150.0 { wave(x, y) } else { 150.0 };
        assert!(strength_of(in_a_corner) < 0.1, "{}", strength_of(in_a_corner));
    }

    #[test]
    fn coarse_waves_lines_and_plain_paper_are_no_pattern() {
        assert!(strength_of(|x, y| 150.0 + 20.0 * (0.3 * x + 0.1 * y).sin()) < 0.3);
        let some_columns = |x: f32, _: f32| {
            if (x as u32).wrapping_mul(2_654_435_761) >> 28 == 0 { 20.0 } else { 220.0 }
        };
        assert!(strength_of(some_columns) < 0.4, "{}", strength_of(some_columns));
        assert!(strength_of(|_, _| 255.0) < 0.1);
    }
}
