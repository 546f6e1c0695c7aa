//! The template that represents a medium, and the findings about the medium.

use vultus_plugin_api::JobMedium;
use vultus_plugin_api::manifest::SlotKind;
use vultus_vision::{EmbeddingModel, FaceTemplates, FaceTrack, mean_template};

use crate::policy::Finding;
use crate::report::MediumReport;

/// Number of best frames whose templates are averaged. The mean of five is as accurate as that of
/// all frames, and a single frame of another person cannot dominate it.
const BEST_FRAMES: usize = 5;
/// Minimum number of usable frames of a clip.
const FEWEST_FRAMES: usize = 3;
/// Minimum width of a face in pixels.
const SMALLEST_WIDTH: f32 = 32.0;

/// A medium prepared for comparison.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) template: Option<(EmbeddingModel, Vec<f32>)>,
    pub(crate) findings: Vec<(Finding, Option<u32>)>,
    pub(crate) report: MediumReport,
}

impl Subject {
    /// The subject of a medium, from its track.
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

/// Minimum number of usable frames of this medium. A genuine video always has enough frames; a
/// shot set may be a single picture.
fn fewest_frames(medium: &JobMedium) -> usize {
    match medium.kind {
        SlotKind::Video => FEWEST_FRAMES,
        SlotKind::Image | SlotKind::ShotSet => FEWEST_FRAMES.min(medium.frame_count as usize),
    }
}

/// Whether the medium is a photo of a document, on which a smaller copy of the portrait is usual.
fn is_id_photo(medium: &JobMedium) -> bool {
    medium.kind == SlotKind::Image && medium.tags.iter().any(|tag| tag.starts_with("photo_id"))
}
