//! Maps findings to verdicts: the only place where the document analyzer decides what is declined
//! and what an operator must review. No finding leads to SUCCESS.
//!
//! | code | condition | default verdict |
//! | --- | --- | --- |
//! | `NO_DOCUMENT` | no trace of a document in the picture | DECLINED |
//! | `EXPIRED` | the date of expiry is before today | DECLINED |
//! | `DATES_IMPOSSIBLE` | impossible dates with a correct check digit (below) | DECLINED |
//! | `DOCUMENT_UNKNOWN` | text of no known document type | OPERATOR_REQUIRED |
//! | `MRZ_MISSING` | the machine-readable zone is missing (below) | OPERATOR_REQUIRED |
//! | `MRZ_UNREADABLE` | a zone was located, but its lines match no format | OPERATOR_REQUIRED |
//! | `MRZ_CHECK_DIGITS` | a check digit is wrong and not correctable | OPERATOR_REQUIRED |
//! | `MRZ_LAYOUT_UNKNOWN` | most check digits fit no known layout | OPERATOR_REQUIRED |
//! | `FIELD_MISMATCH` | a field differs between the zones or the barcode | OPERATOR_REQUIRED |
//! | `COUNTRY_UNKNOWN` | issuing state or nationality is no ICAO 9303 code | OPERATOR_REQUIRED |
//! | `DOCUMENT_CODE_UNUSUAL` | the code does not begin with A, C, I, P or V | OPERATOR_REQUIRED |
//! | `NAME_WITH_DIGITS` | the zone writes letters of a name as digits | OPERATOR_REQUIRED |
//! | `DATE_UNREADABLE` | a printed date, found by its label, cannot be read | OPERATOR_REQUIRED |
//! | `DATE_OTHER_CALENDAR` | a printed date is not of the Gregorian calendar | OPERATOR_REQUIRED |
//! | `SPECIMEN` | issued by Utopia, the state of specimens | OPERATOR_REQUIRED |
//! | `BACK_MISSING` | the back is required but was not given (below) | OPERATOR_REQUIRED |
//! | `PORTRAIT_MISSING` | no portrait on either side | OPERATOR_REQUIRED |
//! | `COPY_SUSPECTED` | no colours: a grey copy | OPERATOR_REQUIRED |
//! | `SCREEN_SUSPECTED` | the pattern of a screen or of a printed raster | OPERATOR_REQUIRED |
//! | `MIRRORED` | the picture is mirrored | OPERATOR_REQUIRED |
//! | `CUT_OFF` | a part of the document is outside the picture | OPERATOR_REQUIRED |
//! | `GLARE` | too much of the document is overexposed | OPERATOR_REQUIRED |
//! | `BLURRED` | not sharp enough | OPERATOR_REQUIRED |
//! | `TOO_SMALL` | too few pixels | OPERATOR_REQUIRED |
//!
//! Impossible dates: not in the calendar, a birth more than 130 years ago, an expiry before the
//! birth. A check digit is wrong only if the layout is certain: at least half of them are right. A
//! machine-readable zone is required on passports, visas and the back of identity cards. The back
//! is required for an identity card whose front has no zone, and for a licence of the North
//! American design, whose back has a barcode; other licences show everything on the front.

use serde::Deserialize;
use vultus_plugin_api::verdict::{self, Verdict, VerdictTable};
use vultus_plugin_api::{Config, Failure, Resolution};

/// A finding that prevents SUCCESS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Finding {
    NoDocument,
    Expired,
    DatesImpossible,
    DocumentUnknown,
    MrzMissing,
    MrzUnreadable,
    MrzCheckDigits,
    MrzLayoutUnknown,
    FieldMismatch,
    CountryUnknown,
    DocumentCodeUnusual,
    NameWithDigits,
    DateUnreadable,
    DateOtherCalendar,
    Specimen,
    BackMissing,
    PortraitMissing,
    CopySuspected,
    ScreenSuspected,
    Mirrored,
    CutOff,
    Glare,
    Blurred,
    TooSmall,
}

impl verdict::Finding for Finding {
    fn code(self) -> &'static str {
        match self {
            Self::NoDocument => "NO_DOCUMENT",
            Self::Expired => "EXPIRED",
            Self::DatesImpossible => "DATES_IMPOSSIBLE",
            Self::DocumentUnknown => "DOCUMENT_UNKNOWN",
            Self::MrzMissing => "MRZ_MISSING",
            Self::MrzUnreadable => "MRZ_UNREADABLE",
            Self::MrzCheckDigits => "MRZ_CHECK_DIGITS",
            Self::MrzLayoutUnknown => "MRZ_LAYOUT_UNKNOWN",
            Self::FieldMismatch => "FIELD_MISMATCH",
            Self::CountryUnknown => "COUNTRY_UNKNOWN",
            Self::DocumentCodeUnusual => "DOCUMENT_CODE_UNUSUAL",
            Self::NameWithDigits => "NAME_WITH_DIGITS",
            Self::DateUnreadable => "DATE_UNREADABLE",
            Self::DateOtherCalendar => "DATE_OTHER_CALENDAR",
            Self::Specimen => "SPECIMEN",
            Self::BackMissing => "BACK_MISSING",
            Self::PortraitMissing => "PORTRAIT_MISSING",
            Self::CopySuspected => "COPY_SUSPECTED",
            Self::ScreenSuspected => "SCREEN_SUSPECTED",
            Self::Mirrored => "MIRRORED",
            Self::CutOff => "CUT_OFF",
            Self::Glare => "GLARE",
            Self::Blurred => "BLURRED",
            Self::TooSmall => "TOO_SMALL",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::NoDocument => "No document was found.",
            Self::Expired => "The document has expired.",
            Self::DatesImpossible => "A date of the document is impossible.",
            Self::DocumentUnknown => "The type of the document was not recognised.",
            Self::MrzMissing => {
                "The machine-readable zone, which this type of document has, was not found."
            }
            Self::MrzUnreadable => "The machine-readable zone could not be read.",
            Self::MrzCheckDigits => "A check digit of the machine-readable zone is wrong.",
            Self::MrzLayoutUnknown => {
                "The machine-readable zone has an unknown layout, or was misread."
            }
            Self::FieldMismatch => "A field differs between the zones of the document.",
            Self::CountryUnknown => "The issuing state or the nationality is not a known code.",
            Self::DocumentCodeUnusual => "The document code is not one of ICAO 9303.",
            Self::NameWithDigits => {
                "The machine-readable zone writes letters of a name as digits; names were not \
                 compared."
            }
            Self::DateUnreadable => "A printed date could not be read.",
            Self::DateOtherCalendar => {
                "A printed date is of another calendar and was not compared."
            }
            Self::Specimen => "The document is a specimen.",
            Self::BackMissing => "The back of the document is missing.",
            Self::PortraitMissing => "No portrait was found on the document.",
            Self::CopySuspected => "The document has no colours; it may be a copy.",
            Self::ScreenSuspected => "The document may be shown on a screen or be a printed copy.",
            Self::Mirrored => "The picture is mirrored.",
            Self::CutOff => "A part of the document is outside the picture.",
            Self::Glare => "A part of the document is overexposed.",
            Self::Blurred => "The document is blurred.",
            Self::TooSmall => "The document is too small in the picture.",
        }
    }

    fn verdict(self) -> Verdict {
        match self {
            Self::NoDocument | Self::Expired | Self::DatesImpossible => Verdict::Declined,
            Self::DocumentUnknown
            | Self::MrzMissing
            | Self::MrzUnreadable
            | Self::MrzCheckDigits
            | Self::MrzLayoutUnknown
            | Self::FieldMismatch
            | Self::CountryUnknown
            | Self::DocumentCodeUnusual
            | Self::NameWithDigits
            | Self::DateUnreadable
            | Self::DateOtherCalendar
            | Self::Specimen
            | Self::BackMissing
            | Self::PortraitMissing
            | Self::CopySuspected
            | Self::ScreenSuspected
            | Self::Mirrored
            | Self::CutOff
            | Self::Glare
            | Self::Blurred
            | Self::TooSmall => Verdict::OperatorRequired,
        }
    }
}

/// The verdicts of all findings, as configured by the operator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy(VerdictTable<Finding>);

impl Policy {
    /// Reads the operator's settings. `INVALID_INPUT` for unknown codes and verdicts.
    pub fn read(config: &Config) -> Result<Self, Failure> {
        VerdictTable::read(config, "document").map(Self)
    }

    /// The worst verdict of the findings; SUCCESS if there are none.
    pub(crate) fn resolution(&self, findings: impl IntoIterator<Item = Finding>) -> Resolution {
        self.0.resolution(findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(json: &str) -> Result<Policy, Failure> {
        let settings = serde_json::from_str(json).unwrap();
        Policy::read(&Config { settings, ..Config::default() })
    }

    #[test]
    fn worst_finding_decides() {
        let table = Policy::default();
        assert_eq!(table.resolution([]), Resolution::Success);
        assert_eq!(table.resolution([Finding::Glare]), Resolution::OperatorRequired);
        assert_eq!(table.resolution([Finding::Glare, Finding::Expired]), Resolution::Declined);
    }

    #[test]
    fn setting_changes_a_verdict_but_never_to_success() {
        let moved = policy(r#"{"policy":{"EXPIRED":"OPERATOR_REQUIRED"}}"#).unwrap();
        assert_eq!(moved.resolution([Finding::Expired]), Resolution::OperatorRequired);
        assert!(policy(r#"{"policy":{"EXPIRED":"SUCCESS"}}"#).is_err());
        assert!(policy(r#"{"policy":{"EXPIRD":"DECLINED"}}"#).is_err());
    }
}
