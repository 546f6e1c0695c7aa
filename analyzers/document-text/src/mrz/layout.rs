//! Layouts of the machine-readable zone (ICAO 9303 parts 4 to 7, and three of single states): which
//! characters each cell allows, and which check digits cover it.

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
    /// A filler.
    Filler,
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
pub(super) const FORMATS: [MrzFormat; 8] = [
    MrzFormat::Td3,
    MrzFormat::Td1,
    MrzFormat::Td2,
    MrzFormat::MrvA,
    MrzFormat::MrvB,
    MrzFormat::FrenchId,
    MrzFormat::SwissLicence,
    MrzFormat::FrenchLicence,
];
/// First letters of document codes in ICAO 9303 parts 4 to 7.
pub(crate) const STANDARD_LETTERS: [char; 5] = ['A', 'C', 'I', 'P', 'V'];

impl MrzFormat {
    pub(super) const fn line_count(self) -> usize {
        match self {
            Self::FrenchLicence => 1,
            Self::Td1 => 3,
            Self::Td2
            | Self::Td3
            | Self::MrvA
            | Self::MrvB
            | Self::FrenchId
            | Self::SwissLicence => 2,
        }
    }

    pub(super) const fn width(self) -> usize {
        match self {
            Self::Td1 | Self::SwissLicence | Self::FrenchLicence => 30,
            Self::Td2 | Self::MrvB | Self::FrenchId => 36,
            Self::Td3 | Self::MrvA => 44,
        }
    }

    /// First letters of document codes of this format.
    pub(super) const fn first_letters(self) -> &'static [char] {
        match self {
            Self::Td1 | Self::Td2 => &['I', 'A', 'C'],
            Self::Td3 => &['P'],
            Self::MrvA | Self::MrvB => &['V'],
            Self::FrenchId => &['I'],
            Self::SwissLicence => &['F'],
            Self::FrenchLicence => &['D'],
        }
    }

    /// Whether the first letter of a document code may be any other than those of ICAO 9303; V
    /// always means a visa.
    pub(super) const fn takes_other_codes(self) -> bool {
        match self {
            Self::Td1 | Self::Td2 | Self::Td3 => true,
            Self::MrvA | Self::MrvB | Self::FrenchId | Self::SwissLicence | Self::FrenchLicence => {
                false
            }
        }
    }

    /// Whether a first line can be of this format. A layout of a single state is told by its
    /// beginning, and no other layout has that.
    pub(super) fn may_begin(self, line: &str) -> bool {
        match self {
            Self::FrenchId => line.starts_with("IDFRA"),
            Self::SwissLicence => line.starts_with("FACHE") || line.starts_with("FALIE"),
            Self::FrenchLicence => line.starts_with("D1FRA"),
            Self::Td2 => !line.starts_with("IDFRA"),
            Self::Td1 | Self::Td3 | Self::MrvA | Self::MrvB => true,
        }
    }

    /// Lines and columns of the names; in one place both identifiers, separated by two fillers.
    pub(super) const fn names(self) -> &'static [(usize, Range<usize>)] {
        match self {
            Self::Td1 => &[(2, 0..30)],
            Self::Td2 | Self::MrvB => &[(0, 5..36)],
            Self::Td3 | Self::MrvA => &[(0, 5..44)],
            Self::FrenchId => &[(0, 5..30), (1, 13..27)],
            Self::SwissLicence => &[(1, 0..30)],
            Self::FrenchLicence => &[(0, 21..29)],
        }
    }

    /// Lines and columns of the issuing state and of the nationality.
    pub(super) const fn states(self) -> &'static [(usize, Range<usize>)] {
        match self {
            Self::Td1 => &[(0, 2..5), (1, 15..18)],
            Self::Td2 | Self::Td3 | Self::MrvA | Self::MrvB => &[(0, 2..5), (1, 10..13)],
            Self::FrenchId | Self::SwissLicence | Self::FrenchLicence => &[(0, 2..5)],
        }
    }

    /// Line and columns of the date of birth, if the layout has one.
    pub(super) const fn birth(self) -> Option<(usize, Range<usize>)> {
        match self {
            Self::Td1 => Some((1, 0..6)),
            Self::Td2 | Self::Td3 | Self::MrvA | Self::MrvB => Some((1, 13..19)),
            Self::FrenchId => Some((1, 27..33)),
            Self::SwissLicence => Some((0, 19..25)),
            Self::FrenchLicence => None,
        }
    }

    /// Line and columns of the date of expiry, if the layout has one.
    pub(super) const fn expiry(self) -> Option<(usize, Range<usize>)> {
        match self {
            Self::Td1 => Some((1, 8..14)),
            Self::Td2 | Self::Td3 | Self::MrvA | Self::MrvB => Some((1, 21..27)),
            Self::FrenchLicence => Some((0, 15..21)),
            Self::FrenchId | Self::SwissLicence => None,
        }
    }

    const fn sex(self) -> Option<(usize, usize)> {
        match self {
            Self::Td1 => Some((1, 7)),
            Self::Td2 | Self::Td3 | Self::MrvA | Self::MrvB => Some((1, 20)),
            Self::FrenchId => Some((1, 34)),
            Self::SwissLicence | Self::FrenchLicence => None,
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
            Self::FrenchId => &[
                Check { covered: &[(1, 0..12)], digit: (1, 12) },
                Check { covered: &[(1, 27..33)], digit: (1, 33) },
                Check { covered: &[(0, 0..36), (1, 0..35)], digit: (1, 35) },
            ],
            Self::SwissLicence => &[],
            Self::FrenchLicence => &[
                Check { covered: &[(0, 0..14)], digit: (0, 14) },
                Check { covered: &[(0, 0..29)], digit: (0, 29) },
            ],
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
        if self == Self::FrenchLicence && (line, column) == (0, 1) {
            return Class::Digit;
        }
        if (line, column) == (0, 1)
            || self.is_name(line, column)
            || self.states().iter().any(within)
        {
            return Class::Letter;
        }
        if Some((line, column)) == self.sex() {
            return Class::Sex;
        }
        if self.birth().is_some_and(|birth| within(&birth))
            || self.expiry().is_some_and(|expiry| within(&expiry))
        {
            return Class::DigitOrFiller;
        }
        match self {
            Self::FrenchId if line == 1 && (column < 4 || (7..13).contains(&column)) => {
                return Class::Digit;
            }
            Self::SwissLicence if column < 17 => return Class::DigitOrFiller,
            Self::SwissLicence => return Class::Filler,
            Self::FrenchLicence if (5..14).contains(&column) => return Class::Character,
            Self::FrenchId
            | Self::FrenchLicence
            | Self::Td1
            | Self::Td2
            | Self::Td3
            | Self::MrvA
            | Self::MrvB => {}
        }
        let number = self.checks().first().map(Check::start);
        let is_icao = !matches!(self, Self::FrenchId | Self::FrenchLicence);
        if Some((line, column)) == number && is_icao {
            return Class::Character;
        }
        match self.checks().iter().position(|check| check.digit == (line, column)) {
            // The check digit of a document number that continues in the optional data, that of an
            // empty date of expiry, and that of an empty personal number, may be a filler.
            Some(0 | 2) if is_icao => Class::DigitOrFiller,
            Some(_) if self == Self::Td3 && column == 42 => Class::DigitOrFiller,
            Some(_) => Class::Digit,
            None => Class::Any,
        }
    }

    /// Whether the cell belongs to the names.
    pub(super) fn is_name(self, line: usize, column: usize) -> bool {
        self.names().iter().any(|(at, columns)| *at == line && columns.contains(&column))
    }

    /// Whether the cell allows `character`.
    pub(super) fn allows(self, line: usize, column: usize, character: char) -> bool {
        match self.class(line, column) {
            Class::Code => self.first_letters().contains(&character),
            Class::Letter => character.is_ascii_uppercase() || character == '<',
            Class::Digit => character.is_ascii_digit(),
            Class::DigitOrFiller => character.is_ascii_digit() || character == '<',
            Class::Sex => matches!(character, 'M' | 'F' | '<'),
            Class::Filler => character == '<',
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
