//! Built-in analyzer: do the faces of two or more media belong to the same person?
//!
//! Each medium has one template, from the same track that liveness uses. All pairs are compared,
//! and the least similar pair decides.

mod calibration;
mod params;
mod policy;
mod report;
mod same_picture;
mod subject;

use vultus_plugin_api::manifest::{AnalysisSpec, Instances, Slot, SlotKind};
use vultus_plugin_api::verdict::{self, Finding as _};
use vultus_plugin_api::{
    Analyzer, Config, Failure, Frame, Job, Manifest, NoSettings, Outcome, Reason, export_analyzer,
};
use vultus_vision::{EmbeddingModel, FaceTemplates, FaceTrack, cosine};

use calibration::Calibration;
use params::Params;
use policy::Finding;
use report::{Pair, Report, Thresholds, rounded};
use subject::Subject;

const ANALYSIS: &str = "face_match";
const TRACK: &str = "face_track/1";
const ALIGNED_TEMPLATE: &str = "face_template_aligned/1";
const MAX_SIDE: u32 = 1920;
const TIMEOUT_MS: u64 = 30_000;

/// The analyzer.
#[derive(Debug)]
pub struct FaceMatch;

impl Analyzer for FaceMatch {
    fn manifest() -> Manifest {
        Manifest {
            id: "org.vultus.face-match".into(),
            name: "Face match".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            vendor: "Vultus".into(),
            license: "Apache-2.0".into(),
            analyses: vec![AnalysisSpec {
                kind: ANALYSIS.into(),
                title: "Face match: do all media show the same person?".into(),
                slots: vec![Slot {
                    name: "faces".into(),
                    kinds: vec![SlotKind::Image, SlotKind::Video, SlotKind::ShotSet],
                    any_tags: Vec::new(),
                    all_tags: Vec::new(),
                    unless_named_tags: vec!["photo_id_back".into()],
                    min: 2,
                    max: 10,
                }],
                params_schema: Params::schema(),
                result_schema: report::schema(),
                features: vec![TRACK.into(), ALIGNED_TEMPLATE.into()],
                pixel_formats: vec!["rgb8".into()],
                max_side: MAX_SIDE,
                timeout_ms: TIMEOUT_MS,
                deterministic: true,
                ..AnalysisSpec::default()
            }],
            provides: Vec::new(),
            weights: Vec::new(),
            instances: Instances::default(),
        }
    }

    fn new(config: &Config) -> Result<Self, Failure> {
        config.read_settings::<NoSettings>("face-match").map(|_| Self)
    }

    fn analyze(&mut self, job: &Job<'_>) -> Result<Outcome, Failure> {
        let params = Params::read(job.params())?;
        if job.media().len() < 2 {
            return Err(Failure::invalid_input("face_match needs at least two media"));
        }
        let total = job.media().len() as f32;
        let mut subjects = Vec::new();
        for medium in job.media() {
            if job.is_cancelled() {
                return Err(Failure::cancelled("comparing the faces of the media"));
            }
            subjects.push(if params.aligned {
                let frame = first_frame(job, medium.index)?;
                let templates: FaceTemplates = job.feature_json(&frame, ALIGNED_TEMPLATE)?;
                Subject::of_aligned(medium, templates)
            } else {
                let track: FaceTrack = job.medium_feature_json(medium.index, TRACK)?;
                Subject::of_track(medium, &track)
            });
            job.progress(subjects.len() as f32 / total);
        }
        if !params.aligned {
            let copies = same_picture::copies(job);
            for subject in subjects.iter_mut().filter(|s| copies.contains(&s.report.medium)) {
                subject.findings.push((Finding::SamePicture, None));
            }
        }
        conclude(&params, subjects)
    }
}

/// The only frame of an aligned picture.
fn first_frame<'a>(job: &Job<'a>, medium: u32) -> Result<Frame<'a>, Failure> {
    job.rewind();
    while let Some(frame) = job.next_frame() {
        if frame.medium() == medium {
            return Ok(frame);
        }
    }
    Err(Failure::internal(format!("medium {medium} has no frame")))
}

fn conclude(params: &Params, subjects: Vec<Subject>) -> Result<Outcome, Failure> {
    let model = subjects.iter().find_map(|s| s.template.as_ref().map(|(model, _)| *model));
    let calibration = model.map(Calibration::of);
    let pairs = calibration.map_or_else(Vec::new, |calibration| compare(&calibration, &subjects));
    let least = pairs.iter().min_by(|a, b| a.cosine.total_cmp(&b.cosine)).copied();
    let mut findings: Vec<Finding> = Vec::new();
    let mut reasons: Vec<Reason> = Vec::new();
    for subject in &subjects {
        for (finding, frame) in &subject.findings {
            let reason = finding.reason().medium(subject.report.medium);
            reasons.push(match frame {
                Some(frame) => reason.frame(*frame),
                None => reason,
            });
            findings.push(*finding);
        }
    }
    if let Some(finding) = least.and_then(|pair| similarity_finding(params, pair.similarity)) {
        reasons.push(finding.reason());
        findings.push(finding);
    }
    let resolution = verdict::worst(findings.iter().map(|finding| finding.verdict()));
    let report = Report {
        similarity: least.map(|pair| pair.similarity),
        cosine: least.map(|pair| pair.cosine),
        fmr: calibration.and_then(|c| c.false_match_rate(params.accept_from)),
        model,
        thresholds: Thresholds {
            accept_from: params.accept_from,
            decline_below: params.decline_below,
        },
        pairs,
        media: subjects.into_iter().map(|s| s.report).collect(),
    };
    let result = serde_json::to_value(report)
        .map_err(|error| Failure::internal(format!("writing the result: {error}")))?;
    Ok(Outcome { resolution, reasons, result })
}

fn similarity_finding(params: &Params, similarity: f64) -> Option<Finding> {
    if similarity < params.decline_below {
        Some(Finding::NotSamePerson)
    } else if similarity < params.accept_from {
        Some(Finding::SimilarityBelowThreshold)
    } else {
        None
    }
}

/// Compares all pairs of media that have a template.
fn compare(calibration: &Calibration, subjects: &[Subject]) -> Vec<Pair> {
    let usable: Vec<(u32, &(EmbeddingModel, Vec<f32>))> =
        subjects.iter().filter_map(|s| Some((s.report.medium, s.template.as_ref()?))).collect();
    let mut pairs = Vec::new();
    for (i, (a, (_, left))) in usable.iter().enumerate() {
        for (b, (_, right)) in &usable[i + 1..] {
            let cosine = f64::from(cosine(left, right));
            let similarity = rounded(calibration.similarity(cosine));
            pairs.push(Pair { a: *a, b: *b, similarity, cosine: rounded(cosine) });
        }
    }
    pairs
}

export_analyzer!(FaceMatch);

#[cfg(test)]
mod tests;
