//! Names of months in the languages of identity documents.

use std::sync::LazyLock;

use crate::compare::folded;

/// The lists of names: `MONTH name|name|…` per line.
const LISTS: [&str; 2] = [include_str!("words/months.txt"), include_str!("words/months-own.txt")];
/// Minimum length of an abbreviation.
const SHORTEST: usize = 3;

/// Folded names with their months.
static NAMES: LazyLock<Vec<(String, u8)>> = LazyLock::new(|| {
    let mut names = Vec::new();
    for line in LISTS.iter().flat_map(|list| list.lines()).filter(|line| !line.starts_with('#')) {
        let Some((month, forms)) = line.split_once(' ') else { continue };
        let Ok(month) = month.parse() else { continue };
        names.extend(forms.trim().split('|').map(|form| (folded(form), month)));
    }
    names
});

/// The months that a word may mean: MEI is May in Dutch, and the beginning of June in Irish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Months {
    /// Months that have the word as a name or usual abbreviation; bit 1 is January.
    exact: u16,
    /// Months with a name that begins like the word.
    alike: u16,
}

impl Months {
    /// The months of a folded word; `None` if no month is called so.
    pub(crate) fn named(word: &str) -> Option<Self> {
        if word.len() < SHORTEST {
            return None;
        }
        let (mut exact, mut best) = (0u16, 0);
        let mut alike = [0usize; 13];
        for (name, month) in NAMES.iter() {
            if name == word {
                exact |= 1u16 << *month;
            }
            let is_beginning = name.len() >= SHORTEST
                && (name.starts_with(word) || (word.starts_with(name.as_str())));
            if is_beginning {
                let length = name.len().min(word.len());
                let known = &mut alike[usize::from(*month)];
                *known = length.max(*known);
                best = length.max(best);
            }
        }
        // The longest beginning decides: MARR is of November in Finnish, MAR is March.
        let months = (1..=12).filter(|month| best > 0 && alike[*month] == best);
        let alike = months.fold(0u16, |mask, month| mask | (1u16 << month));
        (exact | alike != 0).then_some(Self { exact, alike: exact | alike })
    }

    /// The months that both words mean; all of both if they have none in common, because one of
    /// them may be of a language that is not known.
    pub(crate) fn and(self, other: Self) -> Self {
        for (a, b) in [
            (self.exact, other.exact),
            (self.exact, other.alike),
            (self.alike, other.exact),
            (self.alike, other.alike),
        ] {
            if a & b != 0 {
                return Self { exact: a & b, alike: a & b };
            }
        }
        let all = self.alike | other.alike;
        Self { exact: all, alike: all }
    }

    /// The months: those that the word is a name of, or else those that it is the beginning of.
    pub(crate) fn numbers(self) -> Vec<u8> {
        let months = if self.exact == 0 { self.alike } else { self.exact };
        (1..=12u8).filter(|month| months & (1u16 << *month) != 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn months(words: &[&str]) -> Vec<u8> {
        let named = words.iter().filter_map(|word| Months::named(word));
        named.reduce(Months::and).map(Months::numbers).unwrap_or_default()
    }

    #[test]
    fn each_half_of_a_month_is_of_its_language() {
        assert_eq!(months(&["MEI", "JUN"]), [6], "Irish and English");
        assert_eq!(months(&["MEI", "MAY"]), [5], "Dutch and English");
        assert_eq!(months(&["LUN", "AUG"]), [8]);
        assert_eq!(months(&["LIP", "JUL"]), [7], "Polish");
        assert_eq!(months(&["LIP", "JUN"]), [6], "Croatian");
        assert_eq!(months(&["SRP", "AUG"]), [8], "Czech");
        assert_eq!(months(&["MARR", "NOV"]), [11], "Finnish");
        assert_eq!(months(&["LIS", "OCT"]), [10]);
        assert_eq!(months(&["LIS", "NOV"]), [11]);
        assert_eq!(months(&["TETOR"]), [10], "Albanian");
        assert_eq!(months(&["EAN", "JAN"]), [1]);
    }

    #[test]
    fn plain_words_are_no_months() {
        for word in ["BERLIN", "L898902C", "KL", "NOR", "XX"] {
            assert!(months(&[word]).is_empty(), "{word}");
        }
    }

    #[test]
    fn english_months_are_certain() {
        let english =
            ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
        for (at, word) in english.iter().enumerate() {
            assert_eq!(months(&[word]), [at as u8 + 1], "{word}");
        }
    }
}
