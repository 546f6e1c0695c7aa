//! Dates as documents print them.

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
        "1974 AUG 12",
        "12 LÚN/AUG 1974",
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
fn date_that_lost_a_space_is_read() {
    let march = date!(1989 - 03 - 12);
    for text in ["1203 1989", "12 031989", "120319 89", "1989 0312", "198903 12"] {
        let read = read(text, Role::Birth, TODAY);
        assert!(matches!(&read, Some(PrintedDate::Days(days)) if days.contains(&march)), "{text}");
    }
    for text in ["1367 1221", "1221 1367", "1203 1205"] {
        assert_eq!(read(text, Role::Birth, TODAY), Some(PrintedDate::OtherCalendar), "{text}");
    }
    for text in ["1410 1989", "1410/1989", "1989 (1410)", "1403 2024", "1401 1980", "1412 1992"] {
        let read = read(text, Role::Expiry, TODAY);
        assert_eq!(read, Some(PrintedDate::OtherCalendar), "a year twice: {text}");
    }
    let october = date!(1989 - 10 - 14);
    assert_eq!(from_print("1410 1989", Role::Birth, TODAY), [october], "if the zone says so");
    for text in ["1203 1989 5", "1203/1989", "1203 1989 A7"] {
        assert_eq!(from_print(text, Role::Birth, TODAY), [], "{text}");
    }
}

#[test]
fn ambiguous_day_and_month_give_both_dates() {
    assert_eq!(
        from_print("04/05/1990", Role::Birth, TODAY),
        [date!(1990 - 05 - 04), date!(1990 - 04 - 05)]
    );
    assert_eq!(from_print("04/25/1990", Role::Birth, TODAY), [date!(1990 - 04 - 25)]);
}

#[test]
fn birth_in_two_digits_is_never_in_the_future() {
    let birth = |text: &str| from_print(text, Role::Birth, TODAY);
    assert_eq!(birth("27 NOV 26"), [date!(1926 - 11 - 27)]);
    assert_eq!(birth("26 NOV 26"), [date!(2026 - 11 - 26)]);
}

#[test]
fn text_at_the_label_of_a_date_is_told_apart() {
    let expiry = |text: &str| read(text, Role::Expiry, TODAY);
    let birth = |text: &str| read(text, Role::Birth, TODAY);
    for text in ["01 01 9999", "31.12.9999"] {
        assert_eq!(expiry(text), Some(PrintedDate::NoEnd), "{text}");
    }
    for text in ["UNBEFRISTET", "Sin vencimiento", "PERMANENT"] {
        assert_eq!(expiry(text), Some(PrintedDate::NoEndInWords), "{text}");
    }
    for text in ["12 03 2532", "1367/12/21", "21 ESF 1367", "12 03 2045", "昭和64年1月7日"] {
        assert_eq!(birth(text), Some(PrintedDate::OtherCalendar), "{text}");
    }
    for text in ["1989", "00 00 1989", "XX XX 1989"] {
        assert_eq!(birth(text), Some(PrintedDate::Part { year: 1989, month: None }), "{text}");
    }
    for text in ["MAR 1989", "03.1989", "00 MAR 1989"] {
        let month = PrintedDate::Part { year: 1989, month: Some(3) };
        assert_eq!(birth(text), Some(month), "{text}");
    }
    for text in ["12 QXZ 1989", "32.13.1989", "1 2"] {
        assert_eq!(birth(text), Some(PrintedDate::Unreadable), "{text}");
    }
    assert_eq!(birth("BERLIN"), None);
}
