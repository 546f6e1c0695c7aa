//! Reads fields from the lines of the visual zone, by their labels and positions.

mod kind;
mod label;
mod label_words;
mod labels;
mod layout;

use time::Date;

use crate::compare::{folded, looks, words};
use crate::date::{self, Role};
use crate::names::{Length, same_name};
use crate::printed_date::{self, PrintedDate, from_print};
use crate::reading::{Quad, TextLine};
use crate::report::{DocumentType, FieldName};
use label::Label;
use labels::Subject;
use layout::{Placed, placed};

pub(crate) use kind::{is_north_american_licence, kind};

/// A field of the visual zone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Printed {
    pub(crate) field: FieldName,
    /// The value; dates are in ISO form, the sex is `M`, `F` or `X`.
    pub(crate) value: String,
    /// What the text says, if the field is a date.
    pub(crate) date: Option<PrintedDate>,
    pub(crate) confidence: f32,
    pub(crate) quad: Quad,
}

/// Minimum confidence of a line; lines below it are ignored.
const LEAST_CONFIDENCE: f32 = 0.5;
/// Height of a label's second language, at most, as a multiple of the label's own height; and the
/// least height of a value below it.
const LABEL_HEIGHT: f32 = 1.2;
const VALUE_HEIGHT: f32 = 1.25;

/// Whether the lines are those of a document: they name its type, or contain labels.
pub fn is_understood(lines: &[TextLine]) -> bool {
    const FEWEST_LABELS: usize = 2;
    let is_label = |line: &&TextLine| {
        folded(&line.text).len() >= LONG_LABEL && Label::read(&line.text).is_some()
    };
    kind(lines).is_some() || lines.iter().filter(is_label).count() >= FEWEST_LABELS
}

/// Minimum length of a label that no misread text contains by chance.
const LONG_LABEL: usize = 5;

/// All labelled fields of the lines; of several with the same name, the first.
pub(crate) fn fields(lines: &[TextLine], kind: DocumentType, today: Date) -> Vec<Printed> {
    let placed: Vec<Placed<'_>> = placed(lines)
        .into_iter()
        .filter(|place| place.line.confidence >= LEAST_CONFIDENCE && !is_zone(&place.line.text))
        .collect();
    let labels: Vec<Option<Label>> =
        placed.iter().map(|place| Label::read(&place.line.text)).collect();
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
        let Some(Label { subject: Subject::Field(field), rest }) = label else { continue };
        let within = rest.as_deref().and_then(|rest| printed(*field, rest, place.line, today));
        let beside = || beside(place, *field, &placed, &labels, today);
        keep(within.or_else(beside));
    }
    found
}

/// The value at a label, below it or to its right. A line that belongs to another label is not a
/// value of this one, although this one may have none.
fn beside(
    place: &Placed<'_>,
    field: FieldName,
    placed: &[Placed<'_>],
    labels: &[Option<Label>],
    today: Date,
) -> Option<Printed> {
    let is_label = |at: usize| labels[at].is_some();
    let own =
        |at: usize| labels[at].as_ref().is_some_and(|label| label.subject == Subject::Field(field));
    let values: Vec<Placed<'_>> =
        (0..placed.len()).filter(|at| !is_label(*at)).map(|at| placed[at]).collect();
    let others: Vec<Placed<'_>> =
        (0..placed.len()).filter(|at| is_label(*at) && !own(*at)).map(|at| placed[at]).collect();
    let mut places = place.value_places(&values, &others);
    // The second language of a label may be unknown: small, like the label, and above the value.
    if let [first, second, ..] = places[..]
        && first.height < LABEL_HEIGHT * place.height
        && second.height > VALUE_HEIGHT * place.height
        && second.height > VALUE_HEIGHT * first.height
        && second.middle > first.middle
    {
        places.remove(0);
    }
    let mut unreadable = None;
    for at in places {
        match printed(field, &at.line.text, at.line, today) {
            Some(read) if read.date == Some(PrintedDate::Unreadable) => {
                unreadable = unreadable.or(Some(read));
            }
            Some(read) => return Some(read),
            None => {}
        }
    }
    unreadable
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
                    let same = |a: &str, b: &str| same_name(a, b, Length::Whole) == Some(true);
                    part.len() >= 3 && same(value, &part) && same(&part, value)
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
        date: None,
        confidence: line.confidence,
        quad: line.quad,
    })
}

/// The texts of the lines that do not belong to a machine-readable zone.
pub(crate) fn texts(lines: &[TextLine]) -> impl Iterator<Item = &str> {
    lines.iter().map(|line| line.text.as_str()).filter(|text| !is_zone(text))
}

/// Whether the line belongs to a machine-readable zone.
fn is_zone(text: &str) -> bool {
    text.matches('<').count() >= 3
}

/// What a date field means; a day of issue is in the past, like a birth.
pub(crate) fn role(field: FieldName) -> Role {
    if field == FieldName::DateOfExpiry { Role::Expiry } else { Role::Birth }
}

/// `text` as the value of a field; `None` if it is not plausible.
fn printed(field: FieldName, text: &str, line: &TextLine, today: Date) -> Option<Printed> {
    let mut date = None;
    let letters = text.chars().filter(|character| character.is_alphabetic()).count();
    let digits = text.chars().filter(|character| character.is_numeric()).count();
    let value = match field {
        FieldName::DateOfBirth | FieldName::DateOfExpiry | FieldName::DateOfIssue => {
            let read = printed_date::read(text, role(field), today)?;
            let value = date_value(&read).unwrap_or_else(|| text.trim().to_owned());
            date = Some(read);
            value
        }
        FieldName::Sex => sex(text)?.to_owned(),
        FieldName::DocumentNumber | FieldName::PersonalNumber => number(text)?,
        // A name may have a single letter, which may be read as a digit.
        FieldName::Surname | FieldName::GivenNames if text.trim() == "0" => "O".to_owned(),
        FieldName::Surname | FieldName::GivenNames
            if letters >= 1 && digits == 0 && !is_zone(text) =>
        {
            text.trim().to_owned()
        }
        FieldName::Nationality if letters >= 1 && digits == 0 && !is_zone(text) => {
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
    Some(Printed { field, value, date, confidence: line.confidence, quad: line.quad })
}

/// A date in the form of the report: ISO 8601, without the parts that are unknown.
fn date_value(date: &PrintedDate) -> Option<String> {
    match date {
        PrintedDate::Days(days) => days.first().copied().map(date::iso),
        PrintedDate::Part { year, month: Some(month) } => Some(format!("{year:04}-{month:02}")),
        PrintedDate::Part { year, month: None } => Some(format!("{year:04}")),
        PrintedDate::NoEnd | PrintedDate::NoEndInWords => Some(date::iso(date::NO_END)),
        PrintedDate::OtherCalendar | PrintedDate::Unreadable => None,
    }
}

/// The sex named by the words, such as `F`, `N/F` (Hungarian and English) or `M`. The last letter
/// is the English one: in `M/F`, which is Lithuanian and English, it decides.
fn sex(text: &str) -> Option<&'static str> {
    const FEMALE: [&str; 14] = [
        "F", "FEMALE", "W", "K", "Z", "FEMME", "FEMENINO", "FEMININO", "MUJER", "WEIBLICH",
        "FEMMINA", "VROUW", "FEMININ", "KADIN",
    ];
    const MALE: [&str; 11] = [
        "M",
        "MALE",
        "HOMME",
        "MASCULINO",
        "HOMBRE",
        "MANNLICH",
        "MASCHIO",
        "MAN",
        "MASCULIN",
        "ERKEK",
        "E",
    ];
    let words = words(text);
    if words.is_empty() || words.len() > 4 {
        return None;
    }
    match words[words.len() - 1].as_str() {
        "F" => return Some("F"),
        "M" => return Some("M"),
        "X" => return Some("X"),
        _ => {}
    }
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    match (has(&FEMALE), has(&MALE), has(&["X"])) {
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

#[cfg(test)]
mod tests;
