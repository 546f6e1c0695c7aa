//! The checks: what is found wrong with a document, for `policy` to weigh.

use time::Date;
use vultus_plugin_api::Reason;

use crate::date;
use crate::judge::Page;
use crate::params::Params;
use crate::policy::Finding;
use crate::report::{DocumentType, Field, FieldName, FieldStatus, Mrz, Side};
use crate::visual;

/// A finding with the medium that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) finding: Finding,
    pub(crate) medium: Option<u32>,
}

impl Found {
    pub(crate) fn reason(&self) -> Reason {
        let reason = Reason::new(self.finding.code(), self.finding.message());
        match self.medium {
            Some(medium) => reason.medium(medium),
            None => reason,
        }
    }
}

/// Nobody is older.
const OLDEST: i32 = 130;

/// What is known of the document as a whole.
pub(crate) struct Known<'k> {
    pub(crate) kind: DocumentType,
    pub(crate) mrz: Option<&'k Mrz>,
    pub(crate) fields: &'k [Field],
    /// Whether a barcode of a North American licence or card was read.
    pub(crate) has_licence: bool,
}

/// All findings: of the document as a whole, then in the order of the sides.
pub(crate) fn findings(
    pages: &[Page<'_>],
    known: &Known<'_>,
    params: &Params,
    today: Date,
) -> Vec<Found> {
    if is_nothing(pages, known) {
        // What is wrong with a picture of no document does not matter.
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

/// Whether nothing speaks for a document: no zone, no barcode, no field, no name of a document, and
/// no text on a rectangle with a portrait.
fn is_nothing(pages: &[Page<'_>], known: &Known<'_>) -> bool {
    let has_zone = known.mrz.is_some() || pages.iter().any(|page| page.reading.mrz.is_some());
    let has_words = pages
        .iter()
        .any(|page| !page.reading.lines.is_empty() || !page.reading.barcodes.is_empty());
    let has_card =
        pages.iter().any(|page| page.reading.document.is_some() && page.reading.portrait.is_some());
    !(has_zone || has_words || has_card) && known.kind == DocumentType::Unknown
}

/// What concerns the document as a whole.
fn of_document(pages: &[Page<'_>], known: &Known<'_>, today: Date) -> Vec<Finding> {
    let has_zone = known.mrz.is_some();
    let has_portrait = pages.iter().any(|page| page.reading.portrait.is_some());
    let has_back = pages.iter().any(|page| page.side == Side::Back);
    let zone_was_located = pages.iter().any(|page| page.reading.mrz.is_some());
    // The zone of a card stands on its back unless it is on its front. A licence says on its front
    // all that is asked of it; where its design repeats that in a barcode on the back, the two are
    // to be compared.
    let needs_back = match known.kind {
        DocumentType::IdCard => true,
        DocumentType::DrivingLicence => {
            pages.iter().any(|page| visual::says_that_the_back_repeats_it(&page.reading.lines))
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
        (!has_zone && expiry.is_some_and(|expiry| expiry < today), Finding::Expired),
    ];
    checks.into_iter().filter(|(wrong, _)| *wrong).map(|(_, finding)| finding).collect()
}

fn of_picture(page: &Page<'_>, params: &Params) -> Vec<Finding> {
    let quality = &page.reading.quality;
    // What could not be measured is not good.
    let above = |value: f32, limit: f32| value.is_nan() || value > limit;
    let below = |value: f32, limit: f32| value.is_nan() || value < limit;
    let checks = [
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
    let day = |text: &str, check: Option<bool>| (check == Some(true)).then(|| date::from_iso(text));
    let birth = day(&mrz.date_of_birth, mrz.check_digits.date_of_birth);
    let expiry = day(&mrz.date_of_expiry, mrz.check_digits.date_of_expiry);
    let is_filler = |text: &str| text.contains('<');
    let off_calendar =
        |text: &str, day: Option<Option<Date>>| day == Some(None) && !is_filler(text);
    let (birth_day, expiry_day) = (birth.flatten(), expiry.flatten());
    let too_old =
        birth_day.is_some_and(|birth| birth > today || today.year() - birth.year() > OLDEST);
    let before_birth = birth_day.zip(expiry_day).is_some_and(|(birth, expiry)| expiry < birth);
    let impossible = off_calendar(&mrz.date_of_birth, birth)
        || off_calendar(&mrz.date_of_expiry, expiry)
        || too_old
        || before_birth;
    let is_specimen = mrz.issuing_state == "UTO" || mrz.nationality == "UTO";
    let checks = [
        (!mrz.valid, Finding::MrzCheckDigits),
        (impossible, Finding::DatesImpossible),
        (expiry_day.is_some_and(|expiry| expiry < today), Finding::Expired),
        (
            mrz.issuing_state_name.is_none() || mrz.nationality_name.is_none(),
            Finding::CountryUnknown,
        ),
        (is_specimen, Finding::Specimen),
    ];
    checks.into_iter().filter(|(wrong, _)| *wrong).map(|(_, finding)| finding).collect()
}
