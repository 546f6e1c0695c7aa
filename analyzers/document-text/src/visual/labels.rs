//! Finds the field that a label names.

use super::label_words::LABELS;
use crate::compare::distance;
use crate::report::FieldName;

/// The field that a label names. One error is tolerated per six letters.
pub(super) fn field_named(label: &str) -> Option<FieldName> {
    let most = label.len() / 6;
    let close = |known: &&str| distance(label, known, most);
    let best =
        |(field, names): &(FieldName, &[&str])| Some((names.iter().map(&close).min()?, *field));
    LABELS
        .iter()
        .filter_map(best)
        .min_by_key(|(edits, _)| *edits)
        .filter(|(edits, _)| *edits <= most)
        .map(|(_, field)| field)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn every_label_is_folded_and_names_one_field() {
        let mut seen = std::collections::BTreeMap::new();
        for (field, names) in LABELS {
            for name in *names {
                assert!(name.bytes().all(|byte| byte.is_ascii_uppercase()), "{name}");
                assert_eq!(seen.insert(*name, *field), None, "{name}");
            }
        }
    }
}
