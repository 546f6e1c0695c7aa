//! Nationalities as documents print them.

use super::*;

#[test]
fn nationality_in_words_matches_its_code() {
    for (code, print) in [
        ("GBR", "BRITISH CITIZEN"),
        ("USA", "UNITED STATES OF AMERICA"),
        ("TWN", "REPUBLIC OF CHINA"),
        ("KOR", "REPUBLIC OF KOREA"),
        ("HUN", "MAGYAR/HUNGARIAN"),
        ("IRL", "ÉIREANNACH/IRISH"),
        ("POL", "POLSKIE / POLISH"),
        ("D", "DEUTSCH"),
        ("D", "DEU"),
        ("FRA", "FRANÇAISE"),
        ("CHE", "SUISSE SCHWEIZ SVIZZERA"),
        ("NOR", "NORUEGUESA"),
        ("NOR", "NORVEÇLİ"),
        ("NOR", "NORWEGISCHE"),
        ("NOR", "NORWEG1AN"),
        ("CHN", "CHINESE"),
        ("XXK", "KOSOVARISCH"),
        ("RKS", "KOSOVAR"),
        ("COD", "CONGOLAISE"),
        ("COG", "CONGOLAISE"),
        ("JOR", "HASHEMITE KINGDOM OF JORDAN"),
        ("LUX", "GRAND DUCHY OF LUXEMBOURG"),
        ("NER", "NIGERIENNE"),
        ("XXA", "STATELESS"),
        ("UTO", "UTOPIAN"),
        ("GBD", "BRITISH OVERSEAS TERRITORIES CITIZEN"),
        ("GNB", "GUINEA-BISSAU"),
    ] {
        assert_eq!(same_state(code, print), Some(true), "{code} {print}");
    }
}

#[test]
fn print_that_names_another_state_in_full_differs() {
    for (code, print) in [
        ("NOR", "SWEDISH"),
        ("UTO", "POL"),
        ("CHN", "REPUBLIC OF CHINA"),
        ("TWN", "PEOPLE'S REPUBLIC OF CHINA"),
        ("PRK", "REPUBLIC OF KOREA"),
        ("NGA", "NIGERIEN"),
        ("NER", "NIGERIAN"),
        ("AUS", "AUSTRIAN"),
        ("SDN", "SOUTH SUDANESE"),
        ("HUN", "MAGYAR/AUSTRIAN"),
        ("GIN", "EQUATORIAL GUINEAN"),
        ("XXA", "FRENCH"),
    ] {
        assert_eq!(same_state(code, print), Some(false), "{code} {print}");
    }
}

#[test]
fn unclear_nationality_is_not_compared() {
    for (code, print) in [
        ("NOR", "XQZWVT"),
        ("FRA", "BORN IN GERMANY"),
        ("XXB", "SYRIAN"),
        ("NOR", ""),
        ("NOR", "SVENSKNORGIAN"),
    ] {
        assert_eq!(same_state(code, print), None, "{code} {print}");
    }
}

#[test]
fn every_code_of_the_zone_has_words_and_a_name() {
    for (code, name) in mrz::codes() {
        assert_eq!(same_state(code, name), Some(true), "{code} {name}");
    }
    assert!(are_equal("XXK", "RKS") && are_equal("D", "DEU") && !are_equal("D", "DZA"));
    assert_eq!(name("XXK"), Some("Kosovo"));
    assert_eq!(name("QQQ"), None);
}
