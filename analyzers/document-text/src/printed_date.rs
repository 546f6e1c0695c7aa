//! Parses printed dates in many formats and languages.

use time::Date;

use crate::date::{Role, day_of, full_year};

/// The dates that a printed text can mean, likeliest first: two if the order of day and month is
/// ambiguous.
pub(crate) fn from_print(text: &str, role: Role, today: Date) -> Vec<Date> {
    let parts = parts(text);
    let chained = |at: usize| matches!(parts.get(at), Some(Part::Number(..)));
    // Three parts of a longer chain of numbers are a date only if the year has four digits:
    // 12.34.56.78 has no date, 3. 12.08.1974 has one.
    let is_whole = |window: &[Part]| window.iter().any(|part| matches!(part, Part::Number(_, 4)));
    let is_alone = |at: usize, window: &[Part]| {
        window.iter().any(|part| matches!(part, Part::Month(_)))
            || !((at > 0 && chained(at - 1)) || chained(at + 3))
    };
    let windows = || parts.windows(3).enumerate();
    let whole = windows().filter(|(_, window)| is_whole(window));
    let short = windows().filter(|(at, window)| !is_whole(window) && is_alone(*at, window));
    let days = whole
        .chain(short)
        .map(|(_, window)| of_three([window[0], window[1], window[2]], role, today));
    let packed = parts.iter().map(|part| packed(*part));
    days.chain(packed).find(|days| !days.is_empty()).unwrap_or_default()
}

/// A part of a printed date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Value and number of digits.
    Number(i32, usize),
    /// A month by name.
    Month(u8),
}

/// Numbers and months in the order of the text. A month in two languages (`08 FEB/FÉV 92`) counts
/// once.
fn parts(text: &str) -> Vec<Part> {
    let folded = deunicode::deunicode(text).to_ascii_uppercase();
    let mut parts: Vec<Part> = Vec::new();
    let is_word = |character: char| character.is_ascii_alphabetic();
    let kind = |character: char| (is_word(character), character.is_ascii_digit());
    let characters: Vec<char> = folded.chars().collect();
    for run in characters.chunk_by(|a, b| kind(*a) == kind(*b)) {
        let token: String = run.iter().collect();
        if run[0].is_ascii_digit() {
            if let Ok(value) = token.parse() {
                parts.push(Part::Number(value, token.len()));
            }
        } else if is_word(run[0])
            && let Some(month) = month_named(&token)
            && parts.last() != Some(&Part::Month(month))
        {
            parts.push(Part::Month(month));
        }
    }
    parts
}

fn of_three(parts: [Part; 3], role: Role, today: Date) -> Vec<Date> {
    let year = |value: i32, digits: usize| match digits {
        4 if (1850..=2200).contains(&value) => Some(value),
        2 => Some(full_year(value, role, today)),
        _ => None,
    };
    let small =
        |value: i32, digits: usize| (digits <= 2).then(|| u8::try_from(value).ok()).flatten();
    let day = |(y, yd): (i32, usize), month: Option<u8>, (d, dd): (i32, usize)| {
        day_of(year(y, yd)?, month?, small(d, dd)?)
    };
    let found = match parts {
        [Part::Number(d, dd), Part::Month(m), Part::Number(y, yd)] => {
            vec![day((y, yd), Some(m), (d, dd))]
        }
        [Part::Month(m), Part::Number(d, dd), Part::Number(y, yd)] => {
            vec![day((y, yd), Some(m), (d, dd))]
        }
        [Part::Number(y, 4), Part::Number(m, md), Part::Number(d, dd)] => {
            vec![day((y, 4), small(m, md), (d, dd))]
        }
        [Part::Number(a, ad), Part::Number(b, bd), Part::Number(y, yd)] => {
            vec![day((y, yd), small(b, bd), (a, ad)), day((y, yd), small(a, ad), (b, bd))]
        }
        _ => Vec::new(),
    };
    let mut days: Vec<Date> = Vec::new();
    for date in found.into_iter().flatten() {
        if !days.contains(&date) {
            days.push(date);
        }
    }
    days
}

/// Eight digits without separators: `DDMMYYYY`, `MMDDYYYY` or `YYYYMMDD`.
fn packed(part: Part) -> Vec<Date> {
    let Part::Number(value, 8) = part else { return Vec::new() };
    let split = |order: [i32; 2]| {
        let (first, rest) = (value / order[0], value % order[0]);
        (first, rest / order[1], rest % order[1])
    };
    let plausible = |date: &Date| (1850..=2200).contains(&date.year());
    let small = |value: i32| u8::try_from(value).ok();
    let (day, month, year) = split([1_000_000, 10_000]);
    let (y, m, d) = split([10_000, 100]);
    let ways = [(year, month, day), (year, day, month), (y, m, d)];
    ways.into_iter()
        .filter_map(|(y, m, d)| day_of(y, small(m)?, small(d)?))
        .filter(plausible)
        .collect()
}

/// The month that a word names, by the prefixes of month names in the languages of passports.
fn month_named(word: &str) -> Option<u8> {
    const NAMES: [&[&str]; 12] = [
        &["JAN", "GEN", "ENE", "STY", "SIJ", "LED", "TAM", "IAN", "OCAK", "SAU", "YAN"],
        &["FEB", "FEV", "LUT", "VELJ", "UNO", "HEL", "FEBR", "SUBAT", "VAS", "FVR"],
        &["MAR", "MRZ", "MAER", "MRT", "MARS", "OZU", "BRE", "MAA", "KOV", "MARZ"],
        &["APR", "AVR", "ABR", "KWI", "TRA", "DUB", "HUH", "NIS", "BAL"],
        &["MAY", "MAI", "MAG", "MAJ", "MEI", "SVI", "KVE", "TOU", "MAYIS", "GEG"],
        &["JUN", "JUIN", "GIU", "CZE", "CER", "KES", "HAZ", "BIR", "IUN"],
        &["JUL", "JUIL", "LUG", "LIP", "SRP", "CVC", "HEI", "TEM", "LIE", "IUL"],
        &["AUG", "AOU", "AGO", "SIE", "KOL", "SRPN", "ELO", "AGU", "RGP"],
        &["SEP", "SET", "WRZ", "RUJ", "ZAR", "SYY", "EYL", "RGS"],
        &["OCT", "OKT", "OTT", "OUT", "PAZ", "RIJ", "LOK", "EKI", "SPA"],
        &["NOV", "LIS", "STUD", "MARR", "KAS", "LAP", "NOI"],
        &["DEC", "DEZ", "DIC", "GRU", "PRO", "JOU", "ARA", "GRD", "DES", "DIS"],
    ];
    let of_month = |at: usize| {
        let begins = |name: &&str| word.len() >= 3 && word.starts_with(*name);
        NAMES[at].iter().filter(|name| begins(name)).map(|name| name.len()).max()
    };
    // The longest prefix decides: MARR is November in Finnish, MAR is March.
    (0..12)
        .filter_map(|at| Some((of_month(at)?, at)))
        .max_by_key(|(length, at)| (*length, 12 - at))
        .map(|(_, at)| at as u8 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    const TODAY: Date = date!(2026 - 11 - 26);

    #[test]
    fn printed_dates_are_read_in_many_formats() {
        let birth = |text: &str| from_print(text, Role::Birth, TODAY).first().copied();
        for text in [
            "12.08.1974",
            "12/08/1974",
            "12-08-1974",
            "12 08 1974",
            "1974-08-12",
            "1974.08.12",
            "12 AUG 1974",
            "12 AUG/AOÛT 74",
            "12 août 1974",
            "12.08.74",
            "Aug 12, 1974",
            "12. August 1974",
            "12 sie 1974",
            "12081974",
            "3. 12.08.1974 BERLIN",
        ] {
            assert_eq!(birth(text), Some(date!(1974 - 08 - 12)), "{text}");
        }
        for text in ["", "BERLIN", "L898902C3", "12.34.56.78", "32.13.1974", "1234"] {
            assert_eq!(birth(text), None, "{text}");
        }
        assert_eq!(birth("31 marraskuu 1990"), None, "November has 30 days");
        assert_eq!(birth("30 marraskuu 1990"), Some(date!(1990 - 11 - 30)));
    }

    #[test]
    fn ambiguous_day_and_month_give_both_dates() {
        assert_eq!(
            from_print("04/05/1990", Role::Birth, TODAY),
            [date!(1990 - 05 - 04), date!(1990 - 04 - 05)]
        );
        assert_eq!(from_print("04/25/1990", Role::Birth, TODAY), [date!(1990 - 04 - 25)]);
    }
}
