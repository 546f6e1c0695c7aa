//! Finds and decodes barcodes; their content is interpreted by `vultus-document-text`.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::RgbImage;
use rxing::helpers::detect_multiple_in_luma_with_hints;
use rxing::{BarcodeFormat as Kind, DecodeHints, RXingResult};
use vultus_document_text::{BarcodeFormat, Quad, RawBarcode};

use crate::sample;

/// Maximum longer side, in pixels, of the picture that is searched; larger ones are reduced.
const SIDE: u32 = 1600;
/// Maximum number of barcodes.
const MOST: usize = 8;

/// The barcodes in `picture`.
pub(crate) fn read(picture: &RgbImage) -> Vec<RawBarcode> {
    let factor = (SIDE as f32 / picture.width().max(picture.height()) as f32).min(1.0);
    let fitted = |length: u32| ((length as f32 * factor).round() as u32).max(1);
    let small = sample::scaled(picture, fitted(picture.width()), fitted(picture.height()));
    let (width, height) = small.dimensions();
    let luma = sample::grey(&small).into_raw();
    let formats = HashSet::from([Kind::PDF_417, Kind::QR_CODE, Kind::DATA_MATRIX, Kind::AZTEC]);
    let mut hints = DecodeHints {
        PossibleFormats: Some(formats),
        TryHarder: Some(false),
        ..DecodeHints::default()
    };
    // The decoder processes arbitrary pictures: if it panics, the barcode is lost, but not the
    // analysis.
    let found = catch_unwind(AssertUnwindSafe(|| {
        detect_multiple_in_luma_with_hints(luma, width, height, &mut hints)
    }));
    let found = found.ok().and_then(Result::ok).unwrap_or_default();
    found.iter().take(MOST).filter_map(|code| as_raw(code, factor)).collect()
}

fn as_raw(code: &RXingResult, factor: f32) -> Option<RawBarcode> {
    let format = match code.getBarcodeFormat() {
        Kind::PDF_417 => BarcodeFormat::Pdf417,
        Kind::QR_CODE => BarcodeFormat::QrCode,
        Kind::DATA_MATRIX => BarcodeFormat::DataMatrix,
        Kind::AZTEC => BarcodeFormat::Aztec,
        _ => return None,
    };
    let text = code.getText();
    let latin: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    let points = code.getPoints();
    let bound = |axis: fn(&rxing::Point) -> f32| {
        let places = points.iter().map(|p| axis(p) / factor);
        places.fold((f32::MAX, f32::MIN), |(low, high), place| (low.min(place), high.max(place)))
    };
    let ((left, right), (top, bottom)) = (bound(|p| p.x), bound(|p| p.y));
    let quad = if points.is_empty() {
        Quad::default()
    } else {
        Quad([[left, top], [right, top], [right, bottom], [left, bottom]])
    };
    Some(RawBarcode {
        format,
        bytes: latin.unwrap_or_else(|| text.as_bytes().to_vec()),
        text: Some(text.to_owned()),
        quad,
    })
}
