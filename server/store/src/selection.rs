//! What a read returns of folders.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What a read returns of folders, media and analyses. What is not selected is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Selection {
    /// The media of folders.
    pub media: bool,
    /// The analyses of folders, and their artifacts.
    pub analyses: bool,
    /// The JSON of those entities that are returned.
    pub json: JsonSelection,
    /// Maximum size of all selected JSON together, in bytes, where each medium and each analysis
    /// counts as [`ROW_BYTES`]. A larger read fails with
    /// [`TooLarge`](crate::StoreError::TooLarge).
    pub json_bytes: usize,
}

/// Which JSON of entities a read returns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct JsonSelection {
    /// Metadata of folders and media.
    pub metadata: bool,
    /// Parameters of analyses.
    pub params: bool,
    /// Results of analyses.
    pub results: bool,
}

impl JsonSelection {
    /// No JSON.
    pub const NONE: Self = Self { metadata: false, params: false, results: false };
    /// Metadata only.
    pub const METADATA: Self = Self { metadata: true, ..Self::NONE };
    /// Parameters only.
    pub const PARAMS: Self = Self { params: true, ..Self::NONE };
    /// Results only.
    pub const RESULTS: Self = Self { results: true, ..Self::NONE };
}

impl Selection {
    /// Everything.
    pub const ALL: Self = Self {
        media: true,
        analyses: true,
        json: JsonSelection { metadata: true, params: true, results: true },
        json_bytes: usize::MAX,
    };
    /// Folders with their media and analyses, without JSON.
    pub const CONTENTS: Self =
        Self { media: true, analyses: true, json: JsonSelection::NONE, json_bytes: usize::MAX };
    /// Folders with their media only, without JSON.
    pub const MEDIA: Self = Self { analyses: false, ..Self::CONTENTS };
    /// Entities alone.
    pub const ENTITIES: Self = Self { media: false, ..Self::MEDIA };

    /// Entities alone, with JSON of at most this size.
    pub const fn json(json: JsonSelection, json_bytes: usize) -> Self {
        Self { json, json_bytes, ..Self::ENTITIES }
    }
}

/// What a medium or an analysis counts beside its JSON: about its size in memory.
pub const ROW_BYTES: usize = 512;

/// Counts the JSON and the rows of one read.
#[derive(Debug)]
pub struct JsonCount {
    left: AtomicUsize,
}

/// The selected JSON exceeds [`Selection::json_bytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the selected media, analyses and JSON are too large")]
pub struct TooMuchJson;

impl JsonCount {
    /// The count of a read with this selection.
    pub fn of(selection: &Selection) -> Self {
        Self { left: AtomicUsize::new(selection.json_bytes) }
    }

    /// Adds a text.
    pub fn add(&self, text: &str) -> Result<(), TooMuchJson> {
        self.take(text.len())
    }

    /// Adds rows.
    pub fn add_rows(&self, rows: usize) -> Result<(), TooMuchJson> {
        self.take(rows.saturating_mul(ROW_BYTES))
    }

    /// One more than the number of rows that may still be added: a read of so many is refused, and
    /// need not go on.
    pub fn row_limit(&self) -> u32 {
        let rows = self.left.load(Ordering::Relaxed) / ROW_BYTES;
        u32::try_from(rows).unwrap_or(u32::MAX).saturating_add(1)
    }

    fn take(&self, bytes: usize) -> Result<(), TooMuchJson> {
        let less = |left: usize| left.checked_sub(bytes);
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.map(drop).map_err(|_| TooMuchJson)
    }
}
