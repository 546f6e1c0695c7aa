//! Zones that depart from ICAO 9303: other codes, digits in names, layouts of single states.

use super::*;

#[test]
fn digits_that_stand_for_letters_in_names_are_kept() {
    let text = "PNRUS3ERNQVSKIQ<<ILXQ<PETROVI3<<<<<<<<<<<<<<\n\
                4512374183RUS8903129M<<<<<<<0150320770012<22";
    let zone = read(&reading(text)).unwrap();
    assert_eq!(zone.lines.join("\n"), text);
    assert_eq!(zone.values.surname, "3ERNQVSKIQ");
    assert!(!zone.corrected && zone.values.check_digits.failures() == 0);
}

#[test]
fn unusual_document_code_stays_as_printed() {
    let card = |code: &str| TD1.replacen("I<", code, 1);
    for code in ["TR", "RP", "ME", "BR", "L<"] {
        let zone = read(&reading(&card(code))).unwrap();
        assert_eq!(zone.lines.join("\n"), card(code));
        assert_eq!((zone.format, zone.corrected), (MrzFormat::Td1, false), "{code}");
        assert_eq!(zone.values.document_code, code.trim_end_matches('<'));
    }
    let unsure = read(&doubtful(&card("L<"), 0, 0, 'I')).unwrap();
    assert_eq!(unsure.lines.join("\n"), TD1, "an uncertain letter is the usual one");
    let passport = TD3.replacen("P<", "TP", 1);
    assert_eq!(read(&reading(&passport)).unwrap().lines.join("\n"), passport);
}

#[test]
fn three_short_lines_are_no_passport() {
    let lost = TD1.replace("<<<<<<<<<<<<<<<", "<<<<<<<<<<<<<").replacen('I', "1", 1);
    let zone = read(&reading(&lost));
    assert!(zone.is_none_or(|zone| zone.format == MrzFormat::Td1));
}

#[test]
fn french_card_has_its_own_layout_and_check_digits() {
    let text = "IDFRADUVERNOIS<<<<<<<<<<<<<<<<753042\n1405752018366CLAIRE<<ANNE<<8903129F3";
    let zone = read(&reading(text)).unwrap();
    assert_eq!(zone.lines.join("\n"), text);
    assert_eq!((zone.format, zone.corrected), (MrzFormat::FrenchId, false));
    let values = &zone.values;
    assert_eq!(values.check_digits.failures(), 0);
    assert_eq!([&values.surname, &values.given_names], ["DUVERNOIS", "CLAIRE ANNE"]);
    assert_eq!([&values.document_number, &values.date_of_birth], ["140575201836", "890312"]);
    let wrong = replaced(text, 1, 27, '7');
    assert!(read(&reading(&wrong)).unwrap().values.check_digits.failures() > 0);
}

#[test]
fn swiss_licence_has_two_lines_without_check_digits() {
    let text = "FACHE123456789001<<890312<<<<<\nMUSTER<<ANNA<MARIA<<<<<<<<<<<<";
    let zone = read(&reading(text)).unwrap();
    assert_eq!((zone.format, zone.lines.join("\n")), (MrzFormat::SwissLicence, text.to_owned()));
    let values = &zone.values;
    assert_eq!([&values.surname, &values.given_names], ["MUSTER", "ANNA MARIA"]);
    assert_eq!([&values.date_of_birth, &values.issuing_state], ["890312", "CHE"]);
    let above = format!("ABC123D<<\n{text}");
    assert_eq!(read(&reading(&above)).unwrap().format, MrzFormat::SwissLicence);
}

#[test]
fn french_licence_has_one_line() {
    let text = "D1FRA13AA000026181231MARTIN<<9";
    let zone = read(&reading(text)).unwrap();
    assert_eq!((zone.format, zone.lines.join("")), (MrzFormat::FrenchLicence, text.to_owned()));
    let values = &zone.values;
    assert_eq!(values.check_digits.failures(), 0);
    assert_eq!([&values.surname, &values.document_number], ["MARTIN", "13AA00002"]);
    assert_eq!([&values.date_of_expiry, &values.issuing_state], ["181231", "FRA"]);
    assert!(!values.names_are_cut && !zone.corrected);
    let wrong = replaced(text, 0, 8, 'B');
    assert!(read(&reading(&wrong)).unwrap().values.check_digits.failures() > 0);
    assert!(read(&reading("D1NLD15094962111659VW87Z78NB84")).is_none());
}

#[test]
fn names_without_a_secondary_identifier_are_primary() {
    let only = TD3.replace("ERIKSSON<<ANNA<MARIA", "ERIKSSON<ANNA<MARIA<");
    let values = read(&reading(&only)).unwrap().values;
    assert_eq!([&values.surname, &values.given_names], ["ERIKSSON ANNA MARIA", ""]);
    assert!(!values.names_are_cut);
    let cut = "FERNANDEZ<DE<CASTRO<VILLA<<LUC";
    let card = TD1.replace("ERIKSSON<<ANNA<MARIA<<<<<<<<<<", cut);
    assert!(read(&reading(&card)).unwrap().values.names_are_cut);
}
