//! Why a medium is rejected: one typed variant per reason, with the exceeded limit. Never contains
//! content of the file; of an archive, the name of the entry, which its sender chose.

use serde::Serialize;
use std::fmt;
use vultus_core::text::shown_file_name;

/// Maximum length of the name of a ZIP entry in a refusal, in bytes.
const SHOWN_NAME_BYTES: usize = 60;

/// An entry of a ZIP: its position from 0 and the name of its file, without its folders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryName {
    /// Position in the directory.
    pub index: u32,
    /// The name as it is shown; empty if nothing of it can be shown.
    pub name: String,
}

impl EntryName {
    /// The entry at a position with this path.
    #[must_use]
    pub fn new(index: u32, path: &str) -> Self {
        let name = shown_file_name(path, SHOWN_NAME_BYTES).unwrap_or_default();
        Self { index, name }
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.index)?;
        if self.name.is_empty() { Ok(()) } else { write!(f, " ({})", self.name) }
    }
}

/// Why a medium is rejected.
#[derive(Debug, Clone, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "fields named actual and limit carry the unit of the variant's text"
)]
pub enum Refusal {
    /// No bytes.
    #[error("the medium is empty")]
    Empty,
    /// Larger than [`crate::Limits::max_bytes`].
    #[error("the medium has {actual} bytes, the limit is {limit}")]
    TooManyBytes { actual: u64, limit: u64 },
    /// A known format that is not accepted, or `unknown`.
    #[error("the format is not supported: {format}{}", advice(format))]
    UnsupportedFormat { format: String },
    /// An accepted container with a video codec that is not accepted.
    #[error("the video codec is not supported: {codec}")]
    UnsupportedCodec { codec: String },
    /// The medium is shorter than its own headers say.
    #[error("the {format} data is cut off")]
    Truncated { format: &'static str },
    /// A part of a recording, whose first chunk is missing.
    #[error(
        "the {format} data has no header: it is a later part of a recording; send all parts in one \
         file"
    )]
    HeaderMissing { format: &'static str },
    /// Several recordings in one file: players show only the first, or each its own.
    #[error(
        "the {format} data holds several recordings one after the other; send each as a medium of \
         its own"
    )]
    Joined { format: &'static str },
    /// Several picture tracks that players show, or none that they surely show.
    #[error("the video has {actual} picture tracks, and players may show another than is judged")]
    SeveralPictureTracks { actual: u32 },
    /// Damaged, or not valid in its format.
    #[error("the {format} data is damaged: {step} failed")]
    Unreadable { format: &'static str, step: &'static str },
    /// Decoding needs more memory than the process may use.
    #[error("decoding the medium takes more memory than a worker may use")]
    OutOfMemory,
    /// The bytes could not be read from their file.
    #[error("the medium could not be read: {kind}")]
    Io { kind: String },
    /// An animated picture: the analyzers would judge other pixels than people see.
    #[error("animated pictures are not supported: {format}")]
    Animated { format: &'static str },
    /// Larger than [`crate::Limits::max_pixels`].
    #[error(
        "the picture has {width} × {height} pixels, the limit is {limit} pixels; send it at half \
         its width and height"
    )]
    TooManyPixels { width: u32, height: u32, limit: u64 },
    /// More scans than [`crate::Limits::max_jpeg_scans`].
    #[error("the progressive JPEG has more than {limit} scans")]
    TooManyScans { actual: u32, limit: u32 },
    /// A side exceeds [`crate::Limits::max_video_side`].
    #[error("the video has a side of {actual} pixels, the limit is {limit}")]
    VideoSideTooLong { actual: u32, limit: u32 },
    /// Longer than [`crate::Limits::max_seconds`].
    #[error("the video is {actual:.1} s long, the limit is {limit:.1} s")]
    TooLong { actual: f64, limit: f64 },
    /// The frame rate exceeds [`crate::Limits::max_frame_rate`].
    #[error("the video has {actual:.1} frames per second, the limit is {limit:.1}")]
    FrameRateTooHigh { actual: f64, limit: f64 },
    /// Decoding would exceed [`crate::Limits::max_video_pixels`].
    #[error("decoding the video would touch {actual} pixels, the limit is {limit}")]
    TooMuchVideo { actual: u64, limit: u64 },
    /// A container without a video track, such as audio only.
    #[error("the medium has no video track")]
    NoVideoStream,
    /// A video track without visible frames.
    #[error("the video track has no frames")]
    NoFrames,
    /// The pictures of one shot set differ in size, so that faces in them could not be compared in
    /// the same units.
    #[error("ZIP entry {entry} differs in size from the first picture")]
    MixedSizes { entry: EntryName },
    /// A ZIP without pictures.
    #[error("the ZIP holds no pictures")]
    ZipEmpty,
    /// More entries than [`crate::Limits::max_zip_entries`].
    #[error("the ZIP has {actual} entries, the limit is {limit}")]
    ZipTooManyEntries { actual: u64, limit: u64 },
    /// The name of an entry is absolute or leads out of the archive.
    #[error("ZIP entry {entry} has a path that leads out of the archive")]
    ZipTraversal { entry: EntryName },
    /// An entry is in another folder than the others, or in a folder of a folder.
    #[error("ZIP entry {entry} is in another folder; the pictures must be in one")]
    ZipNotFlat { entry: EntryName },
    /// An entry is itself an archive.
    #[error("ZIP entry {entry} is itself an archive")]
    ZipNested { entry: EntryName },
    /// An entry is a link or a device.
    #[error("ZIP entry {entry} is not a regular file")]
    ZipSpecialFile { entry: EntryName },
    /// An entry is encrypted.
    #[error("ZIP entry {entry} is encrypted")]
    ZipEncrypted { entry: EntryName },
    /// The compression method of an entry is neither stored nor deflate.
    #[error("ZIP entry {entry} uses a compression method other than stored and deflate")]
    ZipMethod { entry: EntryName },
    /// Two entries have the same name.
    #[error("the ZIP has two entries of the same name")]
    ZipDuplicate,
    /// Two entries share bytes of the archive.
    #[error("entries of the ZIP overlap")]
    ZipOverlap,
    /// The inflated size differs from the declared size.
    #[error("ZIP entry {entry} does not have its declared size")]
    ZipSizeMismatch { entry: EntryName },
    /// The ratio exceeds [`crate::Limits::max_ratio`].
    #[error("ZIP entry {entry} inflates {actual} times, the limit is {limit}")]
    ZipRatio { entry: EntryName, actual: u64, limit: u64 },
    /// The sizes together exceed [`crate::Limits::max_inflated_bytes`].
    #[error("the ZIP inflates to {actual} bytes, the limit is {limit}")]
    ZipInflated { actual: u64, limit: u64 },
    /// The pictures together exceed [`crate::Limits::max_set_pixels`].
    #[error("the pictures of the ZIP have {actual} pixels together, the limit is {limit}")]
    ZipTooManyPixels { actual: u64, limit: u64 },
    /// A picture of a shot set is rejected.
    #[error("ZIP entry {entry}: {refusal}")]
    ZipEntry { entry: EntryName, refusal: Box<Refusal> },
}

impl Refusal {
    /// Stable code for clients. A rejected picture of a shot set has the code of the picture's own
    /// refusal.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "EMPTY_MEDIUM",
            Self::TooManyBytes { .. } => "TOO_MANY_BYTES",
            Self::UnsupportedFormat { .. } => "UNSUPPORTED_FORMAT",
            Self::UnsupportedCodec { .. } => "UNSUPPORTED_CODEC",
            Self::Truncated { .. } => "TRUNCATED",
            Self::HeaderMissing { .. } => "HEADER_MISSING",
            Self::Joined { .. } => "JOINED_RECORDINGS",
            Self::SeveralPictureTracks { .. } => "SEVERAL_PICTURE_TRACKS",
            Self::Unreadable { .. } => "UNREADABLE",
            Self::OutOfMemory => "MEMORY_EXCEEDED",
            Self::Io { .. } => "READ_FAILED",
            Self::Animated { .. } => "ANIMATED_PICTURE",
            Self::TooManyPixels { .. } => "TOO_MANY_PIXELS",
            Self::TooManyScans { .. } => "TOO_MANY_SCANS",
            Self::VideoSideTooLong { .. } => "VIDEO_SIDE_TOO_LONG",
            Self::TooLong { .. } => "VIDEO_TOO_LONG",
            Self::FrameRateTooHigh { .. } => "FRAME_RATE_TOO_HIGH",
            Self::TooMuchVideo { .. } => "TOO_MUCH_VIDEO",
            Self::NoVideoStream => "NO_VIDEO_STREAM",
            Self::NoFrames => "NO_FRAMES",
            Self::MixedSizes { .. } => "MIXED_SIZES",
            Self::ZipEmpty => "ZIP_EMPTY",
            Self::ZipTooManyEntries { .. } => "ZIP_TOO_MANY_ENTRIES",
            Self::ZipTraversal { .. } => "ZIP_TRAVERSAL",
            Self::ZipNotFlat { .. } => "ZIP_NOT_FLAT",
            Self::ZipNested { .. } => "ZIP_NESTED",
            Self::ZipSpecialFile { .. } => "ZIP_SPECIAL_FILE",
            Self::ZipEncrypted { .. } => "ZIP_ENCRYPTED",
            Self::ZipMethod { .. } => "ZIP_METHOD",
            Self::ZipDuplicate => "ZIP_DUPLICATE",
            Self::ZipOverlap => "ZIP_OVERLAP",
            Self::ZipSizeMismatch { .. } => "ZIP_SIZE_MISMATCH",
            Self::ZipRatio { .. } => "ZIP_RATIO",
            Self::ZipInflated { .. } => "ZIP_INFLATED",
            Self::ZipTooManyPixels { .. } => "ZIP_TOO_MANY_PIXELS",
            Self::ZipEntry { refusal, .. } => refusal.code(),
        }
    }

    /// Whether a limit was exceeded (LIMIT_EXCEEDED) rather than the medium being invalid
    /// (INVALID_INPUT).
    #[must_use]
    pub fn is_limit(&self) -> bool {
        match self {
            Self::TooManyBytes { .. }
            | Self::TooManyPixels { .. }
            | Self::TooManyScans { .. }
            | Self::VideoSideTooLong { .. }
            | Self::TooLong { .. }
            | Self::FrameRateTooHigh { .. }
            | Self::TooMuchVideo { .. }
            | Self::OutOfMemory
            | Self::ZipTooManyEntries { .. }
            | Self::ZipRatio { .. }
            | Self::ZipInflated { .. }
            | Self::ZipTooManyPixels { .. } => true,
            Self::ZipEntry { refusal, .. } => refusal.is_limit(),
            Self::Empty
            | Self::UnsupportedFormat { .. }
            | Self::UnsupportedCodec { .. }
            | Self::Truncated { .. }
            | Self::HeaderMissing { .. }
            | Self::Joined { .. }
            | Self::SeveralPictureTracks { .. }
            | Self::Unreadable { .. }
            | Self::Io { .. }
            | Self::Animated { .. }
            | Self::NoVideoStream
            | Self::NoFrames
            | Self::MixedSizes { .. }
            | Self::ZipEmpty
            | Self::ZipTraversal { .. }
            | Self::ZipNotFlat { .. }
            | Self::ZipNested { .. }
            | Self::ZipSpecialFile { .. }
            | Self::ZipEncrypted { .. }
            | Self::ZipMethod { .. }
            | Self::ZipDuplicate
            | Self::ZipOverlap
            | Self::ZipSizeMismatch { .. } => false,
        }
    }

    /// Fails if a decoder could not allocate memory.
    pub(crate) fn if_out_of_memory(error: ffmpeg_next::Error) -> Result<(), Self> {
        match error {
            ffmpeg_next::Error::Other { errno: ffmpeg_next::error::ENOMEM } => {
                Err(Self::OutOfMemory)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn io(error: &std::io::Error) -> Self {
        Self::Io { kind: error.kind().to_string() }
    }
}

/// What to send instead of an unsupported format.
fn advice(format: &str) -> &'static str {
    match format {
        "PDF" => "; send each page as a picture, such as JPEG or PNG",
        "GIF" | "TIFF" | "BMP" | "JPEG XL" | "JPEG 2000" | "Photoshop" | "ICO" | "SVG"
        | "Canon raw" => "; send the picture as JPEG, PNG, WebP, HEIC or AVIF",
        "AVI"
        | "FLV"
        | "Ogg"
        | "ASF"
        | "MPEG program stream"
        | "MPEG video"
        | "MPEG transport stream" => "; send the video as MP4, QuickTime, WebM or Matroska",
        "7z" | "RAR" | "gzip" | "bzip2" | "xz" | "Zstandard" => "; send the pictures as a ZIP",
        variant if variant.contains("JPEG") || variant.contains("PNG") => {
            "; save the picture as an ordinary JPEG or PNG"
        }
        _ => "",
    }
}
