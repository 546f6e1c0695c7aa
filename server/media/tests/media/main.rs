//! What the media crate accepts and rejects, on files made here: pictures by `image`, clips by the
//! `ffmpeg` command, archives byte by byte.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its files has failed")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests make clips by ffmpeg, and read pictures and archives that they made"
)]

mod archives;
mod clips;
mod colours;
mod heif;
mod heif_files;
mod one_truth;
mod photos;
mod pictures;
mod properties;
mod refused_videos;
mod robustness;
mod shot_sets;
mod tracks;
mod videos;

use std::io::Cursor;
use vultus_media::{DecodeOptions, Frames, Limits, Probe, Refusal};

/// Probes bytes under the default limits.
fn probe(bytes: &[u8]) -> Result<Probe, Refusal> {
    probe_within(bytes, &Limits::default())
}

/// Probes bytes under other limits.
fn probe_within(bytes: &[u8], limits: &Limits) -> Result<Probe, Refusal> {
    vultus_media::probe(Cursor::new(bytes.to_vec()), bytes.len() as u64, limits)
}

/// Decodes bytes under the default limits.
fn decode(bytes: &[u8]) -> Result<Frames, Refusal> {
    decode_within(bytes, &Limits::default())
}

/// Decodes bytes under other limits.
fn decode_within(bytes: &[u8], limits: &Limits) -> Result<Frames, Refusal> {
    let source = Cursor::new(bytes.to_vec());
    vultus_media::decode(source, bytes.len() as u64, limits, DecodeOptions::default())
}
