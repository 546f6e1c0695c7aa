//! Corrects misread characters by the characters that a cell allows, by state codes, by the form of
//! names, and by check digits. Check digits correct only if exactly one reading satisfies all of
//! them.

use super::choice::allowed;
use super::fill::Cell;
use super::layout::{Check, lookalikes};
use super::values::{self, Values};
use crate::date;
use crate::report::MrzFormat;
use crate::states;

/// The cells of a zone with their currently chosen characters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grid {
    pub(super) format: MrzFormat,
    pub(super) cells: Vec<Vec<Cell>>,
    pub(super) text: Vec<Vec<char>>,
    /// Number of characters that are not the best reading of their cell.
    pub(super) changed: u32,
}

/// Minimum probability of the alternatives that are tried first, without the others, if there are
/// at most [`FEW`]: with more of them, the check digits would be satisfied by chance.
const LIKELY: f32 = 0.15;
const FEW: usize = 4;
const FEW_CHANGES: usize = 2;
/// Minimum probability of an alternative.
const LEAST_LIKELY: f32 = 0.01;
/// Maximum number of characters that check digits may change.
const MOST_CHANGES: usize = 3;
/// Maximum number of alternatives that are tried; a zone with more uncertainty is not corrected.
const MOST_ALTERNATIVES: usize = 28;
/// Minimum share of a certain reading in the probability of all allowed characters.
const CONFIRMED: f32 = 0.85;
/// Minimum absolute probability of a certain reading.
const LIKELIEST: f32 = 0.4;
/// Maximum number of uncertain cells that check digits can confirm: all their readings are tried.
const MOST_TOLD: usize = 4;
/// Characters with which a filler of OCR-B is usually confused.
const LIKE_FILLER: [char; 10] = ['K', 'C', 'L', 'S', 'E', 'X', 'R', 'Z', 'G', 'I'];

impl Grid {
    /// Chooses for each cell the likeliest character that it allows. `None` if the zone cannot be
    /// of this format.
    pub(super) fn new(format: MrzFormat, cells: Vec<Vec<Cell>>) -> Option<Self> {
        let mut changed = 0;
        let mut text = Vec::with_capacity(cells.len());
        for (line, row) in cells.iter().enumerate() {
            let mut characters = Vec::with_capacity(row.len());
            for (column, cell) in row.iter().enumerate() {
                let character = allowed(format, line, column, cell)?;
                changed += u32::from(character != cell.best());
                characters.push(character);
            }
            text.push(characters);
        }
        let first: String = text.first()?.iter().collect();
        format.may_begin(&first).then_some(Self { format, cells, text, changed })
    }

    /// The values of the zone. `None` if it breaks a rule of its format other than check digits.
    pub(super) fn parse(&self) -> Option<Values> {
        values::read(self.format, &self.lines())
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.text.iter().map(|row| row.iter().collect()).collect()
    }

    fn set(&mut self, line: usize, column: usize, character: char) {
        if self.text[line][column] != character {
            self.text[line][column] = character;
            self.changed += 1;
        }
    }

    /// Corrects unknown state codes if exactly one reading is a known code.
    pub(super) fn correct_states(&mut self) {
        for (line, columns) in self.format.states().iter().cloned() {
            let code: String = self.text[line][columns.clone()].iter().collect();
            if is_state(&code) {
                continue;
            }
            let options: Vec<Vec<char>> =
                columns.clone().map(|column| self.options_of(line, column)).collect();
            let mut known: Vec<[char; 3]> = Vec::new();
            for &first in &options[0] {
                for &second in &options[1] {
                    for &third in &options[2] {
                        let candidate = [first, second, third];
                        if is_state(&candidate.iter().collect::<String>())
                            && !known.contains(&candidate)
                        {
                            known.push(candidate);
                        }
                    }
                }
            }
            if let [only] = known[..] {
                columns.zip(only).for_each(|(column, character)| self.set(line, column, character));
            }
        }
    }

    fn options_of(&self, line: usize, column: usize) -> Vec<char> {
        let mut options = vec![self.text[line][column]];
        let likely =
            self.cells[line][column].options.iter().filter(|option| option.1 >= LEAST_LIKELY);
        options.extend(
            likely
                .map(|option| option.0)
                .filter(|character| self.format.allows(line, column, *character)),
        );
        options
    }

    /// Corrects letters among trailing fillers. Names contain one pair of fillers, between primary
    /// and secondary identifier; after a second pair, only fillers follow. Letters that are often
    /// confused with fillers become fillers there.
    pub(super) fn correct_names(&mut self) {
        let [(line, columns)] = self.format.names() else { return };
        let line = *line;
        let pair = |from: usize, text: &[char]| {
            (from..columns.end - 1).find(|at| text[*at] == '<' && text[at + 1] == '<')
        };
        let Some(first) = pair(columns.start, &self.text[line]) else { return };
        let given =
            (first..columns.end).find(|at| self.text[line][*at] != '<').unwrap_or(columns.end);
        let Some(second) = pair(given, &self.text[line]) else { return };
        for column in second..columns.end {
            let likely = self.cells[line][column]
                .options
                .iter()
                .any(|(other, p)| *other == '<' && *p >= LEAST_LIKELY);
            if likely || LIKE_FILLER.contains(&self.text[line][column]) {
                self.set(line, column, '<');
            }
        }
    }

    /// All readings with correct check digits. Searches the likely alternatives of the recogniser,
    /// then all its alternatives, then the lookalikes of OCR-B, and stops at the first search that
    /// succeeds.
    pub(super) fn solutions(&self) -> Vec<Self> {
        let suspects = self.suspects();
        for (least, changes, most) in
            [(LIKELY, FEW_CHANGES, FEW), (LEAST_LIKELY, MOST_CHANGES, MOST_ALTERNATIVES)]
        {
            let by_reading = self.substitutions(&suspects, |grid, line, column| {
                grid.cells[line][column]
                    .options
                    .iter()
                    .filter(|option| option.1 >= least)
                    .map(|option| option.0)
                    .collect()
            });
            let found = self.search(&by_reading, changes, most);
            if !found.is_empty() {
                return none_by_chance(found, &suspects);
            }
        }
        let by_looks = self.substitutions(&suspects, |grid, line, column| {
            lookalikes(grid.text[line][column]).to_vec()
        });
        let found = (1..=2)
            .map(|changes| self.search(&by_looks, changes, MOST_ALTERNATIVES))
            .find(|found| !found.is_empty());
        none_by_chance(found.unwrap_or_default(), &suspects)
    }

    /// Whether one of these cells has a single character among fillers. In padded data it is a
    /// misread filler, and another change that compensates for it satisfies the check digits only
    /// by chance.
    fn has_lone_character(&self, cells: &[(usize, usize)]) -> bool {
        let checks = self.format.checks();
        let is_check =
            |line: usize, column: usize| checks.iter().any(|check| check.digit == (line, column));
        cells.iter().any(|&(line, column)| {
            let row = &self.text[line];
            let is_filler = |at: usize| row[at] == '<';
            let ends =
                column + 1 == row.len() || is_filler(column + 1) || is_check(line, column + 1);
            let begins = column >= 2 && is_filler(column - 1) && is_filler(column - 2);
            !is_filler(column) && begins && ends && !is_check(line, column)
        })
    }

    /// The cells that may be misread: covered by a wrong check digit and by no correct one.
    fn suspects(&self) -> Vec<(usize, usize)> {
        let checks = self.format.checks();
        let right: Vec<bool> = match self.parse() {
            Some(values) => values.check_digits.present(),
            None => vec![false; checks.len()],
        };
        let touched = |check: &Check, line: usize, column: usize| check.touches(line, column);
        let mut suspects = Vec::new();
        for (line, row) in self.text.iter().enumerate() {
            for column in 0..row.len() {
                let with = |wanted: bool| {
                    checks
                        .iter()
                        .zip(&right)
                        .any(|(check, right)| *right == wanted && touched(check, line, column))
                };
                if with(false) && !with(true) {
                    suspects.push((line, column));
                }
            }
        }
        suspects
    }

    fn substitutions(
        &self,
        suspects: &[(usize, usize)],
        options: impl Fn(&Self, usize, usize) -> Vec<char>,
    ) -> Vec<(usize, usize, char)> {
        let of = |&(line, column): &(usize, usize)| {
            let present = self.text[line][column];
            let other = move |character: &char| {
                *character != present && self.format.allows(line, column, *character)
            };
            options(self, line, column)
                .into_iter()
                .filter(other)
                .map(move |character| (line, column, character))
                .collect::<Vec<_>>()
        };
        suspects.iter().flat_map(of).collect()
    }

    /// All readings with correct check digits that differ by at most `changes` of the
    /// `substitutions`. Empty if there are more than `most` substitutions.
    fn search(
        &self,
        substitutions: &[(usize, usize, char)],
        changes: usize,
        most: usize,
    ) -> Vec<Self> {
        let mut found = Vec::new();
        if substitutions.len() <= most {
            self.clone().search_from(substitutions, changes, &mut found);
        }
        found
    }

    fn search_from(
        self,
        substitutions: &[(usize, usize, char)],
        most: usize,
        found: &mut Vec<Self>,
    ) {
        if self.parse().is_some_and(|values| is_sound(&values)) {
            if !found.iter().any(|known| known.text == self.text) {
                found.push(self);
            }
            return;
        }
        if most == 0 {
            return;
        }
        for (at, &(line, column, character)) in substitutions.iter().enumerate() {
            let mut next = self.clone();
            next.set(line, column, character);
            let rest: Vec<(usize, usize, char)> = substitutions[at + 1..]
                .iter()
                .copied()
                .filter(|other| (other.0, other.1) != (line, column))
                .collect();
            next.search_from(&rest, most - 1, found);
        }
    }

    /// For each line, whether its cells are certain, or uncertain but such that no other reading
    /// of them satisfies the check digits.
    pub(super) fn confirmed(&self) -> Vec<bool> {
        let is_filler = |line: usize, at: usize| {
            self.text[line].get(at).is_none_or(|character| *character == '<')
        };
        let in_run =
            |line: usize, at: usize| (at.saturating_sub(1)..at + 2).all(|at| is_filler(line, at));
        let mut doubts = Vec::new();
        for (line, row) in self.cells.iter().enumerate() {
            for (column, cell) in row.iter().enumerate() {
                let allowed = cell
                    .options
                    .iter()
                    .filter(|(other, _)| self.format.allows(line, column, *other));
                let total: f32 = allowed.map(|(_, probability)| probability).sum();
                if cell.probability() < (CONFIRMED * total).max(LIKELIEST) && !in_run(line, column)
                {
                    doubts.push((line, column));
                }
            }
        }
        let covered: Vec<_> = doubts
            .iter()
            .copied()
            .filter(|(line, column)| self.format.is_covered(*line, *column))
            .collect();
        let are_told = covered.len() <= MOST_TOLD && self.is_only_reading(&covered);
        let is_told = |doubt: &(usize, usize)| are_told && covered.contains(doubt);
        (0..self.cells.len())
            .map(|line| doubts.iter().filter(|doubt| doubt.0 == line).all(is_told))
            .collect()
    }

    /// Whether, of all readings of these cells, only the current one satisfies the check digits.
    fn is_only_reading(&self, cells: &[(usize, usize)]) -> bool {
        let mut readings = vec![self.clone()];
        for &(line, column) in cells {
            let options = self.options_of(line, column);
            let with = |grid: Self| {
                let changed = move |character: &char| {
                    let mut grid = grid.clone();
                    grid.set(line, column, *character);
                    grid
                };
                options.iter().map(changed).collect::<Vec<_>>()
            };
            readings = readings.into_iter().flat_map(with).collect();
        }
        let is_sound = |grid: &&Self| grid.parse().is_some_and(|values| is_sound(&values));
        readings.iter().filter(is_sound).all(|grid| grid.text == self.text)
    }

    /// Whether a cell that no check digit covers has a probability below `least`.
    pub(super) fn has_doubt(&self, least: f32) -> bool {
        let doubtful = |line: usize, column: usize, cell: &Cell| {
            cell.probability() < least && !self.format.is_covered(line, column)
        };
        self.cells.iter().enumerate().any(|(line, row)| {
            row.iter().enumerate().any(|(column, cell)| doubtful(line, column, cell))
        })
    }

    /// Whether the names contain the pair of fillers between primary and secondary identifier.
    pub(super) fn has_name_separator(&self) -> bool {
        let [(line, columns)] = self.format.names() else { return true };
        let names: String = self.text[*line][columns.clone()].iter().collect();
        names.trim_end_matches('<').contains("<<")
    }
}

/// The solutions; none if one of them was probably found by chance, because then none is
/// trustworthy.
fn none_by_chance(found: Vec<Grid>, suspects: &[(usize, usize)]) -> Vec<Grid> {
    if found.iter().any(|grid| grid.has_lone_character(suspects)) { Vec::new() } else { found }
}

fn is_state(code: &str) -> bool {
    states::name(code.trim_end_matches('<')).is_some()
}

/// Whether all check digits are correct and the dates are possible.
fn is_sound(values: &Values) -> bool {
    let possible = |field: &str| field.is_empty() || date::is_possible(field);
    values.check_digits.failures() == 0
        && possible(&values.date_of_birth)
        && possible(&values.date_of_expiry)
}
