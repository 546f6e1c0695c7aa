//! Restores the length of lines. A recogniser of text lines merges or loses `<` in long runs. If a
//! line does not have the 30, 36 or 44 columns of a format, this module lists all ways to add the
//! missing fillers to the existing runs; check digits then select one.

use crate::reading::MrzLine;

/// A cell of the zone with its possible characters and their probabilities, best first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    pub(super) options: Vec<(char, f32)>,
    /// Whether the cell was inserted, not read.
    pub(super) filled: bool,
}

impl Cell {
    const FILLER: char = '<';

    fn filler() -> Self {
        Self { options: vec![(Self::FILLER, 1.0)], filled: true }
    }

    pub(super) fn best(&self) -> char {
        self.options.first().map_or(Self::FILLER, |option| option.0)
    }

    pub(super) fn probability(&self) -> f32 {
        self.options.first().map_or(0.0, |option| option.1)
    }
}

/// A line of full length.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filled {
    pub(super) cells: Vec<Cell>,
    /// Distance from the raw reading: 0 for a line that had the right length or was only extended
    /// at its end.
    pub(super) cost: u32,
}

/// Maximum number of fillers removed from a line that is too long.
const MOST_TOO_MANY: usize = 4;
/// Minimum length of a line as a share of the format's width; shorter lines are of another format.
const LEAST_SHARE: f32 = 0.4;

/// The cells of a line as read; characters outside the zone's alphabet are dropped.
pub(super) fn cells(line: &MrzLine) -> Vec<Cell> {
    let in_alphabet = |character: char| {
        character.is_ascii_uppercase() || character.is_ascii_digit() || character == Cell::FILLER
    };
    let of = |(at, character): (usize, char)| {
        let known = line.alternatives.get(at).map_or(&[] as &[(char, f32)], Vec::as_slice);
        let mut options: Vec<(char, f32)> = known
            .iter()
            .copied()
            .filter(|(other, probability)| in_alphabet(*other) && probability.is_finite())
            .collect();
        options.sort_by(|a, b| b.1.total_cmp(&a.1));
        if options.first().is_none_or(|best| best.0 != character) {
            options.retain(|(other, _)| *other != character);
            options.insert(0, (character, 1.0));
        }
        Cell { options, filled: false }
    };
    line.text.chars().enumerate().filter(|(_, character)| in_alphabet(*character)).map(of).collect()
}

/// All ways to make the line `width` cells long, likeliest first; empty if the line is of another
/// format.
pub(super) fn fillings(line: &MrzLine, width: usize) -> Vec<Filled> {
    let cells = cells(line);
    if (cells.len() as f32) < width as f32 * LEAST_SHARE || cells.len() > width + MOST_TOO_MANY {
        return Vec::new();
    }
    if cells.len() == width {
        return vec![Filled { cells, cost: 0 }];
    }
    if cells.len() > width {
        return without_surplus(&cells, width);
    }
    by_runs(&cells, width)
}

/// Runs of fillers as (start, length).
fn runs(cells: &[Cell]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, cell) in cells.iter().enumerate() {
        if cell.best() != Cell::FILLER {
            continue;
        }
        match runs.last_mut() {
            Some((start, length)) if *start + *length == at => *length += 1,
            _ => runs.push((at, 1)),
        }
    }
    runs
}

/// Adds all missing fillers to one run, or distributes them over two; the run at the end first,
/// then the longest.
fn by_runs(cells: &[Cell], width: usize) -> Vec<Filled> {
    let missing = width - cells.len();
    let mut places = runs(cells);
    let ends_with_filler =
        places.last().is_some_and(|(start, length)| start + length == cells.len());
    if !ends_with_filler {
        places.push((cells.len(), 0));
    }
    let at_end = |(start, length): &(usize, usize)| start + length == cells.len();
    places.sort_by_key(|run| (!at_end(run), std::cmp::Reverse(run.1), run.0));
    let insert = |shares: &[(usize, usize)]| {
        let mut line = Vec::with_capacity(width);
        for at in 0..=cells.len() {
            let here: usize =
                shares.iter().filter(|(place, _)| *place == at).map(|(_, count)| count).sum();
            line.extend(std::iter::repeat_n(Cell::filler(), here));
            line.extend(cells.get(at).cloned());
        }
        line
    };
    let mut found = Vec::new();
    for (rank, place) in places.iter().enumerate() {
        // An existing run at the end of the line is where lost fillers do no harm.
        let cost = if at_end(place) && place.1 > 0 { 0 } else { 1 + rank as u32 };
        found.push(Filled { cells: insert(&[(place.0, missing)]), cost });
    }
    for (rank, first) in places.iter().enumerate() {
        for second in &places[rank + 1..] {
            for share in 1..missing {
                found.push(Filled {
                    cells: insert(&[(first.0, missing - share), (second.0, share)]),
                    cost: 10 + share as u32,
                });
            }
        }
    }
    found
}

/// Removes the surplus from one run of fillers.
fn without_surplus(cells: &[Cell], width: usize) -> Vec<Filled> {
    let surplus = cells.len() - width;
    let mut places: Vec<(usize, usize)> =
        runs(cells).into_iter().filter(|run| run.1 > surplus).collect();
    places.sort_by_key(|run| std::cmp::Reverse(run.1));
    let without = |(rank, (start, _)): (usize, (usize, usize))| {
        let cells = cells[..start].iter().chain(&cells[start + surplus..]).cloned().collect();
        Filled { cells, cost: 5 + rank as u32 }
    };
    places.into_iter().enumerate().map(without).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> MrzLine {
        MrzLine { text: text.to_owned(), ..MrzLine::default() }
    }

    fn text(cells: &[Cell]) -> String {
        cells.iter().map(Cell::best).collect()
    }

    #[test]
    fn trailing_run_of_fillers_is_extended_first() {
        let filled = fillings(&line("P<UTOERIKSSON<<ANNA<MARIA<<<<"), 44);
        assert_eq!(text(&filled[0].cells), "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<");
        assert_eq!(filled[0].cost, 0);
    }

    #[test]
    fn line_of_another_format_has_no_filling() {
        assert!(fillings(&line("SHORT"), 30).is_empty());
        assert!(fillings(&line(&"A".repeat(44)), 36).is_empty());
        assert!(fillings(&line(&"A".repeat(32)), 30).is_empty(), "there is no run to shorten");
    }

    #[test]
    fn run_of_fillers_that_is_too_long_is_shortened() {
        let filled = fillings(&line("ERIKSSON<<ANNA<MARIA<<<<<<<<<<<<"), 30);
        assert_eq!(text(&filled[0].cells), "ERIKSSON<<ANNA<MARIA<<<<<<<<<<");
        assert!(filled[0].cost > 0);
    }
}
