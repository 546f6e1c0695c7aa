//! Verdicts on driving licences and on barcodes.

use super::*;

#[test]
fn licence_without_barcode_design_needs_no_back() {
    let front = PageReading {
        lines: vec![
            line(10.0, 14.0, "FÜHRERSCHEIN"),
            line(64.0, 13.0, "1. MUSTERMANN"),
            line(80.0, 13.0, "2. ERIKA"),
            line(96.0, 13.0, "4b. 21.02.2034"),
            line(112.0, 13.0, "5. B072RRE2I55"),
        ],
        ..page()
    };
    let result = judged(&front, None);
    assert_eq!((result.report.kind, codes(&result)), (DocumentType::DrivingLicence, vec![]));
}

#[test]
fn licence_barcode_is_compared_with_the_visual_zone() {
    let text = "@\n\u{1e}\rANSI 636000100002DL00410278ZV03190008DLDAQT64235789\nDCSSAMPLE\n\
                DACMICHAEL\nDADJOHN\nDBB06061986\nDBA12102034\nDBC1\nDCGUSA\r";
    let code = RawBarcode {
        format: BarcodeFormat::Pdf417,
        bytes: text.into(),
        text: Some(text.to_owned()),
        quad: Quad::default(),
    };
    let front = PageReading {
        lines: vec![
            line(10.0, 14.0, "DRIVER LICENSE"),
            line(76.0, 13.0, "LN SAMPLE"),
            line(90.0, 9.0, "DOB 06/06/1986"),
            line(104.0, 9.0, "16 HGT 5'-09\" 18 EYES BRO"),
        ],
        ..page()
    };
    let back = PageReading { barcodes: vec![code], portrait: None, ..page() };
    assert_eq!(codes(&judged(&front, None)), ["BACK_MISSING"]);
    let result = judged(&front, Some(&back));
    assert_eq!((result.resolution, codes(&result)), (Resolution::Success, vec![]));
    assert_eq!(result.report.kind, DocumentType::DrivingLicence);
    assert_eq!(status(&result, FieldName::Surname), Some(FieldStatus::Match));
    assert_eq!(status(&result, FieldName::DateOfBirth), Some(FieldStatus::Match));
    assert_eq!(status(&result, FieldName::DateOfExpiry), Some(FieldStatus::OnlyBarcode));
    assert!(result.report.barcodes[0].elements.iter().any(|element| element.id == "DAQ"));
    let other = PageReading {
        lines: vec![line(10.0, 14.0, "DRIVER LICENSE"), line(90.0, 9.0, "DOB 06/07/1986")],
        ..page()
    };
    assert_eq!(codes(&judged(&other, Some(&back))), ["FIELD_MISMATCH"]);
}

#[test]
fn binary_barcode_is_reported_in_base64() {
    let code = RawBarcode {
        format: BarcodeFormat::DataMatrix,
        bytes: vec![0xff, 0x00],
        text: None,
        quad: Quad::default(),
    };
    let result = judged(&PageReading { barcodes: vec![code], ..passport() }, None);
    assert_eq!(
        (result.report.barcodes[0].text.as_deref(), result.report.barcodes[0].base64.as_deref()),
        (None, Some("/wA="))
    );
}
