//! Reduces texts of different zones to forms that can be compared, and compares numbers.

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

/// Replaces each character by a representative of the characters that look like it: digits and
/// letters, and the letters I and L. Other letters are told apart, as an altered one has to be.
pub(crate) fn looks(text: &str) -> String {
    let like = |character: char| match character {
        '0' => 'O',
        '1' | 'L' => 'I',
        '8' => 'B',
        '5' => 'S',
        '2' => 'Z',
        '6' => 'G',
        other => other,
    };
    text.chars().map(like).collect()
}

/// Whether two numbers are the same apart from spaces and characters that look alike.
pub(crate) fn same_number(a: &str, b: &str) -> bool {
    let (a, b) = (looks(&folded(a)), looks(&folded(b)));
    !a.is_empty() && a == b
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
    fn spaces_in_numbers_are_ignored() {
        assert!(same_number("L898902C3", "L 898902C3"));
        assert!(same_number("AO123456", "A0123456"));
        assert!(!same_number("L898902C3", "L898903C3"));
    }

    #[test]
    fn distances_count_edits() {
        assert_eq!(distance("SURNAME", "SURNAME", 2), 0);
        assert_eq!(distance("SURNAME", "SUMAME", 2), 2);
        assert_eq!(distance("SURNAME", "NOM", 2), 3);
    }
}
