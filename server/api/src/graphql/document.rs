//! The document analyzer's result as typed objects, read from its JSON.
//!
//! Reading is lenient, as in `results`: a value that is absent or malformed is null or left out.

mod barcode;
mod mrz;
mod point;

use async_graphql::{Enum, SimpleObject};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use vultus_core::{Error, JsonText, Result};

use super::artifact::Artifact;
use super::media::Media;
pub use barcode::{BarcodeElement, BarcodeFormat, DocumentBarcode};
pub use mrz::{Mrz, MrzCheckDigits, MrzFormat};
pub use point::Point;

/// Type of a document.
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
    /// The type could not be determined.
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
    /// Issuing state or organization; the ICAO 9303 code if the machine-readable zone has one.
    IssuingState,
    /// The holder's nationality; the ICAO 9303 code if the machine-readable zone has one.
    Nationality,
    /// Date of birth.
    DateOfBirth,
    /// `M`, `F` or `X`.
    Sex,
    /// Date of expiry.
    DateOfExpiry,
    /// Date of issue.
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

/// Agreement of the zones of a document about a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentFieldStatus {
    /// At least two zones have the field, and they agree.
    Match,
    /// Two zones have the field and differ.
    Mismatch,
    /// Only the machine-readable zone has the field.
    OnlyMrz,
    /// Only the visual zone has the field.
    OnlyVisual,
    /// Only the barcode has the field.
    OnlyBarcode,
}

/// Side of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DocumentSide {
    /// The side with the tag `photo_id_front`.
    Front,
    /// The side with the tag `photo_id_back`.
    Back,
}

/// A field of a document, from all its zones.
#[derive(Debug, Clone, SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentField {
    /// Name of the field.
    name: DocumentFieldName,
    /// The value to use. Dates are `YYYY-MM-DD`.
    value: String,
    /// Agreement of the zones.
    status: DocumentFieldStatus,
    /// Value in the machine-readable zone.
    mrz: Option<String>,
    /// Value in the visual zone.
    visual: Option<String>,
    /// Value in the barcode.
    barcode: Option<String>,
    /// Confidence of reading the visual zone, 0–1.
    confidence: Option<f64>,
    /// The medium whose visual zone shows it: index in `media` of the analysis, counted from 0.
    medium: Option<i32>,
    /// That medium; null if it was deleted, and in an instant check.
    #[serde(skip)]
    media: Option<Media>,
    /// Its corners there, clockwise from the top left.
    #[serde(rename = "quad")]
    corners: Option<Vec<Point>>,
}

/// The portrait of the holder on a document.
#[derive(Debug, Clone, SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentPortrait {
    /// The medium that shows it: index in `media` of the analysis, counted from 0.
    medium: i32,
    /// That medium; null if it was deleted, and in an instant check.
    #[serde(skip)]
    media: Option<Media>,
    /// Corners of the face, clockwise from the top left.
    #[serde(rename = "quad")]
    corners: Vec<Point>,
    /// The detector's score, 0–1.
    confidence: f64,
    /// Name of the artifact that holds the portrait.
    #[serde(rename = "artifact")]
    artifact_name: Option<String>,
    /// The portrait; null in an instant check, whose `artifacts` contain it by name.
    #[serde(skip)]
    artifact: Option<Artifact>,
}

/// A line of the visual zone of a document.
#[derive(Debug, Clone, SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentLine {
    /// The medium that shows it: index in `media` of the analysis, counted from 0.
    medium: i32,
    /// The text as read.
    text: String,
    /// Confidence, 0–1.
    confidence: f64,
    /// Its corners, clockwise from the top left.
    #[serde(rename = "quad")]
    corners: Vec<Point>,
}

/// Quality of the picture of one side of a document.
#[derive(Debug, Clone, SimpleObject)]
pub struct DocumentQuality {
    /// The medium: index in `media` of the analysis, counted from 0.
    medium: i32,
    /// That medium; null if it was deleted, and in an instant check.
    media: Option<Media>,
    /// The side, by the medium's tags.
    side: DocumentSide,
    /// The corners of the document, clockwise from its top left; null if its edges were not found.
    corners: Option<Vec<Point>>,
    /// Clockwise rotation of the document: 0, 90, 180 or 270 degrees.
    rotation: i32,
    /// Sharpness, 0–1.
    sharpness: f64,
    /// Share of overexposed area, 0–1.
    glare: f64,
    /// Whether the document has no colours.
    grey: bool,
    /// Strength of a screen or print raster pattern, 0–1.
    moire: f64,
    /// Whether a part of the document is outside the picture.
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

/// The contents of a document.
#[derive(Debug, Clone, SimpleObject)]
pub struct DocumentResult {
    /// Type of the document.
    #[graphql(name = "type")]
    pub(super) kind: DocumentType,
    /// Its fields, from all zones.
    pub(super) fields: Vec<DocumentField>,
    /// Its machine-readable zone.
    pub(super) mrz: Option<Mrz>,
    /// Its barcodes.
    pub(super) barcodes: Vec<DocumentBarcode>,
    /// The portrait of the holder.
    pub(super) portrait: Option<DocumentPortrait>,
    /// Quality of the picture of each side.
    pub(super) quality: Vec<DocumentQuality>,
    /// The lines of the visual zone, in reading order.
    pub(super) lines: Vec<DocumentLine>,
}

impl DocumentResult {
    /// The document type in a result.
    pub(super) fn kind_in(result: &JsonText) -> DocumentType {
        result.field("type").unwrap_or(DocumentType::Unknown)
    }

    /// Reads a result. `medium` finds a medium by its index, `artifact` an artifact by its name.
    pub(super) fn read(
        result: &JsonText,
        medium: impl Fn(i32) -> Option<Media>,
        artifact: impl Fn(&str) -> Option<Artifact>,
    ) -> Result<Self> {
        let kind = Self::kind_in(result);
        let result = &result
            .to_value()
            .map_err(|error| Error::internal("reading a document result", error))?;
        let mut fields: Vec<DocumentField> = list(result, "fields");
        fields.iter_mut().for_each(|field| field.media = field.medium.and_then(&medium));
        let mut barcodes: Vec<DocumentBarcode> = list(result, "barcodes");
        barcodes.iter_mut().for_each(|barcode| barcode.media = medium(barcode.medium));
        let mut mrz: Option<Mrz> = one(result, "mrz");
        mrz.iter_mut().for_each(|mrz| mrz.media = medium(mrz.medium));
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
        Ok(Self {
            kind,
            fields,
            mrz,
            barcodes,
            portrait,
            quality: list(result, "media").into_iter().map(quality).collect(),
            lines: list(result, "lines"),
        })
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
    fn fields_of_another_version_are_left_out() {
        let quad = json!([[1, 2], [3.5, 2], [3.5, 4], [1, 4]]);
        let result = json!({
            "type": "PASSPORT",
            "fields": [
                {"name": "SURNAME", "value": "ERIKSSON", "status": "only_mrz", "mrz": "ERIKSSON",
                 "quad": quad, "medium": 0},
                {"name": "SHOE_SIZE", "value": "42", "status": "match"}
            ],
            "media": [{"medium": 0, "side": "FRONT", "document": null, "rotation": 90, "quality": {
                "sharpness": 0.5, "glare": 0.0, "grey": false, "moire": 0.1, "cutOff": true,
                "widthPx": 900}}],
            "mrz": {"medium": 0},
            "lines": 3
        });
        let read = DocumentResult::read(&result.into(), |_| None, |_| None).unwrap();
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
