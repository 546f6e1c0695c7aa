//! Evaluates one medium: its score and its findings.

use vultus_plugin_api::JobMedium;
use vultus_plugin_api::manifest::SlotKind;
use vultus_vision::{FaceTrack, Framing, Quality, Rect, SpoofScores, TrackFrame, yaw_offset};

use crate::fusion::{self, Models, Scored, TURNED};
use crate::integrity::Integrity;
use crate::params::Params;
use crate::policy::Finding;
use crate::report::{FrameReport, MediumReport, ModelScores, rounded};

/// Minimum number of frames of a clip that show the face.
const FEWEST_FRAMES: usize = 8;
/// Share of the frames, in quarters, above which a flaw of frames is a finding of the medium.
const FLAWED_QUARTERS: usize = 1;
/// Minimum width of a face in pixels. For the sources of the limits see `policy`.
const SMALLEST_WIDTH: f32 = 48.0;
/// Maximum share of a face in the picture's width or height.
const CLOSEST_SHARE: f32 = 0.90;
/// Minimum share of the face's box inside the picture.
const LEAST_INSIDE: f32 = 0.96;

/// The subject in one frame with its score.
#[derive(Debug, Clone)]
pub(crate) struct ScoredFrame {
    pub(crate) frame: u32,
    /// Probability of an attack by all models.
    pub(crate) score: f32,
    scores: SpoofScores,
    models: Models,
    pub(crate) quality: Quality,
    pts_us: i64,
    rect: Rect,
    turned: bool,
}

impl ScoredFrame {
    /// The frame `sighting` of a track with its score.
    pub(crate) fn of(sighting: &TrackFrame, scores: SpoofScores) -> Self {
        let (score, models) = fusion::of_frame(&scores);
        Self {
            frame: sighting.frame,
            score,
            scores,
            models,
            quality: sighting.quality,
            pts_us: sighting.pts_us,
            rect: sighting.rect,
            turned: yaw_offset(&sighting.landmarks).abs() > TURNED,
        }
    }
}

/// A medium with its report and its findings.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) report: MediumReport,
    pub(crate) findings: Vec<Found>,
}

/// A finding and the frame that it concerns, if any.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) finding: Finding,
    pub(crate) frame: Option<u32>,
}

/// Evaluates a medium from its track and the scores of the track's frames.
pub(crate) fn judge(
    medium: &JobMedium,
    track: &FaceTrack,
    scored: Vec<ScoredFrame>,
    params: &Params,
    (integrity, unsound): (Option<Integrity>, Vec<Found>),
) -> Judged {
    let scores: Vec<Scored> = scored
        .iter()
        .map(|f| Scored { score: f.score, models: f.models, turned: f.turned })
        .collect();
    let fused = fusion::fuse(&scores);
    let mostly_turned = fused.is_some_and(|fused| fused.mostly_turned);
    let score = fused.map(|fused| rounded(fused.score));
    let counted = fused.map_or(0, |fused| fused.counted);
    let mut findings = Vec::new();
    let mut find = |finding, frame| findings.push(Found { finding, frame });
    match score {
        None => find(Finding::NoFace, None),
        Some(score) => {
            let worst = scored.iter().max_by(|a, b| a.score.total_cmp(&b.score)).map(|f| f.frame);
            if score >= rounded(params.decline_from) {
                find(Finding::SpoofSuspected, worst);
            } else if score >= rounded(params.accept_below) {
                find(Finding::ScoreBetweenThresholds, worst);
            }
        }
    }
    if let Some(several) = track.face_counts.iter().position(|count| *count > 1) {
        find(Finding::MultipleFaces, Some(several as u32));
    }
    for change in &track.changes {
        find(Finding::FaceChanged, Some(*change));
    }
    if !scored.is_empty() {
        for (finding, frame) in framing_findings(track, &scored) {
            find(finding, Some(frame));
        }
        if track.missing.len() * 4 > track.face_counts.len() * FLAWED_QUARTERS {
            find(Finding::FaceLost, track.missing.first().copied());
        }
        if mostly_turned {
            find(Finding::FaceNotFrontal, None);
        }
        // A genuine video always has enough frames; a shot set may be a single picture.
        let needed = match medium.kind {
            SlotKind::Video => FEWEST_FRAMES,
            SlotKind::Image | SlotKind::ShotSet => FEWEST_FRAMES.min(medium.frame_count as usize),
        };
        if scored.len() < needed {
            find(Finding::TooFewFrames, None);
        }
    }
    findings.extend(unsound);
    let frame_report = |f: &ScoredFrame| FrameReport {
        frame: f.frame,
        pts_us: f.pts_us,
        score: rounded(f.score),
        models: ModelScores::of(&f.scores),
        judged: mostly_turned || !f.turned,
        rect: f.rect,
    };
    let report = MediumReport {
        medium: medium.index,
        score,
        faces: track.face_counts.iter().copied().max().unwrap_or(0),
        frames_judged: counted as u32,
        median: fused.map(|fused| rounded(fused.median)),
        worst_window: fused.map(|fused| rounded(fused.worst_window)),
        integrity,
        frames: scored.iter().map(frame_report).collect(),
    };
    Judged { report, findings }
}

/// Flaws of size and position of more than a quarter of the frames, each with its first frame.
fn framing_findings(track: &FaceTrack, scored: &[ScoredFrame]) -> Vec<(Finding, u32)> {
    let framings: Vec<(u32, Framing)> =
        scored.iter().map(|f| (f.frame, Framing::of(&f.rect, track.width, track.height))).collect();
    type Flaw = fn(&Framing) -> bool;
    let flaws: [(Finding, Flaw); 3] = [
        (Finding::FaceTooSmall, |f| f.width < SMALLEST_WIDTH),
        (Finding::FaceTooClose, |f| f.share > CLOSEST_SHARE),
        (Finding::FaceCutOff, |f| f.inside < LEAST_INSIDE),
    ];
    let flawed = |flaw: Flaw| {
        let frames: Vec<u32> =
            framings.iter().filter(|(_, f)| flaw(f)).map(|(frame, _)| *frame).collect();
        let many = frames.len() * 4 > framings.len() * FLAWED_QUARTERS;
        frames.first().copied().filter(|_| many)
    };
    flaws.into_iter().filter_map(|(finding, flaw)| Some((finding, flawed(flaw)?))).collect()
}
