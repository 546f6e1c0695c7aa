//! Lines of the right length. A recogniser of text lines merges and loses `<` in long runs; here they are put back to the 30, 36
//! or 44 columns of a format: by the pitch of the characters where their positions are known, otherwise in every way that puts
//! the missing ones into the runs that are there, for the check digits to choose.

use crate::reading::MrzLine;

/// A cell of the zone: what it may be, best first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    pub(super) options: Vec<(char, f32)>,
    /// Put in, not read.
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

/// A line of the right length.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filled {
    pub(super) cells: Vec<Cell>,
    /// How far it is from what was read: 0 for a line that had the right length or was put right by its pitch or at its end.
    pub(super) cost: u32,
}

/// Most fillers that are taken out of a line that is too long.
const MOST_TOO_MANY: usize = 4;
/// A line of less than this share of its width is of another format.
const LEAST_SHARE: f32 = 0.4;

/// The cells of a line as it was read; what is not of the zone's alphabet is left out.
pub(super) fn cells(line: &MrzLine) -> Vec<Cell> {
    let in_alphabet = |character: char| character.is_ascii_uppercase() || character.is_ascii_digit() || character == Cell::FILLER;
    let of = |(at, character): (usize, char)| {
        let known = line.alternatives.get(at).map_or(&[] as &[(char, f32)], Vec::as_slice);
        let mut options: Vec<(char, f32)> =
            known.iter().copied().filter(|(other, probability)| in_alphabet(*other) && probability.is_finite()).collect();
        options.sort_by(|a, b| b.1.total_cmp(&a.1));
        if options.first().is_none_or(|best| best.0 != character) {
            options.retain(|(other, _)| *other != character);
            options.insert(0, (character, 1.0));
        }
        Cell { options, filled: false }
    };
    line.text.chars().enumerate().filter(|(_, character)| in_alphabet(*character)).map(of).collect()
}

/// All ways to make the line `width` cells long, the likeliest first; none when it is of another format.
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
    let mut found: Vec<Filled> = Vec::new();
    if line.positions.len() == cells.len()
        && let Some(by_pitch) = by_pitch(&cells, &line.positions, width)
    {
        found.push(Filled { cells: by_pitch, cost: 0 });
    }
    for filled in by_runs(&cells, width) {
        if found.iter().all(|known| known.cells != filled.cells) {
            found.push(filled);
        }
    }
    found
}

/// Puts each character into the column where it stands. `None` when that does not give a whole line.
fn by_pitch(cells: &[Cell], positions: &[f32], width: usize) -> Option<Vec<Cell>> {
    let columns = columns(positions, width)?;
    let mut line = Vec::with_capacity(width);
    for (at, cell) in cells.iter().enumerate() {
        let gap = if at == 0 { columns[0] } else { columns[at] - columns[at - 1] - 1 };
        // Only beside a filler can fillers have been lost; elsewhere a character is missing that nobody can guess.
        let beside_filler = cell.best() == Cell::FILLER || (at > 0 && cells[at - 1].best() == Cell::FILLER);
        if gap > 0 && !beside_filler {
            return None;
        }
        line.extend(std::iter::repeat_n(Cell::filler(), gap));
        line.push(cell.clone());
    }
    let missing = width.checked_sub(line.len())?;
    if missing > 0 && line.last()?.best() != Cell::FILLER {
        return None;
    }
    line.extend(std::iter::repeat_n(Cell::filler(), missing));
    Some(line)
}

/// The column of each position, by a straight line fitted through them.
fn columns(positions: &[f32], width: usize) -> Option<Vec<usize>> {
    let gaps: Vec<f32> = positions.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if gaps.is_empty() || gaps.iter().any(|gap| !gap.is_finite() || *gap <= 0.0) {
        return None;
    }
    let mut sorted = gaps.clone();
    sorted.sort_by(f32::total_cmp);
    // Most gaps are one column, so that the middle one is.
    let mut pitch = sorted[sorted.len() / 2];
    let mut columns: Vec<f32> = Vec::new();
    let mut column = 0.0;
    columns.push(column);
    for gap in &gaps {
        column += (gap / pitch).round().max(1.0);
        columns.push(column);
    }
    for _ in 0..4 {
        let origin;
        (pitch, origin) = fitted(&columns, positions);
        if pitch <= 0.0 {
            return None;
        }
        let mut last = -1.0;
        for (column, position) in columns.iter_mut().zip(positions) {
            *column = ((position - origin) / pitch).round().max(last + 1.0);
            last = *column;
        }
    }
    let first = *columns.first()?;
    let columns: Vec<usize> = columns.iter().map(|column| (column - first) as usize).collect();
    (*columns.last()? < width).then_some(columns)
}

/// Slope and origin of the straight line through the points.
fn fitted(columns: &[f32], positions: &[f32]) -> (f32, f32) {
    let count = columns.len() as f32;
    let mean = |values: &[f32]| values.iter().sum::<f32>() / count;
    let (middle, centre) = (mean(columns), mean(positions));
    let covariance: f32 = columns.iter().zip(positions).map(|(c, p)| (c - middle) * (p - centre)).sum();
    let variance: f32 = columns.iter().map(|c| (c - middle) * (c - middle)).sum();
    let slope = covariance / variance;
    (slope, centre - slope * middle)
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

/// All missing fillers into one run, or shared by two; the run at the end first, then the longest.
fn by_runs(cells: &[Cell], width: usize) -> Vec<Filled> {
    let missing = width - cells.len();
    let mut places = runs(cells);
    let ends_with_filler = places.last().is_some_and(|(start, length)| start + length == cells.len());
    if !ends_with_filler {
        places.push((cells.len(), 0));
    }
    let at_end = |(start, length): &(usize, usize)| start + length == cells.len();
    places.sort_by_key(|run| (!at_end(run), std::cmp::Reverse(run.1), run.0));
    let insert = |shares: &[(usize, usize)]| {
        let mut line = Vec::with_capacity(width);
        for at in 0..=cells.len() {
            let here: usize = shares.iter().filter(|(place, _)| *place == at).map(|(_, count)| count).sum();
            line.extend(std::iter::repeat_n(Cell::filler(), here));
            line.extend(cells.get(at).cloned());
        }
        line
    };
    let mut found = Vec::new();
    for (rank, place) in places.iter().enumerate() {
        // A run that was there at the end of the line is where fillers are lost without harm.
        let cost = if at_end(place) && place.1 > 0 { 0 } else { 1 + rank as u32 };
        found.push(Filled { cells: insert(&[(place.0, missing)]), cost });
    }
    for (rank, first) in places.iter().enumerate() {
        for second in &places[rank + 1..] {
            for share in 1..missing {
                found.push(Filled { cells: insert(&[(first.0, missing - share), (second.0, share)]), cost: 10 + share as u32 });
            }
        }
    }
    found
}

/// Takes the surplus out of one run of fillers.
fn without_surplus(cells: &[Cell], width: usize) -> Vec<Filled> {
    let surplus = cells.len() - width;
    let mut places: Vec<(usize, usize)> = runs(cells).into_iter().filter(|run| run.1 > surplus).collect();
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
    fn a_short_run_at_the_end_is_filled_first() {
        let filled = fillings(&line("P<UTOERIKSSON<<ANNA<MARIA<<<<"), 44);
        assert_eq!(text(&filled[0].cells), "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<");
        assert_eq!(filled[0].cost, 0);
    }

    #[test]
    fn the_pitch_tells_where_fillers_were_lost() {
        let whole = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<";
        // The double filler was read as one, and the run at the end as three.
        let kept: Vec<usize> = (0..44).filter(|at| !matches!(at, 14 | 26..=40)).collect();
        let read = MrzLine {
            text: kept.iter().map(|at| char::from(whole.as_bytes()[*at])).collect(),
            alternatives: Vec::new(),
            positions: kept.iter().map(|at| 3.0 + 2.6 * *at as f32 + if at % 3 == 0 { 0.6 } else { -0.4 }).collect(),
        };
        assert_eq!(read.text, "P<UTOERIKSSON<ANNA<MARIA<<<<");
        assert_eq!(text(&fillings(&read, 44)[0].cells), whole);
    }

    #[test]
    fn a_missing_letter_is_not_replaced_by_a_filler() {
        let read = MrzLine {
            text: "ERIKSON".to_owned(),
            alternatives: Vec::new(),
            positions: vec![0.0, 10.0, 20.0, 30.0, 40.0, 60.0, 70.0],
        };
        assert_eq!(by_pitch(&cells(&read), &read.positions, 8), None);
    }

    #[test]
    fn a_line_of_another_format_has_no_filling() {
        assert!(fillings(&line("SHORT"), 30).is_empty());
        assert!(fillings(&line(&"A".repeat(44)), 36).is_empty());
        assert!(fillings(&line(&"A".repeat(32)), 30).is_empty(), "there is no run to shorten");
    }

    #[test]
    fn a_run_that_is_too_long_is_shortened() {
        let filled = fillings(&line("ERIKSSON<<ANNA<MARIA<<<<<<<<<<<<"), 30);
        assert_eq!(text(&filled[0].cells), "ERIKSSON<<ANNA<MARIA<<<<<<<<<<");
        assert!(filled[0].cost > 0);
    }
}
