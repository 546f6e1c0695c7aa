//! The result of the analysis. [`result_schema`](crate::result_schema) is its JSON Schema.

use serde::Serialize;

use crate::reading::{BarcodeFormat, Quad};

/// The result of the analysis (`Outcome::result`).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Type of the document.
    #[serde(rename = "type")]
    pub kind: DocumentType,
    /// The sides, in the order of the media.
    pub media: Vec<MediumReport>,
    /// The fields of the document, merged from all zones.
    pub fields: Vec<Field>,
    /// The machine-readable zone.
    pub mrz: Option<Mrz>,
    /// All barcodes.
    pub barcodes: Vec<Barcode>,
    /// The holder's portrait.
    pub portrait: Option<PortraitReport>,
    /// The lines of the visual zone.
    pub lines: Vec<Line>,
}

/// Type of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DocumentType {
    /// A passport book or card.
    Passport,
    /// A visa.
    Visa,
    /// An identity card or residence permit.
    IdCard,
    /// A driving licence.
    DrivingLicence,
    /// Not recognised.
    Unknown,
}

/// One side of the document.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MediumReport {
    /// Index of the medium.
    pub medium: u32,
    /// Front or back.
    pub side: Side,
    /// The edges of the document; null if they were not found.
    pub document: Option<Quad>,
    /// Clockwise rotation of the document in the picture: 0, 90, 180 or 270 degrees.
    pub rotation: u16,
    /// Quality of the picture.
    pub quality: Quality,
}

/// Side of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Side {
    /// The side with the portrait.
    Front,
    /// The other side.
    Back,
}

/// Quality of a picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Quality {
    /// Sharpness, 0–1; 1 is a clean scan.
    pub sharpness: f64,
    /// Share of overexposed area, 0–1.
    pub glare: f64,
    /// Whether the document has no colours.
    pub grey: bool,
    /// Strength of the pattern of a screen or of a printed raster, 0–1.
    pub moire: f64,
    /// Whether a part of the document is outside the picture.
    pub cut_off: bool,
    /// Width of the document in pixels.
    pub width_px: u32,
}

/// A field of the document.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// Name of the field.
    pub name: FieldName,
    /// The value of the most reliable zone. Dates are `YYYY-MM-DD`.
    pub value: String,
    /// Agreement of the zones.
    pub status: FieldStatus,
    /// Value in the machine-readable zone.
    pub mrz: Option<String>,
    /// Value in the visual zone.
    pub visual: Option<String>,
    /// Value in the barcode.
    pub barcode: Option<String>,
    /// Confidence of the recogniser in the visual zone, 0–1.
    pub confidence: Option<f64>,
    /// The medium whose visual zone shows the field.
    pub medium: Option<u32>,
    /// Location in that medium.
    pub quad: Option<Quad>,
}

/// Name of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FieldName {
    /// Primary identifier.
    Surname,
    /// Secondary identifier.
    GivenNames,
    /// Number of the document; long numbers in full.
    DocumentNumber,
    /// Issuing state or organization; a code in the machine-readable zone.
    IssuingState,
    /// The holder's nationality; a code in the machine-readable zone.
    Nationality,
    /// Day of birth.
    DateOfBirth,
    /// `M`, `F` or `X`.
    Sex,
    /// Last day of validity.
    DateOfExpiry,
    /// Day of issue.
    DateOfIssue,
    /// The holder's personal number.
    PersonalNumber,
    /// Place of birth.
    PlaceOfBirth,
    /// Issuing authority.
    Authority,
    /// The holder's address.
    Address,
}

/// Agreement of the zones about a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldStatus {
    /// At least two zones contain the field, and all agree.
    Match,
    /// Two zones contain the field and differ.
    Mismatch,
    /// Only the machine-readable zone contains it, or the others cannot be compared.
    OnlyMrz,
    /// Only the visual zone contains it.
    OnlyVisual,
    /// Only the barcode contains it, or the visual zone cannot be compared.
    OnlyBarcode,
}

/// The machine-readable zone.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mrz {
    /// The medium that shows the zone.
    pub medium: u32,
    /// Location in that medium.
    pub quad: Quad,
    /// Layout of the zone.
    pub format: MrzFormat,
    /// The lines, at full length.
    pub lines: Vec<String>,
    /// Whether all check digits are correct.
    pub valid: bool,
    /// Whether the lines differ from the raw reading or are uncertain: characters were corrected by
    /// check digits or by the rules of their field, or uncertain characters are not covered by a
    /// check digit.
    pub corrected: bool,
    /// Validity of each check digit.
    pub check_digits: CheckDigits,
    /// Document code, such as `P`, `ID` or `V`.
    pub document_code: String,
    /// Code of the issuing state or organization.
    pub issuing_state: String,
    /// English name of that state.
    pub issuing_state_name: Option<String>,
    /// Primary identifier.
    pub surname: String,
    /// Secondary identifier.
    pub given_names: String,
    /// Number of the document; long numbers in full.
    pub document_number: String,
    /// Code of the nationality; empty if the layout has none.
    pub nationality: String,
    /// English name of that state.
    pub nationality_name: Option<String>,
    /// `YYYY-MM-DD`; the six raw characters if they are not a date.
    pub date_of_birth: String,
    /// `M`, `F`, or `X` for unspecified.
    pub sex: String,
    /// `YYYY-MM-DD`; the six raw characters if they are not a date; empty if the layout has none.
    pub date_of_expiry: String,
    /// Optional data; the personal number of a passport.
    pub optional_data: Option<String>,
    /// The second optional data element of TD1.
    pub optional_data2: Option<String>,
    /// Whether the names fill their field, so that they may be cut.
    #[serde(skip)]
    pub(crate) names_are_cut: bool,
}

impl Mrz {
    /// Whether the zone has the layout of its format for certain. Otherwise its values mean
    /// nothing.
    pub(crate) fn is_certain(&self) -> bool {
        self.check_digits.prove_layout()
    }
}

/// Layout of a machine-readable zone: ICAO 9303 parts 4 to 7, and two of single states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum MrzFormat {
    /// Three lines of 30 characters.
    #[serde(rename = "TD1")]
    Td1,
    /// Two lines of 36 characters.
    #[serde(rename = "TD2")]
    Td2,
    /// Two lines of 44 characters.
    #[serde(rename = "TD3")]
    Td3,
    /// Visa, two lines of 44 characters.
    #[serde(rename = "MRV_A")]
    MrvA,
    /// Visa, two lines of 36 characters.
    #[serde(rename = "MRV_B")]
    MrvB,
    /// French identity card of 1988 to 2021, two lines of 36 characters.
    #[serde(rename = "FRENCH_ID")]
    FrenchId,
    /// Driving licence of Switzerland or Liechtenstein, the two lines of 30 characters.
    #[serde(rename = "SWISS_LICENCE")]
    SwissLicence,
    /// French driving licence since 2013, one line of 30 characters.
    #[serde(rename = "FRENCH_LICENCE")]
    FrenchLicence,
}

/// Validity of the check digits of a machine-readable zone; null where the layout has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckDigits {
    /// Of the document number.
    pub document_number: Option<bool>,
    /// Of the date of birth.
    pub date_of_birth: Option<bool>,
    /// Of the date of expiry.
    pub date_of_expiry: Option<bool>,
    /// Of the personal number.
    pub personal_number: Option<bool>,
    /// Composite check digit.
    pub composite: Option<bool>,
}

/// A barcode.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Barcode {
    /// The medium that shows the barcode.
    pub medium: u32,
    /// Location in that medium.
    pub quad: Quad,
    /// Symbology.
    pub format: BarcodeFormat,
    /// Content, if it is text.
    pub text: Option<String>,
    /// Content in base64, if it is not text.
    pub base64: Option<String>,
    /// The elements of an AAMVA driving licence; empty for other barcodes.
    pub elements: Vec<BarcodeElement>,
}

/// An element of an AAMVA barcode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BarcodeElement {
    /// Identifier of three letters, such as `DCS`.
    pub id: String,
    /// Name in the standard; null for elements defined by the jurisdiction.
    pub name: Option<&'static str>,
    /// Content.
    pub value: String,
}

/// The holder's portrait.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PortraitReport {
    /// The medium that shows the portrait.
    pub medium: u32,
    /// Location of the face in that medium.
    pub quad: Quad,
    /// The detector's score, 0–1.
    pub confidence: f64,
    /// Name of the artifact with the portrait; null if none was kept.
    pub artifact: Option<String>,
}

/// A line of the visual zone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The medium that shows the line.
    pub medium: u32,
    /// The recognised text.
    pub text: String,
    /// Confidence of the recogniser, 0–1.
    pub confidence: f64,
    /// Location in that medium.
    pub quad: Quad,
}

/// A measure clamped to 0–1 and rounded to four decimals, its useful precision. 0 if it is not
/// finite.
pub(crate) fn fraction(value: f32) -> f64 {
    if value.is_finite() { (f64::from(value.clamp(0.0, 1.0)) * 1e4).round() / 1e4 } else { 0.0 }
}
