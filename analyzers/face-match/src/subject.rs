//! The one template that stands for a medium, and what is wrong with the medium.

use vultus_plugin_api::JobMedium;
use vultus_plugin_api::manifest::SlotKind;
use vultus_vision::{EmbeddingModel, FaceTemplates, FaceTrack, mean_template};

use crate::policy::Finding;
use crate::report::MediumReport;

/// Templates averaged of a clip: its best frames. The mean of five is as good as of all, and a
/// single frame of another person cannot carry it.
const BEST_FRAMES: usize = 5;
/// Frames that a clip must have, unless it has fewer at all.
const FEWEST_FRAMES: usize = 3;
/// Width in pixels under which a face is not worth comparing.
const SMALLEST_WIDTH: f32 = 32.0;

/// A medium ready to be compared.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) template: Option<(EmbeddingModel, Vec<f32>)>,
    pub(crate) findings: Vec<(Finding, Option<u32>)>,
    pub(crate) report: MediumReport,
}

impl Subject {
    /// The subject of a medium by its track.
    pub(crate) fn of_track(medium: &JobMedium, track: &FaceTrack) -> Self {
        let mut findings = Vec::new();
        let mut frames: Vec<_> = track.frames.iter().filter(|f| f.template.is_some()).collect();
        frames.sort_by(|a, b| b.quality.overall.total_cmp(&a.quality.overall));
        frames.truncate(BEST_FRAMES);
        let template = mean_template(frames.iter().filter_map(|f| f.template.as_deref()));
        if template.is_none() {
            findings.push((Finding::NoFace, None));
        } else if frames.len() < fewest_frames(medium) {
            findings.push((Finding::TooFewFrames, None));
        }
        let several = track.face_counts.iter().position(|count| *count > 1);
        if let Some(frame) = several.filter(|_| !is_id_photo(medium)) {
            findings.push((Finding::MultipleFaces, Some(frame as u32)));
        }
        for change in &track.changes {
            findings.push((Finding::FaceChanged, Some(*change)));
        }
        if let Some(small) = frames.iter().find(|f| f.rect.width < SMALLEST_WIDTH) {
            findings.push((Finding::FaceTooSmall, Some(small.frame)));
        }
        let report = MediumReport {
            medium: medium.index,
            faces: track.face_counts.iter().copied().max().unwrap_or(0),
            frames_used: frames.iter().map(|f| f.frame).collect(),
            rect: frames.first().map(|f| f.rect),
        };
        Self { template: template.map(|vector| (track.model, vector)), findings, report }
    }

    /// The subject of an aligned picture.
    pub(crate) fn of_aligned(medium: &JobMedium, templates: FaceTemplates) -> Self {
        let template = templates.templates.into_iter().next();
        let report =
            MediumReport { medium: medium.index, faces: 1, frames_used: vec![0], rect: None };
        let template = template.map(|template| (template.model, template.vector));
        Self { template, findings: vec![(Finding::AlignedInput, None)], report }
    }
}

/// On a document the largest face counts, and a smaller copy of it beside it is usual. A video
/// always has enough frames, or it is a still picture in disguise; a shot set may be one picture.
fn fewest_frames(medium: &JobMedium) -> usize {
    match medium.kind {
        SlotKind::Video => FEWEST_FRAMES,
        SlotKind::Image | SlotKind::ShotSet => FEWEST_FRAMES.min(medium.frame_count as usize),
    }
}

fn is_id_photo(medium: &JobMedium) -> bool {
    medium.kind == SlotKind::Image && medium.tags.iter().any(|tag| tag.starts_with("photo_id"))
}
