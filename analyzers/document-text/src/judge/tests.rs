//! Verdicts on whole documents.

use super::*;
use crate::reading::{BarcodeFormat, MrzLine, MrzReading, PageQuality, Portrait, RawBarcode};
use crate::report::{FieldName, FieldStatus};
use crate::result_schema;
use ::mrz::{MrzDate, Sex, Td3Fields};
use time::macros::date;

mod deviations;
mod licences;

const TODAY: Date = date!(2026 - 11 - 26);

fn quad(x: f32, y: f32, width: f32, height: f32) -> Quad {
    Quad([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
}

fn zone(text: &str) -> Option<MrzReading> {
    let line = |text: &str| MrzLine { text: text.to_owned(), ..MrzLine::default() };
    Some(MrzReading {
        lines: text.lines().map(line).collect(),
        quad: quad(20.0, 330.0, 560.0, 50.0),
    })
}

fn passport_zone(expiry: (i32, u32, u32)) -> String {
    ::mrz::format_td3(&Td3Fields {
        document_code: "P".to_owned(),
        issuing_country: "FIN".to_owned(),
        document_number: "XP8271602".to_owned(),
        surname: "Virtanen".to_owned(),
        given_names: "Maria Olivia".to_owned(),
        nationality: "FIN".to_owned(),
        date_of_birth: MrzDate::Calendar(::mrz::Date::new(1971, 12, 21)),
        sex: Sex::Female,
        date_of_expiry: MrzDate::Calendar(::mrz::Date::new(expiry.0, expiry.1, expiry.2)),
        personal_number: None,
    })
}

fn line(y: f32, height: f32, text: &str) -> TextLine {
    TextLine {
        text: text.to_owned(),
        confidence: 0.9,
        quad: quad(190.0, y, 8.0 * text.len() as f32, height),
    }
}

/// A side without any fault.
fn page() -> PageReading {
    PageReading {
        document: Some(quad(0.0, 0.0, 600.0, 400.0)),
        portrait: Some(Portrait {
            quad: quad(20.0, 90.0, 120.0, 160.0),
            confidence: 0.98,
            artifact: Some("portrait".to_owned()),
        }),
        quality: PageQuality { sharpness: 0.9, width_px: 900, ..PageQuality::default() },
        ..PageReading::default()
    }
}

fn passport() -> PageReading {
    let lines = vec![
        line(20.0, 14.0, "PASSI PASS PASSPORT"),
        line(64.0, 9.0, "Sukunimi / Efternamn / Surname"),
        line(76.0, 13.0, "VIRTANEN"),
        line(94.0, 9.0, "Etunimet / Förnamn / Given names"),
        line(107.0, 13.0, "MARIA OLIVIA"),
        line(125.0, 9.0, "Syntymäaika / Födelsedatum / Date of birth"),
        line(138.0, 13.0, "21.12.1971"),
    ];
    PageReading { mrz: zone(&passport_zone((2031, 8, 21))), lines, ..page() }
}

fn judged(front: &PageReading, back: Option<&PageReading>) -> DocumentResult {
    let result = judge(front, back, &Params::default(), TODAY);
    let json = serde_json::to_value(&result.report).unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&result_schema())
        .unwrap()
        .iter_errors(&json)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "the report violates its schema: {errors:?}");
    assert_eq!(
        result.resolution == Resolution::Success,
        result.reasons.is_empty(),
        "a verdict other than SUCCESS has a reason"
    );
    result
}

fn codes(result: &DocumentResult) -> Vec<&str> {
    result.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

fn status(result: &DocumentResult, name: FieldName) -> Option<FieldStatus> {
    result.report.fields.iter().find(|field| field.name == name).map(|field| field.status)
}

#[test]
fn consistent_passport_is_accepted() {
    let result = judged(&passport(), None);
    assert_eq!((result.resolution, codes(&result)), (Resolution::Success, vec![]));
    assert_eq!(result.report.kind, DocumentType::Passport);
    assert_eq!(status(&result, FieldName::Surname), Some(FieldStatus::Match));
    assert_eq!(status(&result, FieldName::DateOfBirth), Some(FieldStatus::Match));
    assert_eq!(status(&result, FieldName::DateOfExpiry), Some(FieldStatus::OnlyMrz));
    let mrz = result.report.mrz.as_ref().unwrap();
    assert!(mrz.valid && !mrz.corrected);
    assert_eq!(
        (mrz.date_of_birth.as_str(), mrz.issuing_state_name.as_deref()),
        ("1971-12-21", Some("Finland"))
    );
    assert_eq!(result.report.portrait.as_ref().unwrap().artifact.as_deref(), Some("portrait"));
}

#[test]
fn document_is_valid_on_its_day_of_expiry() {
    let expiring = |expiry| {
        judged(&PageReading { mrz: zone(&passport_zone(expiry)), ..passport() }, None).resolution
    };
    assert_eq!(expiring((2026, 11, 26)), Resolution::Success);
    assert_eq!(expiring((2026, 11, 25)), Resolution::Declined);
}

#[test]
fn changed_visual_zone_is_a_field_mismatch() {
    let mut changed = passport();
    changed.lines[6].text = "21.12.1981".to_owned();
    let result = judged(&changed, None);
    assert_eq!(
        (result.resolution, codes(&result)),
        (Resolution::OperatorRequired, vec!["FIELD_MISMATCH"])
    );
    assert_eq!(status(&result, FieldName::DateOfBirth), Some(FieldStatus::Mismatch));
}

#[test]
fn wrong_check_digit_is_a_finding() {
    let mut wrong = passport();
    let lines = &mut wrong.mrz.as_mut().unwrap().lines;
    // A date of birth that no single lookalike corrects.
    lines[1].text.replace_range(13..19, "711341");
    let result = judged(&wrong, None);
    assert!(codes(&result).contains(&"MRZ_CHECK_DIGITS"), "{:?}", codes(&result));
    assert!(!result.report.mrz.as_ref().unwrap().valid);
}

#[test]
fn impossible_dates_with_right_check_digits_are_declined() {
    let text = passport_zone((2031, 8, 21));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[1].replace_range(13..19, "711332");
    let digit = |text: &str| ::mrz::check_digit(text).unwrap().to_string();
    let birth = digit("711332");
    lines[1].replace_range(19..20, &birth);
    let composite =
        digit(&format!("{}{}{}", &lines[1][0..10], &lines[1][13..20], &lines[1][21..43]));
    lines[1].replace_range(43..44, &composite);
    let result = judged(
        &PageReading { mrz: zone(&lines.join("\n")), lines: Vec::new(), ..passport() },
        None,
    );
    assert_eq!(
        (result.resolution, codes(&result)),
        (Resolution::Declined, vec!["DATES_IMPOSSIBLE"])
    );
}

#[test]
fn every_picture_fault_is_a_reason_with_its_medium() {
    let quality = PageQuality {
        sharpness: 0.01,
        glare: 0.5,
        grey: true,
        moire: 0.9,
        cut_off: true,
        width_px: 100,
    };
    let result = judged(&PageReading { quality, ..passport() }, None);
    assert_eq!(
        codes(&result),
        ["CUT_OFF", "GLARE", "BLURRED", "TOO_SMALL", "COPY_SUSPECTED", "SCREEN_SUSPECTED"]
    );
    assert!(result.reasons.iter().all(|reason| reason.medium == Some(0)));
    assert_eq!(result.resolution, Resolution::OperatorRequired);
}

#[test]
fn nan_measures_never_reach_the_report() {
    let quality =
        PageQuality { sharpness: f32::NAN, glare: f32::INFINITY, ..PageQuality::default() };
    let mut broken =
        PageReading { quality, document: Some(Quad([[f32::NAN; 2]; 4])), ..passport() };
    broken.lines[0].confidence = f32::NAN;
    let result = judged(&broken, None);
    assert!(codes(&result).contains(&"GLARE"));
    assert!(codes(&result).contains(&"BLURRED"), "an unmeasured picture does not count as sharp");
}

#[test]
fn picture_without_document_is_no_document() {
    let white =
        PageReading { document: Some(quad(0.0, 0.0, 600.0, 400.0)), ..PageReading::default() };
    let selfie = PageReading { document: None, ..page() };
    for nothing in [PageReading::default(), white, selfie] {
        let result = judged(&nothing, None);
        assert_eq!(
            (result.resolution, codes(&result)),
            (Resolution::Declined, vec!["NO_DOCUMENT"])
        );
    }
}

#[test]
fn text_of_no_known_document_type_is_document_unknown() {
    let lines = (0..40)
        .map(|at| {
            line(
                12.0 * at as f32,
                10.0,
                "It was a dark and stormy night; the rain fell in torrents",
            )
        })
        .collect();
    let result = judged(&PageReading { lines, portrait: None, ..page() }, None);
    assert_eq!(
        (result.resolution, codes(&result)),
        (Resolution::OperatorRequired, vec!["DOCUMENT_UNKNOWN"])
    );
}

#[test]
fn zone_of_no_format_is_unreadable() {
    let result = judged(&PageReading { mrz: zone("P<F\nXP"), ..passport() }, None);
    assert!(codes(&result).contains(&"MRZ_UNREADABLE"), "{:?}", codes(&result));
    assert_eq!(result.report.mrz, None);
}

#[test]
fn passport_without_zone_is_mrz_missing() {
    let result = judged(&PageReading { mrz: None, ..passport() }, None);
    assert_eq!(codes(&result), ["MRZ_MISSING"]);
    assert_eq!(status(&result, FieldName::Surname), Some(FieldStatus::OnlyVisual));
}

#[test]
fn identity_card_needs_the_back_with_its_zone() {
    let front = PageReading {
        lines: vec![
            line(10.0, 14.0, "PERSONALAUSWEIS"),
            line(64.0, 9.0, "Name/Surname/Nom"),
            line(76.0, 13.0, "ERIKSSON"),
        ],
        ..page()
    };
    assert_eq!(codes(&judged(&front, None)), ["BACK_MISSING"]);
    let td1 = ::mrz::format_td1(&::mrz::Td1Fields {
        document_code: "ID".to_owned(),
        issuing_country: "D".to_owned(),
        document_number: "T22000129".to_owned(),
        surname: "Eriksson".to_owned(),
        given_names: "Anna".to_owned(),
        nationality: "D".to_owned(),
        date_of_birth: MrzDate::Calendar(::mrz::Date::new(1964, 8, 12)),
        sex: Sex::Unspecified,
        date_of_expiry: MrzDate::Calendar(::mrz::Date::new(2030, 10, 31)),
        ..::mrz::Td1Fields::default()
    });
    let back = PageReading { mrz: zone(&td1), portrait: None, ..page() };
    let result = judged(&front, Some(&back));
    assert_eq!((result.resolution, codes(&result)), (Resolution::Success, vec![]));
    assert_eq!(result.report.mrz.as_ref().unwrap().medium, 1);
    assert_eq!(status(&result, FieldName::Surname), Some(FieldStatus::Match));
    let back_without = PageReading { mrz: None, ..back.clone() };
    assert_eq!(codes(&judged(&front, Some(&back_without))), ["MRZ_MISSING"]);
    let alone = judged(&back, None);
    assert_eq!(codes(&alone), ["PORTRAIT_MISSING"], "the back was given as the front");
}

#[test]
fn specimen_and_unknown_state_are_findings() {
    let of = |state: &str| {
        let text = passport_zone((2031, 8, 21)).replace("FIN", state);
        codes(&judged(&PageReading { mrz: zone(&text), ..passport() }, None))
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("UTO"), ["SPECIMEN"]);
    assert_eq!(of("QQQ"), ["COUNTRY_UNKNOWN"]);
}

#[test]
fn random_text_neither_panics_nor_breaks_the_schema() {
    use rand::rngs::StdRng;
    use rand::seq::IndexedRandom;
    use rand::{RngExt, SeedableRng};
    let pieces = [
        "P<",
        "<<<<<<<<",
        "I<UTO",
        "V<",
        "Surname",
        "Date of birth",
        "Geburtsdatum / Né(e) le",
        ":",
        "/",
        "4a.",
        "12.08.1974",
        "31/02/99",
        "99999999999999",
        "@\n\u{1e}\rANSI 636000",
        "DLDAQ",
        "DCS",
        "ÄÖÜßİ",
        "日本国旅券",
        "🛂",
        "\u{202e}",
        "\u{0}",
        " ",
        "0",
        "F",
        "AUG",
        "№",
        "e\u{301}",
    ];
    let mut rng = StdRng::seed_from_u64(5);
    let mut text = |most: usize| {
        (0..rng.random_range(0..most))
            .map(|_| *pieces.choose(&mut rng).unwrap())
            .collect::<String>()
    };
    for _ in 0..300 {
        let odd =
            |text: String| MrzLine { alternatives: vec![vec![('Ä', f32::NAN), ('A', 0.5)]], text };
        let barcode = RawBarcode {
            format: BarcodeFormat::Pdf417,
            bytes: text(9).into_bytes(),
            text: Some(text(9)),
            quad: Quad::default(),
        };
        let page = PageReading {
            mrz: Some(MrzReading {
                lines: vec![odd(text(12)), odd(text(12)), odd(text(12))],
                quad: Quad([[f32::INFINITY; 2]; 4]),
            }),
            lines: (0..8).map(|at| line(20.0 * at as f32, 14.0, &text(6))).collect(),
            barcodes: vec![barcode],
            ..page()
        };
        judged(&page, Some(&page));
    }
}
