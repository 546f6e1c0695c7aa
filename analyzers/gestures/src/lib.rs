//! Built-in analyzer: gestures of a head and a face in clips.
//!
//! It reads `face_mesh/1` for the movements and `face_track/1` for the identity. `series` measures
//! the frames against the person's own neutral face, `detect` finds gestures, `judge` compares them
//! with those that were asked for: by the tags of a clip, by the parameter `sequence`, or by a
//! challenge that the server drew. Gestures that were not drawn at random stop no replay, and a
//! puppet that is injected can make all of them: see the card of the face mesh.

mod clip;
mod detect;
mod gesture;
mod judge;
mod params;
mod policy;
mod report;
mod series;

use vultus_plugin_api::manifest::{AnalysisSpec, Instances, Slot, SlotKind};
use vultus_plugin_api::verdict::Finding as _;
use vultus_plugin_api::{Analyzer, Config, Failure, Job, Manifest, Outcome, export_analyzer};
use vultus_vision::{ExpressionModel, failure};

use clip::Clip;
use params::Params;
use policy::Policy;
use report::Report;

const ANALYSIS: &str = "gestures";
const MESH: &str = "face_mesh/1";
const TRACK: &str = "face_track/1";
const TIMEOUT_MS: u64 = 60_000;
/// Tags of clips that show no gesture.
const PASSIVE: [&str; 3] = ["video_selfie_blank", "video_selfie_scan", "video_selfie_oneshot"];

/// The analyzer.
#[derive(Debug)]
pub struct Gestures {
    expression: ExpressionModel,
    policy: Policy,
}

impl Analyzer for Gestures {
    fn manifest() -> Manifest {
        Manifest {
            id: "org.vultus.gestures".into(),
            name: "Gestures".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            vendor: "Vultus".into(),
            license: "Apache-2.0".into(),
            analyses: vec![AnalysisSpec {
                kind: ANALYSIS.into(),
                title: "Gestures: does the person make the movements that were asked for?".into(),
                slots: vec![Slot {
                    name: "clips".into(),
                    kinds: vec![SlotKind::Video],
                    unless_named_tags: PASSIVE.map(String::from).to_vec(),
                    min: 1,
                    max: 10,
                    ..Slot::default()
                }],
                params_schema: Params::schema(),
                result_schema: report::schema(),
                features: vec![MESH.into(), TRACK.into()],
                timeout_ms: TIMEOUT_MS,
                deterministic: true,
                ..AnalysisSpec::default()
            }],
            provides: Vec::new(),
            weights: vec![vultus_vision::weight("face_blendshapes.onnx")],
            instances: Instances::default(),
        }
    }

    fn new(config: &Config) -> Result<Self, Failure> {
        let policy = Policy::read(config, "gestures")?;
        let options = vultus_vision::options(config)?;
        Ok(Self { expression: ExpressionModel::open(&options).map_err(failure)?, policy })
    }

    fn analyze(&mut self, job: &Job<'_>) -> Result<Outcome, Failure> {
        let params = Params::read(job.params())?;
        let total = job.media().len().max(1) as f32;
        let (mut media, mut reasons, mut findings) = (Vec::new(), Vec::new(), Vec::new());
        for medium in job.media() {
            if job.is_cancelled() {
                return Err(Failure::cancelled("looking for the gestures of a clip"));
            }
            let clip = Clip {
                medium: medium.index,
                wanted: clip::wanted(&medium.tags, &params),
                meshes: match job.medium_feature_table(medium.index, MESH)? {
                    Some(table) => vultus_vision::mesh_frames(&table)?,
                    None => Vec::new(),
                },
                track: job.medium_feature_json(medium.index, TRACK)?,
            };
            let judged = clip.judge(&params, &mut self.expression)?;
            for (finding, frame) in judged.findings {
                let reason = finding.reason().medium(medium.index);
                reasons.push(match frame {
                    Some(frame) => reason.frame(frame),
                    None => reason,
                });
                findings.push(finding);
            }
            media.push(judged.report);
            job.progress(media.len() as f32 / total);
        }
        let report = Report { challenge: params.challenge_sequence.is_some(), media };
        let result = serde_json::to_value(report)
            .map_err(|error| Failure::internal(format!("writing the result: {error}")))?;
        Ok(Outcome { resolution: self.policy.resolution(findings), reasons, result })
    }
}

export_analyzer!(Gestures);

#[cfg(test)]
mod tests;
