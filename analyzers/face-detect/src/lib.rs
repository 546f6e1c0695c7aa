//! Built-in provider of `faces/1`: face boxes, five landmarks and scores by YuNet.
//!
//! It only reports faces; analyzers decide how many faces they need, and of which size.

use vultus_plugin_api::manifest::{Instances, Provided, Scope, SlotKind};
use vultus_plugin_api::{
    Analyzer, Config, Failure, FeatureRequest, Job, Manifest, NoSettings, export_analyzer,
};
use vultus_vision::{CASCADE, Face, FaceDetector, Faces, PixelView, QuarterTurned, failure};

/// The feature that this plugin provides.
const FACES: &str = "faces/1";

/// Minimum score of an upright face in a photo. Upright faces of documents and portraits score at
/// least 0.90, rotated ones less.
const UPRIGHT_SCORE: f32 = 0.88;
/// The same for a frame of a clip. Players turn clips as cameras prescribe, so that only frames
/// without a clear face are worth three more detections. An estimate, not chosen on data.
const UPRIGHT_SCORE_OF_CLIP: f32 = 0.75;

/// The provider.
#[derive(Debug)]
pub struct FaceDetect {
    detector: FaceDetector,
}

impl Analyzer for FaceDetect {
    fn manifest() -> Manifest {
        Manifest {
            id: "org.vultus.face-detect".into(),
            name: "Face detection".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            vendor: "Vultus".into(),
            license: "Apache-2.0".into(),
            analyses: Vec::new(),
            provides: vec![Provided {
                feature: FACES.into(),
                scope: Scope::Frame,
                needs: Vec::new(),
                optional_needs: Vec::new(),
                restricted: false,
                max_side: CASCADE.into_iter().max().unwrap_or_default(),
                ..Provided::default()
            }],
            weights: vec![vultus_vision::weight("face_detection_yunet.onnx")],
            instances: Instances::default(),
        }
    }

    fn new(config: &Config) -> Result<Self, Failure> {
        config.read_settings::<NoSettings>("face-detect")?;
        let options = vultus_vision::options(config)?;
        Ok(Self { detector: FaceDetector::open(&options).map_err(failure)? })
    }

    fn provide(&mut self, job: &Job<'_>, request: &FeatureRequest) -> Result<Vec<u8>, Failure> {
        if request.feature != FACES {
            let message = format!("face-detect does not provide {}", request.feature);
            return Err(Failure::unsupported(message));
        }
        let frame = job
            .next_frame()
            .ok_or_else(|| Failure::internal("faces/1 was requested without a frame"))?;
        let picture = vultus_vision::view(&frame)?;
        let mut faces = self.detector.find(&picture).map_err(failure)?;
        if surest(&faces) < least_upright_score(job, request.medium) {
            faces = self.find_turned(&picture, faces)?;
        }
        let back = 1.0 / frame.scale();
        let faces = faces.into_iter().map(|face| face.scaled(back)).collect();
        serde_json::to_vec(&Faces { faces })
            .map_err(|error| Failure::internal(format!("writing {FACES}: {error}")))
    }
}

impl FaceDetect {
    /// Tries the picture rotated by 90, 270 and 180 degrees too, and keeps the faces with the
    /// highest score. A face that lies on its side may be detected without rotation, but with
    /// useless landmarks.
    fn find_turned(
        &mut self,
        picture: &PixelView<'_>,
        unturned: Vec<Face>,
    ) -> Result<Vec<Face>, Failure> {
        let mut best = unturned;
        for turns in [1, 3, 2] {
            let turned = QuarterTurned::of(picture, turns);
            let faces = self.detector.find(&turned.view()).map_err(failure)?;
            if surest(&faces) > surest(&best) {
                best = faces.iter().map(|face| turned.turn_back(face)).collect();
            }
        }
        Ok(best)
    }
}

/// The highest score of all faces; 0 without a face.
fn surest(faces: &[Face]) -> f32 {
    faces.iter().map(|face| face.score).fold(0.0, f32::max)
}

/// Minimum score of a face that counts as upright in this medium. Photos are often taken sideways
/// without any orientation tag.
fn least_upright_score(job: &Job<'_>, medium: u32) -> f32 {
    let medium = job.media().iter().find(|m| m.index == medium);
    match medium.map(|medium| medium.kind) {
        Some(SlotKind::Video) => UPRIGHT_SCORE_OF_CLIP,
        Some(SlotKind::Image | SlotKind::ShotSet) | None => UPRIGHT_SCORE,
    }
}

export_analyzer!(FaceDetect);

#[cfg(test)]
mod tests;
