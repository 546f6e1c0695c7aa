//! Probes: describes a medium or rejects it.

use std::os::fd::OwnedFd;

use vultus_media::{Limits, Probe, Refusal};
use vultus_worker_protocol::channel::ChannelError;
use vultus_worker_protocol::{FromWorker, MAX_FRAME_BYTES, ProbeRequest, RefusalReport};

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
        None => Err(Refusal::Io { kind: "the request has no descriptor".to_owned() }),
    };
    let (mut result, thumbnail, frame) = match found {
        Ok(Probe { report, thumbnail, frame }) => (Ok(report), thumbnail, frame),
        Err(refusal) => (Err(report(&refusal)), Vec::new(), None),
    };
    let mut beside = Vec::new();
    if !thumbnail.is_empty() {
        beside.push(outbox.attachment("thumbnail", &thumbnail)?);
    }
    if let (Ok(report), Some(frame)) = (&mut result, frame) {
        let sealed = (frame.rgb.len() as u64 <= MAX_FRAME_BYTES).then(|| seal("frame", &frame.rgb));
        match sealed {
            Some(Ok(sealed)) => beside.push(sealed),
            // Too large, or memory is short: the run decodes the picture again.
            None | Some(Err(_)) => report.frame = None,
        }
    }
    outbox.send(&FromWorker::Probed { probe: request.probe.clone(), result }, &beside)
}

/// The refusal as it is sent to the node.
pub(crate) fn report(refusal: &Refusal) -> RefusalReport {
    RefusalReport {
        code: refusal.code().to_owned(),
        message: refusal.to_string(),
        is_limit: refusal.is_limit(),
    }
}
