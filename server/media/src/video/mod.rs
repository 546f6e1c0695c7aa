//! Videos: decodes MP4, QuickTime, WebM and Matroska through FFmpeg to sampled upright frames.
//!
//! The order of work: `boxes` (is the file complete) → `container` (open, no probing, no network)
//! → `index` (all packets of the track, no decoding) → `plan` (which frames to keep, and what
//! must be decoded for them) → `decoder` → `convert`. Audio is never decoded.

mod boxes;
mod container;
mod convert;
mod decoder;
mod facts;
mod hidden;
mod index;
mod plan;
mod unusable;

pub(crate) use convert::Converter;

use crate::limits::{DecodeOptions, DecoderMode, Limits, Tracking};
use crate::medium::{Frames, Probe};
use crate::pixels;
use crate::refusal::Refusal;
use crate::sniff::Container;
use crate::source::Source;
use decoder::{Decoded, TrackDecoder};
pub use facts::ContainerFacts;
use index::Index;
use plan::Plan;
use std::io::{Read, Seek};
use vultus_core::MediaKind;
use vultus_worker_protocol::ProbeReport;

/// Probes a video: reads all packets of its track and decodes its first frame. If that cannot be
/// decoded or is blank, decodes the sampled frames and takes the first good one.
pub(crate) fn probe<S>(
    source: Source<S>,
    container: Container,
    limits: &Limits,
) -> Result<Probe, Refusal>
where
    S: Read + Seek + Send + 'static,
{
    let (index, plan) = examine(&source, container, limits)?;
    let track = container::open(source.reopened(), container)?;
    let orientation = track.orientation();
    let quick = DecodeOptions { decoder: DecoderMode::Fast, tracking: Tracking::Off };
    let mut decoded =
        TrackDecoder::new(track, limits, quick)?.decode(&Plan::first_frame(&index), limits)?;
    if decoded.frames.first().is_none_or(unusable::is_blank) {
        decoded = sampled(&source, container, limits, quick, (&index, &plan))?;
    }
    let shows_something = decoded.frames.iter().find(|frame| !unusable::is_blank(frame));
    let first = shows_something.or(decoded.frames.first()).ok_or(Refusal::NoFrames)?;
    let report = ProbeReport {
        kind: MediaKind::Video,
        content_type: container.content_type().to_owned(),
        width: decoded.width,
        height: decoded.height,
        orientation_applied: orientation.exif(),
        duration_us: Some(index.duration_us),
        frame_count: Some(index.shown.len() as u64),
        frame_rate: Some(index.frame_rate()),
        thumbnail_bytes: 0,
        frame: None,
    };
    Ok(Probe::new(report, pixels::thumbnail(first)?, None))
}

/// Decodes the sampled frames of a video.
pub(crate) fn decode<S>(
    source: Source<S>,
    container: Container,
    limits: &Limits,
    options: DecodeOptions,
) -> Result<Frames, Refusal>
where
    S: Read + Seek + Send + 'static,
{
    let (index, mut plan) = examine(&source, container, limits)?;
    let facts = ContainerFacts::of(&container::open(source.reopened(), container)?, &index);
    plan.add_track(&index, limits, options.tracking);
    let decoded = sampled(&source, container, limits, options, (&index, &plan))?;
    Ok(Frames {
        kind: MediaKind::Video,
        content_type: container.content_type().to_owned(),
        width: decoded.width,
        height: decoded.height,
        duration_us: Some(index.duration_us),
        frame_count: Some(index.shown.len() as u64),
        frames: decoded.frames,
        container: Some(facts),
        track: decoded.track,
    })
}

/// The sampled frames. If some of them show nothing to judge, frames from the other times of the
/// clip take their place.
fn sampled<S>(
    source: &Source<S>,
    container: Container,
    limits: &Limits,
    options: DecodeOptions,
    (index, plan): (&Index, &Plan),
) -> Result<Decoded, Refusal>
where
    S: Read + Seek + Send + 'static,
{
    let decoded = planned(source, container, limits, options, (index, plan))?;
    let Some(times) = unusable::usable_times(&decoded.frames, index.duration_us) else {
        return Ok(decoded);
    };
    let elsewhere = plan.within(index, &times);
    if elsewhere.targets.is_empty() || elsewhere.check(index, limits).is_err() {
        return Ok(decoded);
    }
    // The track stays that of the whole clip.
    let replaced = planned(source, container, limits, options, (index, &elsewhere))?;
    Ok(Decoded { track: decoded.track, ..replaced })
}

/// The frames of a plan. Rejects a clip if more than a quarter of them cannot be decoded.
fn planned<S>(
    source: &Source<S>,
    container: Container,
    limits: &Limits,
    options: DecodeOptions,
    (index, plan): (&Index, &Plan),
) -> Result<Decoded, Refusal>
where
    S: Read + Seek + Send + 'static,
{
    let track = container::open(source.reopened(), container)?;
    let mut decoded = TrackDecoder::new(track, limits, options)?.decode(plan, limits)?;
    if decoded.frames.len() < plan.targets.len() && plan.skips_packets() {
        // The container's key frame flags are wrong, or a key frame is damaged: decode from the
        // start instead.
        let whole = plan.without_skipping(index);
        whole.check(index, limits)?;
        let track = container::open(source.reopened(), container)?;
        let again = TrackDecoder::new(track, limits, options)?.decode(&whole, limits)?;
        if again.frames.len() > decoded.frames.len() {
            decoded = again;
        }
    }
    if decoded.frames.len() * 4 < plan.targets.len() * 3 {
        return Err(Refusal::Unreadable { format: container.name(), step: "decoding the frames" });
    }
    Ok(decoded)
}

/// Runs every check that precedes the decoding of the first frame.
fn examine<S>(
    source: &Source<S>,
    container: Container,
    limits: &Limits,
) -> Result<(Index, Plan), Refusal>
where
    S: Read + Seek + Send + 'static,
{
    boxes::check_whole(source.reopened(), container)?;
    let mut track = container::open(source.reopened(), container)?;
    track.check_size(limits)?;
    let index = Index::read(&mut track, limits)?;
    let plan = Plan::new(&index, limits);
    plan.check(&index, limits)?;
    Ok((index, plan))
}
