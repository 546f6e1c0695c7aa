//! Media and their tags.

use crate::ids::{FolderId, MediaId};
use crate::json::JsonText;
use crate::part::Part;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use time::OffsetDateTime;

/// Kind of a medium, determined by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MediaKind {
    /// One still picture.
    Image,
    /// A video.
    Video,
    /// An archive of still pictures in order.
    ShotSet,
}

impl MediaKind {
    /// The name used in stores and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "IMAGE",
            Self::Video => "VIDEO",
            Self::ShotSet => "SHOT_SET",
        }
    }
}

/// The tags that have a meaning; free tags begin with `x_`.
pub const KNOWN_TAGS: [&str; 18] = [
    "video_selfie",
    "video_selfie_blank",
    "video_selfie_scan",
    "video_selfie_oneshot",
    "video_selfie_left",
    "video_selfie_right",
    "video_selfie_high",
    "video_selfie_down",
    "video_selfie_smile",
    "video_selfie_eyes",
    "video_selfie_zoom_in",
    "video_selfie_zoom_out",
    "orientation_portrait",
    "orientation_landscape",
    "photo_selfie",
    "photo_id",
    "photo_id_front",
    "photo_id_back",
];

/// Maximum length of a tag, in bytes.
pub const MAX_TAG_BYTES: usize = 64;

/// A tag of a medium: a known tag, or `x_` followed by lower-case letters, digits and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

impl Tag {
    /// The tag's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = UnknownTag;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let free = text.strip_prefix("x_").is_some_and(|rest| {
            !rest.is_empty()
                && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        });
        if text.len() <= MAX_TAG_BYTES && (free || KNOWN_TAGS.contains(&text)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(UnknownTag(text.chars().take(MAX_TAG_BYTES).collect()))
        }
    }
}

impl TryFrom<String> for Tag {
    type Error = UnknownTag;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

/// A tag that is neither known nor free.
#[derive(Debug, thiserror::Error)]
#[error("unknown tag `{0}`: use a known tag, or `x_` and lower-case letters, digits and `_`")]
pub struct UnknownTag(pub String);

/// A medium as it is stored. Its bytes are in the blob store under `blob_key`.
#[derive(Debug, Clone, PartialEq)]
pub struct Medium {
    /// Id.
    pub id: MediaId,
    /// The folder that it belongs to.
    pub folder_id: FolderId,
    /// Kind, determined by content.
    pub kind: MediaKind,
    /// Tags, sorted.
    pub tags: Vec<Tag>,
    /// The client's own data: a JSON object.
    pub metadata: Part<JsonText>,
    /// The file name that the client gave, without folders; only for display.
    pub original_name: Option<String>,
    /// MIME type, determined by content.
    pub content_type: String,
    /// Size in bytes.
    pub byte_size: u64,
    /// SHA-256 of the bytes, lower-case hexadecimal.
    pub sha256: String,
    /// Width in pixels, after rotation to upright.
    pub width: u32,
    /// Height in pixels, after rotation to upright.
    pub height: u32,
    /// EXIF orientation (1–8) that was applied.
    pub orientation_applied: u8,
    /// Duration in microseconds; only for videos.
    pub duration_us: Option<i64>,
    /// Number of frames; only for videos and shot sets.
    pub frame_count: Option<u64>,
    /// Mean frame rate in 1/s; only for videos.
    pub frame_rate: Option<f64>,
    /// Key of the bytes in the blob store.
    pub blob_key: String,
    /// Key of the thumbnail (JPEG).
    pub thumbnail_key: Option<String>,
    /// Time at which it was added.
    pub created_at: OffsetDateTime,
}

/// Brands of the HEIF container that mean AVIF (AV1 Image File Format).
pub const AVIF_BRANDS: [&[u8]; 2] = [b"avif", b"avis"];

/// Brands of the HEIF container that mean HEIC, or leave the codec open (ISO/IEC 23008-12).
pub const HEIC_BRANDS: [&[u8]; 10] =
    [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"];

/// Whether a file begins as a still picture does: JPEG, PNG, WebP, HEIC or AVIF. Takes its first
/// 12 bytes. Only a worker decides what a file is.
#[must_use]
pub fn begins_as_picture(first: &[u8]) -> bool {
    let brand = first.get(8..12).unwrap_or_default();
    let is_webp = first.starts_with(b"RIFF") && brand == b"WEBP";
    let is_heif = first.get(4..8) == Some(b"ftyp")
        && (AVIF_BRANDS.contains(&brand) || HEIC_BRANDS.contains(&brand));
    is_webp
        || is_heif
        || first.starts_with(b"\xff\xd8\xff")
        || first.starts_with(b"\x89PNG\r\n\x1a\n")
}
