//! Layouts of the machine-readable zone (ICAO 9303 parts 4 to 7): which characters each cell
//! allows, and which check digits cover it. The `mrz` crate extracts the values.

use std::ops::Range;

use crate::report::MrzFormat;

/// The characters that a cell allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// The first letter of the document code.
    Code,
    /// A letter or filler: document code, states, names.
    Letter,
    /// A digit: check digits.
    Digit,
    /// A digit or filler: dates with unknown parts, optional check digits.
    DigitOrFiller,
    /// `M`, `F` or filler.
    Sex,
    /// A letter or digit: the first character of the document number.
    Character,
    /// Any character of the zone's alphabet.
    Any,
}

/// A check digit: the cells that it covers and its position, as (line, columns).
pub(super) struct Check {
    pub(super) covered: &'static [(usize, Range<usize>)],
    pub(super) digit: (usize, usize),
}

impl Check {
    /// The first cell covered.
    const fn start(&self) -> (usize, usize) {
        (self.covered[0].0, self.covered[0].1.start)
    }

    /// Whether the cell is covered by, or is, the check digit.
    pub(super) fn touches(&self, line: usize, column: usize) -> bool {
        self.digit == (line, column)
            || self.covered.iter().any(|(at, columns)| *at == line && columns.contains(&column))
    }
}

/// All formats, most common first.
pub(super) const FORMATS: [MrzFormat; 5] =
    [MrzFormat::Td3, MrzFormat::Td1, MrzFormat::Td2, MrzFormat::MrvA, MrzFormat::MrvB];

impl MrzFormat {
    pub(super) const fn line_count(self) -> usize {
        match self {
            Self::Td1 => 3,
            Self::Td2 | Self::Td3 | Self::MrvA | Self::MrvB => 2,
        }
    }

    pub(super) const fn width(self) -> usize {
        match self {
            Self::Td1 => 30,
            Self::Td2 | Self::MrvB => 36,
            Self::Td3 | Self::MrvA => 44,
        }
    }

    /// First letters of document codes of this format.
    pub(super) const fn first_letters(self) -> &'static [char] {
        match self {
            Self::Td1 | Self::Td2 => &['I', 'A', 'C'],
            Self::Td3 => &['P'],
            Self::MrvA | Self::MrvB => &['V'],
        }
    }

    /// Line and columns of the names.
    pub(super) const fn names(self) -> (usize, Range<usize>) {
        match self {
            Self::Td1 => (2, 0..30),
            Self::Td2 | Self::MrvB => (0, 5..36),
            Self::Td3 | Self::MrvA => (0, 5..44),
        }
    }

    /// Line and columns of the issuing state and of the nationality.
    pub(super) const fn states(self) -> [(usize, Range<usize>); 2] {
        match self {
            Self::Td1 => [(0, 2..5), (1, 15..18)],
            Self::Td2 | Self::Td3 | Self::MrvA | Self::MrvB => [(0, 2..5), (1, 10..13)],
        }
    }

    /// Line and columns of the date of birth and of the date of expiry.
    pub(super) const fn dates(self) -> [(usize, Range<usize>); 2] {
        match self {
            Self::Td1 => [(1, 0..6), (1, 8..14)],
            Self::Td2 | Self::Td3 | Self::MrvA | Self::MrvB => [(1, 13..19), (1, 21..27)],
        }
    }

    const fn sex(self) -> (usize, usize) {
        match self {
            Self::Td1 => (1, 7),
            Self::Td2 | Self::Td3 | Self::MrvA | Self::MrvB => (1, 20),
        }
    }

    pub(super) const fn checks(self) -> &'static [Check] {
        const BIRTH: Check = Check { covered: &[(1, 13..19)], digit: (1, 19) };
        const EXPIRY: Check = Check { covered: &[(1, 21..27)], digit: (1, 27) };
        const NUMBER: Check = Check { covered: &[(1, 0..9)], digit: (1, 9) };
        match self {
            Self::Td1 => &[
                // A number of more than nine characters continues in the optional data, which the
                // composite check digit covers too.
                Check { covered: &[(0, 5..14)], digit: (0, 14) },
                Check { covered: &[(1, 0..6)], digit: (1, 6) },
                Check { covered: &[(1, 8..14)], digit: (1, 14) },
                Check {
                    covered: &[(0, 5..30), (1, 0..7), (1, 8..15), (1, 18..29)],
                    digit: (1, 29),
                },
            ],
            Self::Td2 => &[
                NUMBER,
                BIRTH,
                EXPIRY,
                Check { covered: &[(1, 0..10), (1, 13..20), (1, 21..35)], digit: (1, 35) },
            ],
            Self::Td3 => &[
                NUMBER,
                BIRTH,
                EXPIRY,
                Check { covered: &[(1, 28..42)], digit: (1, 42) },
                Check { covered: &[(1, 0..10), (1, 13..20), (1, 21..43)], digit: (1, 43) },
            ],
            Self::MrvA | Self::MrvB => &[NUMBER, BIRTH, EXPIRY],
        }
    }

    /// Whether any check digit covers the cell.
    pub(super) fn is_covered(self, line: usize, column: usize) -> bool {
        self.checks().iter().any(|check| check.touches(line, column))
    }

    /// The characters that the cell allows.
    pub(super) fn class(self, line: usize, column: usize) -> Class {
        let within =
            |(at, columns): &(usize, Range<usize>)| *at == line && columns.contains(&column);
        if (line, column) == (0, 0) {
            return Class::Code;
        }
        if (line, column) == (0, 1) || within(&self.names()) || self.states().iter().any(within) {
            return Class::Letter;
        }
        if (line, column) == self.sex() {
            return Class::Sex;
        }
        if (line, column) == self.checks()[0].start() {
            return Class::Character;
        }
        if self.dates().iter().any(within) {
            return Class::DigitOrFiller;
        }
        match self.checks().iter().position(|check| check.digit == (line, column)) {
            // The check digit of a document number that continues in the optional data, and that of
            // an empty personal number, may be a filler.
            Some(0) => Class::DigitOrFiller,
            Some(_) if self == Self::Td3 && column == 42 => Class::DigitOrFiller,
            Some(_) => Class::Digit,
            None => Class::Any,
        }
    }

    /// Whether the cell allows `character`.
    pub(super) fn allows(self, line: usize, column: usize, character: char) -> bool {
        match self.class(line, column) {
            Class::Code => self.first_letters().contains(&character),
            Class::Letter => character.is_ascii_uppercase() || character == '<',
            Class::Digit => character.is_ascii_digit(),
            Class::DigitOrFiller => character.is_ascii_digit() || character == '<',
            Class::Sex => matches!(character, 'M' | 'F' | '<'),
            Class::Character => character.is_ascii_uppercase() || character.is_ascii_digit(),
            Class::Any => {
                character.is_ascii_uppercase() || character.is_ascii_digit() || character == '<'
            }
        }
    }
}

/// Characters of OCR-B that are confused with `character`, likeliest first.
pub(super) const fn lookalikes(character: char) -> &'static [char] {
    match character {
        'O' => &['0', 'Q', 'D'],
        '0' => &['O', 'D', 'Q'],
        'D' => &['0', 'O'],
        'Q' => &['0', 'O'],
        'I' => &['1', 'L'],
        '1' => &['I', 'L', '7'],
        'L' => &['1', 'I'],
        'J' => &['I'],
        'B' => &['8', 'P'],
        '8' => &['B', '6'],
        'S' => &['5'],
        '5' => &['S', '6'],
        'Z' => &['2'],
        '2' => &['Z'],
        'G' => &['6', 'C'],
        '6' => &['G', '8', '5'],
        'T' => &['7', 'I'],
        '7' => &['T', '1'],
        'A' => &['4'],
        '4' => &['A'],
        'C' => &['G', '<'],
        'K' => &['<', 'X'],
        'X' => &['K'],
        'U' => &['V'],
        'V' => &['U', 'Y'],
        'Y' => &['V'],
        'M' => &['N', 'H'],
        'N' => &['M', 'H'],
        'H' => &['N', 'M'],
        'E' => &['F'],
        'F' => &['P', 'E'],
        'P' => &['F'],
        'R' => &['P'],
        '<' => &['K', 'C', 'L'],
        _ => &[],
    }
}
