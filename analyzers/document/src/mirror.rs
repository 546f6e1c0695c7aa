//! Mirrored pictures, as front cameras take them: a document that makes no sense is read again in
//! the mirrored picture, and what was found is placed in the picture as it is.

use vultus_document_text::{PageReading, Quad};
use vultus_vision::{Face, Rect};

use crate::plane::Point;

/// Whether a reading suggests that the picture is mirrored: there are lines of text, and most of
/// them could not be read. `found` is the number of lines that the detector found.
pub(crate) fn is_suspected(reading: &PageReading, found: usize) -> bool {
    let confidence: f32 = reading.lines.iter().map(|line| line.confidence).sum();
    reading.mrz.is_none()
        && found >= FEWEST_LINES
        && confidence < CLEAR * found as f32
        && !vultus_document_text::is_understood(&reading.lines)
}

/// Minimum number of lines.
const FEWEST_LINES: usize = 4;
/// Mean confidence of the lines of a picture that is not mirrored; a line that cannot be read
/// counts as 0.
const CLEAR: f32 = 0.8;

/// The face as it is in the mirrored picture.
pub(crate) fn face(face: &Face, width: f32) -> Face {
    let Rect { x, y, width: wide, height } = face.rect;
    let [left, right, nose, left_mouth, right_mouth] = face.landmarks.map(|p| point(p, width));
    Face {
        rect: Rect { x: width - x - wide, y, width: wide, height },
        score: face.score,
        landmarks: [right, left, nose, right_mouth, left_mouth],
    }
}

/// What was read in the mirrored picture, with its places in the picture as it is.
pub(crate) fn restored(mut reading: PageReading, width: f32) -> PageReading {
    let placed = |quad: &mut Quad| {
        let [a, b, c, d] = quad.0.map(|p| point(p, width));
        *quad = Quad([b, a, d, c]);
    };
    reading.document.iter_mut().for_each(placed);
    reading.mrz.iter_mut().for_each(|mrz| placed(&mut mrz.quad));
    reading.lines.iter_mut().for_each(|line| placed(&mut line.quad));
    reading.barcodes.iter_mut().for_each(|code| placed(&mut code.quad));
    reading.portrait.iter_mut().for_each(|portrait| placed(&mut portrait.quad));
    reading.rotation = (360 - reading.rotation) % 360;
    reading.mirrored = true;
    reading
}

fn point([x, y]: Point, width: f32) -> Point {
    [width - x, y]
}
