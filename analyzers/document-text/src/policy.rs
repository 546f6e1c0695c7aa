//! Which finding leads to which verdict: the one place where the document analyzer decides what is
//! refused and what a person must look at. No finding ever leads to SUCCESS.
//!
//! | code | when | verdict unless configured otherwise |
//! | --- | --- | --- |
//! | `NO_DOCUMENT` | nothing of a document was found in the picture | DECLINED |
//! | `EXPIRED` | the day of expiry is before today | DECLINED |
//! | `DATES_IMPOSSIBLE` | a date that its check digit confirms is on no calendar, a birth in the future or over 130 years ago, or an expiry before the birth | DECLINED |
//! | `DOCUMENT_UNKNOWN` | there is text, but of no known type of document | OPERATOR_REQUIRED |
//! | `MRZ_MISSING` | a passport or visa, or the back of an identity card, without its machine-readable zone | OPERATOR_REQUIRED |
//! | `MRZ_UNREADABLE` | a zone was located, but its lines are of no format | OPERATOR_REQUIRED |
//! | `MRZ_CHECK_DIGITS` | a check digit is wrong, and no single correction is possible | OPERATOR_REQUIRED |
//! | `FIELD_MISMATCH` | a field differs between machine-readable zone, visual zone and barcode | OPERATOR_REQUIRED |
//! | `COUNTRY_UNKNOWN` | the issuing state or the nationality is no code of ICAO 9303 | OPERATOR_REQUIRED |
//! | `SPECIMEN` | issued by Utopia, the state of specimens | OPERATOR_REQUIRED |
//! | `BACK_MISSING` | the front is that of an identity card without its zone, or of a licence with a barcode on its back (North America), and no back was given; a licence of another design says all on its front | OPERATOR_REQUIRED |
//! | `PORTRAIT_MISSING` | no portrait on either side | OPERATOR_REQUIRED |
//! | `COPY_SUSPECTED` | no colours: a grey copy | OPERATOR_REQUIRED |
//! | `SCREEN_SUSPECTED` | the pattern of a screen or a printed raster | OPERATOR_REQUIRED |
//! | `CUT_OFF` | a part of the document is outside the picture | OPERATOR_REQUIRED |
//! | `GLARE` | too much of the document is burnt out | OPERATOR_REQUIRED |
//! | `BLURRED` | not sharp enough | OPERATOR_REQUIRED |
//! | `TOO_SMALL` | too few pixels | OPERATOR_REQUIRED |

use std::collections::BTreeMap;

use serde::Deserialize;
use vultus_plugin_api::{Config, Failure, Resolution};

/// A finding that keeps a document from passing.
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
    FieldMismatch,
    CountryUnknown,
    Specimen,
    BackMissing,
    PortraitMissing,
    CopySuspected,
    ScreenSuspected,
    CutOff,
    Glare,
    Blurred,
    TooSmall,
}

impl Finding {
    /// The stable code.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NoDocument => "NO_DOCUMENT",
            Self::Expired => "EXPIRED",
            Self::DatesImpossible => "DATES_IMPOSSIBLE",
            Self::DocumentUnknown => "DOCUMENT_UNKNOWN",
            Self::MrzMissing => "MRZ_MISSING",
            Self::MrzUnreadable => "MRZ_UNREADABLE",
            Self::MrzCheckDigits => "MRZ_CHECK_DIGITS",
            Self::FieldMismatch => "FIELD_MISMATCH",
            Self::CountryUnknown => "COUNTRY_UNKNOWN",
            Self::Specimen => "SPECIMEN",
            Self::BackMissing => "BACK_MISSING",
            Self::PortraitMissing => "PORTRAIT_MISSING",
            Self::CopySuspected => "COPY_SUSPECTED",
            Self::ScreenSuspected => "SCREEN_SUSPECTED",
            Self::CutOff => "CUT_OFF",
            Self::Glare => "GLARE",
            Self::Blurred => "BLURRED",
            Self::TooSmall => "TOO_SMALL",
        }
    }

    /// One sentence for people.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::NoDocument => "No document was found.",
            Self::Expired => "The document has expired.",
            Self::DatesImpossible => "A date of the document is impossible.",
            Self::DocumentUnknown => "The kind of document could not be told.",
            Self::MrzMissing => "The machine-readable zone that such a document has was not found.",
            Self::MrzUnreadable => "The machine-readable zone could not be read.",
            Self::MrzCheckDigits => "A check digit of the machine-readable zone is wrong.",
            Self::FieldMismatch => "A field differs between the zones of the document.",
            Self::CountryUnknown => "The issuing state or the nationality is no known code.",
            Self::Specimen => "The document is a specimen.",
            Self::BackMissing => "The back of the document is missing.",
            Self::PortraitMissing => "No portrait was found on the document.",
            Self::CopySuspected => "The document has no colours: it may be a copy.",
            Self::ScreenSuspected => "The document may be shown on a screen or be a printed copy.",
            Self::CutOff => "A part of the document is outside the picture.",
            Self::Glare => "Light burns out a part of the document.",
            Self::Blurred => "The document is not sharp.",
            Self::TooSmall => "The document is too small in the picture.",
        }
    }

    const fn verdict(self) -> Verdict {
        match self {
            Self::NoDocument | Self::Expired | Self::DatesImpossible => Verdict::Declined,
            Self::DocumentUnknown
            | Self::MrzMissing
            | Self::MrzUnreadable
            | Self::MrzCheckDigits
            | Self::FieldMismatch
            | Self::CountryUnknown
            | Self::Specimen
            | Self::BackMissing
            | Self::PortraitMissing
            | Self::CopySuspected
            | Self::ScreenSuspected
            | Self::CutOff
            | Self::Glare
            | Self::Blurred
            | Self::TooSmall => Verdict::OperatorRequired,
        }
    }
}

/// What a finding may lead to. There is no third value: nothing found wrong can mean SUCCESS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Verdict {
    OperatorRequired,
    Declined,
}

/// The table, with the operator's changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Verdicts by code that differ from the table above: `OPERATOR_REQUIRED` or `DECLINED`.
    policy: BTreeMap<Finding, Verdict>,
}

impl Policy {
    /// Reads and checks the operator's settings.
    pub fn read(config: &Config) -> Result<Self, Failure> {
        serde_json::from_value(serde_json::Value::Object(config.settings.clone())).map_err(|e| {
            Failure::invalid_input(format!("reading the document analyzer's settings: {e}"))
        })
    }

    /// The verdict over all findings: the worst.
    pub(crate) fn resolution(&self, findings: impl IntoIterator<Item = Finding>) -> Resolution {
        let verdict = |finding: Finding| match self
            .policy
            .get(&finding)
            .copied()
            .unwrap_or(finding.verdict())
        {
            Verdict::OperatorRequired => Resolution::OperatorRequired,
            Verdict::Declined => Resolution::Declined,
        };
        findings.into_iter().map(verdict).max().unwrap_or(Resolution::Success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(json: &str) -> Result<Policy, Failure> {
        let settings = serde_json::from_str(json).unwrap();
        Policy::read(&Config { onnxruntime: None, weights_dir: None, threads: 1, settings })
    }

    #[test]
    fn the_worst_finding_decides() {
        let table = Policy::default();
        assert_eq!(table.resolution([]), Resolution::Success);
        assert_eq!(table.resolution([Finding::Glare]), Resolution::OperatorRequired);
        assert_eq!(table.resolution([Finding::Glare, Finding::Expired]), Resolution::Declined);
    }

    #[test]
    fn the_operator_can_move_a_finding_but_never_to_success() {
        let moved = policy(r#"{"policy":{"EXPIRED":"OPERATOR_REQUIRED"}}"#).unwrap();
        assert_eq!(moved.resolution([Finding::Expired]), Resolution::OperatorRequired);
        assert!(policy(r#"{"policy":{"EXPIRED":"SUCCESS"}}"#).is_err());
        assert!(policy(r#"{"policy":{"EXPIRD":"DECLINED"}}"#).is_err());
    }
}
