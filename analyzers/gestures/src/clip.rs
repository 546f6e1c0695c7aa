//! Judges one clip.

use vultus_plugin_api::Failure;
use vultus_vision::{ExpressionModel, FaceTrack, MeshFrame, cosine};

use crate::detect::{self, Seen};
use crate::gesture::Gesture;
use crate::judge::{self, Wanted};
use crate::params::Params;
use crate::policy::Finding;
use crate::report::{MediumReport, NeutralReport, SeenReport};
use crate::series::Series;

/// Least frames per second; a little less than 15 and 24, because clips round them.
const LEAST_RATE: f64 = 14.5;
const LEAST_RATE_OF_BLINKS: f64 = 23.5;
/// Least duration of a clip, in microseconds.
const SHORTEST_US: i64 = 1_500_000;
/// Durations of a clip that answers a challenge, 4 to 8 s, in microseconds. Recorders start and
/// stop up to half a second early or late.
const CHALLENGE_US: std::ops::RangeInclusive<i64> = 3_500_000..=8_500_000;
/// Degrees from the camera's axis from which the first second does not show a face at rest.
const TURNED: f32 = 25.0;
/// Degrees by which a head at rest may lean. A leaning head nods sideways in the picture.
const LEANING: f32 = 45.0;
/// Cosine below which two straight faces are different people: that of the face track.
const SAME_PERSON: f32 = 0.35;

/// A clip and what was asked of it.
#[derive(Debug)]
pub(crate) struct Clip {
    pub(crate) medium: u32,
    pub(crate) wanted: Wanted,
    pub(crate) meshes: Vec<MeshFrame>,
    pub(crate) track: FaceTrack,
}

/// A clip with its report and its findings; a finding may name a frame of the track.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) report: MediumReport,
    pub(crate) findings: Vec<(Finding, Option<u32>)>,
}

/// The gestures that a clip with these tags has to show. A challenge counts for every clip.
pub(crate) fn wanted(tags: &[String], params: &Params) -> Wanted {
    if let Some(sequence) = &params.challenge_sequence {
        return Wanted::InOrder(sequence.clone());
    }
    match Gesture::of_tags(tags) {
        named if named.is_empty() => Wanted::InOrder(params.sequence.clone()),
        named => Wanted::Each(named),
    }
}

impl Clip {
    /// Finds the gestures and compares them.
    pub(crate) fn judge(
        self,
        params: &Params,
        expression: &mut ExpressionModel,
    ) -> Result<Judged, Failure> {
        let series = Series::measure(&self.meshes, expression)?;
        let mut seen = series.as_ref().map(detect::gestures).unwrap_or_default();
        if params.mirrored {
            seen.iter_mut().for_each(|it| it.gesture = it.gesture.mirrored());
        }
        let mut findings = self.findings_of_track(series.as_ref());
        match &series {
            None => findings.push((Finding::NoFace, None)),
            Some(series) => {
                // What the frames cannot show is neither missing nor wrong.
                let unfit = self.unfit(series, params);
                seen.retain(|it| {
                    it.gesture != Gesture::Blink || series.rate() >= LEAST_RATE_OF_BLINKS
                });
                if unfit.is_empty() {
                    findings.extend(self.differences(&seen));
                }
                findings.extend(unfit.into_iter().map(|finding| (finding, None)));
            }
        }
        let report = MediumReport {
            medium: self.medium,
            wanted: self.wanted.gestures().to_vec(),
            complete: !self.wanted.gestures().is_empty()
                && judge::compare(&seen, &self.wanted).is_empty(),
            frames: self.meshes.len(),
            faces: self.meshes.iter().filter(|frame| frame.mesh.is_some()).count(),
            frame_rate: (self.meshes.len() > 1)
                .then_some(series.as_ref())
                .flatten()
                .map(|series| (series.rate() * 10.0).round() / 10.0),
            neutral: series.as_ref().map(NeutralReport::of),
            seen: seen.iter().map(SeenReport::of).collect(),
        };
        Ok(Judged { report, findings })
    }

    /// Whether it is one person. Only faces that look into the camera are compared: the template of
    /// one in profile is unlike that of the same person from the front.
    fn findings_of_track(&self, series: Option<&Series>) -> Vec<(Finding, Option<u32>)> {
        let mut findings = Vec::new();
        let crowded = self.track.face_counts.iter().position(|count| *count > 1);
        findings.extend(crowded.map(|frame| (Finding::MultipleFaces, Some(frame as u32))));
        let mut first: Option<&[f32]> = None;
        for frame in &self.track.frames {
            let Some(template) = &frame.template else { continue };
            if !series.is_some_and(|series| series.is_straight_at(frame.pts_us)) {
                continue;
            }
            let first = *first.get_or_insert(template);
            if cosine(first, template) < SAME_PERSON {
                findings.push((Finding::FaceChanged, Some(frame.frame)));
            }
        }
        findings
    }

    /// Why the clip cannot be judged.
    fn unfit(&self, series: &Series, params: &Params) -> Vec<Finding> {
        let mut findings = Vec::new();
        let gestures = self.wanted.gestures();
        if gestures.is_empty() {
            findings.push(Finding::NoGestureAsked);
        }
        let allowed = match params.challenge_sequence {
            Some(_) => CHALLENGE_US,
            None => SHORTEST_US..=i64::MAX,
        };
        if series.duration_us() < *allowed.start() {
            findings.push(Finding::ClipTooShort);
        } else if series.duration_us() > *allowed.end() {
            findings.push(Finding::ClipTooLong);
        }
        let blinks = gestures.contains(&Gesture::Blink);
        let least = if blinks { LEAST_RATE_OF_BLINKS } else { LEAST_RATE };
        if series.rate() < least {
            findings.push(Finding::LowFrameRate);
        }
        if series.neutral.yaw.abs() > TURNED {
            findings.push(Finding::NotNeutral);
        }
        if series.neutral.roll.abs() > LEANING {
            findings.push(Finding::Sideways);
        }
        if is_lost(series) {
            findings.push(Finding::FaceLost);
        }
        findings
    }

    fn differences(&self, seen: &[Seen]) -> Vec<(Finding, Option<u32>)> {
        let times = |place: usize| self.meshes.get(place).map(|frame| frame.pts_us);
        judge::compare(seen, &self.wanted)
            .into_iter()
            .map(|(finding, place)| {
                let time = place.and_then(times);
                (finding, time.and_then(|time| self.nearest(time)))
            })
            .collect()
    }

    /// The frame of the full pictures that is nearest to `time`.
    fn nearest(&self, time: i64) -> Option<u32> {
        let nearest = self.track.frames.iter().min_by_key(|frame| (frame.pts_us - time).abs());
        nearest.map(|frame| frame.frame)
    }
}

/// Whether the face is missing in more than a third of the frames. Gaps beside a turn to the
/// profile do not count.
fn is_lost(series: &Series) -> bool {
    let mut missing = 0;
    let mut next = 0;
    while let Some(first) = (next..series.frames.len()).find(|i| series.frames[*i].is_none()) {
        let end = (first..series.frames.len())
            .find(|i| series.frames[*i].is_some())
            .unwrap_or(series.frames.len());
        let before = first.checked_sub(1).and_then(|i| series.frames[i]);
        if !before.is_some_and(|it| it.absolute_yaw.abs() >= 30.0) {
            missing += end - first;
        }
        next = end;
    }
    missing * 3 > series.frames.len()
}
