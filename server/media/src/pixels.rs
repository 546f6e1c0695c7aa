//! Stored frames, scaling and thumbnails, for packed 8-bit RGB only. Deterministic on one processor
//! type.

use crate::refusal::Refusal;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use jpeg_encoder::{ColorType, Encoder};
use std::borrow::Cow;

/// Longest side of a thumbnail, in pixels.
const THUMBNAIL_SIDE: u32 = 256;
/// JPEG quality of a thumbnail, 1 to 100.
const THUMBNAIL_QUALITY: u8 = 80;

/// One upright frame of a medium's bounded set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFrame {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Packed RGB, 8 bits each, row by row from the top, no padding.
    pub rgb: Vec<u8>,
    /// Time at which the frame is shown, in microseconds from the first presented frame; 0 for
    /// pictures.
    pub pts_us: i64,
    /// Position in the set, from 0.
    pub index: u32,
}

/// The frame scaled to at most `max_side` pixels; borrowed if it is that small already. Bilinear,
/// with the filter support widened by the reduction, so that nothing aliases.
#[must_use]
pub fn scale(frame: &StoredFrame, max_side: u32) -> Cow<'_, StoredFrame> {
    let longest = frame.width.max(frame.height);
    if longest <= max_side.max(1) {
        return Cow::Borrowed(frame);
    }
    let scaled = |side: u32| {
        let side = u64::from(side) * u64::from(max_side.max(1));
        ((side + u64::from(longest) / 2) / u64::from(longest)).max(1) as u32
    };
    let (width, height) = (scaled(frame.width), scaled(frame.height));
    let rgb = resize(&frame.rgb, (frame.width, frame.height), (width, height));
    Cow::Owned(StoredFrame { width, height, rgb, pts_us: frame.pts_us, index: frame.index })
}

/// Scales packed RGB of size `from` to size `to`. Both sizes are at least 1 × 1, and `rgb` has
/// width × height × 3 bytes of `from`.
pub(crate) fn resize(rgb: &[u8], from: (u32, u32), to: (u32, u32)) -> Vec<u8> {
    // Typed, so that the kernels of one pixel type are compiled and not those of all.
    let source = TypedImageRef::<U8x3>::from_buffer(from.0, from.1, rgb)
        .expect("packed RGB has width × height × 3 bytes");
    let mut scaled = vec![0; to.0 as usize * to.1 as usize * 3];
    let mut target = TypedImage::<U8x3>::from_buffer(to.0, to.1, &mut scaled)
        .expect("the buffer has width × height × 3 bytes");
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new()
        .resize_typed(&source, &mut target, &options)
        .expect("the whole source is scaled");
    scaled
}

/// Places packed RGB of size `from` in the middle of a black picture of size `to`, which is at
/// least as large.
pub(crate) fn centred(rgb: Vec<u8>, from: (u32, u32), to: (u32, u32)) -> Vec<u8> {
    if from == to {
        return rgb;
    }
    let [width, height] = [from.0, from.1].map(|side| side as usize);
    let [to_width, to_height] = [to.0, to.1].map(|side| side as usize);
    let mut whole = vec![0; to_width * to_height * 3];
    let (left, top) = ((to_width - width) / 2, (to_height - height) / 2);
    for (y, row) in rgb.chunks_exact(width * 3).enumerate() {
        let at = ((top + y) * to_width + left) * 3;
        whole[at..at + row.len()].copy_from_slice(row);
    }
    whole
}

/// A JPEG of the frame, at most 256 pixels on the longer side, without metadata.
pub(crate) fn thumbnail(frame: &StoredFrame) -> Result<Vec<u8>, Refusal> {
    let small = scale(frame, THUMBNAIL_SIDE);
    let mut jpeg = Vec::new();
    // At most THUMBNAIL_SIDE pixels each.
    let (width, height) = (small.width as u16, small.height as u16);
    Encoder::new(&mut jpeg, THUMBNAIL_QUALITY)
        .encode(&small.rgb, width, height, ColorType::Rgb)
        .map_err(|_| Refusal::Unreadable { format: "picture", step: "making a thumbnail" })?;
    Ok(jpeg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_keeps_the_shape_and_the_mean_and_never_enlarges() {
        let (width, height) = (1280, 720);
        let rgb: Vec<u8> = (0..width * height * 3).map(|i| (i / 3 % 2 * 200) as u8).collect();
        let frame = StoredFrame { width, height, rgb, pts_us: 7, index: 3 };
        let small = scale(&frame, 320);
        assert_eq!((small.width, small.height, small.pts_us, small.index), (320, 180, 7, 3));
        // At the edges the support of the filter is cut, so the mean is that of fewer stripes.
        let inside =
            |row: &[u8]| row[3..row.len() - 3].iter().all(|&value| value.abs_diff(100) <= 2);
        assert!(small.rgb.chunks_exact(960).all(inside), "one-pixel stripes become their mean");
        assert!(matches!(scale(&frame, 1280), Cow::Borrowed(_)));
        let line = StoredFrame { width: 5000, height: 1, rgb: vec![9; 15000], pts_us: 0, index: 0 };
        assert_eq!((scale(&line, 10).width, scale(&line, 10).height), (10, 1));
    }
}
