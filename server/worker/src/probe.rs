//! Probes: what is this medium, or why is it refused?

use std::os::fd::OwnedFd;

use vultus_media::{Limits, MediaKind, Refusal};
use vultus_worker_protocol::channel::ChannelError;
use vultus_worker_protocol::{FromWorker, ProbeReport, ProbeRequest, RefusalReport};

use crate::outbox::{Outbox, seal};
use crate::source::MediumSource;

/// Answers one probe.
pub(crate) fn answer(
    request: &ProbeRequest,
    descriptors: Vec<OwnedFd>,
    limits: &Limits,
    outbox: &mut Outbox,
) -> Result<(), ChannelError> {
    let medium = descriptors.into_iter().next().map(MediumSource::new);
    let found = match medium {
        Some(file) => vultus_media::probe(file, request.byte_size, limits),
        None => Err(Refusal::Io { kind: "no descriptor came with it".to_owned() }),
    };
    let (result, thumbnail) = match found {
        Ok(probe) => {
            let report = ProbeReport {
                kind: kind_name(probe.kind).to_owned(),
                content_type: probe.content_type,
                width: probe.width,
                height: probe.height,
                orientation_applied: probe.orientation_applied,
                duration_us: probe.duration_us,
                frame_count: probe.frame_count,
                frame_rate: probe.frame_rate,
                thumbnail_bytes: probe.thumbnail.len() as u64,
            };
            (Ok(report), probe.thumbnail)
        }
        Err(refusal) => (Err(report(&refusal)), Vec::new()),
    };
    let mut beside = Vec::new();
    if !thumbnail.is_empty() {
        beside.push(seal("thumbnail", &thumbnail)?);
    }
    outbox.send(&FromWorker::Probed { probe: request.probe.clone(), result }, &beside)
}

/// The refusal as the node takes it.
pub(crate) fn report(refusal: &Refusal) -> RefusalReport {
    RefusalReport { code: refusal.code().to_owned(), message: refusal.to_string(), is_limit: refusal.is_limit() }
}

fn kind_name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "IMAGE",
        MediaKind::Video => "VIDEO",
        MediaKind::ShotSet => "SHOT_SET",
    }
}
