//! Genuine documents that depart from the ordinary, and forged ones that look like them.

use super::*;
use crate::report::MrzFormat;

fn check_digit(text: &str) -> String {
    ::mrz::check_digit(text).unwrap().to_string()
}

/// A passport's zone with these parts as they are; check digits are computed.
fn zone_of(names: &str, state: &str, birth: &str, expiry: &str) -> String {
    let number = "FH0045127";
    let (n, b) = (check_digit(number), check_digit(birth));
    let e = if expiry.starts_with('<') { "0".to_owned() } else { check_digit(expiry) };
    let optional = "<<<<<<<<<<<<<<0";
    let composite = check_digit(&format!("{number}{n}{birth}{b}{expiry}{e}{optional}"));
    let first = format!("{:<<44}", format!("P<{state}{names}"));
    format!("{first}\n{number}{n}{state}{birth}{b}F{expiry}{e}{optional}{composite}")
}

/// A passport page with labels and values below each other.
fn page_of(zone_text: &str, fields: &[(&str, &str)]) -> PageReading {
    let mut lines = vec![line(20.0, 14.0, "PASSPORT")];
    for (at, (label, value)) in fields.iter().enumerate() {
        let top = 60.0 + 31.0 * at as f32;
        lines.push(line(top, 9.0, label));
        if !value.is_empty() {
            lines.push(line(top + 13.0, 13.0, value));
        }
    }
    PageReading { mrz: zone(zone_text), lines, ..page() }
}

fn reasons(front: &PageReading) -> Vec<String> {
    codes(&judged(front, None)).into_iter().map(str::to_owned).collect()
}

fn value(front: &PageReading, name: FieldName) -> Option<String> {
    let result = judged(front, None);
    result.report.fields.into_iter().find(|field| field.name == name).map(|field| field.value)
}

const NAMES: &str = "NORDAHL<<INGRID<MARIE";

#[test]
fn holder_of_ninety_nine_is_not_born_in_the_future() {
    let text = zone_of(NAMES, "NOR", "261215", "340817");
    let front = page_of(&text, &[("Date of birth", "15 12 1926")]);
    assert_eq!(reasons(&front), [] as [&str; 0]);
    assert_eq!(value(&front, FieldName::DateOfBirth).as_deref(), Some("1926-12-15"));
    let young = zone_of(NAMES, "NOR", "161215", "340817");
    let front = page_of(&young, &[("Date of birth", "15 12 1916")]);
    assert_eq!(
        value(&front, FieldName::DateOfBirth).as_deref(),
        Some("1916-12-15"),
        "four printed digits decide"
    );
}

#[test]
fn document_without_end_does_not_expire() {
    for (expiry, print) in [("990101", "01 01 9999"), ("991231", "31.12.9999")] {
        let text = zone_of(NAMES, "NOR", "890312", expiry);
        let front = page_of(&text, &[("Date of expiry", print)]);
        assert_eq!(reasons(&front), [] as [&str; 0], "{print}");
        let front = page_of(&text, &[("Date of expiry", "01 01 1999")]);
        assert!(!reasons(&front).is_empty());
    }
    let none = zone_of(NAMES, "NOR", "890312", "<<<<<<");
    assert_eq!(reasons(&page_of(&none, &[])), [] as [&str; 0]);
    let printed = page_of(&none, &[("Date of expiry", "17 08 2020")]);
    assert_eq!(reasons(&printed), ["EXPIRED"], "the print has an end");
}

#[test]
fn unknown_parts_of_a_date_are_not_compared() {
    for birth in ["890000", "89<<<<"] {
        let text = zone_of(NAMES, "NOR", birth, "340817");
        for print in ["1989", "00 00 1989", "12 03 1989"] {
            let front = page_of(&text, &[("Date of birth", print)]);
            assert_eq!(reasons(&front), [] as [&str; 0], "{birth} {print}");
        }
        let other = page_of(&text, &[("Date of birth", "12 03 1979")]);
        assert_eq!(reasons(&other), ["FIELD_MISMATCH"], "{birth}");
    }
}

#[test]
fn month_in_two_languages_is_compared() {
    let text = zone_of(NAMES, "IRL", "890612", "340817");
    let of = |print: &str| reasons(&page_of(&text, &[("Dáta breithe/Date of birth", print)]));
    assert_eq!(of("12 MEI/JUN 1989"), [] as [&str; 0]);
    assert_eq!(of("24 MEI/JUN 1997"), ["FIELD_MISMATCH"]);
    assert_eq!(of("24 QXZ/QQQ 1997"), ["DATE_UNREADABLE"]);
    assert_eq!(of("22/03/1368"), ["DATE_OTHER_CALENDAR"]);
}

#[test]
fn value_of_the_next_label_is_not_the_value_of_this_one() {
    let text = zone_of("ZEHRAN", "PAK", "890312", "340817");
    let fields = [
        ("Surname", "ZEHRAN"),
        ("Given Names", ""),
        ("Nationality", "PAKISTANI"),
        ("Authority / Autorité", ""),
        ("Sex", "F"),
    ];
    let front = page_of(&text, &fields);
    assert_eq!(reasons(&front), [] as [&str; 0]);
    assert_eq!(value(&front, FieldName::GivenNames), None);
    assert_eq!(value(&front, FieldName::Authority), None);
    assert_eq!(value(&front, FieldName::Nationality).as_deref(), Some("PAK"));
}

#[test]
fn name_of_one_letter_matches() {
    let text = zone_of("O<<HYEJIN", "KOR", "890312", "340817");
    let names = |surname| {
        let fields =
            [("Surname", surname), ("Given names", "HYEJIN"), ("Nationality", "REPUBLIC OF KOREA")];
        page_of(&text, &fields)
    };
    assert_eq!(status(&judged(&names("O"), None), FieldName::Surname), Some(FieldStatus::Match));
    assert_eq!(reasons(&names("")), [] as [&str; 0], "a single letter may not be found");
    assert_eq!(reasons(&names("KIM")), ["FIELD_MISMATCH"]);
}

#[test]
fn name_that_lost_a_word_differs() {
    let text = zone_of(NAMES, "NOR", "890312", "340817");
    let of = |given| reasons(&page_of(&text, &[("Given names", given)]));
    assert_eq!(of("INGRID MARIE"), [] as [&str; 0]);
    assert_eq!(of("INGRID MARIE, DR."), [] as [&str; 0]);
    assert_eq!(of("INGRID"), ["FIELD_MISMATCH"]);
    let mut page = page_of(&text, &[("Given names", "INGRID")]);
    page.lines.push(line(330.0, 13.0, "MARIE"));
    assert_eq!(reasons(&page), [] as [&str; 0], "a long name takes two lines");
}

#[test]
fn name_that_fills_the_zone_is_compared_as_cut() {
    let long = "WIJAYASINGHAMUDIYANSELAGE<<CHANDRA<KUM";
    let text = zone_of(&format!("{long}A"), "LKA", "890312", "340817");
    let of = |given| {
        let fields = [("Surname", "WIJAYASINGHAMUDIYANSELAGE"), ("Given names", given)];
        reasons(&page_of(&text, &fields))
    };
    assert_eq!(of("CHANDRA KUMARASINGHE"), [] as [&str; 0]);
    assert_eq!(of("SUNIL KUMARASINGHE"), ["FIELD_MISMATCH"]);
}

#[test]
fn nationality_of_another_state_is_a_mismatch() {
    let text = zone_of(NAMES, "GBR", "890312", "340817");
    let of = |print| reasons(&page_of(&text, &[("Nationality/Nationalité (3)", print)]));
    assert_eq!(of("BRITISH CITIZEN"), [] as [&str; 0]);
    assert_eq!(of("QUEENDOM OF NOWHERE"), [] as [&str; 0]);
    assert_eq!(of("NORWEGIAN"), ["FIELD_MISMATCH"]);
}

#[test]
fn digits_in_names_and_unusual_codes_are_told() {
    let text = zone_of("3ERNQVSKIQ<<ILXQ<PETROVI3", "RUS", "890312", "340817");
    let fields = [("Surname", "CHERNYAVSKIY"), ("Given names", "ILYA PETROVICH")];
    let front = page_of(&text, &fields);
    assert_eq!(reasons(&front), ["NAME_WITH_DIGITS"]);
    assert_eq!(value(&front, FieldName::Surname).as_deref(), Some("3ERNQVSKIQ"));
    let front = page_of(&zone_of(NAMES, "NOR", "890312", "340817").replacen("P<", "RP", 1), &[]);
    assert_eq!(reasons(&front), ["DOCUMENT_CODE_UNUSUAL"]);
}

#[test]
fn zone_of_an_unknown_layout_is_not_called_wrong() {
    let text = format!("ID{}\n{}", "XYZ12345678901234567890<<<<<<<<<<<", "A".repeat(36));
    let front = PageReading { mrz: zone(&text), ..passport() };
    let result = judged(&front, None);
    let found = codes(&result);
    assert!(found.contains(&"MRZ_LAYOUT_UNKNOWN"), "{found:?}");
    for accusation in ["MRZ_CHECK_DIGITS", "FIELD_MISMATCH"] {
        assert!(!found.contains(&accusation), "{found:?}");
    }
}

#[test]
fn french_card_is_compared_by_its_own_layout() {
    let text = "IDFRADUVERNOIS<<<<<<<<<<<<<<<<753042\n1405752018366CLAIRE<<ANNE<<8903129F3";
    let fields = [
        ("CARTE NATIONALE D'IDENTITE N°", "140575201836"),
        ("Nom", "DUVERNOIS"),
        ("Prénom(s)", "CLAIRE, ANNE"),
        ("Sexe", "F"),
        ("Né(e) le", "12.03.1989"),
    ];
    let front = page_of(text, &fields);
    let result = judged(&front, None);
    assert_eq!((result.resolution, codes(&result)), (Resolution::Success, vec![]));
    assert_eq!(result.report.mrz.as_ref().unwrap().format, MrzFormat::FrenchId);
    for field in &result.report.fields {
        let only = matches!(field.name, FieldName::IssuingState);
        assert!(only || field.status == FieldStatus::Match, "{field:?}");
    }
    let mut altered = fields;
    altered[4].1 = "12.03.1979";
    assert_eq!(reasons(&page_of(text, &altered)), ["FIELD_MISMATCH"]);
}

#[test]
fn mirrored_picture_is_told() {
    assert_eq!(reasons(&PageReading { mirrored: true, ..passport() }), ["MIRRORED"]);
}
