//! Output: the one place of the command line that prints.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Prints a line on standard output. If the reader has closed the pipe, the program exits silently,
/// but never with success: its exit code is a verdict.
pub(super) fn line(text: impl Display) {
    if writeln!(std::io::stdout().lock(), "{text}").is_err() {
        std::process::exit(i32::from(super::outcome::FAILURE));
    }
}

/// Prints JSON, indented, on standard output.
pub(super) fn json(value: &serde_json::Value) {
    line(format_args!("{value:#}"));
}

/// Prints an error on standard error.
pub(super) fn error(error: &dyn std::error::Error) {
    let _ = writeln!(std::io::stderr().lock(), "vultus: {error}");
}

/// A time as text.
pub(super) fn time(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}

/// Shows a progress line in place of the last one, on a terminal only.
pub(super) fn progress(text: impl Display) {
    let mut stderr = std::io::stderr().lock();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K{text}");
        let _ = stderr.flush();
    }
}

/// Clears the progress line.
pub(super) fn progress_done() {
    progress("");
}

/// Prints a table with aligned columns; the first row is the heading.
pub(super) fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        line(cells.join("  ").trim_end());
    }
}
