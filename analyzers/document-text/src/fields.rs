//! Merges the fields of all zones and compares their values.

use time::Date;

use crate::aamva::Licence;
use crate::compare::{same_name, same_number, same_state};
use crate::date;
use crate::page::Page;
use crate::report::{DocumentType, Field, FieldName, FieldStatus, Mrz, MrzFormat, fraction};
use crate::visual::{self, Printed};

const ALL: [FieldName; 13] = [
    FieldName::Surname,
    FieldName::GivenNames,
    FieldName::DocumentNumber,
    FieldName::IssuingState,
    FieldName::Nationality,
    FieldName::DateOfBirth,
    FieldName::Sex,
    FieldName::DateOfExpiry,
    FieldName::DateOfIssue,
    FieldName::PersonalNumber,
    FieldName::PlaceOfBirth,
    FieldName::Authority,
    FieldName::Address,
];

/// All fields that at least one zone contains.
pub(crate) fn merged(
    pages: &[Page<'_>],
    kind: DocumentType,
    mrz: Option<&Mrz>,
    licence: Option<&Licence>,
    today: Date,
) -> Vec<Field> {
    let of_page = |page: &Page<'_>| {
        let medium = page.medium;
        visual::fields(&page.reading.lines, kind, today)
            .into_iter()
            .map(move |printed| (medium, printed))
            .collect::<Vec<_>>()
    };
    let printed: Vec<(u32, Printed)> = pages.iter().flat_map(of_page).collect();
    let of_licence = licence.map(Licence::fields).unwrap_or_default();
    let field = |name: FieldName| {
        let zone = mrz.and_then(|mrz| zone_value(mrz, name));
        let barcode =
            of_licence.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let labelled = printed.iter().find(|(_, printed)| printed.field == name).cloned();
        let expected = zone.as_ref().or(barcode.as_ref());
        merge(
            name,
            zone.as_deref(),
            barcode.as_deref(),
            seen(pages, name, labelled, expected, today),
        )
    };
    let mut fields: Vec<Field> = ALL.into_iter().filter_map(field).collect();
    if let Some(mrz) = mrz {
        prefer_print_to_wrong_digits(&mut fields, mrz);
    }
    fields
}

/// The value of a field in the visual zone: the one at its label, unless another line confirms the
/// value of the other zones.
fn seen(
    pages: &[Page<'_>],
    name: FieldName,
    labelled: Option<(u32, Printed)>,
    expected: Option<&String>,
    today: Date,
) -> Option<(u32, Printed)> {
    let Some(expected) = expected else { return labelled };
    if labelled.as_ref().is_some_and(|(_, printed)| agrees(name, expected, printed) == Some(true)) {
        return labelled;
    }
    let confirmed = |page: &Page<'_>| {
        let found = visual::confirmation(&page.reading.lines, name, expected, today)?;
        Some((page.medium, found))
    };
    pages.iter().find_map(confirmed).or(labelled)
}

/// Whether a printed value agrees with another zone; `None` if they cannot be compared.
fn agrees(name: FieldName, expected: &str, printed: &Printed) -> Option<bool> {
    match name {
        FieldName::Surname | FieldName::GivenNames => Some(same_name(expected, &printed.value)),
        FieldName::DocumentNumber => Some(same_number(expected, &printed.value)),
        // The zone may contain other data of the issuer in this place.
        FieldName::PersonalNumber => same_number(expected, &printed.value).then_some(true),
        FieldName::IssuingState | FieldName::Nationality => same_state(expected, &printed.value),
        FieldName::DateOfBirth | FieldName::DateOfExpiry | FieldName::DateOfIssue => {
            let expected = date::from_iso(expected)?;
            Some(printed.value == date::iso(expected) || printed.days.contains(&expected))
        }
        FieldName::Sex => Some(expected == printed.value),
        FieldName::PlaceOfBirth | FieldName::Authority => None,
        FieldName::Address => same_name(expected, &printed.value).then_some(true),
    }
}

/// Whether the values of two machine-readable sources (zone and barcode) agree.
fn same_data(name: FieldName, a: &str, b: &str) -> bool {
    match name {
        FieldName::Surname | FieldName::GivenNames => same_name(a, b),
        FieldName::DocumentNumber | FieldName::PersonalNumber => same_number(a, b),
        FieldName::IssuingState | FieldName::Nationality => mrz::codes_equivalent(a, b),
        FieldName::DateOfBirth
        | FieldName::DateOfExpiry
        | FieldName::DateOfIssue
        | FieldName::Sex
        | FieldName::PlaceOfBirth
        | FieldName::Authority
        | FieldName::Address => a == b,
    }
}

fn merge(
    name: FieldName,
    zone: Option<&str>,
    barcode: Option<&str>,
    seen: Option<(u32, Printed)>,
) -> Option<Field> {
    let machine = zone.or(barcode);
    // A printed value that cannot be compared is left out instead of being called equal or
    // different.
    let compared =
        seen.as_ref().zip(machine).map(|((_, printed), expected)| agrees(name, expected, printed));
    let seen = seen.filter(|_| compared != Some(None));
    let verdicts = [
        compared.flatten(),
        zone.zip(barcode).map(|(zone, barcode)| same_data(name, zone, barcode)),
    ];
    let status = match (verdicts.contains(&Some(false)), verdicts.contains(&Some(true))) {
        (true, _) => FieldStatus::Mismatch,
        (false, true) => FieldStatus::Match,
        (false, false) if zone.is_some() => FieldStatus::OnlyMrz,
        (false, false) if barcode.is_some() => FieldStatus::OnlyBarcode,
        (false, false) => FieldStatus::OnlyVisual,
    };
    let visual = seen.as_ref().map(|(_, printed)| printed.value.as_str());
    Some(Field {
        name,
        value: machine.or(visual)?.to_owned(),
        status,
        mrz: zone.map(str::to_owned),
        visual: visual.map(str::to_owned),
        barcode: barcode.map(str::to_owned),
        confidence: seen.as_ref().map(|(_, printed)| fraction(printed.confidence)),
        medium: seen.as_ref().map(|(medium, _)| *medium),
        quad: seen.as_ref().map(|(_, printed)| printed.quad.tidy()),
    })
}

fn zone_value(mrz: &Mrz, name: FieldName) -> Option<String> {
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    // A date with fillers or outside the calendar cannot be compared.
    let day = |text: &String| date::from_iso(text).map(|_| text.clone());
    match name {
        FieldName::Surname => text(&mrz.surname),
        FieldName::GivenNames => text(&mrz.given_names),
        FieldName::DocumentNumber => text(&mrz.document_number),
        FieldName::IssuingState => text(&mrz.issuing_state),
        FieldName::Nationality => text(&mrz.nationality),
        FieldName::DateOfBirth => day(&mrz.date_of_birth),
        FieldName::Sex => text(&mrz.sex),
        FieldName::DateOfExpiry => day(&mrz.date_of_expiry),
        FieldName::PersonalNumber if mrz.format == MrzFormat::Td3 => mrz.optional_data.clone(),
        FieldName::PersonalNumber
        | FieldName::DateOfIssue
        | FieldName::PlaceOfBirth
        | FieldName::Authority
        | FieldName::Address => None,
    }
}

/// Prefers the value of the barcode or the visual zone if the check digit in the machine-readable
/// zone is wrong.
fn prefer_print_to_wrong_digits(fields: &mut [Field], mrz: &Mrz) {
    let digits = &mrz.check_digits;
    let wrong = [
        (FieldName::DocumentNumber, digits.document_number),
        (FieldName::DateOfBirth, digits.date_of_birth),
        (FieldName::DateOfExpiry, digits.date_of_expiry),
        (FieldName::PersonalNumber, digits.personal_number),
    ];
    for field in fields {
        let is_wrong =
            wrong.iter().any(|(name, right)| *name == field.name && *right == Some(false));
        if let Some(better) = field.barcode.as_ref().or(field.visual.as_ref())
            && is_wrong
        {
            field.value.clone_from(better);
        }
    }
}
