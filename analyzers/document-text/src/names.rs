//! Compares names. The visual zone has diacritics, other scripts and recognition errors; the
//! machine-readable zone has transliterations (ICAO 9303 part 3, section 6) and cuts long names.

use mrz::CyrillicLanguage;

use crate::compare::{looks, words};

/// Whether the name may have been cut by the length of its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Whole,
    /// Cut anywhere, or reduced to initials (ICAO 9303 part 3, section 4.6).
    Cut,
}

/// Alternatives of section 6: what several letters of the zone stand for, in both zones the same.
const ALTERNATIVES: [(&str, &str); 6] =
    [("NXX", "N"), ("UXX", "U"), ("AE", "A"), ("OE", "O"), ("UE", "U"), ("AA", "A")];
/// Letters of the zone for a letter that a recogniser takes for another one: ß and Þ.
const MISREAD: [(&str, &str); 3] = [("SS", "B"), ("TH", "P"), ("TH", "B")];
const LANGUAGES: [CyrillicLanguage; 6] = [
    CyrillicLanguage::Russian,
    CyrillicLanguage::Ukrainian,
    CyrillicLanguage::Belarusian,
    CyrillicLanguage::Bulgarian,
    CyrillicLanguage::Serbian,
    CyrillicLanguage::Macedonian,
];

/// Whether two names are the same: all words of one are among those of the other, or `zone` is the
/// cut form of `print`. `None` if they cannot be compared: digits in the zone stand for letters, or
/// the print is in a script that has no certain transliteration.
pub(crate) fn same_name(zone: &str, print: &str, length: Length) -> Option<bool> {
    if zone.chars().any(|character| character.is_ascii_digit()) {
        return None;
    }
    let zone = canonical_words(zone);
    let mut prints = vec![canonical_words(print)];
    let is_foreign = |character: char| character.is_alphabetic() && !is_latin(character);
    let has_foreign = print.chars().any(is_foreign);
    if has_foreign {
        prints.push(canonical_words(&print.replace(is_foreign, " ")));
        let cyrillic = LANGUAGES.map(|language| mrz::transliterate_cyrillic(print, language));
        prints.extend(cyrillic.iter().map(|print| canonical_words(print)));
    }
    let is_same = prints.iter().any(|print| is_same(&zone, print, length));
    let has_latin = print.chars().any(|c| c.is_alphabetic() && is_latin(c));
    if !is_same && has_foreign && !has_latin { None } else { Some(is_same) }
}

/// Whether every word of the zone's name is printed, in the name itself or elsewhere on the page: a
/// long name takes two lines. A name that lost a word is not the name of the zone.
pub(crate) fn is_complete<'l>(
    zone: &str,
    print: &str,
    lines: impl Iterator<Item = &'l str>,
) -> bool {
    let (zone, print) = (canonical_words(zone), canonical_words(print));
    let has = |word: &String, words: &[String]| words.iter().any(|other| are_equal(word, other));
    let mut missing: Vec<&String> = zone.iter().filter(|word| !has(word, &print)).collect();
    for line in lines {
        let words = canonical_words(line);
        missing.retain(|word| !has(word, &words));
    }
    missing.is_empty() || are_equal(&zone.concat(), &print.concat())
}

fn is_latin(character: char) -> bool {
    // Latin letters with and without diacritics, to the end of "Latin Extended Additional".
    (character as u32) < 0x250 || (0x1e00..0x1f00).contains(&(character as u32))
}

/// The words in a form that is equal for all transliterations of a name, and for characters that a
/// recogniser confuses.
fn canonical_words(text: &str) -> Vec<String> {
    words(text).iter().map(|word| canonical(word)).collect()
}

fn canonical(word: &str) -> String {
    let mut word = word.to_owned();
    for (long, short) in ALTERNATIVES {
        word = word.replace(long, short);
    }
    looks(&word)
}

fn is_same(zone: &[String], print: &[String], length: Length) -> bool {
    if zone.is_empty() || print.is_empty() {
        return false;
    }
    let within_print = zone.iter().all(|word| print.iter().any(|other| are_equal(word, other)));
    let within_zone = print.iter().all(|word| zone.iter().any(|other| are_equal(other, word)));
    within_print
        || within_zone
        || are_equal(&zone.concat(), &print.concat())
        || (length == Length::Cut && is_cut(zone, print))
}

/// Whether two canonical words are equal; the first is of the zone.
fn are_equal(zone: &str, print: &str) -> bool {
    let misread = |(letters, read): &(&str, &str)| {
        let letters = looks(letters);
        zone.contains(&letters) && zone.replace(&letters, read) == print
    };
    zone == print || MISREAD.iter().any(misread)
}

/// Whether the words of the zone are the beginnings of words of the print, in their order.
fn is_cut(zone: &[String], print: &[String]) -> bool {
    let mut rest = print.iter();
    zone.iter().all(|word| rest.any(|whole| whole.starts_with(word.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transliterated_names_are_equal() {
        for (zone, print) in [
            ("MUELLER", "MÜLLER"),
            ("MULLER", "Müller"),
            ("MUXXLLER", "Müller"),
            ("SKJAEVE", "SKJÆVE"),
            ("BASANAVICIENE", "BASANAVIČIENĖ"),
            ("IVANOV", "ИВАНОВ"),
            ("KHARCHENKO", "Харченко"),
            ("OBRIEN", "O'Brien"),
            ("SMITH JONES", "SMITH-JONES"),
            ("D ARTAGNAN", "D'ARTAGNAN"),
            ("WEISS", "Weiß"),
            ("WEISS", "WEIB"),
            ("THORSDOTTIR", "ÞÓRSDÓTTIR"),
            ("GOEDE", "GØDE"),
            ("AASE", "ÅSE"),
            ("ASE", "ÅSE"),
            ("NUNXXEZ", "NUÑEZ"),
            ("ANNA MARIA", "ANNA"),
            ("O", "O"),
            ("O", "0"),
            ("ERIKSSON", "ER1KSSON"),
        ] {
            assert_eq!(same_name(zone, print, Length::Whole), Some(true), "{zone} {print}");
        }
    }

    #[test]
    fn other_names_differ() {
        for (zone, print) in [
            ("ERIKSSON", "ERIKSSEN"),
            ("ANNA", "HANNA"),
            ("O", "OH"),
            ("", "ANNA"),
            ("FERNAND", "FERNANDEZ"),
        ] {
            assert_eq!(same_name(zone, print, Length::Whole), Some(false), "{zone} {print}");
        }
        assert_eq!(same_name("LUC", "MARTA", Length::Cut), Some(false));
    }

    #[test]
    fn name_that_fills_its_field_may_be_cut_anywhere() {
        for (zone, print) in [
            ("CHRISTOPHERSEN VA", "CHRISTOPHERSEN VAN DER BERG"),
            ("FERNANDEZ DE CASTRO VILLA", "FERNANDEZ DE CASTRO VILLANUEVA"),
            ("LUC", "LUCIA"),
            ("A M", "ANNA MARIA"),
            ("NILAVADHANANANDA", "NILAVADHANANANDA CHAYAPA DEJTHAMRONG KRASUANG"),
        ] {
            assert_eq!(same_name(zone, print, Length::Cut), Some(true), "{zone} {print}");
        }
    }

    #[test]
    fn name_that_has_no_certain_transliteration_is_not_compared() {
        assert_eq!(same_name("3ERNQVSKIQ", "CHERNYAVSKIY", Length::Whole), None);
        assert_eq!(same_name("AHMED", "أحمد", Length::Whole), None);
        assert_eq!(same_name("ROSSI", "IVANOV ИВАНОВ", Length::Whole), Some(false));
    }
}
