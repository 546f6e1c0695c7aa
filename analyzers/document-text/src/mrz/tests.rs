//! Zones of ICAO 9303 and their misreadings. The specimens are those of ICAO 9303 parts 4 to 7.

use mrz::{Date, MrvAFields, MrvBFields, MrzDate, Sex, Td1Fields, Td2Fields, Td3Fields};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::*;

mod deviations;

const TD1: &str = "I<UTOD231458907<<<<<<<<<<<<<<<\n\
                   7408122F1204159UTO<<<<<<<<<<<6\n\
                   ERIKSSON<<ANNA<MARIA<<<<<<<<<<";
const TD1_LONG: &str = "I<UTOD23145890<7349<<<<<<<<<<<\n\
                        3407127M9507122UTO<<<<<<<<<<<2\n\
                        STEVENSON<<PETER<JOHN<<<<<<<<<";
const TD2: &str = "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nD231458907UTO7408122F1204159<<<<<<<6";
const TD3: &str =
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10";
const MRV_A: &str =
    "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL8988901C4XXX4009078F96121096ZE184226B<<<<<<";
const MRV_B: &str = "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nL8988901C4XXX4009078F9612109<<<<<<<<";
const ALPHABET: &str = "<0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn reading(text: &str) -> MrzReading {
    let line = |text: &str| MrzLine { text: text.to_owned(), ..MrzLine::default() };
    MrzReading { lines: text.lines().map(line).collect(), ..MrzReading::default() }
}

/// The reading with the second-best alternative `other` for one character.
fn doubtful(text: &str, line: usize, column: usize, other: char) -> MrzReading {
    let mut reading = reading(text);
    for read in &mut reading.lines {
        read.alternatives = read.text.chars().map(|character| vec![(character, 0.99)]).collect();
    }
    reading.lines[line].alternatives[column][0].1 = 0.6;
    reading.lines[line].alternatives[column].push((other, 0.38));
    reading
}

fn replaced(text: &str, line: usize, column: usize, character: char) -> String {
    let mut lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
    lines[line][column] = character;
    lines.iter().map(|line| line.iter().collect::<String>()).collect::<Vec<_>>().join("\n")
}

fn value(character: char) -> usize {
    ALPHABET.find(character).unwrap().saturating_sub(1) % 10
}

#[test]
fn icao_specimens_are_read_unchanged() {
    let of = |text: &str| {
        let zone = read(&reading(text)).unwrap();
        assert!(zone.values.check_digits.failures() == 0 && !zone.corrected, "{text}");
        assert_eq!(zone.lines.join("\n"), text);
        zone
    };
    let passport = of(TD3);
    assert_eq!(passport.format, MrzFormat::Td3);
    assert_eq!(
        (passport.values.surname.as_str(), passport.values.given_names.as_str()),
        ("ERIKSSON", "ANNA MARIA")
    );
    let values = &passport.values;
    assert_eq!([&values.date_of_birth, &values.date_of_expiry], ["740812", "120415"]);
    assert_eq!(values.optional_data.as_deref(), Some("ZE184226B"));
    assert_eq!(of(TD1).format, MrzFormat::Td1);
    assert_eq!(of(TD2).format, MrzFormat::Td2);
    assert_eq!(of(MRV_A).format, MrzFormat::MrvA);
    assert_eq!(of(MRV_B).format, MrzFormat::MrvB);
    assert_eq!(
        of(TD1_LONG).values.document_number,
        "D23145890734",
        "a long number continues in the optional data"
    );
}

/// A random zone of a random format.
fn random_zone(rng: &mut StdRng) -> String {
    let letters = |rng: &mut StdRng, most: usize| -> String {
        (0..rng.random_range(1..=most)).map(|_| char::from(rng.random_range(b'A'..=b'Z'))).collect()
    };
    let alphanumeric: Vec<char> = ALPHABET.chars().skip(1).collect();
    let number = |rng: &mut StdRng, range: std::ops::RangeInclusive<usize>| -> String {
        (0..rng.random_range(range)).map(|_| *alphanumeric.choose(rng).unwrap()).collect()
    };
    let state = |rng: &mut StdRng| mrz::codes().choose(rng).unwrap().0.to_owned();
    let day = |rng: &mut StdRng, years: std::ops::Range<i32>| {
        MrzDate::Calendar(Date::new(
            rng.random_range(years),
            rng.random_range(1..=12),
            rng.random_range(1..=28),
        ))
    };
    let (surname, given_names) =
        (letters(rng, 12), format!("{} {}", letters(rng, 6), letters(rng, 5)));
    let (issuing_country, nationality) = (state(rng), state(rng));
    let (date_of_birth, date_of_expiry) = (day(rng, 1927..2026), day(rng, 2000..2076));
    let sex = *[Sex::Male, Sex::Female, Sex::Unspecified].choose(rng).unwrap();
    let document_number = number(rng, 5..=9);
    let optional = Some(number(rng, 1..=7));
    let code = |letter: &str| letter.to_owned();
    match rng.random_range(0..5) {
        0 => mrz::format_td1(&Td1Fields {
            document_code: code("I"),
            document_number: number(rng, 5..=14),
            optional_data_1: None,
            optional_data_2: optional,
            issuing_country,
            surname,
            given_names,
            nationality,
            date_of_birth,
            sex,
            date_of_expiry,
        }),
        1 => mrz::format_td2(&Td2Fields {
            document_code: code("I"),
            optional_data: optional,
            issuing_country,
            document_number,
            surname,
            given_names,
            nationality,
            date_of_birth,
            sex,
            date_of_expiry,
        }),
        2 => mrz::format_td3(&Td3Fields {
            document_code: code("P"),
            personal_number: optional,
            issuing_country,
            document_number,
            surname,
            given_names,
            nationality,
            date_of_birth,
            sex,
            date_of_expiry,
        }),
        3 => mrz::format_mrv_a(&MrvAFields {
            document_code: code("V"),
            optional_data: optional,
            issuing_country,
            document_number,
            surname,
            given_names,
            nationality,
            date_of_birth,
            sex,
            date_of_expiry,
        }),
        _ => mrz::format_mrv_b(&MrvBFields {
            document_code: code("V"),
            optional_data: optional,
            issuing_country,
            document_number,
            surname,
            given_names,
            nationality,
            date_of_birth,
            sex,
            date_of_expiry,
        }),
    }
}

#[test]
fn generated_zones_are_read_unchanged() {
    let mut rng = StdRng::seed_from_u64(9303);
    for _ in 0..2_000 {
        let text = random_zone(&mut rng);
        let zone = read(&reading(&text)).unwrap();
        assert_eq!(zone.lines.join("\n"), text);
        assert!(zone.values.check_digits.failures() == 0 && !zone.corrected, "{text}");
    }
}

#[test]
fn misread_character_is_detected_or_flagged_as_corrected() {
    let mut rng = StdRng::seed_from_u64(7);
    let generated: Vec<String> = (0..3).map(|_| random_zone(&mut rng)).collect();
    for text in [TD1, TD1_LONG, TD2, TD3, MRV_A, MRV_B]
        .into_iter()
        .chain(generated.iter().map(String::as_str))
    {
        let format = read(&reading(text)).unwrap().format;
        for (line, row) in text.lines().enumerate() {
            for (column, truth) in row.char_indices() {
                // Check digits cannot detect errors in cells that they do not cover, nor characters
                // of equal value.
                let blind =
                    |other: char| !format.is_covered(line, column) || value(other) == value(truth);
                for other in ALPHABET.chars().filter(|other| *other != truth && !blind(*other)) {
                    let misread = replaced(text, line, column, other);
                    let Some(zone) = read(&reading(&misread)) else { continue };
                    assert!(zone.values.check_digits.failures() > 0 || zone.corrected, "{misread}");
                }
            }
        }
    }
}

#[test]
fn character_not_allowed_in_its_field_is_corrected() {
    let zone = read(&doubtful(&replaced(TD3, 0, 6, '8'), 0, 6, 'B')).unwrap();
    assert_eq!(
        zone.lines[0], "P<UTOEBIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
        "an uncertain digit in a name is a letter; which letter it was is a guess"
    );
    assert!(zone.corrected);
    for (digit, letter) in [('0', 'O'), ('1', 'I'), ('5', 'S')] {
        let zone = read(&reading(&replaced(TD3, 0, 6, digit))).unwrap();
        assert!(zone.corrected && zone.lines[0].starts_with(&format!("P<UTOE{letter}IKSSON")));
    }
    let zone = read(&reading(&replaced(TD3, 1, 10, '0'))).unwrap();
    assert!(zone.corrected, "a digit in the nationality");
}

#[test]
fn only_alternative_that_satisfies_check_digits_is_taken() {
    let mut rng = StdRng::seed_from_u64(11);
    for _ in 0..300 {
        let text = random_zone(&mut rng);
        let format = read(&reading(&text)).unwrap().format;
        let rows: Vec<&str> = text.lines().collect();
        let covered: Vec<(usize, usize)> = rows
            .iter()
            .enumerate()
            .flat_map(|(line, row)| (0..row.len()).map(move |column| (line, column)))
            .filter(|(line, column)| format.is_covered(*line, *column))
            .collect();
        let &(line, column) = covered.choose(&mut rng).unwrap();
        let truth = rows[line].as_bytes()[column] as char;
        let other =
            ALPHABET.chars().filter(|other| value(*other) != value(truth)).collect::<Vec<_>>();
        let misread = replaced(&text, line, column, *other.choose(&mut rng).unwrap());
        let zone = read(&doubtful(&misread, line, column, truth)).unwrap();
        assert_eq!(zone.lines.join("\n"), text, "read {misread}");
        assert!(zone.corrected);
    }
}

#[test]
fn ambiguous_correction_changes_nothing() {
    // The check digit is 3 for a number that begins with I, and 4 for one that begins with L.
    let misread = replaced(MRV_B, 1, 9, '3');
    let mut reading = doubtful(&misread, 1, 9, '4');
    reading.lines[1].alternatives[0] = vec![('L', 0.6), ('I', 0.39)];
    let zone = read(&reading).unwrap();
    assert_eq!(zone.lines.join("\n"), misread);
    assert!(zone.values.check_digits.failures() > 0);
    reading.lines[1].alternatives[0] = vec![('L', 0.99)];
    assert_eq!(read(&reading).unwrap().lines.join("\n"), MRV_B, "a single solution is taken");
}

#[test]
fn likely_alternative_precedes_unlikely_ones() {
    let mut misread = doubtful(&replaced(TD3, 1, 28, '7'), 1, 28, 'Z');
    // With these, several readings satisfy the check digits, and there are too many to try.
    for column in 28..42 {
        misread.lines[1].alternatives[column].extend(['K', 'C', '4'].map(|other| (other, 0.02)));
    }
    let zone = read(&misread).unwrap();
    assert_eq!(zone.lines[1], TD3.lines().nth(1).unwrap());
    assert!(zone.corrected);
}

#[test]
fn correction_beside_a_lone_character_is_rejected() {
    let truth = TD3.lines().nth(1).unwrap();
    let lone = replaced(TD3, 1, 39, 'C');
    let mut options =
        (28..36).flat_map(|column| ALPHABET.chars().map(move |other| (column, other)));
    let makes_up = |(column, other): &(usize, char)| {
        read(&reading(&replaced(&lone, 1, *column, *other)))
            .is_some_and(|zone| zone.values.check_digits.failures() == 0 && !zone.corrected)
    };
    let (column, other) = options.find(makes_up).unwrap();
    let zone = read(&doubtful(&lone, 1, column, other)).unwrap();
    assert!(zone.values.check_digits.failures() > 0, "{truth} became {}", zone.lines[1]);
}

#[test]
fn uncertain_name_counts_as_corrected() {
    let sure = read(&reading(TD3)).unwrap();
    let unsure = read(&doubtful(TD3, 0, 6, 'B')).unwrap();
    assert_eq!(sure.lines, unsure.lines);
    assert!(!sure.corrected && unsure.corrected);
}

#[test]
fn lost_fillers_are_restored_by_check_digits() {
    let whole = read(&reading(TD2)).unwrap();
    let short = TD2.replace("MARIA<<<<<<<<<<<", "MARIA<<<").replace("4159<<<<<<<6", "4159<<6");
    let zone = read(&reading(&short)).unwrap();
    assert_eq!(zone.lines, whole.lines);
    let short = TD3.replace("26B<<<<<10", "26B<<10");
    assert_eq!(read(&reading(&short)).unwrap().lines.join("\n"), TD3);
}

#[test]
fn name_that_lost_its_separator_counts_as_corrected() {
    let zone = read(&reading(&TD3.replace("ERIKSSON<<ANNA", "ERIKSSON<ANNA"))).unwrap();
    assert!(zone.values.check_digits.failures() == 0 && zone.corrected);
}

#[test]
fn letters_among_trailing_fillers_become_fillers() {
    let misread = TD3.replace("MARIA<<<<<<<<<<<<<<<<<<<", "MARIA<<<<<<K<<<<<<C<<<<<");
    let zone = read(&reading(&misread)).unwrap();
    assert_eq!(zone.lines.join("\n"), TD3);
    assert!(zone.corrected);
}

#[test]
fn text_that_is_not_a_zone_fits_no_format() {
    for text in [
        "",
        "HELLO",
        "REPUBLIC OF UTOPIA\nPASSPORT",
        "THIS PAGE IS LEFT BLANK ON PURPOSE AND HAS\nNOTHING THAT COULD BE READ AS A ZONE AT ALL",
    ] {
        assert_eq!(read(&reading(&text.replace(' ', "<"))), None, "{text}");
    }
}

#[test]
fn line_above_the_zone_is_ignored() {
    let zone = read(&reading(&format!("UTOPIA<PASSPORT<PASSEPORT<<<<<<<<<<\n{TD3}"))).unwrap();
    assert_eq!(zone.lines.join("\n"), TD3);
    assert!(!zone.corrected);
}

#[test]
fn line_is_confirmed_if_check_digits_settle_its_doubts() {
    assert_eq!(confirmed(&reading(TD3)), [true; 2]);
    // Check digits cover the number, in which 8 and B differ in value, but not the names.
    assert_eq!(confirmed(&doubtful(TD3, 1, 1, 'B')), [true; 2]);
    assert_eq!(confirmed(&doubtful(TD3, 0, 6, 'K')), [false, true]);
    // An alternative that the cell does not allow causes no doubt. One of equal value does, and so
    // do two that compensate for each other.
    assert_eq!(confirmed(&doubtful(TD3, 0, 0, 'R')), [true; 2]);
    assert_eq!(value('8'), value('S'));
    assert_eq!(confirmed(&doubtful(TD3, 1, 1, 'S')), [true, false]);
    let mut two = doubtful(TD3, 1, 1, 'B');
    two.lines[1].alternatives[4] = vec![('9', 0.6), ('G', 0.38)];
    assert_eq!((value('B') + value('G')) % 10, (value('8') + value('9')) % 10);
    assert_eq!(confirmed(&doubtful(TD3, 1, 4, 'G')), [true; 2]);
    assert_eq!(confirmed(&two), [true, false]);
    // A wrong check digit confirms nothing, and so do check digits with many doubts at once.
    assert_eq!(confirmed(&reading(&replaced(TD3, 1, 1, '9'))), [false; 2]);
    let mut many = doubtful(TD3, 1, 1, 'B');
    for column in 2..7 {
        many.lines[1].alternatives[column] =
            vec![(many.lines[1].alternatives[column][0].0, 0.6), ('B', 0.38)];
    }
    assert_eq!(confirmed(&many), [true, false]);
}
