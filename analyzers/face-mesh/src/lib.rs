//! Built-in provider of `face_mesh/1`: points, blendshapes and rotation of one face in every frame
//! of a clip's track; of a picture, in the picture.
//!
//! The face is detected once, followed by its own points, and detected again when it is lost. The
//! largest face counts. Points of a face are biometric data, and therefore restricted.

use vultus_plugin_api::manifest::{Encoding, Instances, Provided, Scope};
use vultus_plugin_api::{
    Analyzer, Config, Failure, FeatureRequest, Frame, Job, Manifest, NoSettings, export_analyzer,
};
use vultus_vision::{
    FaceDetector, FaceMesh, MESH_FILES, MeshFrame, MeshTracker, PixelView, failure, mesh_table,
};

/// The feature that this plugin provides.
const MESH: &str = "face_mesh/1";
/// Longest side of a picture's frame in pixels, that of a track.
const MAX_SIDE: u32 = 480;
/// Sizes at which a face is looked for. Larger ones find faces too small for a mesh.
const DETECTION_SIDES: [u32; 2] = [320, 192];
/// Time after an unsuccessful detection until the next one, in microseconds.
const DETECTION_PAUSE_US: i64 = 150_000;

/// The provider.
#[derive(Debug)]
pub struct FaceMeshProvider {
    detector: FaceDetector,
    tracker: MeshTracker,
}

impl Analyzer for FaceMeshProvider {
    fn manifest() -> Manifest {
        let mut weights = vec![vultus_vision::weight("face_detection_yunet.onnx")];
        weights.extend(MESH_FILES.map(vultus_vision::weight));
        Manifest {
            id: "org.vultus.face-mesh".into(),
            name: "Face mesh".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            vendor: "Vultus".into(),
            license: "Apache-2.0".into(),
            analyses: Vec::new(),
            provides: vec![Provided {
                feature: MESH.into(),
                scope: Scope::Medium,
                restricted: true,
                max_side: MAX_SIDE,
                track: Some("rgb8".into()),
                encoding: Encoding::Table,
                ..Provided::default()
            }],
            weights,
            instances: Instances::default(),
        }
    }

    fn new(config: &Config) -> Result<Self, Failure> {
        config.read_settings::<NoSettings>("face-mesh")?;
        let options = vultus_vision::options(config)?;
        Ok(Self {
            detector: FaceDetector::open(&options).map_err(failure)?,
            tracker: MeshTracker::open(&options).map_err(failure)?,
        })
    }

    fn provide(&mut self, job: &Job<'_>, request: &FeatureRequest) -> Result<Vec<u8>, Failure> {
        if request.feature != MESH {
            let message = format!("face-mesh does not provide {}", request.feature);
            return Err(Failure::unsupported(message));
        }
        self.tracker.reset();
        let mut frames = Vec::new();
        let mut not_before = i64::MIN;
        while let Some(frame) = next(job, request.medium, frames.len() as u32) {
            if job.is_cancelled() {
                return Err(Failure::cancelled("finding the points of a face"));
            }
            let picture = vultus_vision::view(&frame)?;
            let mut mesh = self.tracker.follow(&picture).map_err(failure)?;
            if mesh.is_none() && frame.pts_us() >= not_before {
                mesh = self.detect(&picture)?;
                if mesh.is_none() {
                    not_before = frame.pts_us() + DETECTION_PAUSE_US;
                }
            }
            let mesh = mesh.map(|mesh| in_pixels_of_source(mesh, frame.scale()));
            frames.push(MeshFrame { pts_us: frame.pts_us(), mesh });
        }
        Ok(mesh_table(&frames)?.to_bytes())
    }
}

impl FaceMeshProvider {
    fn detect(&mut self, picture: &PixelView<'_>) -> Result<Option<FaceMesh>, Failure> {
        for side in DETECTION_SIDES {
            let faces = self.detector.find_at(picture, side).map_err(failure)?;
            if let Some(face) = faces.first() {
                return self.tracker.start(picture, face).map_err(failure);
            }
        }
        Ok(None)
    }
}

/// Frame `index` of the medium's track; of a medium without one, its next frame.
fn next<'a>(job: &Job<'a>, medium: u32, index: u32) -> Option<Frame<'a>> {
    let has_track = job.media().iter().any(|it| it.index == medium && it.track_count > 0);
    if has_track { job.track_frame(medium, index) } else { job.next_frame() }
}

fn in_pixels_of_source(mut mesh: FaceMesh, scale: f32) -> FaceMesh {
    mesh.points.as_flattened_mut().iter_mut().for_each(|value| *value /= scale);
    mesh
}

export_analyzer!(FaceMeshProvider);

#[cfg(test)]
mod tests;
