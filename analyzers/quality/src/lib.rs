//! Built-in analyzer: quality of a picture of a face for comparison or display, following the idea
//! of ISO/IEC 29794-5.
//!
//! Seven measures from 0 to 100 ([`measures`]), each with a minimum that the request may raise
//! ([`params`]). Every measure below its minimum is a reason and contributes to the verdict
//! ([`policy`]). Of a clip, only the best frame counts. The analysis says nothing about identity or
//! liveness.

mod measures;
mod params;
mod policy;
mod report;

use vultus_plugin_api::manifest::{AnalysisSpec, Instances, Slot, SlotKind};
use vultus_plugin_api::verdict::{self, Finding as _};
use vultus_plugin_api::{
    Analyzer, Config, Failure, Frame, Job, Manifest, NoSettings, Outcome, export_analyzer,
};
use vultus_vision::{
    AlignedFace, EyeScorer, Face, Faces, LandmarkFinder, PoseEstimator, VisionError, failure,
    significant_faces,
};

use measures::{Measured, Measures};
use params::Params;
use policy::Finding;
use report::{MediumReport, Report};

const ANALYSIS: &str = "quality";
const FACES: &str = "faces/1";
/// Longest side of the frames: 1080p and less is not scaled.
const MAX_SIDE: u32 = 1920;
const TIMEOUT_MS: u64 = 30_000;

/// The analyzer.
#[derive(Debug)]
pub struct FaceQuality {
    outlines: LandmarkFinder,
    eyes: EyeScorer,
    poses: PoseEstimator,
    aligned: AlignedFace,
}

impl Analyzer for FaceQuality {
    fn manifest() -> Manifest {
        Manifest {
            id: "org.vultus.quality".into(),
            name: "Face quality".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            vendor: "Vultus".into(),
            license: "Apache-2.0".into(),
            analyses: vec![AnalysisSpec {
                kind: ANALYSIS.into(),
                title: "Is the picture of the face good enough?".into(),
                slots: vec![Slot {
                    name: "faces".into(),
                    kinds: vec![SlotKind::Image, SlotKind::Video, SlotKind::ShotSet],
                    unless_named_tags: ["photo_id", "photo_id_front", "photo_id_back"]
                        .map(String::from)
                        .to_vec(),
                    max: 10,
                    ..Slot::default()
                }],
                params_schema: Params::schema(),
                result_schema: report::schema(),
                features: vec![FACES.into()],
                pixel_formats: vec!["rgb8".into()],
                max_side: MAX_SIDE,
                timeout_ms: TIMEOUT_MS,
                deterministic: true,
                ..AnalysisSpec::default()
            }],
            weights: ["fr_landmark.onnx", "fr_eye.onnx", "fr_pose.onnx"]
                .map(vultus_vision::weight)
                .to_vec(),
            instances: Instances::default(),
            ..Manifest::default()
        }
    }

    fn new(config: &Config) -> Result<Self, Failure> {
        config.read_settings::<NoSettings>("quality")?;
        let options = vultus_vision::options(config)?;
        let open = || -> Result<Self, VisionError> {
            Ok(Self {
                outlines: LandmarkFinder::open(&options)?,
                eyes: EyeScorer::open(&options)?,
                poses: PoseEstimator::open(&options)?,
                aligned: AlignedFace::default(),
            })
        };
        open().map_err(failure)
    }

    fn analyze(&mut self, job: &Job<'_>) -> Result<Outcome, Failure> {
        let params = Params::read(job.params())?;
        let mut best: Vec<Option<Best>> = job.media().iter().map(|_| None).collect();
        let mut done = 0.0;
        let total: f32 = job.media().iter().map(|medium| medium.frame_count as f32).sum();
        while let Some(frame) = job.next_frame() {
            if job.is_cancelled() {
                return Err(Failure::cancelled("measuring the frames of a medium"));
            }
            let faces: Faces = job.feature_json(&frame, FACES)?;
            if let Some(face) = faces.faces.first() {
                let found = Best {
                    frame: frame.index(),
                    faces: significant_faces(&faces.faces),
                    measures: self.measure(&frame, face)?,
                };
                let place = &mut best[frame.medium() as usize];
                let is_better = place
                    .as_ref()
                    .is_none_or(|known| found.measures.mean() > known.measures.mean());
                *place = if is_better { Some(found) } else { place.take() };
            }
            done += 1.0;
            job.progress(done / total.max(1.0));
        }
        conclude(&params, best)
    }
}

/// The best frame of a medium so far.
struct Best {
    frame: u32,
    faces: u32,
    measures: Measures,
}

impl FaceQuality {
    fn measure(&mut self, frame: &Frame<'_>, face: &Face) -> Result<Measures, Failure> {
        let picture = vultus_vision::view(frame)?;
        let here = face.clone().scaled(frame.scale());
        let outline = self.outlines.find(&picture, &here.rect).map_err(failure)?;
        let measured = Measured {
            pose: self.poses.estimate(&picture, &here.rect).map_err(failure)?,
            eyes: self.eyes.score(&picture, &outline).map_err(failure)?,
            aligned: match self.aligned.cut(&picture, &here.landmarks) {
                Ok(()) => Some(&self.aligned),
                // Coinciding landmarks: sharpness and exposure of this face are 0.
                Err(VisionError::Landmarks) => None,
                Err(error) => return Err(failure(error)),
            },
            unrest: vultus_vision::background_unrest(&picture, &here.rect),
            face,
            size: (frame.source_width(), frame.source_height()),
        };
        Ok(Measures::of(&measured))
    }
}

/// Verdict, reasons and report of all media.
fn conclude(params: &Params, best: Vec<Option<Best>>) -> Result<Outcome, Failure> {
    let (mut findings, mut media) = (Vec::new(), Vec::new());
    for (medium, best) in (0_u32..).zip(best) {
        let found = match &best {
            None => vec![(Finding::NoFace, None)],
            Some(best) => {
                let several = (best.faces > 1).then_some(Finding::MultipleFaces);
                let short = policy::shortcomings(&best.measures, params);
                several
                    .into_iter()
                    .chain(short)
                    .map(|finding| (finding, Some(best.frame)))
                    .collect()
            }
        };
        findings.extend(found.into_iter().map(|(finding, frame)| (finding, medium, frame)));
        media.push(MediumReport::of(
            medium,
            best.as_ref().map(|best| (best.frame, best.faces, &best.measures)),
        ));
    }
    let resolution = verdict::worst(findings.iter().map(|(finding, ..)| finding.verdict()));
    let reason = |(finding, medium, frame): &(Finding, u32, Option<u32>)| {
        let reason = finding.reason().medium(*medium);
        frame.map_or(reason.clone(), |frame| reason.frame(frame))
    };
    let reasons = findings.iter().map(reason).collect();
    let result = serde_json::to_value(Report::of(media))
        .map_err(|error| Failure::internal(format!("writing the result: {error}")))?;
    Ok(Outcome { resolution, reasons, result })
}

export_analyzer!(FaceQuality);

#[cfg(test)]
mod tests;
