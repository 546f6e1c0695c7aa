//! The direction of the text in a picture, from the edges of the document and from its lines.

use vultus_document_text::Quad;

use crate::plane;
use crate::text::detect::FoundLine;

/// Minimum length, in heights, of lines that determine the direction of the text.
const TELLING: f32 = 3.0;

/// Expected rotation of the text in degrees, -45 to 135, from the edges of the document and the
/// expected direction of text; 0 if neither is known.
pub(crate) fn guessed_turn(document: Option<&Quad>, upright: Option<f32>) -> f32 {
    let lean = document.map_or(0.0, |area| {
        let [a, b, c, d] = area.0;
        let (left, right) = (plane::between(a, d, 0.5), plane::between(b, c, 0.5));
        let angle = (right[1] - left[1]).atan2(right[0] - left[0]).to_degrees();
        angle - 90.0 * (angle / 90.0).round()
    });
    let is_quarter =
        upright.is_some_and(|upright| (upright - lean).to_radians().cos().abs() < 0.5f32.sqrt());
    lean + if is_quarter { 90.0 } else { 0.0 }
}

/// Rotation of the text in degrees, -45 to 135: the median weighted by line length. `None` without
/// text. `upright`, if known, decides whether the text is vertical, provided that some text runs
/// that way: there may be other text beside the document.
pub(crate) fn turn(lines: &[FoundLine], upright: Option<f32>) -> Option<f32> {
    let telling = lines
        .iter()
        .map(|line| &line.quad)
        .filter(|quad| plane::width(quad) > TELLING * plane::height(quad));
    let angle = |quad: &Quad| {
        let [a, b, ..] = quad.0;
        (b[1] - a[1]).atan2(b[0] - a[0]).to_degrees()
    };
    let angles: Vec<(f32, f32)> = telling.map(|quad| (angle(quad), plane::width(quad))).collect();
    // Perpendicular lines contribute to the rotation too.
    let mut folded: Vec<(f32, f32)> = angles
        .iter()
        .map(|(angle, length)| (angle - 90.0 * (angle / 90.0).round(), *length))
        .collect();
    folded.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = folded.iter().map(|(_, length)| length).sum::<f32>() / 2.0;
    let mut passed = 0.0;
    let (middle, _) = *folded.iter().find(|(_, length)| {
        passed += length;
        passed >= half
    })?;
    let is_square = |angle: f32| (angle - middle).to_radians().cos().abs() < 0.5f32.sqrt();
    let length = |square: bool| {
        angles.iter().filter(|(angle, _)| is_square(*angle) == square).map(|(_, l)| l).sum::<f32>()
    };
    let is_quarter = match upright {
        Some(upright) if is_square(upright) => length(true) > 0.0,
        Some(_) => length(false) == 0.0,
        None => length(true) > length(false),
    };
    Some(middle + if is_quarter { 90.0 } else { 0.0 })
}

/// The line with the reading direction nearest to `angle`, in degrees. The longer side of a single
/// letter is often not the one along the text.
pub(crate) fn forwards(quad: Quad, angle: f32) -> Quad {
    let angle = angle.to_radians();
    let towards = |quad: &Quad| {
        let [a, b, ..] = quad.0;
        ((b[1] - a[1]).atan2(b[0] - a[0]) - angle).cos()
    };
    let is_letter = plane::width(&quad) < LETTER * plane::height(&quad);
    let across = is_letter && towards(&quad).abs() < 0.5f32.sqrt();
    let quad = if across { plane::turned(&quad, 1) } else { quad };
    if towards(&quad) >= 0.0 { quad } else { plane::turned(&quad, 2) }
}

/// Maximum length, in heights, of a region that may be a single letter.
const LETTER: f32 = 1.8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tall_letter_is_read_along_the_text() {
        let upright = Quad([[10.0, 10.0], [18.0, 10.0], [18.0, 22.0], [10.0, 22.0]]);
        let found = plane::turned(&upright, 1);
        assert!(plane::width(&found) > plane::height(&found));
        assert_eq!(forwards(found, 0.0), upright);
        assert_eq!(forwards(upright, 0.0), upright);
        assert_eq!(forwards(found, 180.0), plane::turned(&upright, 2));
        let line = Quad([[0.0, 0.0], [9.0, 0.0], [9.0, 99.0], [0.0, 99.0]]);
        let vertical = forwards(plane::turned(&line, 1), 0.0);
        assert!(plane::width(&vertical) > plane::height(&vertical), "a vertical line stays one");
    }
}
