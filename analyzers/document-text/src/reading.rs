//! What the pixels gave: the seam between the half that reads pictures and this half, which reads
//! text.
//!
//! Everything is in image coordinates: pixels of the upright original frame as it was decoded,
//! before any scaling.

use serde::{Deserialize, Serialize};

/// Four corners in image coordinates: of a text in its reading direction clockwise from the top
/// left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Quad(pub [[f32; 2]; 4]);

impl Quad {
    /// Finite, in tenths of a pixel.
    #[must_use]
    pub(crate) fn tidy(self) -> Self {
        Self(self.0.map(|corner| {
            corner.map(|side| if side.is_finite() { (side * 10.0).round() / 10.0 } else { 0.0 })
        }))
    }
}

/// A line of the visual zone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TextLine {
    /// As read, with letters of any script.
    pub text: String,
    /// Mean probability of its characters, 0–1.
    pub confidence: f32,
    /// Where it stands.
    pub quad: Quad,
}

/// The machine-readable zone as it was read, from the top.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MrzReading {
    /// Its lines, from the top.
    pub lines: Vec<MrzLine>,
    /// The whole band.
    pub quad: Quad,
}

/// One line of the machine-readable zone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MrzLine {
    /// The best reading, of A–Z, 0–9 and `<` alone. Runs of `<` may have the wrong length.
    pub text: String,
    /// For each character of `text` the best few readings with their probability, best first.
    /// Empty: no others are known.
    pub alternatives: Vec<Vec<(char, f32)>>,
}

/// What the picture is like. Measures without a unit are 0–1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PageQuality {
    /// How sharp the document is; 1 is as sharp as can be.
    pub sharpness: f32,
    /// Share of the document that is burnt out by light.
    pub glare: f32,
    /// Whether the document has no colours at all.
    pub grey: bool,
    /// Strength of the pattern that the pixels of a screen or the raster of a print leave.
    pub moire: f32,
    /// Whether a part of the document lies outside the picture.
    pub cut_off: bool,
    /// Width of the rectified document in pixels, without enlargement.
    pub width_px: u32,
}

/// Kind of barcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BarcodeFormat {
    /// PDF417, as on North American driving licences.
    Pdf417,
    /// QR code.
    QrCode,
    /// Data Matrix.
    DataMatrix,
    /// Aztec code.
    Aztec,
}

/// A barcode, decoded but not interpreted.
#[derive(Debug, Clone, PartialEq)]
pub struct RawBarcode {
    /// Kind.
    pub format: BarcodeFormat,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its content as text, where it is one.
    pub text: Option<String>,
    /// Where it is.
    pub quad: Quad,
}

/// The holder's portrait; ghost images and other small faces are not meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Portrait {
    /// The face, in image coordinates.
    pub quad: Quad,
    /// The detector's score, 0–1.
    pub confidence: f32,
    /// Name of the artifact with the upright cut-out, where one was kept.
    pub artifact: Option<String>,
}

/// One side of a document as the pixels gave it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageReading {
    /// The edges of the document; `None` when none were found (it may fill the picture).
    pub document: Option<Quad>,
    /// How far the document is turned clockwise in the picture: 0, 90, 180 or 270 degrees.
    pub rotation: u16,
    /// The machine-readable zone, where one was located.
    pub mrz: Option<MrzReading>,
    /// The lines of the visual zone. Empty when it was not read.
    pub lines: Vec<TextLine>,
    /// All barcodes.
    pub barcodes: Vec<RawBarcode>,
    /// The holder's portrait.
    pub portrait: Option<Portrait>,
    /// What the picture is like.
    pub quality: PageQuality,
}
