//! Converts the machine-readable zone to its form in the report.

use time::Date;

use crate::date::{self, Role, ZoneDate};
use crate::mrz::{self as reader, Zone};
use crate::page::Page;
use crate::printed_date::PrintedDate;
use crate::report::{DocumentType, FieldName, Mrz, MrzFormat};
use crate::states;
use crate::visual::Printed;

/// The best zone of all sides: the one with the fewest wrong check digits; an uncorrected one wins
/// a tie.
pub(crate) fn best(pages: &[Page<'_>], today: Date) -> Option<Mrz> {
    let read = |page: &Page<'_>| {
        Some((
            page.medium,
            page.reading.mrz.as_ref()?.quad,
            reader::read(page.reading.mrz.as_ref()?)?,
        ))
    };
    let zones = pages.iter().filter_map(read);
    let (medium, quad, zone) =
        zones.min_by_key(|(_, _, zone)| (zone.values.check_digits.failures(), zone.corrected))?;
    Some(report(medium, quad.tidy(), &zone, today))
}

/// The document type of a zone's format and code; of an unknown layout the format says nothing.
pub(crate) fn document_type(mrz: &Mrz) -> DocumentType {
    match mrz.format {
        MrzFormat::Td3 => DocumentType::Passport,
        MrzFormat::MrvA | MrzFormat::MrvB => DocumentType::Visa,
        MrzFormat::Td1 | MrzFormat::Td2 if mrz.document_code.starts_with('P') => {
            DocumentType::Passport
        }
        MrzFormat::Td1 | MrzFormat::Td2 | MrzFormat::FrenchId => DocumentType::IdCard,
        MrzFormat::SwissLicence | MrzFormat::FrenchLicence => DocumentType::DrivingLicence,
    }
}

fn report(medium: u32, quad: crate::Quad, zone: &Zone, today: Date) -> Mrz {
    let values = &zone.values;
    let name = |code: &str| states::name(code).map(str::to_owned);
    Mrz {
        medium,
        quad,
        format: zone.format,
        lines: zone.lines.clone(),
        valid: values.check_digits.failures() == 0,
        corrected: zone.corrected,
        check_digits: values.check_digits,
        document_code: values.document_code.clone(),
        issuing_state: values.issuing_state.clone(),
        issuing_state_name: name(&values.issuing_state),
        surname: values.surname.clone(),
        given_names: values.given_names.clone(),
        document_number: values.document_number.clone(),
        nationality: values.nationality.clone(),
        nationality_name: name(&values.nationality),
        date_of_birth: date_text(&values.date_of_birth, Role::Birth, today),
        sex: values.sex.to_string(),
        date_of_expiry: date_text(&values.date_of_expiry, Role::Expiry, today),
        optional_data: values.optional_data.clone(),
        optional_data2: values.optional_data2.clone(),
        names_are_cut: values.names_are_cut,
    }
}

/// The date in ISO form, or the six raw characters if they are not a date.
fn date_text(field: &str, role: Role, today: Date) -> String {
    match date::from_zone(field, role, today) {
        ZoneDate::Day(day) => date::iso(day),
        ZoneDate::Part { .. } | ZoneDate::NoEnd | ZoneDate::Impossible => field.to_owned(),
    }
}

/// A date of the zone in the form of [`Mrz`]; `None` if the layout has none.
pub(crate) fn date(text: &str, role: Role, today: Date) -> Option<ZoneDate> {
    let day = date::from_iso(text).map(ZoneDate::Day);
    (!text.is_empty()).then(|| day.unwrap_or_else(|| date::from_zone(text, role, today)))
}

/// Corrects the centuries of the zone's dates by printed dates with four digits of the year. The
/// zone has two, and `99` may be 1999, 2099, or a validity without end.
pub(crate) fn settle_centuries(mrz: &mut Mrz, printed: &[(u32, Printed)]) {
    for (field, text) in [
        (FieldName::DateOfBirth, &mut mrz.date_of_birth),
        (FieldName::DateOfExpiry, &mut mrz.date_of_expiry),
    ] {
        let Some(day) = date::from_iso(text) else { continue };
        for (_, read) in printed.iter().filter(|(_, printed)| printed.field == field) {
            let settled = match &read.date {
                Some(PrintedDate::Days(days)) => days.iter().copied().find(|other| {
                    other.year().rem_euclid(100) == day.year().rem_euclid(100)
                        && other.month() == day.month()
                        && other.day() == day.day()
                }),
                Some(PrintedDate::NoEnd) if day.year().rem_euclid(100) == 99 => Some(date::NO_END),
                _ => None,
            };
            if let Some(settled) = settled {
                *text = date::iso(settled);
            }
        }
    }
}
