//! The document analyzer's result as typed objects, read out of the JSON that it stores.
//!
//! Reading is lenient, as in `results`: what a result of another version does not have, or has in
//! another shape, is null or left out.

use async_graphql::{Enum, SimpleObject};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::artifact::Artifact;
use super::media::Media;

/// Kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DocumentType {
    /// A passport.
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

/// Name of a field of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DocumentFieldName {
    /// Primary identifier.
    Surname,
    /// Secondary identifier.
    GivenNames,
    /// Number of the document.
    DocumentNumber,
    /// State or organization that issued it; a code of ICAO 9303 where the machine-readable zone
    /// has one.
    IssuingState,
    /// The holder's nationality; likewise.
    Nationality,
    /// Day of birth.
    DateOfBirth,
    /// `M`, `F` or `X`.
    Sex,
    /// Last day of validity.
    DateOfExpiry,
    /// Day of issue.
    DateOfIssue,
    /// The holder's own number.
    PersonalNumber,
    /// Place of birth.
    PlaceOfBirth,
    /// Authority that issued it.
    Authority,
    /// The holder's address.
    Address,
}

/// How the zones of a document agree about a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentFieldStatus {
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

/// Side of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DocumentSide {
    /// The side that was given as `photo_id_front`.
    Front,
    /// The side that was given as `photo_id_back`.
    Back,
}

/// Layout of a machine-readable zone (ICAO 9303 parts 4 to 7).
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
}

/// Kind of barcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BarcodeFormat {
    /// PDF417.
    #[graphql(name = "PDF417")]
    Pdf417,
    /// QR code.
    QrCode,
    /// Data Matrix.
    DataMatrix,
    /// Aztec code.
    Aztec,
}

/// A point in pixels of the upright picture.
#[derive(Debug, Clone, Copy, PartialEq, SimpleObject, Deserialize)]
#[serde(from = "[f64; 2]")]
pub struct Point {
    /// From the left edge.
    x: f64,
    /// From the upper edge.
    y: f64,
}

impl From<[f64; 2]> for Point {
    fn from([x, y]: [f64; 2]) -> Self {
        Self { x, y }
    }
}

/// A field of a document, out of all its zones.
#[derive(Debug, Clone, SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentField {
    /// Which one.
    name: DocumentFieldName,
    /// The value to go by. Days are `YYYY-MM-DD`.
    value: String,
    /// How the zones agree about it.
    status: DocumentFieldStatus,
    /// What the machine-readable zone says.
    mrz: Option<String>,
    /// What the visual zone says.
    visual: Option<String>,
    /// What the barcode says.
    barcode: Option<String>,
    /// How surely the visual zone was read, 0–1.
    confidence: Option<f64>,
    /// Which medium shows it in its visual zone: the nth of `media` of the analysis, counted from
    /// 0.
    medium: Option<i32>,
    /// That medium; null when it was deleted, and in an instant check.
    #[serde(skip)]
    media: Option<Media>,
    /// Where it stands there: corners clockwise from its top left.
    #[serde(rename = "quad")]
    corners: Option<Vec<Point>>,
}

/// The check digits of a machine-readable zone: whether each is right, null where the layout has
/// none.
#[derive(Debug, Clone, Copy, SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MrzCheckDigits {
    /// Of the document number.
    document_number: Option<bool>,
    /// Of the date of birth.
    date_of_birth: Option<bool>,
    /// Of the date of expiry.
    date_of_expiry: Option<bool>,
    /// Of the personal number.
    personal_number: Option<bool>,
    /// Over all of them.
    composite: Option<bool>,
}

/// The machine-readable zone of a document.
#[derive(Debug, Clone, SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mrz {
    /// Which medium shows it: the nth of `media` of the analysis, counted from 0.
    medium: i32,
    /// That medium; null when it was deleted, and in an instant check.
    #[serde(skip)]
    media: Option<Media>,
    /// Where it is: corners clockwise from its top left.
    #[serde(rename = "quad")]
    corners: Vec<Point>,
    /// Its layout.
    format: MrzFormat,
    /// Its lines, of full length.
    lines: Vec<String>,
    /// Whether all check digits are right.
    valid: bool,
    /// Whether the lines are not simply what was read: characters were put right by check digits or
    /// by the rules of their field, or doubtful ones that no check digit covers were kept.
    corrected: bool,
    /// Each check digit.
    check_digits: MrzCheckDigits,
    /// Document code, such as `P` or `ID`.
    document_code: String,
    /// Code of the issuing state or organization.
    issuing_state: String,
    /// Its name in English.
    issuing_state_name: Option<String>,
    /// Primary identifier.
    surname: String,
    /// Secondary identifier.
    given_names: String,
    /// Number of the document, long ones whole.
    document_number: String,
    /// Code of the nationality.
    nationality: String,
    /// Its name in English.
    nationality_name: Option<String>,
    /// `YYYY-MM-DD`, or the six characters when they name no day.
    date_of_birth: String,
    /// `M`, `F` or `X`.
    sex: String,
    /// As the date of birth.
    date_of_expiry: String,
    /// Optional data; of a passport the personal number.
    optional_data: Option<String>,
    /// The second optional data of TD1.
    optional_data2: Option<String>,
}

/// An element of the barcode of a North American licence (AAMVA).
#[derive(Debug, Clone, SimpleObject, Deserialize)]
pub struct BarcodeElement {
    /// Three letters, such as `DCS`.
    id: String,
    /// What the standard calls it; null for the jurisdiction's own.
    name: Option<String>,
    /// Content.
    value: String,
}

/// A barcode on a document.
#[derive(Debug, Clone, SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentBarcode {
    /// Which medium shows it: the nth of `media` of the analysis, counted from 0.
    medium: i32,
    /// That medium; null when it was deleted, and in an instant check.
    #[serde(skip)]
    media: Option<Media>,
    /// Where it is: corners clockwise from its top left.
    #[serde(rename = "quad")]
    corners: Vec<Point>,
    /// Kind.
    format: BarcodeFormat,
    /// Content as text, where it is one.
    text: Option<String>,
    /// Content in base64, where it is no text.
    base64: Option<String>,
    /// The elements of a North American licence.
    elements: Vec<BarcodeElement>,
}

/// The holder's portrait on a document.
#[derive(Debug, Clone, SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentPortrait {
    /// Which medium shows it: the nth of `media` of the analysis, counted from 0.
    medium: i32,
    /// That medium; null when it was deleted, and in an instant check.
    #[serde(skip)]
    media: Option<Media>,
    /// Where the face is: corners clockwise from its top left.
    #[serde(rename = "quad")]
    corners: Vec<Point>,
    /// The detector's score, 0–1.
    confidence: f64,
    /// Name of the artifact that holds the portrait.
    #[serde(rename = "artifact")]
    artifact_name: Option<String>,
    /// The portrait; null in an instant check, whose `artifacts` have it by name.
    #[serde(skip)]
    artifact: Option<Artifact>,
}

/// A line of the visual zone of a document.
#[derive(Debug, Clone, SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentLine {
    /// Which medium shows it: the nth of `media` of the analysis, counted from 0.
    medium: i32,
    /// As read.
    text: String,
    /// How surely, 0–1.
    confidence: f64,
    /// Where it stands: corners clockwise from its top left.
    #[serde(rename = "quad")]
    corners: Vec<Point>,
}

/// What the picture of one side of a document is like.
#[derive(Debug, Clone, SimpleObject)]
pub struct DocumentQuality {
    /// Which medium it is: the nth of `media` of the analysis, counted from 0.
    medium: i32,
    /// That medium; null when it was deleted, and in an instant check.
    media: Option<Media>,
    /// Which side it was given as.
    side: DocumentSide,
    /// The edges of the document, clockwise from its own top left; null when none were found.
    corners: Option<Vec<Point>>,
    /// How far the document is turned clockwise: 0, 90, 180 or 270 degrees.
    rotation: i32,
    /// 0–1; 1 is as sharp as can be.
    sharpness: f64,
    /// Share of burnt-out area, 0–1.
    glare: f64,
    /// Whether the document has no colours.
    grey: bool,
    /// Strength of the pattern of a screen or raster, 0–1.
    moire: f64,
    /// Whether a part is outside the picture.
    cut_off: bool,
    /// Width of the document in pixels.
    width_px: i32,
}

/// One of `media` of the result.
#[derive(Deserialize)]
struct Side {
    medium: i32,
    side: DocumentSide,
    document: Option<Vec<Point>>,
    rotation: i32,
    quality: Measures,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Measures {
    sharpness: f64,
    glare: f64,
    grey: bool,
    moire: f64,
    cut_off: bool,
    width_px: i32,
}

/// What a document says of its holder and itself.
#[derive(Debug, Clone, SimpleObject)]
pub struct DocumentResult {
    /// What kind of document it is.
    #[graphql(name = "type")]
    pub(super) kind: DocumentType,
    /// Its fields, out of all zones.
    pub(super) fields: Vec<DocumentField>,
    /// Its machine-readable zone.
    pub(super) mrz: Option<Mrz>,
    /// Its barcodes.
    pub(super) barcodes: Vec<DocumentBarcode>,
    /// The holder's portrait.
    pub(super) portrait: Option<DocumentPortrait>,
    /// What the picture of each side is like.
    pub(super) quality: Vec<DocumentQuality>,
    /// The lines of the visual zone, in the order of reading.
    pub(super) lines: Vec<DocumentLine>,
}

impl DocumentResult {
    /// The kind that a result tells.
    pub(super) fn kind_in(result: &Value) -> DocumentType {
        one(result, "type").unwrap_or(DocumentType::Unknown)
    }

    /// Reads a result. `medium` finds what its indices mean, `artifact` what its names mean.
    pub(super) fn read(
        result: &Value,
        medium: impl Fn(i32) -> Option<Media>,
        artifact: impl Fn(&str) -> Option<Artifact>,
    ) -> Self {
        let mut fields: Vec<DocumentField> = list(result, "fields");
        fields.iter_mut().for_each(|field| field.media = field.medium.and_then(&medium));
        let mut barcodes: Vec<DocumentBarcode> = list(result, "barcodes");
        barcodes.iter_mut().for_each(|barcode| barcode.media = medium(barcode.medium));
        let mrz = one(result, "mrz").map(|mrz: Mrz| Mrz { media: medium(mrz.medium), ..mrz });
        let portrait = one(result, "portrait").map(|portrait: DocumentPortrait| DocumentPortrait {
            media: medium(portrait.medium),
            artifact: portrait.artifact_name.as_deref().and_then(artifact),
            ..portrait
        });
        let quality = |side: Side| DocumentQuality {
            medium: side.medium,
            media: medium(side.medium),
            side: side.side,
            corners: side.document,
            rotation: side.rotation,
            sharpness: side.quality.sharpness,
            glare: side.quality.glare,
            grey: side.quality.grey,
            moire: side.quality.moire,
            cut_off: side.quality.cut_off,
            width_px: side.quality.width_px,
        };
        Self {
            kind: Self::kind_in(result),
            fields,
            mrz,
            barcodes,
            portrait,
            quality: list(result, "media").into_iter().map(quality).collect(),
            lines: list(result, "lines"),
        }
    }
}

fn one<T: DeserializeOwned>(result: &Value, name: &str) -> Option<T> {
    T::deserialize(result.get(name)?).ok()
}

fn list<T: DeserializeOwned>(result: &Value, name: &str) -> Vec<T> {
    let items = result.get(name).and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
    items.iter().filter_map(|item| T::deserialize(item).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_another_version_wrote_is_left_out_and_the_rest_is_read() {
        let quad = json!([[1, 2], [3.5, 2], [3.5, 4], [1, 4]]);
        let result = json!({
            "type": "PASSPORT",
            "fields": [
                {"name": "SURNAME", "value": "ERIKSSON", "status": "only_mrz", "mrz": "ERIKSSON", "quad": quad, "medium": 0},
                {"name": "SHOE_SIZE", "value": "42", "status": "match"}
            ],
            "media": [{"medium": 0, "side": "FRONT", "document": null, "rotation": 90, "quality": {
                "sharpness": 0.5, "glare": 0.0, "grey": false, "moire": 0.1, "cutOff": true, "widthPx": 900}}],
            "mrz": {"medium": 0},
            "lines": 3
        });
        let read = DocumentResult::read(&result, |_| None, |_| None);
        assert_eq!(read.kind, DocumentType::Passport);
        assert_eq!(read.fields.len(), 1);
        assert_eq!(
            read.fields[0].corners.as_ref().map(|corners| corners[1]),
            Some(Point { x: 3.5, y: 2.0 })
        );
        assert!(
            read.mrz.is_none()
                && read.barcodes.is_empty()
                && read.lines.is_empty()
                && read.portrait.is_none()
        );
        assert!(read.quality[0].cut_off && read.quality[0].rotation == 90);
    }
}
