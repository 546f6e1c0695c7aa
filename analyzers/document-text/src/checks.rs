//! The checks: what is found wrong with a document, for `policy` to weigh.

use time::Date;
use vultus_plugin_api::Reason;

use crate::date;
use crate::judge::Page;
use crate::params::Params;
use crate::policy::Finding;
use crate::report::Mrz;

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

/// All findings, in the order of the sides.
pub(crate) fn findings(pages: &[Page<'_>], mrz: Option<&Mrz>, params: &Params, today: Date) -> Vec<Found> {
    let mut found = Vec::new();
    for page in pages {
        let about = |finding| Found { finding, medium: Some(page.medium) };
        if page.reading.mrz.is_some() && mrz.is_none() {
            found.push(about(Finding::MrzUnreadable));
        }
        if let Some(mrz) = mrz.filter(|mrz| mrz.medium == page.medium) {
            found.extend(of_zone(mrz, today).into_iter().map(about));
        }
        found.extend(of_picture(page, params).into_iter().map(about));
    }
    found
}

fn of_picture(page: &Page<'_>, params: &Params) -> Vec<Finding> {
    let quality = &page.reading.quality;
    let checks = [
        (quality.cut_off, Finding::CutOff),
        (quality.glare > params.max_glare, Finding::Glare),
        (quality.sharpness < params.min_sharpness, Finding::Blurred),
        (quality.width_px < params.min_width, Finding::TooSmall),
        (quality.grey, Finding::CopySuspected),
        (quality.moire > params.max_moire, Finding::ScreenSuspected),
    ];
    checks.into_iter().filter(|(wrong, _)| *wrong).map(|(_, finding)| finding).collect()
}

fn of_zone(mrz: &Mrz, today: Date) -> Vec<Finding> {
    let day = |text: &str, check: Option<bool>| (check == Some(true)).then(|| date::from_iso(text));
    let birth = day(&mrz.date_of_birth, mrz.check_digits.date_of_birth);
    let expiry = day(&mrz.date_of_expiry, mrz.check_digits.date_of_expiry);
    let is_filler = |text: &str| text.contains('<');
    let off_calendar = |text: &str, day: Option<Option<Date>>| day == Some(None) && !is_filler(text);
    let (birth_day, expiry_day) = (birth.flatten(), expiry.flatten());
    let too_old = birth_day.is_some_and(|birth| birth > today || today.year() - birth.year() > OLDEST);
    let before_birth = birth_day.zip(expiry_day).is_some_and(|(birth, expiry)| expiry < birth);
    let impossible =
        off_calendar(&mrz.date_of_birth, birth) || off_calendar(&mrz.date_of_expiry, expiry) || too_old || before_birth;
    let is_specimen = mrz.issuing_state == "UTO" || mrz.nationality == "UTO";
    let checks = [
        (!mrz.valid, Finding::MrzCheckDigits),
        (impossible, Finding::DatesImpossible),
        (expiry_day.is_some_and(|expiry| expiry < today), Finding::Expired),
        (mrz.issuing_state_name.is_none() || mrz.nationality_name.is_none(), Finding::CountryUnknown),
        (is_specimen, Finding::Specimen),
    ];
    checks.into_iter().filter(|(wrong, _)| *wrong).map(|(_, finding)| finding).collect()
}
