//! Dates: ISO 8601 in the report, six digits in the machine-readable zone.

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
    /// A birth: the latest matching year that is not in the future.
    Birth,
    /// An expiry: the matching year nearest to today, since no document is valid for fifty years.
    Expiry,
}

/// The date; `None` if it is not in the calendar.
pub(crate) fn day_of(year: i32, month: u8, day: u8) -> Option<Date> {
    Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()
}

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
    /// Fillers replace unknown parts.
    Unknown,
    /// Not in the calendar.
    Impossible,
}

/// Reads `YYMMDD`.
pub(crate) fn from_zone(field: &str, role: Role, today: Date) -> ZoneDate {
    if field.contains('<') {
        let known = field.chars().all(|character| character.is_ascii_digit() || character == '<');
        return if known { ZoneDate::Unknown } else { ZoneDate::Impossible };
    }
    let number = |at: usize| field.get(at..at + 2)?.parse::<u8>().ok();
    let day = || day_of(full_year(number(0)?.into(), role, today), number(2)?, number(4)?);
    match day() {
        Some(date) => ZoneDate::Day(date),
        None => ZoneDate::Impossible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    const TODAY: Date = date!(2026 - 11 - 26);

    #[test]
    fn century_is_the_last_for_births_the_nearest_for_expiries() {
        assert_eq!(from_zone("740812", Role::Birth, TODAY), ZoneDate::Day(date!(1974 - 08 - 12)));
        assert_eq!(from_zone("260101", Role::Birth, TODAY), ZoneDate::Day(date!(2026 - 01 - 01)));
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
    fn zone_date_may_be_unknown_or_impossible() {
        assert_eq!(from_zone("74<<<<", Role::Birth, TODAY), ZoneDate::Unknown);
        assert_eq!(from_zone("740231", Role::Birth, TODAY), ZoneDate::Impossible);
        assert_eq!(from_zone("74O812", Role::Birth, TODAY), ZoneDate::Impossible);
        assert_eq!(from_zone("000000", Role::Expiry, TODAY), ZoneDate::Impossible);
    }
}
