//! The machine-readable zone of a document.

use async_graphql::{Enum, SimpleObject};
use serde::Deserialize;

use super::point::Point;
use crate::graphql::media::Media;

/// Layout of a machine-readable zone (ICAO 9303 parts 4 to 7, and two of single states).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Deserialize)]
pub enum MrzFormat {
    /// Cards: three lines of 30.
    #[graphql(name = "TD1")]
    #[serde(rename = "TD1")]
    Td1,
    /// Cards: two lines of 36.
    #[graphql(name = "TD2")]
    #[serde(rename = "TD2")]
    Td2,
    /// Passports: two lines of 44.
    #[graphql(name = "TD3")]
    #[serde(rename = "TD3")]
    Td3,
    /// Visas: two lines of 44.
    #[graphql(name = "MRV_A")]
    #[serde(rename = "MRV_A")]
    MrvA,
    /// Visas: two lines of 36.
    #[graphql(name = "MRV_B")]
    #[serde(rename = "MRV_B")]
    MrvB,
    /// French identity cards of 1988 to 2021: two lines of 36.
    #[graphql(name = "FRENCH_ID")]
    #[serde(rename = "FRENCH_ID")]
    FrenchId,
    /// Driving licences of Switzerland and Liechtenstein: two lines of 30, below one of 9.
    #[graphql(name = "SWISS_LICENCE")]
    #[serde(rename = "SWISS_LICENCE")]
    SwissLicence,
    /// French driving licences since 2013: one line of 30.
    #[graphql(name = "FRENCH_LICENCE")]
    #[serde(rename = "FRENCH_LICENCE")]
    FrenchLicence,
}

/// The check digits of a machine-readable zone: whether each is correct; null if the layout has
/// none.
#[derive(Debug, Clone, Copy, SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MrzCheckDigits {
    /// Check digit of the document number.
    document_number: Option<bool>,
    /// Check digit of the date of birth.
    date_of_birth: Option<bool>,
    /// Check digit of the date of expiry.
    date_of_expiry: Option<bool>,
    /// Check digit of the personal number.
    personal_number: Option<bool>,
    /// Composite check digit.
    composite: Option<bool>,
}

/// The machine-readable zone of a document.
#[derive(Debug, Clone, SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mrz {
    /// The medium that shows it: index in `media` of the analysis, counted from 0.
    pub(super) medium: i32,
    /// That medium; null if it was deleted, and in an instant check.
    #[serde(skip)]
    pub(super) media: Option<Media>,
    /// Its corners, clockwise from the top left.
    #[serde(rename = "quad")]
    corners: Vec<Point>,
    /// Layout.
    format: MrzFormat,
    /// The complete lines.
    lines: Vec<String>,
    /// Whether all check digits are correct.
    valid: bool,
    /// Whether the lines may differ from the print: characters were corrected by check digits or by
    /// the rules of their field, or uncertain characters without a check digit were kept.
    corrected: bool,
    /// Each check digit.
    check_digits: MrzCheckDigits,
    /// Document code, such as `P` or `ID`.
    document_code: String,
    /// Code of the issuing state or organization.
    issuing_state: String,
    /// English name for the code.
    issuing_state_name: Option<String>,
    /// Primary identifier.
    surname: String,
    /// Secondary identifier.
    given_names: String,
    /// Number of the document, complete even if it exceeds its field.
    document_number: String,
    /// Code of the nationality; empty if the layout has none.
    nationality: String,
    /// English name for the code.
    nationality_name: Option<String>,
    /// `YYYY-MM-DD`, or the six characters if they are not a date.
    date_of_birth: String,
    /// `M`, `F` or `X`.
    sex: String,
    /// Date of expiry, in the form of the date of birth; empty if the layout has none, and
    /// `9999-12-31` if the print says that there is no end.
    date_of_expiry: String,
    /// Optional data; in a passport, the personal number.
    optional_data: Option<String>,
    /// The second optional data of TD1.
    optional_data2: Option<String>,
}
