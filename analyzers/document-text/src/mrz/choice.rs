//! Chooses the character of a cell, among its readings and what the layout allows. Certain readings
//! that are unusual stay: states use other document codes than ICAO 9303, and digits in names.

use super::fill::Cell;
use super::layout::lookalikes;
use crate::report::MrzFormat;

/// Minimum probability of a character that is unusual in its cell, and maximum probability of the
/// usual ones beside it.
const PLAIN: f32 = 0.85;
const UNLIKELY: f32 = 0.05;
/// Digits that stand for letters in the names of some states. 0, 1 and 5 do not: they are misread
/// letters.
const NAME_DIGITS: [char; 7] = ['2', '3', '4', '6', '7', '8', '9'];

/// The likeliest character that the cell allows.
pub(super) fn allowed(format: MrzFormat, line: usize, column: usize, cell: &Cell) -> Option<char> {
    if (line, column) == (0, 0) {
        return first_letter(format, cell);
    }
    if format.is_name(line, column)
        && NAME_DIGITS.contains(&cell.best())
        && is_plain(cell, |c| format.allows(line, column, c))
    {
        return Some(cell.best());
    }
    let read = cell.options.iter().map(|option| option.0);
    read.chain(lookalikes(cell.best()).iter().copied())
        .find(|character| format.allows(line, column, *character))
        // A character that cannot be right stays as read.
        .or_else(|| Some(cell.best()))
}

/// The first letter of the document code. States use other letters than ICAO 9303; one that is
/// read with certainty stays as printed.
fn first_letter(format: MrzFormat, cell: &Cell) -> Option<char> {
    let standard = |character: char| format.first_letters().contains(&character);
    let best = cell.best();
    let is_other = best.is_ascii_uppercase() && best != 'V' && format.takes_other_codes();
    if is_other && !standard(best) && is_plain(cell, standard) {
        return Some(best);
    }
    let read = cell.options.iter().map(|option| option.0);
    read.chain(lookalikes(best).iter().copied())
        .find(|character| standard(*character))
        .or_else(|| is_other.then_some(best))
}

/// Whether the best reading is certain although it is not `usual`: nothing usual is likely.
fn is_plain(cell: &Cell, usual: impl Fn(char) -> bool) -> bool {
    let is_likely = |option: &(char, f32)| usual(option.0) && option.1 >= UNLIKELY;
    cell.probability() >= PLAIN && !cell.options.iter().any(is_likely)
}
