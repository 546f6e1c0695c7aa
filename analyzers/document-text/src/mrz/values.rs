//! The values of a zone, by its layout. The `mrz` crate parses the formats of ICAO 9303; the
//! layouts that states use instead are parsed here.

use mrz::{MrzData, Sex};

use super::layout::Check;
use crate::report::{CheckDigits, MrzFormat};

/// The values of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Values {
    pub(crate) document_code: String,
    pub(crate) issuing_state: String,
    pub(crate) surname: String,
    pub(crate) given_names: String,
    /// Whether the names may be cut: they fill their field.
    pub(crate) names_are_cut: bool,
    pub(crate) document_number: String,
    /// Empty if the layout has none, as the other fields.
    pub(crate) nationality: String,
    /// `YYMMDD` as printed.
    pub(crate) date_of_birth: String,
    pub(crate) sex: char,
    /// `YYMMDD` as printed.
    pub(crate) date_of_expiry: String,
    pub(crate) optional_data: Option<String>,
    pub(crate) optional_data2: Option<String>,
    pub(crate) check_digits: CheckDigits,
}

/// Names with no more fillers than this at their end may be cut.
const FILLERS_OF_CUT: usize = 1;

impl CheckDigits {
    const NONE: Self = Self {
        document_number: None,
        date_of_birth: None,
        date_of_expiry: None,
        personal_number: None,
        composite: None,
    };

    /// Those that the layout has, in the order of [`MrzFormat::checks`].
    pub(super) fn present(&self) -> Vec<bool> {
        let all = [
            self.document_number,
            self.date_of_birth,
            self.date_of_expiry,
            self.personal_number,
            self.composite,
        ];
        all.into_iter().flatten().collect()
    }

    /// Number of wrong ones.
    pub(crate) fn failures(&self) -> usize {
        self.present().iter().filter(|right| !**right).count()
    }

    /// Whether the layout is certain: at least half of its check digits are right. One that is
    /// right by chance is not enough to call the others wrong.
    pub(crate) fn prove_layout(&self) -> bool {
        let present = self.present();
        2 * self.failures() <= present.len()
    }
}

/// Reads the values; `None` if the lines break a rule of the format other than check digits.
pub(super) fn read(format: MrzFormat, lines: &[String]) -> Option<Values> {
    match format {
        MrzFormat::Td1 | MrzFormat::Td2 | MrzFormat::Td3 | MrzFormat::MrvA | MrzFormat::MrvB => {
            of_icao(format, lines)
        }
        MrzFormat::FrenchId => of_french_card(lines),
        MrzFormat::SwissLicence => of_swiss_licence(lines),
        MrzFormat::FrenchLicence => of_french_licence(lines),
    }
}

fn of_icao(format: MrzFormat, lines: &[String]) -> Option<Values> {
    // The crate accepts the first letters of ICAO 9303 only; states use others, too.
    let code = lines.first()?.get(0..2)?;
    let standard = format.first_letters().first()?;
    let first = format!("{standard}{}", lines[0].get(1..)?);
    let data: MrzData = match (format, lines) {
        (MrzFormat::Td1, [_, second, third]) => mrz::parse_td1(&first, second, third).ok()?,
        (MrzFormat::Td2, [_, second]) => mrz::parse_td2(&first, second).ok()?,
        (MrzFormat::Td3, [_, second]) => mrz::parse_td3(&first, second).ok()?,
        (MrzFormat::MrvA, [_, second]) => mrz::parse_mrv_a(&first, second).ok()?,
        (MrzFormat::MrvB, [_, second]) => mrz::parse_mrv_b(&first, second).ok()?,
        _ => return None,
    };
    let [(line, columns), ..] = format.names() else { return None };
    let names = lines[*line].get(columns.clone())?;
    let (surname, given_names) = identifiers(names);
    let date = |place: Option<(usize, std::ops::Range<usize>)>| {
        place.and_then(|(line, columns)| lines[line].get(columns)).unwrap_or_default().to_owned()
    };
    Some(Values {
        document_code: code.trim_end_matches('<').to_owned(),
        issuing_state: data.issuing_country.clone(),
        surname,
        given_names,
        names_are_cut: is_cut(names),
        document_number: data.full_document_number().to_owned(),
        nationality: data.nationality.clone(),
        date_of_birth: date(format.birth()),
        sex: match data.sex {
            Sex::Male => 'M',
            Sex::Female => 'F',
            _ => 'X',
        },
        date_of_expiry: date(format.expiry()),
        optional_data: data.optional_data_1.clone(),
        optional_data2: data.optional_data_2.clone(),
        check_digits: CheckDigits {
            document_number: data.checks.document_number,
            date_of_birth: data.checks.date_of_birth,
            date_of_expiry: data.checks.date_of_expiry,
            personal_number: data.checks.personal_number,
            composite: data.checks.composite,
        },
    })
}

/// Primary and secondary identifier. Without the pair of fillers between them there is no
/// secondary one (ICAO 9303 part 3, section 4.6).
fn identifiers(names: &str) -> (String, String) {
    let text = |part: &str| {
        let words: Vec<&str> = part.split('<').filter(|word| !word.is_empty()).collect();
        words.join(" ")
    };
    let trimmed = names.trim_end_matches('<');
    let (primary, secondary) = trimmed.split_once("<<").unwrap_or((trimmed, ""));
    (text(primary), text(secondary))
}

fn is_cut(names: &str) -> bool {
    names.len() - names.trim_end_matches('<').len() <= FILLERS_OF_CUT
}

/// The French identity card of 1988 to 2021: no expiry and no nationality in the zone; the number
/// begins with year and month of issue.
fn of_french_card(lines: &[String]) -> Option<Values> {
    let [first, second] = lines else { return None };
    let at = |line: &str, from: usize, to: usize| line.get(from..to).map(str::to_owned);
    let (surname, given_names) = (at(first, 5, 30)?, at(second, 13, 27)?);
    let text = |names: &str| identifiers(&names.replace("<<", "<")).0;
    let [number, birth, composite] = verified(MrzFormat::FrenchId, lines)[..] else { return None };
    Some(Values {
        document_code: at(first, 0, 2)?,
        issuing_state: at(first, 2, 5)?,
        surname: text(&surname),
        given_names: text(&given_names),
        names_are_cut: is_cut(&surname) || is_cut(&given_names),
        document_number: at(second, 0, 12)?,
        nationality: String::new(),
        date_of_birth: at(second, 27, 33)?,
        sex: sex(second.chars().nth(34)?),
        date_of_expiry: String::new(),
        optional_data: Some(at(first, 30, 36)?).filter(|text| !text.trim_matches('<').is_empty()),
        optional_data2: None,
        check_digits: CheckDigits {
            document_number: Some(number),
            date_of_birth: Some(birth),
            composite: Some(composite),
            ..CheckDigits::NONE
        },
    })
}

/// The back of a driving licence of Switzerland or Liechtenstein: a line with its blank's number,
/// which is not read, then these two. It has no check digits.
fn of_swiss_licence(lines: &[String]) -> Option<Values> {
    let [first, second] = lines else { return None };
    let at = |from: usize, to: usize| first.get(from..to).map(str::to_owned);
    let (surname, given_names) = identifiers(second);
    Some(Values {
        document_code: at(0, 2)?,
        issuing_state: at(2, 5)?,
        surname,
        given_names,
        names_are_cut: is_cut(second),
        document_number: at(5, 17)?.trim_end_matches('<').to_owned(),
        nationality: String::new(),
        date_of_birth: at(19, 25)?,
        sex: 'X',
        date_of_expiry: String::new(),
        optional_data: None,
        optional_data2: None,
        check_digits: CheckDigits::NONE,
    })
}

/// The French driving licence since 2013: one line with the number, the expiry and the beginning of
/// the surname.
fn of_french_licence(lines: &[String]) -> Option<Values> {
    let [line] = lines else { return None };
    let at = |from: usize, to: usize| line.get(from..to).map(str::to_owned);
    let names = at(21, 29)?;
    let [number, composite] = verified(MrzFormat::FrenchLicence, lines)[..] else { return None };
    Some(Values {
        document_code: at(0, 2)?,
        issuing_state: at(2, 5)?,
        surname: identifiers(&names).0,
        given_names: String::new(),
        names_are_cut: is_cut(&names),
        document_number: at(5, 14)?,
        nationality: String::new(),
        date_of_birth: String::new(),
        sex: 'X',
        date_of_expiry: at(15, 21)?,
        optional_data: None,
        optional_data2: None,
        check_digits: CheckDigits {
            document_number: Some(number),
            composite: Some(composite),
            ..CheckDigits::NONE
        },
    })
}

fn sex(character: char) -> char {
    if matches!(character, 'M' | 'F') { character } else { 'X' }
}

/// Validity of the check digits of a layout.
fn verified(format: MrzFormat, lines: &[String]) -> Vec<bool> {
    let is_right = |check: &Check| {
        let covered: Option<String> = check
            .covered
            .iter()
            .map(|(line, columns)| lines.get(*line)?.get(columns.clone()))
            .collect();
        let (line, column) = check.digit;
        let digit = lines.get(line).and_then(|line| line.chars().nth(column));
        covered.zip(digit).is_some_and(|(covered, digit)| mrz::verify(&covered, digit))
    };
    format.checks().iter().map(is_right).collect()
}
