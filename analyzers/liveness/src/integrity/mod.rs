//! Integrity of a clip or a shot set: whether it shows what a camera records of a living head,
//! judged by its movement. Not by texture; that is the passive score.
//!
//! Everything is measured on the clip's track, at about 15 frames per second whatever the clip's
//! rate, so that thresholds mean the same; shot sets on their pictures. The measures are in
//! `still`, `repeats`, `planes` and `shots`; what they mean is decided here. Limits lie between
//! live clips and attacks by a program; the figures are in `docs/guides/liveness.md`.

mod container;
mod planes;
mod repeats;
mod shots;
mod still;

use serde::Serialize;
use vultus_plugin_api::features::CONTAINER;
use vultus_plugin_api::{Failure, Job, JobMedium};
use vultus_vision::motion::{Grey, Pyramid};
use vultus_vision::{FaceTrack, Rect};

use crate::medium::Found;
use crate::policy::Finding;

use container::{Container, Source};
pub(crate) use shots::Shots;

/// Frames per second that are looked at.
const RATE: f64 = 15.0;
/// Minimum number of frames: about a second.
const FEWEST: usize = 12;
/// Minimum number of pictures of a shot set.
const FEWEST_SHOTS: usize = 8;
/// Longer side for comparing whole frames, in pixels.
const SMALL_SIDE: usize = 160;
/// Longer side for comparing all frames with each other.
const TINY_SIDE: usize = 96;

/// The frames that are looked at.
pub(crate) struct Clip {
    /// Times, in microseconds.
    times: Vec<i64>,
    small: Vec<Grey>,
    tiny: Vec<Grey>,
    pyramids: Vec<Pyramid>,
    /// The face's box in each frame, in pixels of the pyramids; from the nearest judged frame.
    boxes: Vec<Option<Rect>>,
}

/// What was measured; absent where the clip gives no answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Integrity {
    /// Number of frames that were compared.
    pub(crate) frames: usize,
    /// Share of neighbouring frames that are the same picture.
    pub(crate) frozen: Option<f64>,
    /// Difference to the frame one period earlier, over that to frames a little apart from it.
    pub(crate) repetition: Option<f64>,
    /// The period of the best repetition, in microseconds.
    pub(crate) period_us: Option<i64>,
    /// Difference of frames that mirror each other in time, likewise.
    pub(crate) reversal: Option<f64>,
    /// Change of the face within a second, over its contrast.
    pub(crate) face_change: Option<f64>,
    /// Movement of the face within a second that no plane explains, over its width.
    pub(crate) face_depth: Option<f64>,
    /// Movement of the face that the background's plane does not explain, over all movement.
    pub(crate) scene_depth: Option<f64>,
    /// Times of cuts, in microseconds.
    pub(crate) cuts_us: Vec<i64>,
    /// What the container says and has.
    #[serde(flatten)]
    pub(crate) container: Container,
}

/// Measures a clip. Media other than clips, and clips without a track, have nothing to measure.
pub(crate) fn examine(
    job: &Job<'_>,
    medium: &JobMedium,
    track: &FaceTrack,
) -> Result<(Integrity, Vec<Found>), Failure> {
    let source: Option<Source> = job.medium_feature_json(medium.index, CONTAINER)?;
    let container = source.map(|source| source.container(medium)).unwrap_or_default();
    let mut integrity = Integrity { container, ..Integrity::default() };
    let clip = Clip::read(job, medium, track)?;
    integrity.frames = clip.times.len();
    if clip.times.len() >= FEWEST {
        integrity.frozen = Some(still::frozen(&clip.small));
        integrity.cuts_us = still::cuts(&clip);
        integrity.face_change = still::face_change(&clip);
        repeats::measure(&clip, &mut integrity);
        if job.is_cancelled() {
            return Err(Failure::cancelled("measuring a clip"));
        }
        planes::measure(&clip, &mut integrity);
    }
    let findings = integrity.findings(track);
    Ok((integrity, findings))
}

/// Measures a shot set.
pub(crate) fn examine_shots(shots: &Shots, track: &FaceTrack) -> (Integrity, Vec<Found>) {
    let integrity = shots.measure();
    let mut findings = integrity.findings(track);
    // Its pictures may lie too far apart to follow anything.
    findings.retain(|found| found.finding != Finding::MovementUnclear);
    (integrity, findings)
}

impl Clip {
    fn read(job: &Job<'_>, medium: &JobMedium, track: &FaceTrack) -> Result<Self, Failure> {
        let mut clip = Self {
            times: Vec::new(),
            small: Vec::new(),
            tiny: Vec::new(),
            pyramids: Vec::new(),
            boxes: Vec::new(),
        };
        let least = (1e6 / RATE) as i64;
        for index in 0..medium.track_count {
            if job.is_cancelled() {
                return Err(Failure::cancelled("reading the track of a clip"));
            }
            let Some(frame) = job.track_frame(medium.index, index) else { break };
            // The grid of 15 per second: a frame counts if it is the first of its slot. The slots
            // begin a quarter early, so that times rounded to milliseconds fall into their own.
            let slot = |pts_us: i64| (pts_us + least / 4) / least;
            if clip.times.last().is_some_and(|last| slot(*last) == slot(frame.pts_us())) {
                continue;
            }
            let size = (frame.width() as usize, frame.height() as usize);
            let rows: Vec<&[u8]> = (0..frame.height()).filter_map(|y| frame.row(y)).collect();
            clip.times.push(frame.pts_us());
            clip.small.push(Grey::reduced(size, &rows, SMALL_SIDE));
            clip.tiny.push(Grey::reduced(size, &rows, TINY_SIDE));
            clip.pyramids.push(Pyramid::new(size.0, &rows));
            let nearest =
                track.frames.iter().min_by_key(|sighting| (sighting.pts_us - frame.pts_us()).abs());
            clip.boxes.push(nearest.map(|sighting| sighting.rect.scaled(frame.scale())));
        }
        Ok(clip)
    }

    /// The face's box of a frame in a picture of this width.
    fn face(&self, frame: usize, width: usize) -> Option<[f32; 4]> {
        let full = self.pyramids.get(frame)?.size().0.max(1);
        let Rect { x, y, width: w, height: h } =
            self.boxes.get(frame).copied().flatten()?.scaled(width as f32 / full as f32);
        Some([x, y, x + w, y + h])
    }
}

impl Integrity {
    /// Rounds to four decimals: the noise is larger.
    fn rounded(value: f64) -> f64 {
        (value * 1e4).round() / 1e4
    }

    fn findings(&self, track: &FaceTrack) -> Vec<Found> {
        let frame_at = |pts: i64| {
            track.frames.iter().min_by_key(|it| (it.pts_us - pts).abs()).map(|it| it.frame)
        };
        let mut findings: Vec<Found> = self
            .measured()
            .into_iter()
            .filter(|(_, found)| *found)
            .map(|(finding, _)| Found { finding, frame: None })
            .collect();
        if let Some(first) = self.cuts_us.first() {
            findings.push(Found { finding: Finding::Cut, frame: frame_at(*first) });
        }
        findings.extend(
            self.container.findings().into_iter().map(|finding| Found { finding, frame: None }),
        );
        findings
    }

    /// The findings on the clip's movement, and whether they hold.
    fn measured(&self) -> [(Finding, bool); 6] {
        let below = |value: Option<f64>, limit: f64| value.is_some_and(|value| value < limit);
        let frozen = self.frozen.is_some_and(|share| share >= FROZEN_SHARE);
        let moves = !below(self.face_change, UNMOVED);
        // What does not move repeats itself, too.
        let repeats = !frozen
            && moves
            && (below(self.repetition, REPEATED) || below(self.reversal, REVERSED));
        [
            (Finding::Frozen, frozen),
            (Finding::Loop, repeats),
            (Finding::NoMovement, !frozen && !moves),
            // In a loop of a second, corners come back to where they were.
            (Finding::FlatMotion, !repeats && below(self.face_depth, FLAT_FACE)),
            (Finding::FlatScene, below(self.scene_depth, FLAT_SCENE)),
            (Finding::MovementUnclear, !frozen && self.face_depth.is_none()),
        ]
    }
}

/// Share of unchanged neighbours from which a clip is frozen.
const FROZEN_SHARE: f64 = 0.9;
/// Ratio below which a clip repeats itself.
const REPEATED: f64 = 0.65;
/// Ratio below which a clip runs backwards.
const REVERSED: f64 = 0.45;
/// Change of the face, over its contrast, below which nothing but noise moves.
const UNMOVED: f64 = 0.15;
/// Depth, in widths of the face, below which a face moves as one plane.
const FLAT_FACE: f64 = 0.007;
/// Share of the movement below which face and background move as one plane.
const FLAT_SCENE: f64 = 0.3;
