//! Barcodes of driving licences (AAMVA).
#![no_main]

use time::macros::date;
use vultus_document_text::{BarcodeFormat, PageReading, Params, Quad, RawBarcode, judge};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let barcode = RawBarcode {
        format: BarcodeFormat::Pdf417,
        bytes: bytes.to_vec(),
        text: std::str::from_utf8(bytes).ok().map(str::to_owned),
        quad: Quad::default(),
    };
    let page = PageReading { barcodes: vec![barcode], ..PageReading::default() };
    judge(&page, None, &Params::default(), date!(2026 - 11 - 30));
});
