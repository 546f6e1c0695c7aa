//! States: their codes in machine-readable zones, and the words that documents print for them and
//! for their people. A printed nationality differs from the zone's only if the print names another
//! state in full; any other text cannot be compared.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::compare::{distance, folded, looks, words};

/// The lists of words: `CODE form|form|…` per line.
const LISTS: [&str; 2] = [include_str!("words/states.txt"), include_str!("words/states-own.txt")];
/// Codes that occur in zones and that the crate `mrz` does not know: Kosovo on documents of other
/// states, and codes that were withdrawn.
const OTHER_CODES: [(&str, &str); 9] = [
    ("XXK", "Kosovo"),
    ("BUR", "Burma"),
    ("CSK", "Czechoslovakia"),
    ("DDR", "German Democratic Republic"),
    ("ROM", "Romania"),
    ("SCG", "Serbia and Montenegro"),
    ("SUN", "Soviet Union"),
    ("TMP", "East Timor"),
    ("YUG", "Yugoslavia"),
];
/// Codes of one state, the one of the word lists first.
const SAME: [&[&str]; 6] = [
    &["D", "DEU"],
    &["RKS", "XKX", "XXK"],
    &["ROU", "ROM"],
    &["COD", "ZAR"],
    &["MMR", "BUR"],
    &["TLS", "TMP"],
];
/// Codes of persons whose nationality is not stated: a printed state does not contradict them.
const NOT_STATED: [&str; 3] = ["XXB", "XXC", "XXX"];
/// Words that name no state: forms of government, and what connects words.
const EMPTY_WORDS: &[&str] = &[
    "A",
    "AL",
    "ARAB",
    "BOLIVARIAN",
    "CITIZEN",
    "CITIZENS",
    "CITIZENSHIP",
    "CITOYEN",
    "CIUDADANO",
    "CIDADAO",
    "COMMONWEALTH",
    "COOPERATIVE",
    "CUMHURIYETI",
    "D",
    "DA",
    "DAS",
    "DE",
    "DEL",
    "DELLA",
    "DEMOCRATIC",
    "DEMOKRATISCHE",
    "DER",
    "DES",
    "DI",
    "DO",
    "DU",
    "DUCHY",
    "EL",
    "ESTADO",
    "ETAT",
    "FEDERAL",
    "FEDERATIVE",
    "FEDERATED",
    "FURSTENTUM",
    "GRAND",
    "HASHEMITE",
    "INDEPENDENT",
    "ISLAMIC",
    "KINGDOM",
    "KONIGREICH",
    "KONGERIKET",
    "KONGERIGET",
    "L",
    "LA",
    "LE",
    "LES",
    "NATIONAL",
    "NATIONALITY",
    "OF",
    "PEOPLE",
    "PEOPLES",
    "PLURINATIONAL",
    "POPULAR",
    "PRINCIPALITY",
    "PRINCIPAUTE",
    "REGNO",
    "REINO",
    "REPUBBLICA",
    "REPUBLIC",
    "REPUBLICA",
    "REPUBLIEK",
    "REPUBLIK",
    "REPUBLIKA",
    "REPUBLIQUE",
    "ROYAUME",
    "S",
    "SOCIALIST",
    "STAAT",
    "STATE",
    "STATES",
    "STATO",
    "SUBJECT",
    "SULTANATE",
    "TASAVALTA",
    "THE",
    "UNION",
    "UNITARY",
    "VABARIIK",
];
/// Maximum number of words of a name.
const LONGEST_NAME: usize = 9;
/// Minimum length of a word of the generated list; shorter ones are abbreviations of other things.
const SHORTEST: usize = 4;
/// Minimum length of a form for which a misread letter, or a common beginning, is accepted.
const TELLING: usize = 6;
const COMMON_BEGINNING: usize = 5;

/// English name of the state or organization of a code.
pub(crate) fn name(code: &str) -> Option<&'static str> {
    let other = || OTHER_CODES.iter().find(|(known, _)| *known == code).map(|(_, name)| *name);
    mrz::country_name(code).or_else(other)
}

/// Whether two codes mean the same state.
pub(crate) fn are_equal(a: &str, b: &str) -> bool {
    listed(a) == listed(b)
}

/// The code that the word lists use for this state.
fn listed(code: &str) -> &str {
    SAME.iter().find(|codes| codes.contains(&code)).map_or(code, |codes| codes[0])
}

/// All known words, by their key.
struct Lexicon {
    states: HashMap<String, Vec<&'static str>>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let mut states: HashMap<String, Vec<&'static str>> = HashMap::new();
    let mut add = |form: &str, code: &'static str| {
        let known = states.entry(key(&folded(form))).or_default();
        if !known.contains(&code) {
            known.push(code);
        }
    };
    for (list, text) in LISTS.iter().enumerate() {
        let shortest = if list == 0 { SHORTEST } else { 1 };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((code, forms)) = line.split_once(' ') else { continue };
            for form in forms.trim().split('|').filter(|form| folded(form).len() >= shortest) {
                add(form, code);
            }
        }
    }
    for (code, name) in mrz::codes() {
        add(name, listed(code));
    }
    Lexicon { states }
});

/// A form that is equal for genders, for common endings, and for characters that a recogniser
/// confuses.
fn key(folded: &str) -> String {
    let mut stem = folded;
    if stem.len() > TELLING {
        for ending in ["ISCHER", "ISCHEN", "ISCHES"] {
            if let Some(rest) = stem.strip_suffix(ending) {
                stem = &folded[..rest.len() + "ISCH".len()];
            }
        }
        // Turkish: NORVECLI is of NORVEC.
        stem = stem.strip_suffix("LI").or_else(|| stem.strip_suffix("LU")).unwrap_or(stem);
    }
    if stem.len() >= SHORTEST {
        stem = stem.strip_suffix(['A', 'E', 'O']).unwrap_or(stem);
    }
    let mut stem = looks(stem);
    let last: Vec<char> = stem.chars().rev().take(2).collect();
    if stem.len() > SHORTEST && last[0] == last[1] {
        stem.pop();
    }
    stem
}

/// What a piece of text names: for each name in it, the states that it may mean.
enum Named {
    /// These names, and nothing else.
    InFull(Vec<Vec<&'static str>>),
    /// These names, among other words.
    InPart(Vec<Vec<&'static str>>),
    Nothing,
}

fn named(piece: &str) -> Named {
    let words = words(piece);
    if let [word] = words.as_slice()
        && (word.len() == 3 || word == "D")
        && let Some((code, _)) =
            mrz::codes().iter().chain(&OTHER_CODES).find(|(code, _)| code == word)
    {
        return Named::InFull(vec![vec![listed(code)]]);
    }
    let mut states = Vec::new();
    let (mut at, mut unexplained) = (0, false);
    while at < words.len() {
        let lengths = (1..=LONGEST_NAME.min(words.len() - at)).rev();
        let found = lengths
            .filter_map(|count| {
                let form = key(&words[at..at + count].concat());
                Some((LEXICON.states.get(&form)?, count))
            })
            .next();
        match found {
            Some((codes, count)) => {
                states.push(codes.clone());
                at += count;
            }
            None => {
                unexplained |= !EMPTY_WORDS.contains(&words[at].as_str());
                at += 1;
            }
        }
    }
    match (states.is_empty(), unexplained) {
        (true, _) => Named::Nothing,
        (false, true) => Named::InPart(states),
        (false, false) => Named::InFull(states),
    }
}

/// Whether a printed nationality or state is that of a code; `None` if this is not certain.
pub(crate) fn same_state(code: &str, print: &str) -> Option<bool> {
    let code = listed(code);
    let is_own = |states: &[Vec<&str>]| states.iter().all(|meant| meant.contains(&code));
    let separators = |character: char| {
        matches!(character, '/' | '|' | ';' | ',' | '·' | '•' | '(' | ')' | '[' | ']')
    };
    // Names such as "Congo (Republic)" contain a separator.
    let whole = LEXICON.states.get(&key(&folded(print)));
    if whole.is_some_and(|states| states.contains(&code)) {
        return Some(true);
    }
    let (mut own, mut other, mut near) = (false, false, false);
    for piece in print.split(separators) {
        match named(piece) {
            Named::InFull(states) if is_own(&states) => own = true,
            Named::InFull(_) => other = true,
            Named::InPart(states) => near |= is_own(&states),
            Named::Nothing => near |= is_like(code, piece),
        }
    }
    if NOT_STATED.contains(&code) && !own {
        return None;
    }
    match (own, other, near) {
        (_, true, _) => Some(false),
        (true, false, _) | (false, false, true) => Some(true),
        (false, false, false) => None,
    }
}

/// Whether the text is like a word for this state, with a misread letter or another ending, and
/// less like one for any other state.
fn is_like(code: &str, piece: &str) -> bool {
    let text = key(&words(piece).concat());
    if text.len() < TELLING {
        return false;
    }
    let most = text.len() / TELLING;
    let (mut own, mut others) = ((most + 1, 0), (most + 1, 0));
    for (form, codes) in LEXICON.states.iter().filter(|(form, _)| form.len() >= COMMON_BEGINNING) {
        let likeness = (distance(form, &text, most), common_beginning(form, &text));
        let best = if codes.contains(&code) { &mut own } else { &mut others };
        *best = (best.0.min(likeness.0), best.1.max(likeness.1));
    }
    let is_misread = own.0 <= most && own.0 < others.0;
    is_misread || (own.1 >= COMMON_BEGINNING && own.1 > others.1)
}

fn common_beginning(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests;
