//! Converts the machine-readable zone to its form in the report.

use mrz::{MrzData, Sex, country_name};
use time::Date;

use crate::date::{self, Role, ZoneDate};
use crate::mrz::{self as reader, Zone};
use crate::page::Page;
use crate::report::{CheckDigits, DocumentType, Mrz, MrzFormat};

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
        zones.min_by_key(|(_, _, zone)| (zone.data.checks.failed().len(), zone.corrected))?;
    Some(report(medium, quad.tidy(), &zone, today))
}

/// The document type of a zone's format.
pub(crate) fn document_type(mrz: &Mrz) -> DocumentType {
    match mrz.format {
        MrzFormat::Td3 => DocumentType::Passport,
        MrzFormat::MrvA | MrzFormat::MrvB => DocumentType::Visa,
        MrzFormat::Td1 | MrzFormat::Td2 => DocumentType::IdCard,
    }
}

fn report(medium: u32, quad: crate::Quad, zone: &Zone, today: Date) -> Mrz {
    let data: &MrzData = &zone.data;
    let [birth, expiry] = zone.date_fields();
    let name = |code: &str| country_name(code).map(str::to_owned);
    Mrz {
        medium,
        quad,
        format: zone.format,
        lines: zone.lines.clone(),
        valid: data.checks.all_valid(),
        corrected: zone.corrected,
        check_digits: CheckDigits {
            document_number: data.checks.document_number,
            date_of_birth: data.checks.date_of_birth,
            date_of_expiry: data.checks.date_of_expiry,
            personal_number: data.checks.personal_number,
            composite: data.checks.composite,
        },
        document_code: data.document_type.clone(),
        issuing_state: data.issuing_country.clone(),
        issuing_state_name: name(&data.issuing_country),
        surname: data.surname.clone(),
        given_names: data.given_names.clone(),
        document_number: data.full_document_number().to_owned(),
        nationality: data.nationality.clone(),
        nationality_name: name(&data.nationality),
        date_of_birth: date_text(&birth, Role::Birth, today),
        sex: match data.sex {
            Sex::Male => "M",
            Sex::Female => "F",
            _ => "X",
        }
        .to_owned(),
        date_of_expiry: date_text(&expiry, Role::Expiry, today),
        optional_data: data.optional_data_1.clone(),
        optional_data2: data.optional_data_2.clone(),
    }
}

/// The date in ISO form, or the six raw characters if they are not a date.
fn date_text(field: &str, role: Role, today: Date) -> String {
    match date::from_zone(field, role, today) {
        ZoneDate::Day(day) => date::iso(day),
        ZoneDate::Unknown | ZoneDate::Impossible => field.to_owned(),
    }
}
