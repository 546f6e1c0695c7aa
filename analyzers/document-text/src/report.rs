//! The shape of the analysis' result. [`schema`](crate::result_schema) is the same as JSON Schema.

use serde::Serialize;

use crate::reading::{BarcodeFormat, Quad};

/// `Outcome::result`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What kind of document it is.
    #[serde(rename = "type")]
    pub kind: DocumentType,
    /// The sides, in the order of the media.
    pub media: Vec<MediumReport>,
    /// What the document says of its holder and itself, from all zones.
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

/// Kind of document.
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
    /// It could not be told.
    Unknown,
}

/// One side of the document.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MediumReport {
    /// Index of the medium.
    pub medium: u32,
    /// Which side.
    pub side: Side,
    /// The edges of the document.
    pub document: Option<Quad>,
    /// How far it is turned clockwise, in degrees.
    pub rotation: u16,
    /// What the picture is like.
    pub quality: Quality,
}

/// Side of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Side {
    /// The side with the portrait.
    Front,
    /// The other one.
    Back,
}

/// What a picture is like.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Quality {
    /// 0–1; 1 is as sharp as can be.
    pub sharpness: f64,
    /// Share of burnt-out area, 0–1.
    pub glare: f64,
    /// Whether there are no colours.
    pub grey: bool,
    /// Strength of the pattern of a screen or raster, 0–1.
    pub moire: f64,
    /// Whether a part is outside the picture.
    pub cut_off: bool,
    /// Width of the document in pixels.
    pub width_px: u32,
}

/// A field of the document.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// Which one.
    pub name: FieldName,
    /// The value to go by: that of the most reliable zone. Dates are `YYYY-MM-DD`.
    pub value: String,
    /// How the zones agree.
    pub status: FieldStatus,
    /// What the machine-readable zone says.
    pub mrz: Option<String>,
    /// What the visual zone says.
    pub visual: Option<String>,
    /// What the barcode says.
    pub barcode: Option<String>,
    /// How surely the visual zone was read, 0–1.
    pub confidence: Option<f64>,
    /// The medium that shows it in its visual zone.
    pub medium: Option<u32>,
    /// Where it stands there.
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
    /// Number of the document, long ones whole.
    DocumentNumber,
    /// State or organization that issued it; a code in the machine-readable zone.
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
    /// The holder's number, where the document has one.
    PersonalNumber,
    /// Place of birth.
    PlaceOfBirth,
    /// Authority that issued it.
    Authority,
    /// The holder's address.
    Address,
}

/// How the zones agree about a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldStatus {
    /// At least two zones have it, and they agree.
    Match,
    /// Two zones have it and differ.
    Mismatch,
    /// Only the machine-readable zone has it.
    OnlyMrz,
    /// Only the visual zone has it.
    OnlyVisual,
    /// Only the barcode has it.
    OnlyBarcode,
}

/// The machine-readable zone.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mrz {
    /// The medium that shows it.
    pub medium: u32,
    /// Where it is.
    pub quad: Quad,
    /// Its layout.
    pub format: MrzFormat,
    /// Its lines, of full length.
    pub lines: Vec<String>,
    /// Whether all check digits are right.
    pub valid: bool,
    /// Whether the lines are not simply what was read: characters were put right by check digits or
    /// by the rules of their field, or doubtful ones that no check digit covers were kept.
    pub corrected: bool,
    /// Each check digit; null where the layout has none.
    pub check_digits: CheckDigits,
    /// `P`, `ID`, `V` and the like.
    pub document_code: String,
    /// Code of the issuing state or organization.
    pub issuing_state: String,
    /// Its name in English.
    pub issuing_state_name: Option<String>,
    /// Primary identifier.
    pub surname: String,
    /// Secondary identifier.
    pub given_names: String,
    /// Number of the document, long ones whole.
    pub document_number: String,
    /// Code of the nationality.
    pub nationality: String,
    /// Its name in English.
    pub nationality_name: Option<String>,
    /// `YYYY-MM-DD`; the six characters as they are when they name no day.
    pub date_of_birth: String,
    /// `M`, `F`, or `X` for unspecified.
    pub sex: String,
    /// As the date of birth.
    pub date_of_expiry: String,
    /// Optional data; of a passport the personal number.
    pub optional_data: Option<String>,
    /// The second element of TD1.
    pub optional_data2: Option<String>,
}

/// Layout of a machine-readable zone, ICAO 9303 parts 4 to 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum MrzFormat {
    /// Three lines of 30.
    #[serde(rename = "TD1")]
    Td1,
    /// Two lines of 36.
    #[serde(rename = "TD2")]
    Td2,
    /// Two lines of 44.
    #[serde(rename = "TD3")]
    Td3,
    /// Visa, two lines of 44.
    #[serde(rename = "MRV_A")]
    MrvA,
    /// Visa, two lines of 36.
    #[serde(rename = "MRV_B")]
    MrvB,
}

/// The check digits of a machine-readable zone.
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
    /// Over all of them.
    pub composite: Option<bool>,
}

/// A barcode.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Barcode {
    /// The medium that shows it.
    pub medium: u32,
    /// Where it is.
    pub quad: Quad,
    /// Kind.
    pub format: BarcodeFormat,
    /// Content as text, where it is one.
    pub text: Option<String>,
    /// Content in base64, where it is no text.
    pub base64: Option<String>,
    /// The elements of an AAMVA driving licence.
    pub elements: Vec<BarcodeElement>,
}

/// An element of an AAMVA barcode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BarcodeElement {
    /// Three letters, such as `DCS`.
    pub id: String,
    /// What the standard calls it; null for the jurisdiction's own.
    pub name: Option<&'static str>,
    /// Content.
    pub value: String,
}

/// The holder's portrait.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PortraitReport {
    /// The medium that shows it.
    pub medium: u32,
    /// Where the face is.
    pub quad: Quad,
    /// The detector's score, 0–1.
    pub confidence: f64,
    /// Name of the artifact.
    pub artifact: Option<String>,
}

/// A line of the visual zone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The medium that shows it.
    pub medium: u32,
    /// As read.
    pub text: String,
    /// 0–1.
    pub confidence: f64,
    /// Where it stands.
    pub quad: Quad,
}

/// A measure of 0–1 in ten thousandths, which is all that it is good for. What is not finite
/// becomes 0.
pub(crate) fn fraction(value: f32) -> f64 {
    if value.is_finite() { (f64::from(value.clamp(0.0, 1.0)) * 1e4).round() / 1e4 } else { 0.0 }
}
