//! Built-in provider of face templates and of the face track that liveness and face match use.
//!
//! - `face_template/1`, per frame: the template of the largest face;
//! - `face_template_aligned/1`, per frame: the template of a picture that is already an aligned
//!   112x112 face, without detection; only for evaluation on published face sets;
//! - `face_track/1`, per medium: the subject's face in every frame, with templates, quality and the
//!   frames at which the person changes. Liveness and face match read the same track, so that they
//!   cannot evaluate different people.
//!
//! All three contain templates and are therefore restricted.

mod settings;
mod track;

use serde::Serialize;
use vultus_plugin_api::manifest::{Instances, Provided, Scope, SlotKind, Weight};
use vultus_plugin_api::{
    Analyzer, Config, Failure, FeatureRequest, Frame, Job, JobMedium, Manifest, export_analyzer,
};
use vultus_vision::{
    AlignedFace, DocumentPortrait, EmbeddingModel, Face, FaceEmbedder, FaceTemplate, FaceTemplates,
    Faces, PixelView, Quality, VisionError, failure,
};

use settings::Settings;
use track::{Sighting, Tracker, in_even_subset};

const FACES: &str = "faces/1";
const PORTRAIT: &str = "document_portrait/1";
const TEMPLATE: &str = "face_template/1";
const ALIGNED_TEMPLATE: &str = "face_template_aligned/1";
const TRACK: &str = "face_track/1";
/// Longest side, in pixels, of the frames from which faces are cut: a face of a twentieth of the
/// picture still has 96 pixels, which is enough for the models.
const MAX_SIDE: u32 = 1920;

/// The provider.
#[derive(Debug)]
pub struct FaceTemplateProvider {
    embedder: FaceEmbedder,
    aligned: AlignedFace,
    settings: Settings,
}

impl Analyzer for FaceTemplateProvider {
    fn manifest() -> Manifest {
        let provided = |feature: &str, scope, needs: &[&str]| Provided {
            feature: feature.into(),
            scope,
            needs: needs.iter().map(|name| (*name).into()).collect(),
            optional_needs: if needs.is_empty() { Vec::new() } else { vec![PORTRAIT.into()] },
            restricted: true,
            max_side: MAX_SIDE,
            ..Provided::default()
        };
        let weight = |model: EmbeddingModel| Weight {
            optional: model != EmbeddingModel::Sface,
            ..vultus_vision::weight(model.file())
        };
        Manifest {
            id: "org.vultus.face-template".into(),
            name: "Face templates and tracks".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            vendor: "Vultus".into(),
            license: "Apache-2.0".into(),
            analyses: Vec::new(),
            provides: vec![
                provided(TEMPLATE, Scope::Frame, &[FACES]),
                provided(ALIGNED_TEMPLATE, Scope::Frame, &[]),
                provided(TRACK, Scope::Medium, &[FACES]),
            ],
            weights: vec![weight(EmbeddingModel::Sface), weight(EmbeddingModel::FrFeature)],
            instances: Instances::default(),
        }
    }

    fn new(config: &Config) -> Result<Self, Failure> {
        let settings = Settings::read(config)?;
        let options = vultus_vision::options(config)?;
        let embedder = FaceEmbedder::open(&options, settings.model).map_err(failure)?;
        Ok(Self { embedder, aligned: AlignedFace::default(), settings })
    }

    fn provide(&mut self, job: &Job<'_>, request: &FeatureRequest) -> Result<Vec<u8>, Failure> {
        match request.feature.as_str() {
            TEMPLATE => to_json(TEMPLATE, &self.template(job)?),
            ALIGNED_TEMPLATE => to_json(ALIGNED_TEMPLATE, &self.aligned_template(job)?),
            TRACK => to_json(TRACK, &self.track(job, request.medium)?),
            other => Err(Failure::unsupported(format!("face-template does not provide {other}"))),
        }
    }
}

impl FaceTemplateProvider {
    fn template(&mut self, job: &Job<'_>) -> Result<FaceTemplates, Failure> {
        let frame = only_frame(job, TEMPLATE)?;
        let medium = job.media().iter().find(|m| m.index == frame.medium());
        let faces = faces_of(job, &frame, medium.is_some_and(is_document))?;
        let picture = vultus_vision::view(&frame)?;
        let vector = match faces.first() {
            Some(face) if self.cut(&frame, &picture, face)? => Some(self.embed()?),
            _ => None,
        };
        let model = self.settings.model;
        let templates = vector.map(|vector| FaceTemplate { face: 0, model, vector });
        Ok(FaceTemplates { templates: templates.into_iter().collect() })
    }

    fn aligned_template(&mut self, job: &Job<'_>) -> Result<FaceTemplates, Failure> {
        let frame = only_frame(job, ALIGNED_TEMPLATE)?;
        let picture = vultus_vision::view(&frame)?;
        let unscaled = frame.width() == frame.source_width();
        let taken = unscaled.then(|| self.aligned.take(&picture)).flatten();
        taken.ok_or_else(|| {
            let (width, height) = (frame.source_width(), frame.source_height());
            Failure::invalid_input(format!(
                "an aligned face must have 112x112 pixels, but the picture has {width}x{height}"
            ))
        })?;
        let vector = self.embed()?;
        let template = FaceTemplate { face: 0, model: self.settings.model, vector };
        Ok(FaceTemplates { templates: vec![template] })
    }

    fn track(&mut self, job: &Job<'_>, medium: u32) -> Result<vultus_vision::FaceTrack, Failure> {
        let medium = job.media().iter().find(|m| m.index == medium);
        let medium =
            medium.ok_or_else(|| Failure::internal("face_track/1 requested for unknown medium"))?;
        let mut tracker = Tracker::new(self.settings.model, medium.width, medium.height);
        let total = medium.frame_count as usize;
        let mut position = 0;
        while let Some(frame) = job.next_frame() {
            if job.is_cancelled() {
                return Err(Failure::cancelled("tracking the face of a medium"));
            }
            let faces = faces_of(job, &frame, is_document(medium))?;
            tracker.count(&faces);
            let due = in_even_subset(position, total, self.settings.max_embedded);
            match self.sight(&tracker, &frame, &faces, due)? {
                Some(sighting) => tracker.add(sighting),
                None => tracker.miss(frame.index()),
            }
            position += 1;
        }
        Ok(tracker.finish())
    }

    /// The subject in `frame`. Its template is computed if `due`, if its position does not confirm
    /// its identity, or if several faces are candidates.
    fn sight(
        &mut self,
        tracker: &Tracker,
        frame: &Frame<'_>,
        faces: &[Face],
        due: bool,
    ) -> Result<Option<Sighting>, Failure> {
        let picture = vultus_vision::view(frame)?;
        let candidates = tracker.candidates(faces);
        let several = candidates.len() > 1;
        let mut seen = Vec::new();
        for index in candidates {
            let face = &faces[index];
            if !self.cut(frame, &picture, face)? {
                continue;
            }
            let (width, height) = (frame.source_width(), frame.source_height());
            let quality =
                Quality::measure(&self.aligned, &face.rect, &face.landmarks, width, height);
            let wanted = due || several || tracker.continuity_is_weak(&face.rect);
            let template = if wanted { Some(self.embed()?) } else { None };
            seen.push(Sighting {
                frame: frame.index(),
                pts_us: frame.pts_us(),
                face_index: index,
                face: face.clone(),
                quality,
                template,
            });
        }
        if seen.len() > 1 {
            let templates: Vec<_> = seen.iter().filter_map(|s| s.template.clone()).collect();
            let chosen = tracker.most_similar(&templates);
            return Ok(Some(seen.swap_remove(chosen)));
        }
        Ok(seen.pop())
    }

    /// Aligns `face` into the buffer. `false` if its landmarks coincide.
    fn cut(
        &mut self,
        frame: &Frame<'_>,
        picture: &PixelView<'_>,
        face: &Face,
    ) -> Result<bool, Failure> {
        let landmarks = face.clone().scaled(frame.scale()).landmarks;
        match self.aligned.cut(picture, &landmarks) {
            Ok(()) => Ok(true),
            Err(VisionError::Landmarks) => Ok(false),
            Err(error) => Err(failure(error)),
        }
    }

    fn embed(&mut self) -> Result<Vec<f32>, Failure> {
        self.embedder.embed(&self.aligned).map_err(failure)
    }
}

/// The faces of a frame. Of a document, only the holder's portrait, if a plugin provides it.
fn faces_of(job: &Job<'_>, frame: &Frame<'_>, document: bool) -> Result<Vec<Face>, Failure> {
    if document {
        let portrait: Option<DocumentPortrait> = job.feature_json(frame, PORTRAIT)?;
        if let Some(face) = portrait.and_then(|portrait| portrait.face) {
            return Ok(vec![face]);
        }
    }
    Ok(job.feature_json::<Faces>(frame, FACES)?.faces)
}

/// Whether the medium is a photo of a document.
fn is_document(medium: &JobMedium) -> bool {
    medium.kind == SlotKind::Image && medium.tags.iter().any(|tag| tag.starts_with("photo_id"))
}

fn only_frame<'a>(job: &Job<'a>, feature: &str) -> Result<Frame<'a>, Failure> {
    job.next_frame()
        .ok_or_else(|| Failure::internal(format!("{feature} was requested without a frame")))
}

fn to_json(feature: &str, value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value)
        .map_err(|error| Failure::internal(format!("writing {feature}: {error}")))
}

export_analyzer!(FaceTemplateProvider);

#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;
