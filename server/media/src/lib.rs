//! Decodes media to frames and enforces every limit: the only user of `image`, `ffmpeg-next`,
//! `libheif-sys` and `zip`.
//!
//! Only the worker process uses it. [`probe`] describes a medium, or rejects it with a typed
//! [`Refusal`] before anything is committed; [`decode`] returns a run's bounded set of upright RGB
//! frames. Both decide the kind from the content, never from a name or a declared type, and return
//! the same output for the same bytes.
//!
//! Deliberately not here: file names, tags, sockets, analyzers, and any clock (the worker enforces
//! deadlines).

mod colour;
mod hdr;
mod heif;
mod large_jpeg;
mod limits;
mod medium;
mod metadata;
mod orientation;
mod photo;
mod picture_header;
mod pixels;
mod refusal;
mod shot_set;
mod sniff;
mod source;
mod track;
mod video;

use std::io::{Read, Seek};

pub use limits::{DecodeOptions, DecoderMode, Limits, Tracking};
pub use medium::{Frames, Probe};
pub use pixels::{StoredFrame, scale};
pub use refusal::{EntryName, Refusal};
pub use track::TrackFrame;
pub use video::ContainerFacts;
pub use vultus_core::MediaKind;

use sniff::Format;
use source::Source;

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
