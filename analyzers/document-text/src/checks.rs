//! The checks of a document. They produce findings; `policy` maps findings to verdicts.

use time::Date;
use vultus_plugin_api::Reason;
use vultus_plugin_api::verdict::Finding as _;

use crate::date::{self, Role, ZoneDate};
use crate::fields::has_digits_in_names;
use crate::mrz::STANDARD_LETTERS;
use crate::page::Page;
use crate::params::Params;
use crate::policy::Finding;
use crate::report::{DocumentType, Field, FieldName, FieldStatus, Mrz, MrzFormat, Side};
use crate::{states, visual, zone};

/// A finding and the medium that it concerns, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) finding: Finding,
    pub(crate) medium: Option<u32>,
}

impl Found {
    pub(crate) fn reason(&self) -> Reason {
        let reason = self.finding.reason();
        match self.medium {
            Some(medium) => reason.medium(medium),
            None => reason,
        }
    }
}

/// Maximum age of a holder in years; a higher one is an impossible date.
const OLDEST: i32 = 130;

/// Results for the document as a whole.
pub(crate) struct Known<'k> {
    pub(crate) kind: DocumentType,
    pub(crate) mrz: Option<&'k Mrz>,
    pub(crate) fields: &'k [Field],
    /// Whether the AAMVA barcode of a licence or card was read.
    pub(crate) has_licence: bool,
}

/// All findings: those of the document as a whole first, then those of each side.
pub(crate) fn findings(
    pages: &[Page<'_>],
    known: &Known<'_>,
    params: &Params,
    today: Date,
) -> Vec<Found> {
    if is_nothing(pages, known) {
        // Without a document, faults of the picture do not matter.
        return pages
            .iter()
            .map(|page| Found { finding: Finding::NoDocument, medium: Some(page.medium) })
            .collect();
    }
    let whole = |finding| Found { finding, medium: None };
    let mut found: Vec<Found> = of_document(pages, known, today).into_iter().map(whole).collect();
    for page in pages {
        let about = |finding| Found { finding, medium: Some(page.medium) };
        if page.reading.mrz.is_some() && known.mrz.is_none() {
            found.push(about(Finding::MrzUnreadable));
        }
        if let Some(mrz) = known.mrz.filter(|mrz| mrz.medium == page.medium) {
            found.extend(of_zone(mrz, today).into_iter().map(about));
        }
        found.extend(of_picture(page, params).into_iter().map(about));
    }
    found
}

/// Whether there is no sign of a document: no zone, no barcode, no text, and no rectangle with a
/// portrait.
pub(crate) fn is_nothing(pages: &[Page<'_>], known: &Known<'_>) -> bool {
    let has_zone = known.mrz.is_some() || pages.iter().any(|page| page.reading.mrz.is_some());
    let has_words = pages
        .iter()
        .any(|page| !page.reading.lines.is_empty() || !page.reading.barcodes.is_empty());
    let has_card =
        pages.iter().any(|page| page.reading.document.is_some() && page.reading.portrait.is_some());
    !(has_zone || has_words || has_card) && known.kind == DocumentType::Unknown
}

/// Findings about the document as a whole.
fn of_document(pages: &[Page<'_>], known: &Known<'_>, today: Date) -> Vec<Finding> {
    let has_portrait = pages.iter().any(|page| page.reading.portrait.is_some());
    let has_back = pages.iter().any(|page| page.side == Side::Back);
    let zone_was_located = pages.iter().any(|page| page.reading.mrz.is_some());
    // The zone of a card is on its back if it is not on its front. A licence shows all fields on
    // its front; if its design repeats them in a barcode on the back, both must be compared.
    let needs_back = match known.kind {
        DocumentType::IdCard => true,
        DocumentType::DrivingLicence => {
            pages.iter().any(|page| visual::is_north_american_licence(&page.reading.lines))
        }
        DocumentType::Passport | DocumentType::Visa | DocumentType::Unknown => false,
    };
    let needs_zone = match known.kind {
        DocumentType::Passport | DocumentType::Visa => true,
        DocumentType::IdCard => has_back && !known.has_licence,
        DocumentType::DrivingLicence | DocumentType::Unknown => false,
    };
    let needs_portrait = matches!(
        known.kind,
        DocumentType::Passport | DocumentType::IdCard | DocumentType::DrivingLicence
    );
    let printed_expiry =
        |field: &&Field| field.name == FieldName::DateOfExpiry && field.mrz.is_none();
    let expiry =
        known.fields.iter().find(printed_expiry).and_then(|field| date::from_iso(&field.value));
    let checks = [
        (known.kind == DocumentType::Unknown, Finding::DocumentUnknown),
        (needs_zone && !zone_was_located, Finding::MrzMissing),
        (needs_back && !has_back && !zone_was_located && !known.has_licence, Finding::BackMissing),
        (needs_portrait && !has_portrait, Finding::PortraitMissing),
        (
            known.fields.iter().any(|field| field.status == FieldStatus::Mismatch),
            Finding::FieldMismatch,
        ),
        (expiry.is_some_and(|expiry| expiry < today), Finding::Expired),
    ];
    checks.into_iter().filter(|(wrong, _)| *wrong).map(|(_, finding)| finding).collect()
}

fn of_picture(page: &Page<'_>, params: &Params) -> Vec<Finding> {
    let quality = &page.reading.quality;
    // A measure that is not a number counts as bad.
    let above = |value: f32, limit: f32| value.is_nan() || value > limit;
    let below = |value: f32, limit: f32| value.is_nan() || value < limit;
    let checks = [
        (page.reading.mirrored, Finding::Mirrored),
        (quality.cut_off, Finding::CutOff),
        (above(quality.glare, params.max_glare), Finding::Glare),
        (below(quality.sharpness, params.min_sharpness), Finding::Blurred),
        (quality.width_px < params.min_width, Finding::TooSmall),
        (quality.grey, Finding::CopySuspected),
        (above(quality.moire, params.max_moire), Finding::ScreenSuspected),
    ];
    checks.into_iter().filter(|(wrong, _)| *wrong).map(|(_, finding)| finding).collect()
}

fn of_zone(mrz: &Mrz, today: Date) -> Vec<Finding> {
    if !mrz.is_certain() {
        return vec![Finding::MrzLayoutUnknown];
    }
    let read = |text: &str, role: Role, check: Option<bool>| {
        zone::date(text, role, today).filter(|_| check != Some(false))
    };
    let birth = read(&mrz.date_of_birth, Role::Birth, mrz.check_digits.date_of_birth);
    let expiry = read(&mrz.date_of_expiry, Role::Expiry, mrz.check_digits.date_of_expiry);
    let day = |date: Option<ZoneDate>| match date {
        Some(ZoneDate::Day(day)) => Some(day),
        _ => None,
    };
    let too_old = day(birth).is_some_and(|birth| today.year() - birth.year() > OLDEST);
    let before_birth = day(birth).zip(day(expiry)).is_some_and(|(birth, expiry)| expiry < birth);
    let impossible =
        [birth, expiry].contains(&Some(ZoneDate::Impossible)) || too_old || before_birth;
    let is_specimen = mrz.issuing_state == "UTO" || mrz.nationality == "UTO";
    let has_own_layout = matches!(
        mrz.format,
        MrzFormat::FrenchId | MrzFormat::SwissLicence | MrzFormat::FrenchLicence
    );
    let is_unknown = |code: &str| states::name(code).is_none();
    let checks = [
        (!mrz.valid, Finding::MrzCheckDigits),
        (impossible, Finding::DatesImpossible),
        (day(expiry).is_some_and(|expiry| expiry < today), Finding::Expired),
        (
            is_unknown(&mrz.issuing_state) || (!has_own_layout && is_unknown(&mrz.nationality)),
            Finding::CountryUnknown,
        ),
        (
            !has_own_layout && !mrz.document_code.starts_with(STANDARD_LETTERS),
            Finding::DocumentCodeUnusual,
        ),
        (has_digits_in_names(mrz), Finding::NameWithDigits),
        (is_specimen, Finding::Specimen),
    ];
    checks.into_iter().filter(|(wrong, _)| *wrong).map(|(_, finding)| finding).collect()
}
