//! The input of this crate: what was recognised in the picture of a document side.
//!
//! Coordinates are pixels of the upright original frame, before scaling.

use serde::{Deserialize, Serialize};

/// Four corners in image coordinates, clockwise from the top left of the text in reading direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Quad(pub [[f32; 2]; 4]);

impl Quad {
    /// Rounded to tenths of a pixel; 0 for coordinates that are not finite.
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
    /// The recognised text, in any script.
    pub text: String,
    /// Mean probability of its characters, 0–1.
    pub confidence: f32,
    /// Location of the line.
    pub quad: Quad,
}

/// The machine-readable zone as recognised, before any correction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MrzReading {
    /// The lines, from the top.
    pub lines: Vec<MrzLine>,
    /// Location of the whole zone.
    pub quad: Quad,
}

/// One line of the machine-readable zone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MrzLine {
    /// The best reading: only A–Z, 0–9 and `<`. Runs of `<` may have the wrong length.
    pub text: String,
    /// For each character of `text` the best few readings with their probabilities, best first.
    /// Empty if no alternatives are known.
    pub alternatives: Vec<Vec<(char, f32)>>,
}

/// Quality of the picture. Measures without a unit are 0–1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PageQuality {
    /// Sharpness of the document; 1 is a clean scan.
    pub sharpness: f32,
    /// Share of the document that is overexposed.
    pub glare: f32,
    /// Whether the document has no colours.
    pub grey: bool,
    /// Strength of the pattern of a screen's pixels or of a printed raster.
    pub moire: f32,
    /// Whether a part of the document is outside the picture.
    pub cut_off: bool,
    /// Width of the rectified document in pixels, without enlargement.
    pub width_px: u32,
}

/// Symbology of a barcode.
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
    /// Symbology.
    pub format: BarcodeFormat,
    /// The content.
    pub bytes: Vec<u8>,
    /// The content as text, if the decoder knows its encoding.
    pub text: Option<String>,
    /// Location of the barcode.
    pub quad: Quad,
}

/// The holder's portrait; not a ghost image or another small face.
#[derive(Debug, Clone, PartialEq)]
pub struct Portrait {
    /// The face, in image coordinates.
    pub quad: Quad,
    /// The detector's score, 0–1.
    pub confidence: f32,
    /// Name of the artifact with the upright portrait, if one was kept.
    pub artifact: Option<String>,
}

/// One side of a document as recognised in its picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageReading {
    /// The edges of the document; `None` if none were found, as when it fills the picture.
    pub document: Option<Quad>,
    /// Clockwise rotation of the document in the picture: 0, 90, 180 or 270 degrees.
    pub rotation: u16,
    /// Whether the picture is mirrored, as front cameras take it. All places are those in the
    /// picture as it is.
    pub mirrored: bool,
    /// The machine-readable zone, if one was located.
    pub mrz: Option<MrzReading>,
    /// The lines of the visual zone. Empty if it was not read.
    pub lines: Vec<TextLine>,
    /// All barcodes.
    pub barcodes: Vec<RawBarcode>,
    /// The holder's portrait.
    pub portrait: Option<Portrait>,
    /// Quality of the picture.
    pub quality: PageQuality,
}
