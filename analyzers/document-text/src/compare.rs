//! Compares values of different zones. The visual zone has diacritics, other scripts and
//! recognition errors; the machine-readable zone has transliterations (ICAO 9303 part 3, section 6)
//! and truncated names.

/// The text reduced to capital ASCII letters and digits.
pub(crate) fn folded(text: &str) -> String {
    deunicode::deunicode(text)
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_uppercase())
        .collect()
}

/// The words of a text as capital ASCII letters and digits.
pub(crate) fn words(text: &str) -> Vec<String> {
    let ascii = deunicode::deunicode(text).to_ascii_uppercase();
    // An apostrophe is dropped (O'BRIEN is OBRIEN in the zone); other characters separate words.
    let joined: String =
        ascii.chars().filter(|character| !matches!(character, '\'' | '`')).collect();
    joined
        .split(|character: char| !character.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A canonical form: equal for all transliterations of a name, and for characters that a recogniser
/// confuses.
fn canonical(text: &str) -> String {
    let mut text: String = text.to_owned();
    for (long, short) in
        [("NXX", "N"), ("UXX", "U"), ("AE", "A"), ("OE", "O"), ("UE", "U"), ("AA", "A")]
    {
        text = text.replace(long, short);
    }
    looks(&text)
}

/// Replaces each character by a representative of the characters that look like it.
pub(crate) fn looks(text: &str) -> String {
    let like = |character: char| match character {
        '0' | 'Q' | 'D' => 'O',
        '1' | 'L' | 'J' => 'I',
        '8' => 'B',
        '5' => 'S',
        '2' => 'Z',
        '6' | 'C' => 'G',
        'V' => 'U',
        other => other,
    };
    text.chars().map(like).collect()
}

/// Whether two names are the same: all words of one are among those of the other, or `zone` is the
/// beginning of `print`, since the zone truncates long names.
pub(crate) fn same_name(zone: &str, print: &str) -> bool {
    let of = |text: &str| words(text).iter().map(|word| canonical(word)).collect::<Vec<_>>();
    let (zone, print) = (of(zone), of(print));
    if zone.is_empty() || print.is_empty() {
        return false;
    }
    let within = |few: &[String], many: &[String]| few.iter().all(|word| many.contains(word));
    let (joined_zone, joined_print) = (zone.concat(), print.concat());
    const SHORTEST_CUT: usize = 8;
    within(&zone, &print)
        || within(&print, &zone)
        || joined_zone == joined_print
        || (joined_zone.len() >= SHORTEST_CUT && joined_print.starts_with(&joined_zone))
}

/// Whether two numbers are the same apart from spaces and characters that look alike.
pub(crate) fn same_number(a: &str, b: &str) -> bool {
    let (a, b) = (looks(&folded(a)), looks(&folded(b)));
    !a.is_empty() && a == b
}

/// Whether a printed nationality or state matches a code; `None` if it is not recognised.
pub(crate) fn same_state(code: &str, print: &str) -> Option<bool> {
    let words = words(print);
    let codes = words.iter().filter(|word| word.len() == 3 && mrz::country_name(word).is_some());
    let mut named: Vec<&str> = codes.map(String::as_str).collect();
    for (known, name) in mrz::codes() {
        let stems = self::words(name);
        // HUNGARIAN matches HUNGARY: a nationality usually begins like the name of the state.
        let begins = |word: &&String| {
            word.len() >= 5
                && stems.first().is_some_and(|stem| stem.len() >= 5 && stem[..5] == word[..5])
        };
        if words.iter().any(|word| begins(&word)) {
            named.push(known);
        }
    }
    if named.iter().any(|named| mrz::codes_equivalent(named, code)) {
        return Some(true);
    }
    (!named.is_empty()).then_some(false)
}

/// Levenshtein distance of `a` and `b`; may be any number above `most` if it exceeds `most`.
pub(crate) fn distance(a: &str, b: &str, most: usize) -> usize {
    if a.len().abs_diff(b.len()) > most {
        return most + 1;
    }
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transliterated_names_are_equal() {
        for (zone, print) in [
            ("MUELLER", "MÜLLER"),
            ("MULLER", "Müller"),
            ("SKJAEVE", "SKJÆVE"),
            ("BASANAVICIENE", "BASANAVIČIENĖ"),
            ("IVANOV", "ИВАНОВ"),
            ("OBRIEN", "O'Brien"),
            ("SMITH JONES", "SMITH-JONES"),
            ("WEISS", "Weiß"),
            ("NUNXXEZ", "NUÑEZ"),
            ("ANNA MARIA", "ANNA"),
            ("CHRISTOPHERSEN VA", "CHRISTOPHERSEN VAN DER BERG"),
            ("ERIKSSON", "ER1KSSON"),
        ] {
            assert!(same_name(zone, print), "{zone} {print}");
        }
    }

    #[test]
    fn other_names_differ() {
        for (zone, print) in
            [("ERIKSSON", "ERIKSSEN"), ("ANNA", "HANNA"), ("", "ANNA"), ("ANNA", "")]
        {
            assert!(!same_name(zone, print), "{zone} {print}");
        }
    }

    #[test]
    fn spaces_in_numbers_are_ignored() {
        assert!(same_number("L898902C3", "L 898902C3"));
        assert!(same_number("AO123456", "A0123456"));
        assert!(!same_number("L898902C3", "L898903C3"));
    }

    #[test]
    fn unknown_nationality_is_not_compared() {
        assert_eq!(same_state("HUN", "MAGYAR/HUNGARIAN"), Some(true));
        assert_eq!(same_state("POL", "POLSKIE / POLISH"), None, "four common letters are too few");
        assert_eq!(same_state("D", "DEUTSCH"), None, "only English names are known");
        assert_eq!(same_state("UTO", "POL"), Some(false));
        assert_eq!(same_state("UTO", "HUNGARIAN"), Some(false));
    }

    #[test]
    fn distances_count_edits() {
        assert_eq!(distance("SURNAME", "SURNAME", 2), 0);
        assert_eq!(distance("SURNAME", "SUMAME", 2), 2);
        assert_eq!(distance("SURNAME", "NOM", 2), 3);
    }
}
