//! The visual zone: which of its lines are fields, by the words before them and by where they
//! stand.

mod labels;
mod layout;

use time::Date;

use crate::compare::{folded, looks, same_name, words};
use crate::date::{self, Role};
use crate::printed_date::from_print;
use crate::reading::{Quad, TextLine};
use crate::report::{DocumentType, FieldName};
use layout::{Placed, placed};

/// A field as it is printed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Printed {
    pub(crate) field: FieldName,
    /// Dates are ISO days, sexes `M`, `F` or `X`.
    pub(crate) value: String,
    /// All that a date can mean: more than one when day and month can be either way round.
    pub(crate) days: Vec<Date>,
    pub(crate) confidence: f32,
    pub(crate) quad: Quad,
}

/// Lines that were read less surely than this are no fields.
const LEAST_CONFIDENCE: f32 = 0.5;

/// All fields that the lines name, the first of each.
pub(crate) fn fields(lines: &[TextLine], kind: DocumentType, today: Date) -> Vec<Printed> {
    let placed: Vec<Placed<'_>> = placed(lines)
        .into_iter()
        .filter(|place| place.line.confidence >= LEAST_CONFIDENCE)
        .collect();
    let labels: Vec<Option<Label>> =
        placed.iter().map(|place| Label::read(&place.line.text)).collect();
    let values: Vec<Placed<'_>> = placed
        .iter()
        .zip(&labels)
        .filter(|(_, label)| label.is_none())
        .map(|(place, _)| *place)
        .collect();
    let mut found: Vec<Printed> = Vec::new();
    let mut keep = |printed: Option<Printed>| {
        if let Some(printed) = printed
            && found.iter().all(|known| known.field != printed.field)
        {
            found.push(printed);
        }
    };
    if kind == DocumentType::DrivingLicence {
        placed.iter().for_each(|place| keep(numbered(place.line, today)));
    }
    for (place, label) in placed.iter().zip(&labels) {
        let Some(label) = label else { continue };
        let within =
            label.rest.as_deref().and_then(|rest| printed(label.field, rest, place.line, today));
        let beside = || {
            place
                .value_places(&values)
                .into_iter()
                .find_map(|at| printed(label.field, &at.line.text, at.line, today))
        };
        keep(within.or_else(beside));
    }
    found
}

/// The line that says `value`, which another zone gave, wherever it stands.
pub(crate) fn confirmation(
    lines: &[TextLine],
    field: FieldName,
    value: &str,
    today: Date,
) -> Option<Printed> {
    let sure =
        lines.iter().filter(|line| line.confidence >= LEAST_CONFIDENCE && !is_zone(&line.text));
    let found = |line: &&TextLine| match field {
        FieldName::DateOfBirth | FieldName::DateOfExpiry => {
            let days = date::from_iso(value)
                .map(|day| from_print(&line.text, role(field), today).contains(&day));
            days.unwrap_or_default()
        }
        FieldName::Surname | FieldName::GivenNames => {
            let count = words(value).len();
            count > 0
                && words(&line.text).windows(count).any(|part| {
                    let part = part.join(" ");
                    part.len() >= 3 && same_name(value, &part) && same_name(&part, value)
                })
        }
        FieldName::DocumentNumber | FieldName::PersonalNumber => {
            let (line, value) = (looks(&folded(&line.text)), looks(&folded(value)));
            value.len() >= 6 && line.contains(&value)
        }
        _ => false,
    };
    let line = sure.into_iter().find(found)?;
    Some(Printed {
        field,
        value: value.to_owned(),
        days: Vec::new(),
        confidence: line.confidence,
        quad: line.quad,
    })
}

/// Whether the line is one of a machine-readable zone.
fn is_zone(text: &str) -> bool {
    text.matches('<').count() >= 3
}

/// A line that names a field, and what stands behind the name.
#[derive(Debug, PartialEq, Eq)]
struct Label {
    field: FieldName,
    rest: Option<String>,
}

/// Most words of a label in one language.
const LONGEST: usize = 5;

impl Label {
    fn read(text: &str) -> Option<Self> {
        let separators = |character: char| {
            matches!(character, '/' | '|' | ':' | '·' | '•' | '(' | ')' | '[' | ']')
        };
        let mut named: Option<FieldName> = None;
        let mut rest: Vec<&str> = Vec::new();
        let mut several = false;
        for (at, segment) in text.split(separators).enumerate() {
            let words: Vec<&str> = segment.split_whitespace().collect();
            // A number or a stray sign may stand before the name.
            let first = words
                .iter()
                .position(|word| word.chars().filter(|c| c.is_alphabetic()).count() > 1)
                .unwrap_or(0);
            let lengths = (1..=LONGEST.min(words.len() - first)).rev();
            let label = lengths
                .filter_map(|count| {
                    Some((
                        labels::field_named(&folded(&words[first..first + count].concat()))?,
                        count,
                    ))
                })
                .next();
            match label {
                Some((field, count)) => {
                    several |= named.is_some();
                    // The last name decides what a line of several is about only where the first
                    // gives none.
                    named.get_or_insert(field);
                    rest = words[first + count..].to_vec();
                }
                None if named.is_some() => rest.extend(words),
                None if at > 2 => return None,
                None => {}
            }
        }
        let rest = rest.join(" ");
        // Behind names in several languages stands what was misread of one more, not a value.
        let is_value = !several && rest.chars().any(char::is_alphanumeric);
        Some(Self { field: named?, rest: is_value.then_some(rest) })
    }
}

fn role(field: FieldName) -> Role {
    if field == FieldName::DateOfExpiry { Role::Expiry } else { Role::Birth }
}

/// `text` as the value of a field, where it can be one.
fn printed(field: FieldName, text: &str, line: &TextLine, today: Date) -> Option<Printed> {
    let mut days = Vec::new();
    let letters = text.chars().filter(|character| character.is_alphabetic()).count();
    let digits = text.chars().filter(|character| character.is_numeric()).count();
    let value = match field {
        FieldName::DateOfBirth | FieldName::DateOfExpiry | FieldName::DateOfIssue => {
            days = from_print(text, role(field), today);
            date::iso(*days.first()?)
        }
        FieldName::Sex => sex(text)?.to_owned(),
        FieldName::DocumentNumber | FieldName::PersonalNumber => number(text)?,
        FieldName::Surname | FieldName::GivenNames | FieldName::Nationality
            if letters >= 2 && digits == 0 && !is_zone(text) =>
        {
            text.trim().to_owned()
        }
        FieldName::PlaceOfBirth | FieldName::Authority | FieldName::Address
            if letters >= 2 && !is_zone(text) =>
        {
            text.trim().to_owned()
        }
        FieldName::IssuingState if letters == 3 && digits == 0 => text.trim().to_owned(),
        FieldName::Surname
        | FieldName::GivenNames
        | FieldName::Nationality
        | FieldName::PlaceOfBirth
        | FieldName::Authority
        | FieldName::Address
        | FieldName::IssuingState => return None,
    };
    Some(Printed { field, value, days, confidence: line.confidence, quad: line.quad })
}

/// A sex among the words: `F`, `N/F` (Hungarian and English), `M`.
fn sex(text: &str) -> Option<&'static str> {
    let words = words(text);
    if words.is_empty() || words.len() > 4 {
        return None;
    }
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    match (has(&["F", "FEMALE", "W", "K", "Z"]), has(&["M", "MALE"]), has(&["X"])) {
        (true, false, _) => Some("F"),
        (false, true, _) => Some("M"),
        (false, false, true) => Some("X"),
        _ => None,
    }
}

/// The longest run of words that can be a number: at least five characters with three digits.
fn number(text: &str) -> Option<String> {
    let plausible = |text: &str| {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        (5..=20).contains(&text.len()) && digits >= 3
    };
    let whole = folded(text);
    if plausible(&whole) && words(text).len() <= 4 {
        return Some(whole);
    }
    words(text).into_iter().find(|word| plausible(word))
}

/// A field of a driving licence by the European model, whose fields are numbered (Directive
/// 2006/126/EC).
fn numbered(line: &TextLine, today: Date) -> Option<Printed> {
    let text = line.text.trim();
    let end = text.find(|character: char| !character.is_ascii_alphanumeric())?;
    let field = match text[..end].to_ascii_lowercase().as_str() {
        "1" => FieldName::Surname,
        "2" => FieldName::GivenNames,
        "3" => FieldName::DateOfBirth,
        "4a" => FieldName::DateOfIssue,
        "4b" => FieldName::DateOfExpiry,
        "4c" => FieldName::Authority,
        "4d" => FieldName::PersonalNumber,
        "5" => FieldName::DocumentNumber,
        "8" => FieldName::Address,
        _ => return None,
    };
    printed(field, text[end..].trim_start_matches(['.', ' ', ')', ':']), line, today)
}

/// What kind of document the words name, the more telling first.
pub(crate) fn kind(lines: &[TextLine]) -> Option<DocumentType> {
    const NAMES: [(DocumentType, &[&str]); 4] = [
        (
            DocumentType::DrivingLicence,
            &[
                "DRIVINGLICENCE",
                "DRIVINGLICENSE",
                "DRIVERLICENSE",
                "DRIVERSLICENSE",
                "DRIVERLICENCE",
                "FUHRERSCHEIN",
                "PERMISDECONDUIRE",
                "PRAWOJAZDY",
                "RIJBEWIJS",
                "PATENTEDIGUIDA",
                "PERMISODECONDUCCION",
                "CARTADECONDUCAO",
                "KORKORT",
                "AJOKORTTI",
                "KOREKORT",
                "FORERKORT",
                "VOZACKADOZVOLA",
                "VOZNISKODOVOLJENJE",
                "RIDICSKYPRUKAZ",
                "VEZETOIENGEDELY",
            ],
        ),
        (DocumentType::Visa, &["VISA", "VIZA", "VISUM", "WIZA", "VIISUMI"]),
        (
            DocumentType::Passport,
            &[
                "PASSPORT",
                "PASSEPORT",
                "REISEPASS",
                "PASAPORTE",
                "PASSAPORTO",
                "PASSAPORTE",
                "PASZPORT",
                "UTLEVEL",
                "PASPOORT",
                "PASAPORT",
                "PASSI",
                "PUTOVNICA",
                "POTNILIST",
                "CESTOVNIPAS",
                "CESTOVNYPAS",
                "PASAS",
                "PASE",
            ],
        ),
        (
            DocumentType::IdCard,
            &[
                "IDENTITYCARD",
                "IDENTIFICATIONCARD",
                "NATIONALIDENTITYCARD",
                "PERSONALAUSWEIS",
                "CARTEDIDENTITE",
                "CARTENATIONALEDIDENTITE",
                "CARTADIDENTITA",
                "DOCUMENTONACIONALDEIDENTIDAD",
                "DOWODOSOBISTY",
                "SZEMELYAZONOSITOIGAZOLVANY",
                "SZEMELYIIGAZOLVANY",
                "OSEBNAIZKAZNICA",
                "OSOBNAISKAZNICA",
                "OBCANSKYPRUKAZ",
                "OBCIANSKYPREUKAZ",
                "HENKILOKORTTI",
                "IDENTITEITSKAART",
                "CARTAODECIDADAO",
                "IDENTITETSKORT",
                "RESIDENCEPERMIT",
                "AUFENTHALTSTITEL",
                "TITREDESEJOUR",
                "PERMANENTRESIDENT",
                "ASMENSTAPATYBESKORTELE",
                "PERSONASAPLIECIBA",
                "ISIKUTUNNISTUS",
                "LICNAKARTA",
                "CARTEDEIDENTITATE",
            ],
        ),
    ];
    let sure =
        lines.iter().filter(|line| line.confidence >= LEAST_CONFIDENCE && !is_zone(&line.text));
    let texts: Vec<(String, Vec<String>)> =
        sure.map(|line| (folded(&line.text), words(&line.text))).collect();
    // A name of a document that stands alone or leads its line; within a sentence it says nothing
    // of this document.
    let names = |(text, words): &(String, Vec<String>), name: &str| match name.len() {
        ..8 => words.len() <= 3 && words.iter().any(|word| word == name),
        length => text.len() <= 3 * length && text.contains(name),
    };
    let named = |(_, known): &&(DocumentType, &[&str])| {
        texts.iter().any(|text| known.iter().any(|name| names(text, name)))
    };
    NAMES.iter().find(named).map(|(kind, _)| *kind)
}

/// Whether a licence's front is of the North American design (AAMVA DL/ID Card Design Standard),
/// which puts a barcode with all its fields on the back: by labels that no other design has.
pub(crate) fn says_that_the_back_repeats_it(lines: &[TextLine]) -> bool {
    const LABELS: [&str; 10] =
        ["DLN", "LN", "FN", "DD", "HGT", "WGT", "EYES", "HAIR", "REST", "END"];
    let sure = lines.iter().filter(|line| line.confidence >= LEAST_CONFIDENCE);
    let words: Vec<String> = sure.flat_map(|line| words(&line.text)).collect();
    LABELS.iter().filter(|label| words.iter().any(|word| word == *label)).count() >= 2
}

#[cfg(test)]
mod tests;
