//! Built-in analyzer: presentation attack detection on photos, videos and shot sets.
//!
//! The model `fr_liveness` scores every sampled frame of the subject's track (`face_track/1`, the
//! one that face match reads too), and so do the optional MiniFASNet models; `fusion` computes the
//! score of a medium, `integrity` measures a clip's movement and container, `policy` the verdict.
//! Passive liveness cannot distinguish an injected picture from a camera, and the model does not
//! detect worn masks: see the model's card.

mod best_shot;
mod fusion;
mod integrity;
mod medium;
mod params;
mod policy;
mod report;

use vultus_plugin_api::features::CONTAINER;
use vultus_plugin_api::limits::SLOW_TRACK_RATE;
use vultus_plugin_api::manifest::{AnalysisSpec, Instances, Slot, SlotKind};
use vultus_plugin_api::verdict::Finding as _;
use vultus_plugin_api::{
    Analyzer, Config, Failure, Frame, Job, Manifest, Outcome, export_analyzer,
};
use vultus_vision::{
    FaceTrack, MINIFASNET_FILES, QuarterTurned, SpoofScorer, failure, turns_to_upright,
};

use best_shot::Candidate;
use integrity::Shots;
use medium::{Judged, ScoredFrame};
use params::Params;
use policy::{Finding, Policy};
use report::{Report, Thresholds, rounded};

const ANALYSIS: &str = "liveness";
const TRACK: &str = "face_track/1";
/// Longest side of the frames: 1080p and less is not scaled.
const MAX_SIDE: u32 = 1920;
const TIMEOUT_MS: u64 = 30_000;

/// The analyzer.
#[derive(Debug)]
pub struct Liveness {
    scorer: SpoofScorer,
    policy: Policy,
}

impl Analyzer for Liveness {
    fn manifest() -> Manifest {
        Manifest {
            id: "org.vultus.liveness".into(),
            name: "Passive liveness".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            vendor: "Vultus".into(),
            license: "Apache-2.0".into(),
            analyses: vec![AnalysisSpec {
                kind: ANALYSIS.into(),
                title: "Liveness: is a living person before the camera?".into(),
                slots: vec![Slot {
                    name: "faces".into(),
                    kinds: vec![SlotKind::Image, SlotKind::Video, SlotKind::ShotSet],
                    any_tags: Vec::new(),
                    all_tags: Vec::new(),
                    unless_named_tags: ["photo_id", "photo_id_front", "photo_id_back"]
                        .map(String::from)
                        .to_vec(),
                    min: 1,
                    max: 10,
                }],
                params_schema: Params::schema(),
                result_schema: report::schema(),
                features: vec![TRACK.into(), CONTAINER.into()],
                pixel_formats: vec!["rgb8".into()],
                max_side: MAX_SIDE,
                timeout_ms: TIMEOUT_MS,
                deterministic: true,
                track: Some("gray8".into()),
                track_rate: SLOW_TRACK_RATE,
            }],
            provides: Vec::new(),
            weights: std::iter::once(vultus_vision::weight("fr_liveness.onnx"))
                .chain(MINIFASNET_FILES.map(vultus_vision::imported_weight))
                .collect(),
            instances: Instances::default(),
        }
    }

    fn new(config: &Config) -> Result<Self, Failure> {
        let policy = Policy::read(config, "liveness")?;
        let options = vultus_vision::options(config)?;
        Ok(Self { scorer: SpoofScorer::open(&options).map_err(failure)?, policy })
    }

    fn analyze(&mut self, job: &Job<'_>) -> Result<Outcome, Failure> {
        let params = Params::read(job.params())?;
        let mut media = Vec::new();
        let mut best: Option<Candidate<'_>> = None;
        let mut next = job.next_frame();
        let total = job.media().len().max(1) as f32;
        for medium in job.media() {
            let track: FaceTrack = job.medium_feature_json(medium.index, TRACK)?;
            let mut scored = Vec::new();
            let mut shots = Shots::default();
            while let Some(frame) = next.filter(|frame| frame.medium() == medium.index) {
                if job.is_cancelled() {
                    return Err(Failure::cancelled("scoring the frames of a medium"));
                }
                if medium.kind == SlotKind::ShotSet {
                    let sighting = track.frames.iter().find(|it| it.frame == frame.index());
                    let face = sighting.map(|it| it.rect.scaled(frame.scale()));
                    shots.add(&vultus_vision::view(&frame)?, face);
                }
                if let Some(scored_frame) = self.score(&frame, &track)? {
                    let candidate = Candidate::of(frame, &track, &scored_frame, &params);
                    best = best_shot::better(best, candidate);
                    scored.push(scored_frame);
                }
                next = job.next_frame();
            }
            let examined = match medium.kind {
                SlotKind::Video => {
                    let (integrity, findings) = integrity::examine(job, medium, &track)?;
                    (Some(integrity), findings)
                }
                SlotKind::ShotSet => {
                    let (integrity, findings) = integrity::examine_shots(&shots, &track);
                    (Some(integrity), findings)
                }
                SlotKind::Image => (None, Vec::new()),
            };
            media.push(medium::judge(medium, &track, scored, &params, examined));
            job.progress(media.len() as f32 / total);
        }
        self.conclude(job, &params, media, best)
    }
}

impl Liveness {
    /// The score of the subject in `frame`; `None` if the track does not contain that frame.
    fn score(
        &mut self,
        frame: &Frame<'_>,
        track: &FaceTrack,
    ) -> Result<Option<ScoredFrame>, Failure> {
        let Some(sighting) = track.frames.iter().find(|s| s.frame == frame.index()) else {
            return Ok(None);
        };
        let picture = vultus_vision::view(frame)?;
        let rect = sighting.rect.scaled(frame.scale());
        // The models know upright faces only; photos often lie on their side without saying so.
        let scores = match turns_to_upright(&sighting.landmarks) {
            0 => self.scorer.scores(&picture, &rect),
            turns => {
                let turned = QuarterTurned::of(&picture, turns);
                self.scorer.scores(&turned.view(), &turned.turned_box(&rect))
            }
        }
        .map_err(failure)?;
        Ok(Some(ScoredFrame::of(sighting, scores)))
    }

    fn conclude(
        &self,
        job: &Job<'_>,
        params: &Params,
        media: Vec<Judged>,
        best: Option<Candidate<'_>>,
    ) -> Result<Outcome, Failure> {
        let best_shot = match best {
            Some(candidate) if params.extract_best_shot => Some(candidate.keep(job)?),
            _ => None,
        };
        let findings = media.iter().flat_map(|m| m.findings.iter().map(|f| f.finding));
        let unchallenged = params.challenge_missing.then_some(Finding::ChallengeRequired);
        let resolution = self.policy.resolution(findings.chain(unchallenged));
        let reason = |index: u32, found: &medium::Found| {
            let reason = found.finding.reason().medium(index);
            match found.frame {
                Some(frame) => reason.frame(frame),
                None => reason,
            }
        };
        let reasons = media
            .iter()
            .flat_map(|m| m.findings.iter().map(|found| reason(m.report.medium, found)))
            .chain(unchallenged.map(Finding::reason))
            .collect();
        let report = Report {
            score: media.iter().filter_map(|m| m.report.score).max_by(f64::total_cmp),
            thresholds: Thresholds {
                accept_below: rounded(params.accept_below),
                decline_from: rounded(params.decline_from),
            },
            media: media.into_iter().map(|m| m.report).collect(),
            best_shot,
        };
        let result = serde_json::to_value(report)
            .map_err(|error| Failure::internal(format!("writing the result: {error}")))?;
        Ok(Outcome { resolution, reasons, result })
    }
}

export_analyzer!(Liveness);

#[cfg(test)]
mod tests;
