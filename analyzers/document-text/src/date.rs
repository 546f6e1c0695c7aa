//! Dates: ISO 8601 in the report, six digits in the machine-readable zone.

use time::macros::date;
use time::{Date, Month};

/// A date as `YYYY-MM-DD`.
pub(crate) fn iso(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

/// Reads `YYYY-MM-DD`.
pub(crate) fn from_iso(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    (year.len() == 4 && month.len() == 2 && day.len() == 2)
        .then(|| day_of(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?))?
}

/// Serde support for an optional `YYYY-MM-DD`.
pub(crate) mod iso_option {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer};
    use time::Date;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Date>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| {
            super::from_iso(&text).ok_or_else(|| D::Error::custom("a date must be YYYY-MM-DD"))
        })
        .transpose()
    }
}

/// The meaning of a date, which determines its century.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A birth: the latest matching day that is not in the future.
    Birth,
    /// An expiry: the matching year nearest to today, since no document is valid for fifty years.
    Expiry,
}

/// The date; `None` if it is not in the calendar.
pub(crate) fn day_of(year: i32, month: u8, day: u8) -> Option<Date> {
    Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()
}

/// The date that stands for a validity without end. Of its year only the number matters.
pub(crate) const NO_END: Date = date!(9999 - 12 - 31);

/// The full year of a two-digit year.
pub(crate) fn full_year(two_digits: i32, role: Role, today: Date) -> i32 {
    let this = today.year();
    let year = this - this.rem_euclid(100) + two_digits;
    match role {
        Role::Birth if year > this => year - 100,
        Role::Birth => year,
        Role::Expiry if year > this + 50 => year - 100,
        Role::Expiry if year <= this - 50 => year + 100,
        Role::Expiry => year,
    }
}

/// A date field of a machine-readable zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ZoneDate {
    /// A date.
    Day(Date),
    /// A date with unknown parts: fillers (ICAO 9303 part 3, section 4.8), or zeros instead.
    Part { year: Option<u8>, month: Option<u8>, day: Option<u8> },
    /// Valid without end.
    NoEnd,
    /// Not in the calendar.
    Impossible,
}

/// Reads `YYMMDD`.
pub(crate) fn from_zone(field: &str, role: Role, today: Date) -> ZoneDate {
    if role == Role::Expiry && ["<<<<<<", "999999", "000000"].contains(&field) {
        return ZoneDate::NoEnd;
    }
    let [Some(year), Some(month), Some(day)] = [0, 2, 4].map(|at| part(field, at)) else {
        return ZoneDate::Impossible;
    };
    let known = |part: Option<u8>| part.filter(|value| *value > 0);
    match (year, known(month), known(day)) {
        (Some(year), Some(month), Some(day)) => whole([year, month, day], role, today),
        (_, Some(13..), _) | (_, _, Some(32..)) => ZoneDate::Impossible,
        (year, month, day) => ZoneDate::Part { year, month, day },
    }
}

/// Whether six characters of a zone can be a date, in any century.
pub(crate) fn is_possible(field: &str) -> bool {
    // Of the centuries only leap years differ: 2000 was one, 1900 was not.
    let read = from_zone(field, Role::Expiry, date!(2026 - 01 - 01));
    read != ZoneDate::Impossible
}

/// Two digits; `Some(None)` for fillers, `None` for other characters.
fn part(field: &str, at: usize) -> Option<Option<u8>> {
    let digits = field.get(at..at + 2)?;
    if digits.chars().all(|character| character.is_ascii_digit()) {
        return Some(digits.parse().ok());
    }
    let known = |character: char| character.is_ascii_digit() || character == '<';
    digits.chars().all(known).then_some(None)
}

fn whole([year, month, day]: [u8; 3], role: Role, today: Date) -> ZoneDate {
    let year = full_year(year.into(), role, today);
    // A birth is never in the future; the day of 29 February decides its century, too.
    let years = match role {
        Role::Birth => [year, year - 100],
        Role::Expiry => [year, year],
    };
    let days = years.into_iter().filter_map(|year| day_of(year, month, day));
    days.filter(|day| role == Role::Expiry || *day <= today)
        .map(ZoneDate::Day)
        .next()
        .unwrap_or(ZoneDate::Impossible)
}

impl ZoneDate {
    /// Whether a printed date with this year, month and day can be the date of the zone. `None` is
    /// an unknown part.
    pub(crate) fn may_be(self, year: i32, month: Option<u8>, day: Option<u8>) -> bool {
        let agrees =
            |zone: Option<u8>, print: Option<u8>| zone.zip(print).is_none_or(|(a, b)| a == b);
        match self {
            Self::Day(known) => {
                known.year() == year
                    && agrees(Some(u8::from(known.month())), month)
                    && agrees(Some(known.day()), day)
            }
            Self::Part { year: short, month: m, day: d } => {
                short.is_none_or(|short| i32::from(short) == year.rem_euclid(100))
                    && agrees(m, month)
                    && agrees(d, day)
            }
            Self::NoEnd => year >= NO_END.year(),
            Self::Impossible => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Date = date!(2026 - 11 - 26);

    #[test]
    fn century_is_the_last_for_births_the_nearest_for_expiries() {
        assert_eq!(from_zone("740812", Role::Birth, TODAY), ZoneDate::Day(date!(1974 - 08 - 12)));
        assert_eq!(from_zone("260101", Role::Birth, TODAY), ZoneDate::Day(date!(2026 - 01 - 01)));
        assert_eq!(
            from_zone("261127", Role::Birth, TODAY),
            ZoneDate::Day(date!(1926 - 11 - 27)),
            "a birth is not in the future, by day"
        );
        assert_eq!(from_zone("270101", Role::Birth, TODAY), ZoneDate::Day(date!(1927 - 01 - 01)));
        assert_eq!(
            from_zone("961210", Role::Expiry, TODAY),
            ZoneDate::Day(date!(1996 - 12 - 10)),
            "an old visa has expired"
        );
        assert_eq!(from_zone("360101", Role::Expiry, TODAY), ZoneDate::Day(date!(2036 - 01 - 01)));
        assert_eq!(from_zone("761231", Role::Expiry, TODAY), ZoneDate::Day(date!(2076 - 12 - 31)));
        assert_eq!(from_zone("770101", Role::Expiry, TODAY), ZoneDate::Day(date!(1977 - 01 - 01)));
        assert_eq!(
            full_year(5, Role::Expiry, date!(2096 - 01 - 01)),
            2105,
            "the next century is near"
        );
    }

    #[test]
    fn zone_date_may_have_unknown_parts_or_no_end() {
        let part = |year, month, day| ZoneDate::Part { year, month, day };
        for (field, read) in [
            ("74<<<<", part(Some(74), None, None)),
            ("740000", part(Some(74), None, None)),
            ("7408<<", part(Some(74), Some(8), None)),
            ("7408<1", part(Some(74), Some(8), None)),
            ("<<<<<<", part(None, None, None)),
            ("740231", ZoneDate::Impossible),
            ("741301", ZoneDate::Impossible),
            ("741300", ZoneDate::Impossible),
            ("74O812", ZoneDate::Impossible),
        ] {
            assert_eq!(from_zone(field, Role::Birth, TODAY), read, "{field}");
        }
        for field in ["<<<<<<", "999999", "000000"] {
            assert_eq!(from_zone(field, Role::Expiry, TODAY), ZoneDate::NoEnd, "{field}");
        }
        assert!(part(Some(74), None, None).may_be(1974, Some(8), Some(12)));
        assert!(!part(Some(74), None, None).may_be(1984, Some(8), Some(12)));
        assert!(!part(Some(74), Some(8), None).may_be(1974, Some(9), Some(12)));
    }
}
