//! Merges the fields of all zones and compares their values.

use time::Date;

use crate::aamva::Licence;
use crate::checks::Found;
use crate::compare::same_number;
use crate::date::{self, Role, ZoneDate};
use crate::names::{Length, is_complete, same_name};
use crate::page::Page;
use crate::policy::Finding;
use crate::printed_date::PrintedDate;
use crate::report::{Field, FieldName, FieldStatus, Mrz, MrzFormat, fraction};
use crate::states::{self, same_state};
use crate::visual::{self, Printed};
use crate::zone;

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

/// What the zones contain.
pub(crate) struct Sources<'s> {
    pub(crate) pages: &'s [Page<'s>],
    /// The labelled fields of the visual zones, with their media.
    pub(crate) printed: &'s [(u32, Printed)],
    /// The machine-readable zone, if its layout is certain.
    pub(crate) mrz: Option<&'s Mrz>,
    pub(crate) licence: Option<&'s Licence>,
    pub(crate) today: Date,
}

/// The fields, and what prevents the comparison of some of them.
pub(crate) struct Merged {
    pub(crate) fields: Vec<Field>,
    pub(crate) found: Vec<Found>,
}

/// All fields that at least one zone contains.
pub(crate) fn merged(sources: &Sources<'_>) -> Merged {
    let of_licence = sources.licence.map(Licence::fields).unwrap_or_default();
    let mut merged = Merged { fields: Vec::new(), found: Vec::new() };
    for name in ALL {
        let zone = sources.mrz.and_then(|mrz| zone_value(mrz, name, sources.today));
        let barcode =
            of_licence.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let expected = zone.as_ref().or(barcode.as_ref());
        let mut seen = seen(sources, name, expected);
        if let Some((medium, printed)) = &seen
            && let Some(finding) = unread(printed.date.as_ref())
        {
            merged.found.push(Found { finding, medium: Some(*medium) });
            seen = None;
        }
        merged.fields.extend(merge(sources, name, [zone.as_deref(), barcode.as_deref()], seen));
    }
    if let Some(mrz) = sources.mrz {
        prefer_print_to_wrong_digits(&mut merged.fields, mrz);
    }
    merged
}

/// Why a printed date cannot be compared, if it cannot.
fn unread(date: Option<&PrintedDate>) -> Option<Finding> {
    match date? {
        PrintedDate::Unreadable => Some(Finding::DateUnreadable),
        PrintedDate::OtherCalendar => Some(Finding::DateOtherCalendar),
        PrintedDate::Days(_)
        | PrintedDate::Part { .. }
        | PrintedDate::NoEnd
        | PrintedDate::NoEndInWords => None,
    }
}

/// The value of a field in the visual zone: the one at its label, unless another line confirms the
/// value of the other zones.
fn seen(
    sources: &Sources<'_>,
    name: FieldName,
    expected: Option<&String>,
) -> Option<(u32, Printed)> {
    let labelled = sources.printed.iter().find(|(_, printed)| printed.field == name).cloned();
    let Some(expected) = expected else { return labelled };
    let is_confirmed = |printed: &Printed| agrees(sources, name, expected, printed) == Some(true);
    if labelled.as_ref().is_some_and(|(_, printed)| is_confirmed(printed)) {
        return labelled;
    }
    let confirmed = |page: &Page<'_>| {
        let lines = &page.reading.lines;
        Some((page.medium, visual::confirmation(lines, name, expected, sources.today)?))
    };
    sources.pages.iter().find_map(confirmed).or(labelled)
}

/// Whether a printed value agrees with another zone; `None` if they cannot be compared.
fn agrees(
    sources: &Sources<'_>,
    name: FieldName,
    expected: &str,
    printed: &Printed,
) -> Option<bool> {
    if printed.value == expected {
        return Some(true);
    }
    match name {
        FieldName::Surname | FieldName::GivenNames => {
            let mrz = sources.mrz;
            let cut = mrz.is_some_and(|mrz| mrz.names_are_cut);
            // Digits in one of the names say that both are written in the issuer's own way.
            if mrz.is_some_and(has_digits_in_names) {
                return None;
            }
            let length = if cut { Length::Cut } else { Length::Whole };
            let is_same = same_name(expected, &printed.value, length)?;
            let lines = || sources.pages.iter().flat_map(|page| visual::texts(&page.reading.lines));
            Some(is_same && (cut || is_complete(expected, &printed.value, lines())))
        }
        FieldName::DocumentNumber => Some(same_number(expected, &printed.value)),
        // The zone may contain other data of the issuer in this place.
        FieldName::PersonalNumber => same_number(expected, &printed.value).then_some(true),
        FieldName::IssuingState | FieldName::Nationality => same_state(expected, &printed.value),
        FieldName::DateOfBirth | FieldName::DateOfExpiry | FieldName::DateOfIssue => {
            let role = visual::role(name);
            let zone = zone::date(expected, role, sources.today)?;
            same_date(zone, printed.date.as_ref()?)
        }
        // A zone without the sex says nothing about a printed one.
        FieldName::Sex => (expected != "X").then_some(false),
        FieldName::PlaceOfBirth | FieldName::Authority => None,
        FieldName::Address => {
            same_name(expected, &printed.value, Length::Whole).filter(|is_same| *is_same)
        }
    }
}

/// Whether the issuer writes letters of names as digits.
pub(crate) fn has_digits_in_names(mrz: &Mrz) -> bool {
    [&mrz.surname, &mrz.given_names]
        .iter()
        .any(|name| name.chars().any(|character| character.is_ascii_digit()))
}

/// Whether a printed date is that of the zone; unknown parts of either agree with everything.
fn same_date(zone: ZoneDate, printed: &PrintedDate) -> Option<bool> {
    let is_without_end = zone.may_be(date::NO_END.year(), None, None);
    match printed {
        PrintedDate::Days(_) | PrintedDate::Part { .. } if zone == ZoneDate::NoEnd => None,
        PrintedDate::Days(days) => Some(
            days.iter()
                .any(|day| zone.may_be(day.year(), Some(u8::from(day.month())), Some(day.day()))),
        ),
        PrintedDate::Part { year, month } => Some(zone.may_be(*year, *month, None)),
        PrintedDate::NoEnd => Some(is_without_end),
        PrintedDate::NoEndInWords => is_without_end.then_some(true),
        PrintedDate::OtherCalendar | PrintedDate::Unreadable => None,
    }
}

/// Whether the values of two machine-readable sources (zone and barcode) agree.
fn same_data(name: FieldName, a: &str, b: &str) -> bool {
    match name {
        FieldName::Surname | FieldName::GivenNames => {
            same_name(a, b, Length::Whole).unwrap_or(true)
        }
        FieldName::DocumentNumber | FieldName::PersonalNumber => same_number(a, b),
        FieldName::IssuingState | FieldName::Nationality => states::are_equal(a, b),
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
    sources: &Sources<'_>,
    name: FieldName,
    [zone, barcode]: [Option<&str>; 2],
    seen: Option<(u32, Printed)>,
) -> Option<Field> {
    let machine = zone.or(barcode);
    // A printed value that cannot be compared is left out instead of being called equal or
    // different.
    let compared = seen
        .as_ref()
        .zip(machine)
        .map(|((_, printed), expected)| agrees(sources, name, expected, printed));
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

fn zone_value(mrz: &Mrz, name: FieldName, today: Date) -> Option<String> {
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    // A date that is not in the calendar, or is not stated, cannot be compared.
    let day = |text: &String, role: Role| match zone::date(text, role, today)? {
        ZoneDate::Day(_) => Some(text.clone()),
        ZoneDate::Part { year: None, month: None, day: None } => None,
        ZoneDate::Part { .. } => Some(text.clone()),
        ZoneDate::NoEnd | ZoneDate::Impossible => None,
    };
    match name {
        FieldName::Surname => text(&mrz.surname),
        FieldName::GivenNames => text(&mrz.given_names),
        FieldName::DocumentNumber => text(&mrz.document_number),
        FieldName::IssuingState => text(&mrz.issuing_state),
        FieldName::Nationality => text(&mrz.nationality),
        FieldName::DateOfBirth => day(&mrz.date_of_birth, Role::Birth),
        FieldName::Sex
            if matches!(mrz.format, MrzFormat::SwissLicence | MrzFormat::FrenchLicence) =>
        {
            None
        }
        FieldName::Sex => text(&mrz.sex),
        FieldName::DateOfExpiry => day(&mrz.date_of_expiry, Role::Expiry),
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
