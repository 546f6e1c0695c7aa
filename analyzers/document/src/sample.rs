//! Cuts a quadrilateral out of a picture as an upright rectangle: interpolated when enlarged,
//! averaged when reduced.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::{GrayImage, Rgb, RgbImage};
use vultus_document_text::Quad;

use crate::plane::{self, Point};

/// Maximum number of samples per pixel and direction when a picture is reduced.
const MOST_SAMPLES: usize = 4;

/// The part of `picture` inside `quad` as a picture of `width` x `height` pixels. Outside the
/// picture, its edge pixels are repeated. `None` if the corners are degenerate.
pub(crate) fn cut(picture: &RgbImage, quad: &Quad, width: u32, height: u32) -> Option<RgbImage> {
    cut_with(picture, quad, width, height, sharp_weights)
}

/// Like [`cut`], but smoothed when enlarged: with less noise and less sharpness.
pub(crate) fn cut_soft(
    picture: &RgbImage,
    quad: &Quad,
    width: u32,
    height: u32,
) -> Option<RgbImage> {
    cut_with(picture, quad, width, height, soft_weights)
}

fn cut_with(
    picture: &RgbImage,
    quad: &Quad,
    width: u32,
    height: u32,
    weights: fn(f32) -> [f32; 4],
) -> Option<RgbImage> {
    if width == 0 || height == 0 || picture.width() == 0 || picture.height() == 0 {
        return None;
    }
    let target = plane::rectangle(width as f32, height as f32);
    let back = plane::projection(&target, quad)?;
    let shrink = (plane::width(quad) / width as f32).max(plane::height(quad) / height as f32);
    if !shrink.is_finite() {
        return None;
    }
    // A reduction by up to 10 % needs only one sample.
    let samples = ((shrink - 0.1).ceil() as usize).clamp(1, MOST_SAMPLES);
    let smooth = shrink < 0.8;
    let mut out = RgbImage::new(width, height);
    for (x, y, pixel) in out.enumerate_pixels_mut() {
        let mut sum = [0.0f32; 3];
        for i in 0..samples * samples {
            let dx = ((i % samples) as f32 + 0.5) / samples as f32;
            let dy = ((i / samples) as f32 + 0.5) / samples as f32;
            let [sx, sy] = plane::project(&back, [x as f32 + dx, y as f32 + dy]);
            // Pixel centres are at half-pixel coordinates.
            let at = [sx - 0.5, sy - 0.5];
            let level = if smooth { cubic(picture, at, weights) } else { linear(picture, at) };
            for (sum, level) in sum.iter_mut().zip(level) {
                *sum += level;
            }
        }
        let count = (samples * samples) as f32;
        *pixel = Rgb(sum.map(|sum| (sum / count + 0.5).clamp(0.0, 255.0) as u8));
    }
    Some(out)
}

fn linear(picture: &RgbImage, [x, y]: Point) -> [f32; 3] {
    let (right, bottom) = ((picture.width() - 1) as f32, (picture.height() - 1) as f32);
    let (x, y) = (x.clamp(0.0, right), y.clamp(0.0, bottom));
    let (left, top) = (x as u32, y as u32);
    let (fx, fy) = (x - left as f32, y - top as f32);
    let (next, below) = ((left + 1).min(picture.width() - 1), (top + 1).min(picture.height() - 1));
    // Hot code: slice each row once instead of calling `get_pixel` four times.
    let row = |y: u32| {
        let start = y as usize * picture.width() as usize * 3;
        let row = &picture.as_raw()[start..start + picture.width() as usize * 3];
        (&row[left as usize * 3..][..3], &row[next as usize * 3..][..3])
    };
    let ((a, b), (c, d)) = (row(top), row(below));
    std::array::from_fn(|i| {
        let (a, b, c, d) = (f32::from(a[i]), f32::from(b[i]), f32::from(c[i]), f32::from(d[i]));
        let (high, low) = (a + (b - a) * fx, c + (d - c) * fx);
        high + (low - high) * fy
    })
}

/// Weights of four neighbours, at the fraction `t` between the second and third (Catmull-Rom).
fn sharp_weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [
        -0.5 * t3 + t2 - 0.5 * t,
        1.5 * t3 - 2.5 * t2 + 1.0,
        -1.5 * t3 + 2.0 * t2 + 0.5 * t,
        0.5 * t3 - 0.5 * t2,
    ]
}

/// Weights of four neighbours of a cubic B-spline.
fn soft_weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [
        (1.0 - 3.0 * t + 3.0 * t2 - t3) / 6.0,
        (4.0 - 6.0 * t2 + 3.0 * t3) / 6.0,
        (1.0 + 3.0 * t + 3.0 * t2 - 3.0 * t3) / 6.0,
        t3 / 6.0,
    ]
}

fn cubic(picture: &RgbImage, [x, y]: Point, weights: fn(f32) -> [f32; 4]) -> [f32; 3] {
    let (right, bottom) = (picture.width() as i64 - 1, picture.height() as i64 - 1);
    let (left, top) = (x.floor(), y.floor());
    let (across, down) = (weights(x - left), weights(y - top));
    let (left, top) = (left as i64, top as i64);
    let mut sum = [0.0f32; 3];
    for (j, weight_y) in down.into_iter().enumerate() {
        let row = (top + j as i64 - 1).clamp(0, bottom) as u32;
        for (i, weight_x) in across.into_iter().enumerate() {
            let column = (left + i as i64 - 1).clamp(0, right) as u32;
            let pixel = picture.get_pixel(column, row).0;
            for (sum, level) in sum.iter_mut().zip(pixel) {
                *sum += weight_x * weight_y * f32::from(level);
            }
        }
    }
    sum
}

/// The picture scaled to `width` x `height` pixels, averaged where it is reduced.
pub(crate) fn scaled(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    // Typed, so that the kernels of one pixel type are compiled and not those of all.
    let source =
        TypedImageRef::<U8x3>::from_buffer(picture.width(), picture.height(), picture.as_raw())
            .expect("a picture has three bytes a pixel");
    let mut scaled = RgbImage::new(width.max(1), height.max(1));
    let (width, height) = scaled.dimensions();
    let mut target = TypedImage::<U8x3>::from_buffer(width, height, &mut scaled)
        .expect("a picture has three bytes a pixel");
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new()
        .resize_typed(&source, &mut target, &options)
        .expect("the whole source is scaled");
    scaled
}

/// Luma of a picture (ITU-R BT.601 weights).
pub(crate) fn grey(picture: &RgbImage) -> GrayImage {
    GrayImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [r, g, b] = picture.get_pixel(x, y).0.map(u32::from);
        image::Luma([((r * 77 + g * 150 + b * 29) >> 8) as u8])
    })
}
