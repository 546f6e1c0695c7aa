//! Lines with labels: what they name, and the text after the label.

use super::labels::{Subject, subject_named};
use crate::compare::folded;

/// A line with a label, and the text after the label.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) subject: Subject,
    pub(super) rest: Option<String>,
}

/// Maximum number of words of a label in one language.
const LONGEST: usize = 5;
/// Length below which a label may also be a part of a name: words that follow it make it a value.
const SHORT: usize = 5;

impl Label {
    pub(super) fn read(text: &str) -> Option<Self> {
        let separators = |character: char| {
            matches!(character, '/' | '|' | ':' | '·' | '•' | '(' | ')' | '[' | ']')
        };
        let text = without_insertions(text);
        let mut named: Option<Subject> = None;
        let mut rest: Vec<&str> = Vec::new();
        let mut labels = 0;
        for (at, segment) in text.split(separators).enumerate() {
            let mut words: Vec<&str> = segment.split_whitespace().collect();
            // A number or a stray character may precede the label.
            let first = words
                .iter()
                .position(|word| word.chars().filter(|c| c.is_alphabetic()).count() > 1)
                .unwrap_or(0);
            words.drain(..first);
            let mut found = 0usize;
            // The languages of a label may follow each other without a separator.
            while let Some((subject, count)) = first_label(&words) {
                // The first label of the line determines the field.
                named.get_or_insert(subject);
                words.drain(..count);
                found += 1;
            }
            labels += found;
            match (found, named) {
                (1.., _) => rest = words,
                (0, Some(_)) => rest.extend(words),
                (0, None) if at > 2 => return None,
                (0, None) => {}
            }
        }
        let rest = rest.join(" ");
        // Text after labels in several languages is one more label, misread, and not a value.
        let is_value = labels == 1 && rest.chars().any(char::is_alphanumeric);
        Some(Self { subject: named?, rest: is_value.then_some(rest) })
    }
}

/// The label that the words begin with, and the number of its words.
fn first_label(words: &[&str]) -> Option<(Subject, usize)> {
    let lengths = (1..=LONGEST.min(words.len())).rev();
    let named = |count: usize| Some((subject_named(&folded(&words[..count].concat()))?, count));
    let (subject, count) = lengths.filter_map(named).next()?;
    let label = words[..count].concat();
    let is_letters = |word: &&&str| word.chars().filter(|c| c.is_alphabetic()).count() > 1;
    let follows = words[count..].iter().find(is_letters);
    let has_digits = words[count..].iter().any(|word| word.chars().any(|c| c.is_ascii_digit()));
    // A label in small letters before a value in capitals is no name, nor is the English NAME.
    let may_be_name = folded(&label).len() < SHORT
        && folded(&label) != "NAME"
        && !label.chars().any(char::is_lowercase)
        && !has_digits
        && follows.is_some_and(|_| first_label(&words[count..]).is_none());
    (!may_be_name).then_some((subject, count))
}

/// The text without what labels insert: endings of gender and number, such as `(s)` in
/// `Prénom(s)`, and the numbers of fields, such as `(3)`.
fn without_insertions(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('(') {
        kept.push_str(before);
        let inserted = after.split_once(')').filter(|(inside, _)| {
            let letters = inside.chars().all(|c| c.is_alphabetic() && c.is_lowercase());
            let digits = inside.chars().all(|c| c.is_ascii_digit());
            (before.ends_with(char::is_alphabetic) && letters && inside.chars().count() <= 3)
                || (digits && inside.len() <= 2)
        });
        match inserted {
            Some((_, behind)) => rest = behind,
            None => {
                kept.push('(');
                rest = after;
            }
        }
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::FieldName;

    fn read(text: &str) -> Option<(FieldName, Option<String>)> {
        match Label::read(text)? {
            Label { subject: Subject::Field(field), rest } => Some((field, rest)),
            Label { subject: Subject::Other, .. } => None,
        }
    }

    #[test]
    fn second_language_of_a_label_is_no_value() {
        for text in
            ["Authority Autorité", "Authority/ Autorite", "AUTHORITY / AUTORIDAD / AUTORITÉ"]
        {
            assert_eq!(read(text), Some((FieldName::Authority, None)), "{text}");
        }
        for text in ["Prénom(s)", "Given names/Prénoms (2)", "Utónév(ek)", "Vornamen Prénoms"]
        {
            assert_eq!(read(text), Some((FieldName::GivenNames, None)), "{text}");
        }
        for text in ["Né(e) le", "Luogo e data di nascita / Place and date of birth"] {
            assert_eq!(read(text), Some((FieldName::DateOfBirth, None)), "{text}");
        }
    }

    #[test]
    fn value_after_a_label_is_kept() {
        let surname = |value: &str| Some((FieldName::Surname, Some(value.to_owned())));
        assert_eq!(read("Surname: ERIKSSON"), surname("ERIKSSON"));
        assert_eq!(read("Nom: LE PEN"), surname("LE PEN"));
        assert_eq!(
            read("DOB 06/06/1986"),
            Some((FieldName::DateOfBirth, Some("06 06 1986".to_owned())))
        );
    }

    #[test]
    fn name_that_begins_like_a_short_label_is_no_label() {
        for text in ["NAAM LOOS", "NOME SANTOS", "ERIKSSON", "ADI KURNIA"] {
            assert_eq!(Label::read(text), None, "{text}");
        }
    }
}
