//! Machine-readable zones and the printed lines of documents, as recognised text.
#![no_main]

use time::macros::date;
use vultus_document_text::{MrzLine, MrzReading, PageReading, Params, TextLine, judge};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (zone, printed) = text.split_once("\n\n").unwrap_or((text, ""));
    let lines = zone.lines().take(4);
    let lines = lines.map(|line| MrzLine { text: line.to_owned(), ..MrzLine::default() });
    let mrz = Some(MrzReading { lines: lines.collect(), ..MrzReading::default() });
    let printed = printed.lines().take(60);
    let printed = printed.map(|line| TextLine {
        text: line.to_owned(),
        confidence: 0.9,
        ..TextLine::default()
    });
    let page = PageReading { mrz, lines: printed.collect(), ..PageReading::default() };
    judge(&page, None, &Params::default(), date!(2026 - 11 - 30));
});
