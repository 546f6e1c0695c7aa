//! Reads fields from the lines of the visual zone, by their labels and positions.

mod label_words;
mod labels;
mod layout;

use time::Date;

use crate::compare::{folded, looks, same_name, words};
use crate::date::{self, Role};
use crate::printed_date::from_print;
use crate::reading::{Quad, TextLine};
use crate::report::{DocumentType, FieldName};
use layout::{Placed, placed};

/// A field of the visual zone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Printed {
    pub(crate) field: FieldName,
    /// The value; dates are in ISO form, the sex is `M`, `F` or `X`.
    pub(crate) value: String,
    /// All possible meanings of a date: two if the order of day and month is ambiguous.
    pub(crate) days: Vec<Date>,
    pub(crate) confidence: f32,
    pub(crate) quad: Quad,
}

/// Minimum confidence of a line; lines below it are ignored.
const LEAST_CONFIDENCE: f32 = 0.5;

/// All labelled fields of the lines; of several with the same name, the first.
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

/// The line, anywhere on the page, that contains `value`, which another zone gave.
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

/// Whether the line belongs to a machine-readable zone.
fn is_zone(text: &str) -> bool {
    text.matches('<').count() >= 3
}

/// A line with a field's label, and the text after the label.
#[derive(Debug, PartialEq, Eq)]
struct Label {
    field: FieldName,
    rest: Option<String>,
}

/// Maximum number of words of a label in one language.
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
            // A number or a stray character may precede the label.
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
                    // The first label of the line determines the field.
                    named.get_or_insert(field);
                    rest = words[first + count..].to_vec();
                }
                None if named.is_some() => rest.extend(words),
                None if at > 2 => return None,
                None => {}
            }
        }
        let rest = rest.join(" ");
        // Text after labels in several languages is one more label, misread, and not a value.
        let is_value = !several && rest.chars().any(char::is_alphanumeric);
        Some(Self { field: named?, rest: is_value.then_some(rest) })
    }
}

fn role(field: FieldName) -> Role {
    if field == FieldName::DateOfExpiry { Role::Expiry } else { Role::Birth }
}

/// `text` as the value of a field; `None` if it is not plausible.
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

/// The sex named by the words, such as `F`, `N/F` (Hungarian and English) or `M`.
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

/// A document number: the whole text or a single word, with 5 to 20 characters and at least three
/// digits.
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

/// A field of a driving licence of the European model, whose fields are numbered (Directive
/// 2006/126/EC, annex I).
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

/// The document type that the words name; the more specific types are tried first.
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
    // The name must be most of its line; within a sentence it says nothing about this document.
    let names = |(text, words): &(String, Vec<String>), name: &str| match name.len() {
        ..8 => words.len() <= 3 && words.iter().any(|word| word == name),
        length => text.len() <= 3 * length && text.contains(name),
    };
    let named = |(_, known): &&(DocumentType, &[&str])| {
        texts.iter().any(|text| known.iter().any(|name| names(text, name)))
    };
    NAMES.iter().find(named).map(|(kind, _)| *kind)
}

/// Whether the front is that of a North American licence (AAMVA DL/ID Card Design Standard), whose
/// back has a barcode with all fields. Recognised by at least two labels that no other design has.
pub(crate) fn is_north_american_licence(lines: &[TextLine]) -> bool {
    const LABELS: [&str; 10] =
        ["DLN", "LN", "FN", "DD", "HGT", "WGT", "EYES", "HAIR", "REST", "END"];
    let sure = lines.iter().filter(|line| line.confidence >= LEAST_CONFIDENCE);
    let words: Vec<String> = sure.flat_map(|line| words(&line.text)).collect();
    LABELS.iter().filter(|label| words.iter().any(|word| word == *label)).count() >= 2
}

#[cfg(test)]
mod tests;
