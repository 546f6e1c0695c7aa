//! Interprets recognised lines as a machine-readable zone of ICAO 9303.
//!
//! The `mrz` crate implements the formats of ICAO 9303, check digits, transliteration and state
//! codes. This module handles layouts of single states (`values`) and errors of recognition: lines
//! of wrong length (`fill`) and misread characters (`correct`). A zone with a changed or uncertain
//! character is always marked as corrected.

mod choice;
mod correct;
mod fill;
mod layout;
mod values;

#[cfg(test)]
mod tests;

use crate::reading::{MrzLine, MrzReading};
use crate::report::MrzFormat;
use correct::Grid;
use fill::{Filled, fillings};
use layout::FORMATS;

pub(crate) use layout::STANDARD_LETTERS;
pub(crate) use values::Values;

/// A zone that matches a format; its check digits may be wrong.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Zone {
    pub(crate) format: MrzFormat,
    pub(crate) lines: Vec<String>,
    pub(crate) values: Values,
    /// Whether the lines differ from the raw reading or are uncertain.
    pub(crate) corrected: bool,
}

/// Minimum probability of cells that no check digit covers; below it, the zone counts as corrected.
const SURE: f32 = 0.7;
/// Maximum number of fillings that are tried per line.
const MOST_FILLINGS: usize = 96;
/// Maximum number of candidates with wrong check digits for which a correction is searched.
const MOST_CORRECTED: usize = 4;

/// Length of the lines of a card of three lines, and how far a line read badly is from it.
const CARD: usize = 30;
const NEAR_CARD: usize = 3;

/// A zone of full length with its penalties.
struct Candidate {
    grid: Grid,
    values: Values,
    /// Distance of the filled lines from the raw reading.
    cost: u32,
    /// Number of fillers inserted or removed.
    fillers: usize,
}

impl Candidate {
    fn failures(&self) -> usize {
        self.values.check_digits.failures()
    }

    fn rank(&self) -> (usize, u32, u32, usize) {
        (self.failures(), self.grid.changed, self.cost, self.fillers)
    }
}

/// Interprets the reading as a zone, with corrections where they are unambiguous. `None` if it
/// matches no format.
pub(crate) fn read(reading: &MrzReading) -> Option<Zone> {
    let whole = |lines: &[MrzLine], format: MrzFormat| {
        lines.iter().all(|line| fill::cells(line).len() == format.width())
    };
    let mut candidates = candidates(reading, whole);
    if candidates.is_empty() {
        candidates = self::candidates(reading, |lines, format| !whole(lines, format));
    }
    candidates.sort_by_key(Candidate::rank);
    let best = candidates.first()?;
    if best.failures() == 0 {
        let surely_filled = best.cost == 0;
        return finish(best.grid.clone(), !surely_filled);
    }
    let mut solutions: Vec<Grid> = Vec::new();
    for candidate in candidates.iter().take(MOST_CORRECTED) {
        for solution in candidate.grid.solutions() {
            if !solutions.iter().any(|known| known.text == solution.text) {
                solutions.push(solution);
            }
        }
    }
    match solutions.as_slice() {
        [only] => finish(only.clone(), true),
        // No solution, or an ambiguous one: the zone stays as it was read.
        _ => finish(best.grid.clone(), best.cost > 0),
    }
}

/// For each line, whether it needs no second reading: all check digits are correct as read, and
/// every character of the line is certain, or is one of a few uncertain ones for which no other
/// reading satisfies the check digits. All `false` if the reading is not a valid zone.
pub fn confirmed(reading: &MrzReading) -> Vec<bool> {
    let none = vec![false; reading.lines.len()];
    let whole = |lines: &[MrzLine], format: MrzFormat| {
        lines.len() == reading.lines.len()
            && lines.iter().all(|line| fill::cells(line).len() == format.width())
    };
    let candidates = candidates(reading, whole);
    let Some(best) = candidates.iter().min_by_key(|candidate| candidate.rank()) else {
        return none;
    };
    if best.failures() > 0 || best.grid.changed > 0 { none } else { best.grid.confirmed() }
}

/// All interpretations of neighbouring lines as a zone, among the lines selected by `wanted`.
fn candidates(
    reading: &MrzReading,
    wanted: impl Fn(&[MrzLine], MrzFormat) -> bool,
) -> Vec<Candidate> {
    let mut found = Vec::new();
    // Three lines of a card are never two of a passport, however badly they are read.
    let is_card = reading.lines.len() == 3
        && reading.lines.iter().all(|line| fill::cells(line).len().abs_diff(CARD) <= NEAR_CARD);
    for format in FORMATS.into_iter().filter(|format| !is_card || format.width() == CARD) {
        for lines in
            reading.lines.windows(format.line_count()).filter(|lines| wanted(lines, format))
        {
            let read: usize = lines.iter().map(|line| line.text.len()).sum();
            let fillers = read.abs_diff(format.line_count() * format.width());
            for (cells, cost) in combinations(lines, format) {
                let Some(grid) = Grid::new(format, cells) else { continue };
                let Some(values) = grid.parse() else { continue };
                // Any text has letters that would be an unusual code; a zone has check digits.
                let is_usual = format.first_letters().contains(&grid.text[0][0]);
                if !is_usual && !values.check_digits.prove_layout() {
                    continue;
                }
                found.push(Candidate { grid, values, cost, fillers });
            }
        }
    }
    found
}

/// All combinations of line fillings. Lines without a check digit use their likeliest filling only.
fn combinations(lines: &[MrzLine], format: MrzFormat) -> Vec<(Vec<Vec<fill::Cell>>, u32)> {
    let is_checked = |line: usize| format.checks().iter().any(|check| check.digit.0 == line);
    let mut combined: Vec<(Vec<Vec<fill::Cell>>, u32)> = vec![(Vec::new(), 0)];
    for (at, line) in lines.iter().enumerate() {
        let mut ways: Vec<Filled> = fillings(line, format.width());
        ways.truncate(if is_checked(at) { MOST_FILLINGS } else { 1 });
        combined = combined
            .iter()
            .flat_map(|(cells, cost)| {
                ways.iter().map(move |way| {
                    ([cells.as_slice(), std::slice::from_ref(&way.cells)].concat(), cost + way.cost)
                })
            })
            .collect();
    }
    combined
}

/// Applies the rules that are independent of check digits: state codes and names.
fn finish(mut grid: Grid, corrected: bool) -> Option<Zone> {
    let mut names = grid.format.names().iter().map(|(line, _)| *line);
    let was_filled = names.any(|line| grid.cells[line].iter().any(|cell| cell.filled));
    grid.correct_states();
    grid.correct_names();
    let doubtful = grid.has_doubt(SURE) || (was_filled && !grid.has_name_separator());
    let values = grid.parse()?;
    Some(Zone {
        format: grid.format,
        lines: grid.lines(),
        values,
        corrected: corrected || grid.changed > 0 || doubtful,
    })
}
