//! Fields read from lines as a recogniser returns them.

use super::*;
use time::macros::date;

const TODAY: Date = date!(2026 - 11 - 26);

/// Lines with (x, y, width, height, text), upright.
fn page(lines: &[(f32, f32, f32, f32, &str)]) -> Vec<TextLine> {
    let line = |&(x, y, width, height, text): &(f32, f32, f32, f32, &str)| TextLine {
        text: text.to_owned(),
        confidence: 0.95,
        quad: Quad([[x, y], [x + width, y], [x + width, y + height], [x, y + height]]),
    };
    lines.iter().map(line).collect()
}

/// The page rotated clockwise by a quarter turn, in a picture of this height.
fn turned(lines: &[TextLine], height: f32) -> Vec<TextLine> {
    let turn = |line: &TextLine| TextLine {
        quad: Quad(line.quad.0.map(|[x, y]| [height - y, x])),
        ..line.clone()
    };
    lines.iter().map(turn).collect()
}

fn passport() -> Vec<TextLine> {
    page(&[
        (160.0, 10.0, 280.0, 20.0, "MAGYARORSZÁG"),
        (55.0, 42.0, 80.0, 14.0, "ÚTLEVÉL"),
        (45.0, 62.0, 92.0, 14.0, "PASSPORT"),
        (190.0, 32.0, 150.0, 9.0, "Típus / Type / Type  Kód / Code / Code"),
        (190.0, 44.0, 20.0, 13.0, "P"),
        (390.0, 32.0, 170.0, 9.0, "Útlevélszám / Passport number / Numéro du passeport"),
        (390.0, 46.0, 92.0, 13.0, "BD0002028"),
        (190.0, 64.0, 120.0, 9.0, "Családi név / Surname / Nom (1)"),
        (190.0, 76.0, 62.0, 13.0, "HANDRA"),
        (190.0, 94.0, 140.0, 9.0, "Utónév(ek) / Given names / Prénoms (2)"),
        (190.0, 107.0, 115.0, 13.0, "ROZÁLIA IRMA"),
        (190.0, 153.0, 140.0, 9.0, "Állampolgárság / Nationality / Nationalité (3)"),
        (190.0, 166.0, 160.0, 13.0, "MAGYAR/HUNGARIAN"),
        (390.0, 153.0, 160.0, 9.0, "Születési idő / Date of birth / Date de naissance (4)"),
        (390.0, 167.0, 105.0, 13.0, "22 FEB/FEB 78"),
        (190.0, 184.0, 70.0, 9.0, "Nem / Sex / Sexe (5)"),
        (190.0, 198.0, 25.0, 13.0, "N/F"),
        (255.0, 184.0, 150.0, 9.0, "Születési hely / Place of birth / Lieu de naissance (6)"),
        (255.0, 198.0, 100.0, 13.0, "BUDAPEST 07"),
        (
            190.0,
            214.0,
            160.0,
            9.0,
            "Kiállítás dátuma / Date of issue / \
             Date de délivrance (7)",
        ),
        (190.0, 228.0, 105.0, 13.0, "01 MÁR/MAR 12"),
        (190.0, 245.0, 165.0, 9.0, "Érvényességi idő / Date of expiry / Date d'expiration (8)"),
        (190.0, 259.0, 105.0, 13.0, "01 MÁR/MAR 22"),
        (22.0, 333.0, 550.0, 14.0, "P<HUNHANDRA<<ROZALIA<IRMA<<<<<<<<<<<<<<<<<<<"),
    ])
}

fn values(lines: &[TextLine], kind: DocumentType) -> Vec<(FieldName, String)> {
    let mut values: Vec<(FieldName, String)> = fields(lines, kind, TODAY)
        .into_iter()
        .map(|printed| (printed.field, printed.value))
        .collect();
    values.sort();
    values
}

#[test]
fn passport_fields_are_read_below_their_labels() {
    let expected = [
        (FieldName::Surname, "HANDRA"),
        (FieldName::GivenNames, "ROZÁLIA IRMA"),
        (FieldName::DocumentNumber, "BD0002028"),
        (FieldName::Nationality, "MAGYAR/HUNGARIAN"),
        (FieldName::DateOfBirth, "1978-02-22"),
        (FieldName::Sex, "F"),
        (FieldName::DateOfExpiry, "2022-03-01"),
        (FieldName::DateOfIssue, "2012-03-01"),
        (FieldName::PlaceOfBirth, "BUDAPEST 07"),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    assert_eq!(values(&passport(), DocumentType::Passport), expected);
    assert_eq!(kind(&passport()), Some(DocumentType::Passport));
}

#[test]
fn rotated_page_has_the_same_fields() {
    let upright = values(&passport(), DocumentType::Passport);
    let once = turned(&passport(), 400.0);
    assert_eq!(values(&once, DocumentType::Passport), upright);
    assert_eq!(values(&turned(&once, 600.0), DocumentType::Passport), upright);
}

#[test]
fn values_after_a_colon_or_to_the_right_are_read() {
    let card = page(&[
        (10.0, 10.0, 200.0, 14.0, "IDENTITY CARD"),
        (10.0, 40.0, 180.0, 12.0, "Surname: ERIKSSON"),
        (10.0, 60.0, 90.0, 12.0, "Given names"),
        (120.0, 60.0, 110.0, 12.0, "ANNA MARIA"),
        (10.0, 80.0, 90.0, 12.0, "Date of birth"),
        (120.0, 80.0, 110.0, 12.0, "12.08.1974"),
    ]);
    let expected = [
        (FieldName::Surname, "ERIKSSON".to_owned()),
        (FieldName::GivenNames, "ANNA MARIA".to_owned()),
        (FieldName::DateOfBirth, "1974-08-12".to_owned()),
    ];
    assert_eq!(values(&card, DocumentType::IdCard), expected);
    assert_eq!(kind(&card), Some(DocumentType::IdCard));
}

#[test]
fn numbered_fields_of_a_european_licence_are_read() {
    let licence = page(&[
        (100.0, 10.0, 200.0, 14.0, "FÜHRERSCHEIN"),
        (100.0, 40.0, 150.0, 12.0, "1. MUSTERMANN"),
        (100.0, 55.0, 150.0, 12.0, "2. ERIKA"),
        (100.0, 70.0, 150.0, 12.0, "3. 12.08.1964 BERLIN"),
        (100.0, 85.0, 80.0, 12.0, "4a. 19.01.2013"),
        (100.0, 100.0, 80.0, 12.0, "4b. 18.01.2028"),
        (100.0, 115.0, 150.0, 12.0, "5. B072RRE2I55"),
    ]);
    assert_eq!(kind(&licence), Some(DocumentType::DrivingLicence));
    let expected = [
        (FieldName::Surname, "MUSTERMANN".to_owned()),
        (FieldName::GivenNames, "ERIKA".to_owned()),
        (FieldName::DocumentNumber, "B072RRE2I55".to_owned()),
        (FieldName::DateOfBirth, "1964-08-12".to_owned()),
        (FieldName::DateOfExpiry, "2028-01-18".to_owned()),
        (FieldName::DateOfIssue, "2013-01-19".to_owned()),
    ];
    assert_eq!(values(&licence, DocumentType::DrivingLicence), expected);
}

#[test]
fn value_of_another_zone_is_confirmed_anywhere() {
    let lines = page(&[
        (0.0, 0.0, 10.0, 5.0, "HANDRA ROZÁLIA IRMA"),
        (0.0, 9.0, 10.0, 5.0, "No BD 0002028"),
        (0.0, 18.0, 10.0, 5.0, "22 FEB 78"),
    ]);
    assert!(confirmation(&lines, FieldName::Surname, "HANDRA", TODAY).is_some());
    assert!(confirmation(&lines, FieldName::GivenNames, "ROZALIA IRMA", TODAY).is_some());
    assert!(confirmation(&lines, FieldName::DocumentNumber, "BD0002028", TODAY).is_some());
    assert!(confirmation(&lines, FieldName::DateOfBirth, "1978-02-22", TODAY).is_some());
    assert!(confirmation(&lines, FieldName::DateOfBirth, "1978-02-23", TODAY).is_none());
    assert!(confirmation(&lines, FieldName::Surname, "HANDRO", TODAY).is_none());
    let zone = page(&[(0.0, 0.0, 10.0, 5.0, "P<HUNHANDRA<<ROZALIA<IRMA<<<<<<<<<<<<<<<<<<<")]);
    assert!(
        confirmation(&zone, FieldName::Surname, "HANDRA", TODAY).is_none(),
        "the zone does not confirm itself"
    );
}

#[test]
fn plain_text_and_uncertain_lines_give_no_fields() {
    let text = page(&[
        (
            0.0,
            0.0,
            500.0,
            10.0,
            "The quick brown fox, whose passport was lost in Paris on 12.08.1974, jumps over the \
             lazy dog.",
        ),
        (
            0.0,
            12.0,
            500.0,
            10.0,
            "A visa may be asked for at the embassy by anyone who wants to stay.",
        ),
    ]);
    assert_eq!(kind(&text), None);
    assert!(fields(&text, DocumentType::Unknown, TODAY).is_empty());
    let mut unsure = passport();
    unsure.iter_mut().for_each(|line| line.confidence = 0.3);
    assert!(fields(&unsure, DocumentType::Passport, TODAY).is_empty());
    assert_eq!(kind(&unsure), None);
}
