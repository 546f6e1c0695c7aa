//! The machine-readable zone: from lines as they were read to a zone of ICAO 9303 with its values.
//!
//! The `mrz` crate knows the formats, their check digits, transliteration and codes of states. What
//! is here is what reading adds: lines of wrong length (`fill`), misread characters (`correct`),
//! and the rule that no zone with a changed or doubtful character is passed off as read.

mod correct;
mod fill;
mod layout;

#[cfg(test)]
mod tests;

use mrz::MrzData;

use crate::reading::{MrzLine, MrzReading};
use crate::report::MrzFormat;
use correct::Grid;
use fill::{Filled, fillings};
use layout::FORMATS;

/// A zone that fits a format; its check digits may be wrong.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Zone {
    pub(crate) format: MrzFormat,
    pub(crate) lines: Vec<String>,
    pub(crate) data: MrzData,
    /// Whether the lines are not simply what was read.
    pub(crate) corrected: bool,
}

impl Zone {
    /// The six characters of the date of birth and of the date of expiry.
    pub(crate) fn date_fields(&self) -> [String; 2] {
        self.format
            .dates()
            .map(|(line, columns)| self.lines[line].get(columns).unwrap_or_default().to_owned())
    }
}

/// Cells that no check digit covers must be read at least this surely for the zone to count as
/// simply read.
const SURE: f32 = 0.7;
/// Most ways to fill a line that are tried.
const MOST_FILLINGS: usize = 96;
/// Of the zones with wrong check digits so many are tried to be corrected.
const MOST_CORRECTED: usize = 4;

/// A zone of full length with what speaks against it.
struct Candidate {
    grid: Grid,
    data: MrzData,
    /// How far the fillings are from what was read.
    cost: u32,
    /// Fillers that were put in or taken out.
    fillers: usize,
}

impl Candidate {
    fn failures(&self) -> usize {
        self.data.checks.failed().len()
    }

    fn rank(&self) -> (usize, u32, u32, usize) {
        (self.failures(), self.grid.changed, self.cost, self.fillers)
    }
}

/// The zone in what was read; `None` when it fits no format.
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
        // None, or more than one: it stays as it was read.
        _ => finish(best.grid.clone(), best.cost > 0),
    }
}

/// Whether each line of the reading need not be looked at again: all check digits are right as it
/// was read, and every character of the line is read surely, or is one of a few in doubt of which
/// no other readings satisfy the check digits. All `false` for what is no such zone.
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

/// All ways to see neighbouring lines that are `wanted` as a zone.
fn candidates(
    reading: &MrzReading,
    wanted: impl Fn(&[MrzLine], MrzFormat) -> bool,
) -> Vec<Candidate> {
    let mut found = Vec::new();
    for format in FORMATS {
        for lines in
            reading.lines.windows(format.line_count()).filter(|lines| wanted(lines, format))
        {
            let read: usize = lines.iter().map(|line| line.text.len()).sum();
            let fillers = read.abs_diff(format.line_count() * format.width());
            for (cells, cost) in combinations(lines, format) {
                let Some(grid) = Grid::new(format, cells) else { continue };
                let Some(data) = grid.parse() else { continue };
                found.push(Candidate { grid, data, cost, fillers });
            }
        }
    }
    found
}

/// The ways to fill all lines together. Where no check digit can choose, only the likeliest way is
/// taken.
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

/// The last rules, which no check digit is about.
fn finish(mut grid: Grid, corrected: bool) -> Option<Zone> {
    let was_filled = grid.cells[grid.format.names().0].iter().any(|cell| cell.filled);
    grid.correct_states();
    grid.correct_names();
    let doubtful = grid.has_doubt(SURE) || (was_filled && !grid.has_name_separator());
    let data = grid.parse()?;
    Some(Zone {
        format: grid.format,
        lines: grid.lines(),
        data,
        corrected: corrected || grid.changed > 0 || doubtful,
    })
}
