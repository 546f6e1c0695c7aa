//! The barcodes of a document.

use async_graphql::{Enum, SimpleObject};
use serde::Deserialize;

use super::point::Point;
use crate::graphql::media::Media;

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

/// An element of the barcode of a North American licence (AAMVA).
#[derive(Debug, Clone, SimpleObject, Deserialize)]
pub struct BarcodeElement {
    /// Three letters, such as `DCS`.
    id: String,
    /// Its name in the standard; null for elements of the jurisdiction.
    name: Option<String>,
    /// Content.
    value: String,
}

/// A barcode on a document.
#[derive(Debug, Clone, SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentBarcode {
    /// The medium that shows it: index in `media` of the analysis, counted from 0.
    pub(super) medium: i32,
    /// That medium; null if it was deleted, and in an instant check.
    #[serde(skip)]
    pub(super) media: Option<Media>,
    /// Its corners, clockwise from the top left.
    #[serde(rename = "quad")]
    corners: Vec<Point>,
    /// Kind.
    format: BarcodeFormat,
    /// Content, if it is text.
    text: Option<String>,
    /// Content in base64, if it is not text.
    base64: Option<String>,
    /// The elements of a North American licence.
    elements: Vec<BarcodeElement>,
}
