//! A run as its worker gets it.

use super::open_media::OpenMedium;
use super::run_context::Abandoned;
use vultus_core::Analysis;
use vultus_core::analysis::TakenMedium;
use vultus_store::ClaimedRun;
use vultus_worker_protocol::{RunAnalysis, RunMedium, RunRequest, SlottedMedium};

/// The request for some analyses of a run over its open media.
pub(super) fn run_request(
    run: &ClaimedRun,
    part: &[Analysis],
    media: &[OpenMedium],
) -> Result<RunRequest, Abandoned> {
    let slotted = |taken: &TakenMedium| {
        let index = media.iter().position(|open| open.medium.id == taken.media_id)?;
        Some(SlottedMedium {
            index: u32::try_from(index).ok()?,
            slot: taken.slot.clone(),
            named: taken.named,
        })
    };
    let analysis = |analysis: &Analysis| {
        Ok(RunAnalysis {
            id: analysis.id.to_string(),
            kind: analysis.kind.clone(),
            params: analysis.params.read()?.to_value()?,
            media: analysis.media.iter().filter_map(slotted).collect(),
            timeout_ms: analysis.timeout_ms,
        })
    };
    let medium = |OpenMedium { medium, frame }: &OpenMedium| RunMedium {
        id: medium.id.to_string(),
        byte_size: medium.byte_size,
        tags: medium.tags.iter().map(ToString::to_string).collect(),
        frame: *frame,
    };
    Ok(RunRequest {
        run: run.token.run_id.to_string(),
        media: media.iter().map(medium).collect(),
        analyses: part.iter().map(analysis).collect::<Result<_, Abandoned>>()?,
    })
}
