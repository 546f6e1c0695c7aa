//! Finds what a label names.

use std::sync::LazyLock;

use super::label_words::{LABELS, OTHER_LABELS};
use crate::compare::distance;
use crate::report::FieldName;

/// What a label names: a field, or something that is not reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Field(FieldName),
    Other,
}

static SUBJECTS: LazyLock<Vec<(&'static str, Subject)>> = LazyLock::new(|| {
    let fields = LABELS.iter().flat_map(|(field, words)| {
        words.split_whitespace().map(|word| (word, Subject::Field(*field)))
    });
    fields.chain(OTHER_LABELS.split_whitespace().map(|word| (word, Subject::Other))).collect()
});

/// Minimum length of a label in which errors are tolerated: ANDRES is a name, ADRES a label.
const TOLERANT: usize = 7;

/// What a label names. One error is tolerated per six letters.
pub(super) fn subject_named(label: &str) -> Option<Subject> {
    let most = if label.len() < TOLERANT { 0 } else { label.len() / 6 };
    let close = |(known, subject): &(&str, Subject)| (distance(label, known, most), *subject);
    SUBJECTS
        .iter()
        .map(close)
        .min_by_key(|(edits, _)| *edits)
        .filter(|(edits, _)| *edits <= most)
        .map(|(_, subject)| subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field_named(label: &str) -> Option<FieldName> {
        match subject_named(label) {
            Some(Subject::Field(field)) => Some(field),
            Some(Subject::Other) | None => None,
        }
    }

    #[test]
    fn label_is_found_despite_a_misread_letter() {
        assert_eq!(field_named("SURNAME"), Some(FieldName::Surname));
        assert_eq!(field_named("SZULETESIIDO"), Some(FieldName::DateOfBirth));
        assert_eq!(field_named("DATE0FBIRTH"), Some(FieldName::DateOfBirth));
        assert_eq!(field_named("GULTIGBIS"), Some(FieldName::DateOfExpiry));
        assert_eq!(field_named("N0M"), None, "short labels must match exactly");
        assert_eq!(field_named("ERIKSSON"), None);
        assert_eq!(field_named("NUMEROPERSONNEL"), Some(FieldName::PersonalNumber));
    }

    #[test]
    fn every_label_is_folded_and_names_one_thing() {
        let mut seen = std::collections::BTreeSet::new();
        for (name, _) in SUBJECTS.iter() {
            assert!(name.bytes().all(|byte| byte.is_ascii_uppercase()), "{name}");
            assert!(seen.insert(*name), "{name}");
        }
    }
}
