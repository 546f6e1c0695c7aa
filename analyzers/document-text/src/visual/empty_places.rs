//! Where the value of a label should be, if no line is there: the detector of lines misses single
//! letters, such as a sex, or the surname O.

use time::macros::date;

use super::label::Label;
use super::labels::Subject;
use super::layout::{Placed, placed};
use super::{LEAST_CONFIDENCE, beside, is_zone};
use crate::reading::{Quad, TextLine};
use crate::report::FieldName;

/// Minimum number of other labels with a value below, from which the place is derived.
const FEWEST_OTHERS: usize = 2;
/// Width of the place, in heights of a value: two letters.
const WIDTH: f32 = 2.0;
/// Margin above and below the letters, in heights of a value.
const MARGIN: f32 = 0.15;

/// The places of values of one or two letters, at labels without a value.
pub fn empty_places(lines: &[TextLine]) -> Vec<Quad> {
    let placed: Vec<Placed<'_>> = placed(lines)
        .into_iter()
        .filter(|place| place.line.confidence >= LEAST_CONFIDENCE && !is_zone(&place.line.text))
        .collect();
    let labels: Vec<Option<Label>> =
        placed.iter().map(|place| Label::read(&place.line.text)).collect();
    // Only dates depend on the day.
    let any_day = date!(2000 - 01 - 01);
    let (mut below, mut empty) = (Vec::new(), Vec::new());
    for (place, label) in placed.iter().zip(&labels) {
        let Some(Label { subject: Subject::Field(field), rest: None }) = label else { continue };
        match beside(place, *field, &placed, &labels, any_day) {
            Some(value) => {
                let value = placed.iter().find(|other| other.line.quad == value.quad);
                below.extend(value.and_then(|value| Offset::between(place, value)));
            }
            None if may_be_short(*field) => empty.push(place),
            None => {}
        }
    }
    let Some(usual) = Offset::usual(below) else { return Vec::new() };
    empty.into_iter().map(|label| usual.place_at(label)).collect()
}

fn may_be_short(field: FieldName) -> bool {
    matches!(field, FieldName::Surname | FieldName::GivenNames | FieldName::Sex)
}

/// The place of a value relative to its label, in heights of the label.
#[derive(Debug, Clone, Copy)]
struct Offset {
    down: f32,
    right: f32,
    height: f32,
}

impl Offset {
    /// `None` if the value is not below the label.
    fn between(label: &Placed<'_>, value: &Placed<'_>) -> Option<Self> {
        let down = (value.middle - label.middle) / label.height;
        let right = (value.left - label.left) / label.height;
        (down > 0.45).then_some(Self { down, right, height: value.height / label.height })
    }

    /// The median of all.
    fn usual(all: Vec<Self>) -> Option<Self> {
        let median = |of: fn(&Self) -> f32| {
            let mut values: Vec<f32> = all.iter().map(of).collect();
            values.sort_by(f32::total_cmp);
            values[values.len() / 2]
        };
        (all.len() >= FEWEST_OTHERS).then(|| Self {
            down: median(|offset| offset.down),
            right: median(|offset| offset.right),
            height: median(|offset| offset.height),
        })
    }

    fn place_at(&self, label: &Placed<'_>) -> Quad {
        let [a, b, c, d] = label.line.quad.0;
        let unit = |from: [f32; 2], to: [f32; 2]| {
            let (x, y) = (to[0] - from[0], to[1] - from[1]);
            let length = x.hypot(y).max(1.0);
            [x / length, y / length]
        };
        let (along, across) =
            (unit(a, b), unit([a[0] + b[0], a[1] + b[1]], [c[0] + d[0], c[1] + d[1]]));
        let left = [(a[0] + d[0]) / 2.0, (a[1] + d[1]) / 2.0];
        let point = |x: f32, y: f32| {
            [left[0] + x * along[0] + y * across[0], left[1] + x * along[1] + y * across[1]]
        };
        let (from, high) = (self.right * label.height, self.height * label.height);
        let (top, bottom) = (
            self.down * label.height - high * (0.5 + MARGIN),
            self.down * label.height + high * (0.5 + MARGIN),
        );
        let (from, to) = (from - high * MARGIN, from + high * WIDTH);
        Quad([point(from, top), point(to, top), point(to, bottom), point(from, bottom)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(x: f32, y: f32, height: f32, text: &str) -> TextLine {
        let wide = text.chars().count() as f32 * height * 0.6;
        let quad = Quad([[x, y], [x + wide, y], [x + wide, y + height], [x, y + height]]);
        TextLine { text: text.to_owned(), confidence: 0.95, quad }
    }

    #[test]
    fn place_of_a_missing_letter_is_that_of_the_other_values() {
        let all = [
            line(100.0, 100.0, 10.0, "Surname"),
            line(100.0, 150.0, 10.0, "Given names"),
            line(101.0, 164.0, 16.0, "HYEJIN"),
            line(100.0, 200.0, 10.0, "Nationality"),
            line(100.0, 214.0, 16.0, "KOREA"),
            line(100.0, 250.0, 10.0, "Sex"),
        ];
        let places = empty_places(&all);
        let [surname, sex] = places[..] else { panic!("{places:?}") };
        for (place, top) in [(surname, 114.0), (sex, 264.0)] {
            let [[left, y0], _, [right, y1], _] = place.0;
            assert!(left <= 101.0 && right >= 116.0 && right < 150.0, "{place:?}");
            assert!(y0 <= top && y1 >= top + 16.0 && y1 - y0 < 24.0, "{place:?}");
        }
        let filled = [&all[..], &[line(100.0, 114.0, 16.0, "O"), line(100.0, 264.0, 16.0, "F")]];
        assert_eq!(empty_places(&filled.concat()), []);
        assert_eq!(empty_places(&all[..3]), [], "one value is too few");
    }
}
