//! The labelled lists that evaluations read: CSV with a heading.

use super::super::outcome::CommandError;
use std::path::{Path, PathBuf};

/// The variant of unaltered pictures.
pub(super) const ORIGINAL: &str = "original";
/// The type of pictures without a machine-readable zone.
pub(super) const NONE: &str = "none";

/// A comparison with its truth.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) image_a: PathBuf,
    pub(super) image_b: PathBuf,
    pub(super) same: bool,
    pub(super) fold: Option<u32>,
}

/// A photo, clip or shot set with its truth.
#[derive(Debug, Clone)]
pub(super) struct Presentation {
    pub(super) image: PathBuf,
    /// `live` and `bona_fide` are bona fide; anything else names the species of the attack.
    pub(super) label: String,
    /// Camera, codec, bitrate: whatever the figures are told apart by; `original` for recordings of
    /// which others are versions.
    pub(super) source: Option<String>,
    /// The recording of which it is the original or a version.
    pub(super) recording: Option<String>,
}

impl Presentation {
    pub(super) fn is_attack(&self) -> bool {
        !matches!(self.label.as_str(), "live" | "bona_fide")
    }
}

/// Names of gestures.
const GESTURES: [&str; 8] =
    ["left", "right", "up", "down", "smile", "blink", "zoom_in", "zoom_out"];

/// A clip with the gestures that it shows.
#[derive(Debug, Clone)]
pub(super) struct GestureClip {
    pub(super) clip: PathBuf,
    pub(super) events: Vec<GestureEvent>,
}

/// A gesture, and a moment of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GestureEvent {
    pub(super) gesture: String,
    pub(super) seconds: f64,
}

/// A picture of a document with its truth.
#[derive(Debug, Clone)]
pub(super) struct DocumentTruth {
    /// Path as in the list.
    pub(super) file: String,
    pub(super) image: PathBuf,
    /// `TD1`, `TD2`, `TD3`, `MRV-A`, `MRV-B`, or `none` for a picture without a machine-readable
    /// zone; `None` when not known.
    pub(super) format: Option<String>,
    /// The lines of the zone; empty if not transcribed.
    pub(super) lines: Vec<String>,
    /// Index of the line with the names, if these are not certain.
    pub(super) doubtful_line: Option<usize>,
    /// How the picture was altered; `original` if it was not.
    pub(super) variant: String,
}

impl DocumentTruth {
    pub(super) fn has_lines(&self) -> bool {
        !self.lines.is_empty()
    }
}

struct Table {
    path: PathBuf,
    heading: csv::StringRecord,
    rows: Vec<csv::StringRecord>,
}

impl Table {
    fn read(path: &Path) -> Result<Self, CommandError> {
        let reading = |error| CommandError::because(&format!("reading {}", path.display()), &error);
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(reading)?;
        let heading = reader.headers().map_err(reading)?.clone();
        let rows = reader.records().collect::<Result<Vec<_>, _>>().map_err(reading)?;
        if rows.is_empty() {
            return Err(CommandError::new(format!("{} has no rows", path.display())));
        }
        Ok(Self { path: path.to_owned(), heading, rows })
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.heading.iter().position(|column| column == name)
    }

    fn required(&self, name: &str) -> Result<usize, CommandError> {
        self.column(name).ok_or_else(|| {
            CommandError::new(format!("{} has no column `{name}`", self.path.display()))
        })
    }

    /// The error that the cell in `column` and `row` (from 0) is not `expected`.
    fn bad(&self, row: usize, column: usize, expected: &str) -> CommandError {
        let name = self.heading.get(column).unwrap_or_default();
        CommandError::new(format!(
            "{} line {}: `{name}` must be {expected}",
            self.path.display(),
            row + 2
        ))
    }
}

/// Reads pairs: columns `image_a`, `image_b`, `same` (1 or 0) and optionally `lfw_fold`; paths
/// under `root`.
pub(super) fn read_pairs(path: &Path, root: &Path) -> Result<Vec<Pair>, CommandError> {
    let table = Table::read(path)?;
    let (a, b, same) =
        (table.required("image_a")?, table.required("image_b")?, table.required("same")?);
    let fold = table.column("lfw_fold");
    let pair = |(at, row): (usize, &csv::StringRecord)| {
        Ok(Pair {
            image_a: root.join(&row[a]),
            image_b: root.join(&row[b]),
            same: match &row[same] {
                "1" | "true" => true,
                "0" | "false" => false,
                _ => return Err(table.bad(at, same, "1 or 0")),
            },
            fold: fold
                .map(|fold| row[fold].parse().map_err(|_| table.bad(at, fold, "a whole number")))
                .transpose()?,
        })
    };
    table.rows.iter().enumerate().map(pair).collect()
}

/// Reads presentations: columns `image`, `label` and optionally `source` and `recording`; paths
/// under
/// `root`.
pub(super) fn read_presentations(
    path: &Path,
    root: &Path,
) -> Result<Vec<Presentation>, CommandError> {
    let table = Table::read(path)?;
    let (image, label) = (table.required("image")?, table.required("label")?);
    let optional = |name: &str| table.column(name);
    let (source, recording) = (optional("source"), optional("recording"));
    let presentation = |(at, row): (usize, &csv::StringRecord)| {
        if row[label].is_empty() {
            return Err(table.bad(at, label, "`live` or the species of an attack"));
        }
        let text = |column: Option<usize>| {
            column.map(|column| row[column].to_owned()).filter(|text| !text.is_empty())
        };
        Ok(Presentation {
            image: root.join(&row[image]),
            label: row[label].to_owned(),
            source: text(source),
            recording: text(recording),
        })
    };
    table.rows.iter().enumerate().map(presentation).collect()
}

/// Reads clips: columns `clip` and `events`, `gesture@seconds` separated by spaces; paths under
/// `root`.
pub(super) fn read_gesture_clips(
    path: &Path,
    root: &Path,
) -> Result<Vec<GestureClip>, CommandError> {
    let table = Table::read(path)?;
    let (clip, events) = (table.required("clip")?, table.required("events")?);
    let event = |text: &str| {
        let (gesture, seconds) = text.split_once('@').filter(|(it, _)| GESTURES.contains(it))?;
        let seconds = seconds.parse().ok().filter(|seconds: &f64| seconds.is_finite())?;
        Some(GestureEvent { gesture: gesture.to_owned(), seconds })
    };
    let read = |(at, row): (usize, &csv::StringRecord)| {
        let parsed: Option<Vec<GestureEvent>> = row[events].split_whitespace().map(event).collect();
        let expected = "`gesture@seconds`, separated by spaces";
        let parsed = parsed.ok_or_else(|| table.bad(at, events, expected))?;
        Ok(GestureClip { clip: root.join(&row[clip]), events: parsed })
    };
    table.rows.iter().enumerate().map(read).collect()
}

/// Reads documents: columns `file`, `type`, `line1`, `line2`, `line3` and optionally
/// `names_certain` (`no` leaves the line with the names out) and `variant`; paths under `root`.
pub(super) fn read_documents(path: &Path, root: &Path) -> Result<Vec<DocumentTruth>, CommandError> {
    const FORMATS: [&str; 6] = ["TD1", "TD2", "TD3", "MRV-A", "MRV-B", NONE];
    let table = Table::read(path)?;
    let (file, format) = (table.required("file")?, table.required("type")?);
    let lines = [table.required("line1")?, table.required("line2")?, table.required("line3")?];
    let (certain, variant) = (table.column("names_certain"), table.column("variant"));
    let document = |(at, row): (usize, &csv::StringRecord)| {
        let known = Some(row[format].to_owned()).filter(|format| !format.is_empty());
        if known.as_deref().is_some_and(|format| !FORMATS.contains(&format)) {
            return Err(table.bad(at, format, "TD1, TD2, TD3, MRV-A, MRV-B, none or empty"));
        }
        let is_doubtful = certain.is_some_and(|certain| &row[certain] == "no");
        let names = if known.as_deref() == Some("TD1") { 2 } else { 0 };
        Ok(DocumentTruth {
            file: row[file].to_owned(),
            image: root.join(&row[file]),
            format: known,
            lines: lines
                .iter()
                .map(|line| row[*line].to_owned())
                .filter(|line| !line.is_empty())
                .collect(),
            doubtful_line: is_doubtful.then_some(names),
            variant: variant.map_or(ORIGINAL, |variant| &row[variant]).to_owned(),
        })
    };
    table.rows.iter().enumerate().map(document).collect()
}
