//! The holder's portrait. If the face is large enough in the picture, `faces/1` contains it; in a
//! small document, a second detection runs on the document only.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage, imageops};
use vultus_document_text::{Portrait, Quad};
use vultus_plugin_api::Failure;
use vultus_vision::{Channels, Face, FaceDetector, PixelView, Rect, VisionError};

use crate::plane::{self, Point};
use crate::sample;

/// Name of the artifact with the portrait.
pub(crate) const ARTIFACT: &str = "portrait";
const JPEG_QUALITY: u8 = 90;
/// Longer side of the stored portrait, in pixels.
const KEPT_SIDE: f32 = 512.0;
/// Minimum score of a portrait; a lower one may be the pattern of a guilloche.
const SURE: f32 = 0.7;
/// Size of a face, in pixels, below which a second detection runs on the document only.
const SMALL: f32 = 48.0;
/// Longer side of the document for that detection, in pixels.
const SIDE: f32 = 640.0;
/// Margins of the portrait: left and right as a share of the face's width, above and below as a
/// share of its height.
const AROUND: [f32; 2] = [0.45, 0.6];

/// The largest face with a sufficient score; ghost images are smaller.
pub(crate) fn largest(faces: &[Face]) -> Option<&Face> {
    let sure = faces.iter().filter(|face| face.score >= SURE);
    sure.max_by(|a, b| a.rect.area().total_cmp(&b.rect.area()))
}

/// Whether the face is missing or too small.
pub(crate) fn is_doubtful(face: Option<&Face>) -> bool {
    face.is_none_or(|face| face.rect.width.min(face.rect.height) < SMALL)
}

/// Direction from the left to the right eye, in degrees clockwise, 0–360. It is the direction of
/// text on the document.
pub(crate) fn angle(face: &Face) -> f32 {
    let [left, right, ..] = face.landmarks;
    (right[1] - left[1]).atan2(right[0] - left[0]).to_degrees().rem_euclid(360.0)
}

/// Detects the portrait on the document only, in all four rotations. The result is in pixels of
/// `picture`.
pub(crate) fn find_in(
    detector: &mut FaceDetector,
    picture: &RgbImage,
    document: &Quad,
) -> Result<Option<Face>, VisionError> {
    let (wide, high) = (plane::width(document), plane::height(document));
    let factor = (SIDE / wide.max(high).max(1.0)).min(4.0);
    let size = [wide, high].map(|side| ((side * factor) as u32).max(1));
    let Some(mut page) = sample::cut(picture, document, size[0], size[1]) else { return Ok(None) };
    let mut best: Option<Face> = None;
    for quarters in 0..4 {
        if quarters > 0 {
            // Rotate so that the next corner of the document is at the upper left.
            page = imageops::rotate270(&page);
        }
        let area = crate::edges::upright(document, quarters);
        let size = [page.width(), page.height()];
        let view =
            PixelView::new(page.as_raw(), size[0], size[1], size[0] as usize * 3, Channels::Rgb)?;
        let found = detector.find_at(&view, SIDE as u32)?;
        let Some(face) = largest(&found) else { continue };
        if best.as_ref().is_none_or(|known| face.score > known.score) {
            let cut = plane::rectangle(size[0] as f32, size[1] as f32);
            let Some(back) = plane::projection(&cut, &area) else { continue };
            best = Some(carried(face, |p| plane::project(&back, p)));
        }
    }
    Ok(best)
}

/// Detects the portrait in the halves of a picture along its longer side, in which a small face is
/// larger for the detector.
pub(crate) fn find_in_halves(
    detector: &mut FaceDetector,
    picture: &RgbImage,
) -> Result<Option<Face>, VisionError> {
    let [wide, high] = [picture.width() as f32, picture.height() as f32];
    let mut best: Option<Face> = None;
    for [from, to] in [[0.0, 0.55], [0.45, 1.0]] {
        let half = if wide > high {
            [[from * wide, 0.0], [to * wide, 0.0], [to * wide, high], [from * wide, high]]
        } else {
            [[0.0, from * high], [wide, from * high], [wide, to * high], [0.0, to * high]]
        };
        let found = find_in(detector, picture, &Quad(half))?;
        best = best.into_iter().chain(found).max_by(|a, b| a.score.total_cmp(&b.score));
    }
    Ok(best)
}

/// Centre of a face.
pub(crate) fn centre(face: &Face) -> Point {
    [face.rect.x + face.rect.width / 2.0, face.rect.y + face.rect.height / 2.0]
}

/// The face with `map` applied to all its points; the box is the bounding box of the result.
fn carried(face: &Face, map: impl Fn(Point) -> Point) -> Face {
    let Rect { x, y, width, height } = face.rect;
    let corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]].map(&map);
    let bound = |axis: usize| {
        corners
            .iter()
            .fold((f32::MAX, f32::MIN), |(low, high), p| (low.min(p[axis]), high.max(p[axis])))
    };
    let ((left, right), (top, bottom)) = (bound(0), bound(1));
    Face {
        rect: Rect { x: left, y: top, width: right - left, height: bottom - top },
        score: face.score,
        landmarks: face.landmarks.map(map),
    }
}

/// The portrait for the report: corners in the document's orientation, coordinates scaled by
/// `back`.
pub(crate) fn described(
    face: &Face,
    quarters: usize,
    back: f32,
    artifact: Option<String>,
) -> Portrait {
    let Rect { x, y, width, height } = face.rect.scaled(back);
    let quad = Quad([[x, y], [x + width, y], [x + width, y + height], [x, y + height]]);
    Portrait { quad: crate::edges::upright(&quad, quarters), confidence: face.score, artifact }
}

/// The upright portrait with margins as a JPEG. `None` if the face is degenerate.
pub(crate) fn cut_out(
    picture: &RgbImage,
    face: &Face,
    quarters: usize,
) -> Result<Option<Vec<u8>>, Failure> {
    let Rect { x, y, width, height } = face.rect;
    let quad = Quad([[x, y], [x + width, y], [x + width, y + height], [x, y + height]]);
    let quad = crate::edges::upright(&quad, quarters);
    let high = plane::height(&quad).max(1.0);
    let wide = plane::width(&quad);
    let area = plane::grown(&quad, AROUND[0] * wide / high, AROUND[1]);
    let area = plane::mapped(&area, |[x, y]| {
        [x.clamp(0.0, picture.width() as f32), y.clamp(0.0, picture.height() as f32)]
    });
    let (wide, high) = (plane::width(&area), plane::height(&area));
    let factor = (KEPT_SIDE / wide.max(high).max(1.0)).min(1.0);
    let size = [((wide * factor) as u32).max(1), ((high * factor) as u32).max(1)];
    let Some(portrait) = sample::cut(picture, &area, size[0], size[1]) else { return Ok(None) };
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY)
        .write_image(portrait.as_raw(), size[0], size[1], ExtendedColorType::Rgb8)
        .map_err(|error| Failure::internal(format!("encoding the portrait: {error}")))?;
    Ok(Some(jpeg))
}
