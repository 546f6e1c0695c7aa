//! Parses printed dates in many formats and languages.

use time::Date;

use crate::compare::{folded, words};
use crate::date::{NO_END, Role, day_of, full_year};
use crate::months::Months;

/// What a text at the label of a date says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PrintedDate {
    /// A date, with all its possible meanings, likeliest first.
    Days(Vec<Date>),
    /// A date with unknown parts: the year, and the month if it is known.
    Part { year: i32, month: Option<u8> },
    /// Valid without end: the year 9999.
    NoEnd,
    /// Valid without end, in words; the document itself may still expire.
    NoEndInWords,
    /// A date of another calendar than the Gregorian one.
    OtherCalendar,
    /// Something like a date that cannot be read.
    Unreadable,
}

/// Years of the Gregorian calendar that occur on documents.
const YEARS: std::ops::RangeInclusive<i32> = 1850..=2200;
/// Four-digit years of other calendars: Islamic and Persian, Buddhist, and Jewish.
const OTHER_YEARS: [std::ops::RangeInclusive<i32>; 3] = [1200..=1500, 2390..=2700, 5600..=5900];
/// Minimum number of parts of a text that is a date, though it cannot be read.
const FEWEST_PARTS: usize = 2;
/// Words for a validity without end, folded.
const NO_END_WORDS: &[&str] = &[
    "BEZTERMINOWO",
    "BEZUROKA",
    "DOZIVOTN",
    "ILIMITAD",
    "ILLIMITAT",
    "ILLIMITE",
    "INDEFINID",
    "INDEFINITE",
    "INDETERMIN",
    "LIFELONG",
    "LIFETIME",
    "NEOMEZEN",
    "NEOBMEDZEN",
    "NELIMITAT",
    "NEOGRANICEN",
    "NEVEREXPIRES",
    "NIEOKRESLON",
    "NOEND",
    "NOEXPIR",
    "NOLIMIT",
    "ONBEPAALD",
    "ONBEPERKT",
    "PERMANENT",
    "SINCADUCIDAD",
    "SINVENCIMIENTO",
    "SUERESIZ",
    "SURESIZ",
    "TIDSUBEGRENS",
    "TIDSUBEGRAENS",
    "TILLSVIDARE",
    "TOISTAISEKSI",
    "TRAJNO",
    "UNBEFRISTET",
    "UNLIMITED",
    "VITALICI",
];

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
    let mut days = days.chain(packed).chain(std::iter::once_with(|| closed_up(text)));
    days.find(|days| !days.is_empty()).unwrap_or_default()
}

/// The dates of a text whose only numbers are the eight digits of a date, of which the reader lost
/// a space: `1203 1989` or `12 031989`.
fn closed_up(text: &str) -> Vec<Date> {
    let is_number = |word: &&str| word.bytes().all(|c| c.is_ascii_digit());
    let words: Vec<&str> = text.split_whitespace().collect();
    let numbers: Vec<&str> = words.iter().copied().filter(is_number).collect();
    let has_others = words.iter().any(|word| !is_number(word) && word.contains(char::is_numeric));
    match numbers[..] {
        [a, b] if !has_others && matches!((a.len(), b.len()), (4, 4) | (2, 6) | (6, 2)) => {
            format!("{a}{b}")
                .parse::<i32>()
                .map(|value| packed(Part::Number(value, 8)))
                .unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// Reads the text at the label of a date; `None` if it is nothing like a date.
pub(crate) fn read(text: &str, role: Role, today: Date) -> Option<PrintedDate> {
    let letters = folded(text);
    if role == Role::Expiry && NO_END_WORDS.iter().any(|word| letters.contains(word)) {
        return Some(PrintedDate::NoEndInWords);
    }
    let parts = parts(text);
    let whole_years: Vec<i32> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Number(year, 4) => Some(*year),
            _ => None,
        })
        .collect();
    let days = from_print(text, role, today);
    let is_future = |day: &Date| role == Role::Birth && *day > today;
    if days.iter().any(|day| day.year() == NO_END.year()) {
        return Some(PrintedDate::NoEnd);
    }
    if !days.is_empty() && !days.iter().all(is_future) && !is_one_year_twice(text) {
        return Some(PrintedDate::Days(days));
    }
    let is_other = |year: &i32| OTHER_YEARS.iter().any(|years| years.contains(year));
    // A year of birth in the future is one of the calendars that are ahead, such as Nepal's.
    if whole_years.iter().any(is_other) || !days.is_empty() || has_era(text) {
        return Some(PrintedDate::OtherCalendar);
    }
    if let Some(year) = whole_years.into_iter().find(|year| YEARS.contains(year))
        && !has_unknown_word(text)
        && let Some(month) = known_month(&parts)
    {
        return Some(PrintedDate::Part { year, month });
    }
    (parts.len() >= FEWEST_PARTS).then_some(PrintedDate::Unreadable)
}

/// Whether the text is a year of the Islamic or Persian calendar and the same year of the Gregorian
/// one, such as `1410 1989`. Closed up, the digits would also be those of 14 October 1989.
fn is_one_year_twice(text: &str) -> bool {
    let years: Option<Vec<i32>> = text
        .split(|c: char| c.is_whitespace() || matches!(c, '/' | '(' | ')'))
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().ok().filter(|_| word.len() == 4))
        .collect();
    let Some([a, b]) = years.as_deref() else { return false };
    let (other, gregorian) = (*a.min(b), *a.max(b));
    // 33 Islamic years are 32 Gregorian ones; a Persian year begins in March.
    let islamic = other - other / 33 + 622;
    OTHER_YEARS[0].contains(&other)
        && ((islamic - 1..=islamic + 1).contains(&gregorian)
            || (other + 621..=other + 622).contains(&gregorian))
}

/// Whether the text names an era of East Asia, such as 昭和 or 民國.
fn has_era(text: &str) -> bool {
    let eras = ["明治", "大正", "昭和", "平成", "令和", "民國", "民国"];
    eras.iter().any(|era| text.contains(era))
}

/// Whether the text contains a word that is neither a month nor stands for an unknown part.
fn has_unknown_word(text: &str) -> bool {
    words(text).iter().any(|word| {
        let is_word = word.len() >= 3 && word.chars().all(|c| c.is_ascii_alphabetic());
        is_word && word.chars().any(|c| c != 'X') && Months::named(word).is_none()
    })
}

/// The month of a date whose other parts beside the year are unknown: `Some(None)` if the month is
/// unknown too, `None` if the parts are not those of such a date.
fn known_month(parts: &[Part]) -> Option<Option<u8>> {
    let is_year = |part: &&Part| matches!(part, Part::Number(_, 4));
    let others: Vec<&Part> = parts.iter().filter(|part| !is_year(part)).collect();
    let known: Vec<&Part> =
        others.into_iter().filter(|part| !matches!(part, Part::Number(0, 1..=2))).collect();
    match known.as_slice() {
        [] => Some(None),
        [Part::Month(months)] => Some(months.numbers().first().copied()),
        [Part::Number(month @ 1..=12, 1..=2)] => Some(u8::try_from(*month).ok()),
        _ => None,
    }
}

/// A part of a printed date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Value and number of digits.
    Number(i32, usize),
    /// A month by name, in one or several languages.
    Month(Months),
}

/// Numbers and months in the order of the text. A month in several languages (`08 FEB/FÉV 92`)
/// counts once.
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
            && let Some(months) = Months::named(&token)
        {
            match parts.last_mut() {
                Some(Part::Month(known)) => *known = known.and(months),
                _ => parts.push(Part::Month(months)),
            }
        }
    }
    parts
}

fn of_three(parts: [Part; 3], role: Role, today: Date) -> Vec<Date> {
    let year = |value: i32, digits: usize| match digits {
        4 if YEARS.contains(&value) || value == NO_END.year() => Some(value),
        2 => Some(full_year(value, role, today)),
        _ => None,
    };
    let small =
        |value: i32, digits: usize| (digits <= 2).then(|| u8::try_from(value).ok()).flatten();
    let day = |(y, yd): (i32, usize), month: Option<u8>, (d, dd): (i32, usize)| {
        // Of two digits only the day decides whether a birth of this year is in the future.
        let day = day_of(year(y, yd)?, month?, small(d, dd)?)?;
        if yd == 2 && role == Role::Birth && day > today {
            return day.replace_year(day.year() - 100).ok();
        }
        Some(day)
    };
    let found = match parts {
        [Part::Number(y, 4), Part::Month(m), Part::Number(d, dd)] => {
            m.numbers().into_iter().map(|m| day((y, 4), Some(m), (d, dd))).collect()
        }
        [Part::Number(d, dd), Part::Month(m), Part::Number(y, yd)]
        | [Part::Month(m), Part::Number(d, dd), Part::Number(y, yd)] => {
            m.numbers().into_iter().map(|m| day((y, yd), Some(m), (d, dd))).collect()
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
    let plausible = |date: &Date| YEARS.contains(&date.year()) || date.year() == NO_END.year();
    let small = |value: i32| u8::try_from(value).ok();
    let (day, month, year) = split([1_000_000, 10_000]);
    let (y, m, d) = split([10_000, 100]);
    let ways = [(year, month, day), (year, day, month), (y, m, d)];
    ways.into_iter()
        .filter_map(|(y, m, d)| day_of(y, small(m)?, small(d)?))
        .filter(plausible)
        .collect()
}

#[cfg(test)]
mod tests;
