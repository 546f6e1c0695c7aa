//! Converts barcodes to their form in the report.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::aamva::{self, Licence};
use crate::page::Page;
use crate::reading::{BarcodeFormat, RawBarcode};
use crate::report::Barcode;

/// All barcodes of all sides, and the first AAMVA driving licence among them.
pub(crate) fn read(pages: &[Page<'_>]) -> (Vec<Barcode>, Option<Licence>) {
    let all =
        pages.iter().flat_map(|page| page.reading.barcodes.iter().map(|raw| of(page.medium, raw)));
    let (barcodes, licences): (Vec<Barcode>, Vec<Option<Licence>>) = all.unzip();
    (barcodes, licences.into_iter().flatten().next())
}

fn of(medium: u32, raw: &RawBarcode) -> (Barcode, Option<Licence>) {
    let text = raw.text.clone().or_else(|| String::from_utf8(raw.bytes.clone()).ok());
    let licence =
        text.as_deref().filter(|_| raw.format == BarcodeFormat::Pdf417).and_then(aamva::read);
    let barcode = Barcode {
        medium,
        quad: raw.quad.tidy(),
        format: raw.format,
        base64: text.is_none().then(|| STANDARD.encode(&raw.bytes)),
        text,
        elements: licence.as_ref().map(|licence| licence.elements.clone()).unwrap_or_default(),
    };
    (barcode, licence)
}
