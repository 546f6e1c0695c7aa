//! Decodes media to frames and enforces every limit: the only user of `image`, `ffmpeg-next` and
//! `zip`.
//!
//! Only the worker process uses it. [`probe`] describes a medium, or rejects it with a typed
//! [`Refusal`] before anything is committed; [`decode`] returns a run's bounded set of upright RGB
//! frames. Both decide the kind from the content, never from a name or a declared type, and return
//! the same output for the same bytes.
//!
//! Deliberately not here: file names, tags, sockets, analyzers, and any clock (the worker enforces
//! deadlines).

mod limits;
mod orientation;
mod photo;
mod picture_header;
mod pixels;
mod refusal;
mod shot_set;
mod sniff;
mod source;
mod video;

use serde::{Deserialize, Serialize};
use std::io::{Read, Seek};

pub use limits::{DecodeOptions, DecoderMode, Limits};
pub use pixels::{StoredFrame, scale};
pub use refusal::Refusal;

use sniff::Format;
use source::Source;

/// What a medium is, decided from its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MediaKind {
    /// One still picture.
    Image,
    /// A clip with one video track that is judged.
    Video,
    /// A ZIP of still pictures in natural order of their names.
    ShotSet,
}

/// What [`probe`] found out about a medium.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Kind by content.
    pub kind: MediaKind,
    /// Media type by content, for example `image/jpeg`.
    pub content_type: String,
    /// Size of the medium, in bytes.
    pub byte_size: u64,
    /// Width after orientation, in pixels; of a shot set: of its first picture.
    pub width: u32,
    /// Height after orientation, in pixels; of a shot set: of its first picture.
    pub height: u32,
    /// EXIF orientation (1 to 8) that was applied; rotation matrices of videos are given in the
    /// same code.
    pub orientation_applied: u8,
    /// Duration of the presented frames, in microseconds; videos only.
    pub duration_us: Option<i64>,
    /// Presented frames of a video, or pictures of a shot set.
    pub frame_count: Option<u64>,
    /// Mean frames per second; videos only.
    pub frame_rate: Option<f64>,
    /// JPEG of the (first) picture, upright, longest side 256 pixels at most, without any metadata.
    pub thumbnail: Vec<u8>,
    /// Of a single picture the frame that [`decode`] gives, so that it need not be decoded twice.
    pub frame: Option<StoredFrame>,
}

/// The bounded set of frames of one medium, fixed by the medium and the limits alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Frames {
    /// Kind by content.
    pub kind: MediaKind,
    /// Media type by content.
    pub content_type: String,
    /// Width of the source after orientation, in pixels.
    pub width: u32,
    /// Height of the source after orientation, in pixels.
    pub height: u32,
    /// Duration of the presented frames, in microseconds; videos only.
    pub duration_us: Option<i64>,
    /// Presented frames of a video, or pictures of a shot set.
    pub frame_count: Option<u64>,
    /// The stored frames, in presentation order.
    pub frames: Vec<StoredFrame>,
}

/// Describes a medium, after checking everything that can be checked cheaply.
///
/// A photo is decoded completely. A shot set is decoded completely, one picture at a time. Of a
/// video, all packets of the video track are read and the first frame is decoded.
///
/// # Errors
/// Any [`Refusal`]. A medium that this function rejects must not be committed.
pub fn probe<S>(source: S, byte_size: u64, limits: &Limits) -> Result<Probe, Refusal>
where
    S: Read + Seek + Send + 'static,
{
    let mut source = Source::new(source, byte_size, limits)?;
    match sniff::sniff(&source.head()?)? {
        Format::Picture(format) => photo::probe(&mut source, format, limits),
        Format::Video(container) => video::probe(source, container, limits),
        Format::Zip => shot_set::probe(source, limits),
    }
}

/// Decodes a medium into its bounded set of frames.
///
/// # Errors
/// Any [`Refusal`]. A medium that [`probe`] accepted is rejected only if its pixel data is damaged.
pub fn decode<S>(
    source: S,
    byte_size: u64,
    limits: &Limits,
    options: DecodeOptions,
) -> Result<Frames, Refusal>
where
    S: Read + Seek + Send + 'static,
{
    let mut source = Source::new(source, byte_size, limits)?;
    match sniff::sniff(&source.head()?)? {
        Format::Picture(format) => photo::decode(&mut source, format, limits),
        Format::Video(container) => video::decode(source, container, limits, options),
        Format::Zip => shot_set::decode(source, limits),
    }
}
