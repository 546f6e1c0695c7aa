//! Built-in analyzer: reads and checks an identity document, and locates its portrait for face
//! match.
//!
//! This crate processes pixels; `vultus-document-text` derives fields, checks and the verdict from
//! the recognised text. The plugin also provides two features: `upright_document/1`, location and
//! rotation of the document, and `document_portrait/1`, the holder's face on it.

mod barcode;
mod edges;
mod mirror;
mod mrz;
mod page;
mod pattern;
mod plane;
mod portrait;
mod quality;
mod sample;
mod text;
mod turning;

use image::RgbImage;
use vultus_document_text::{PageReading, Params, Policy, Quad, judge, result_schema};
use vultus_plugin_api::manifest::{AnalysisSpec, Instances, Provided, Scope, Slot, SlotKind};
use vultus_plugin_api::{
    Analyzer, Config, Failure, FeatureRequest, Frame, Job, Manifest, Outcome, PixelFormat,
    export_analyzer,
};
use vultus_vision::{DocumentPortrait, Faces, UprightDocument};

use page::{Models, Side};

const ANALYSIS: &str = "document";
const FACES: &str = "faces/1";
const UPRIGHT: &str = "upright_document/1";
const PORTRAIT: &str = "document_portrait/1";
const FRONT: &str = "photo_id_front";
const BACK: &str = "photo_id_back";
/// Longest side of the frames that are read, in pixels.
const MAX_SIDE: u32 = 2560;
const TIMEOUT_MS: u64 = 60_000;
/// Minimum width, in pixels, and score of a face that is accepted as the portrait without a search
/// in the document.
const LARGE_FACE: f32 = 64.0;
const SURE_FACE: f32 = 0.88;

/// The analyzer and provider.
#[derive(Debug)]
pub struct Document {
    models: Models,
    policy: Policy,
}

impl Analyzer for Document {
    fn manifest() -> Manifest {
        let slot = |name: &str, min| Slot {
            name: name.into(),
            kinds: vec![SlotKind::Image],
            any_tags: vec![name.into()],
            all_tags: Vec::new(),
            unless_named_tags: Vec::new(),
            min,
            max: 1,
        };
        let provided = |feature: &str| Provided {
            feature: feature.into(),
            scope: Scope::Frame,
            needs: vec![FACES.into()],
            optional_needs: Vec::new(),
            restricted: false,
            max_side: MAX_SIDE,
            ..Provided::default()
        };
        let weights = [
            "face_detection_yunet.onnx",
            text::detect::WEIGHTS,
            text::recognise::WEIGHTS,
            text::direction::WEIGHTS,
        ];
        Manifest {
            id: "org.vultus.document".into(),
            name: "Identity document".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            vendor: "Vultus".into(),
            license: "Apache-2.0".into(),
            analyses: vec![AnalysisSpec {
                kind: ANALYSIS.into(),
                title: "Document: what does it say, and does it agree with itself?".into(),
                slots: vec![slot(FRONT, 1), slot(BACK, 0)],
                params_schema: Params::schema(),
                result_schema: result_schema(),
                features: vec![FACES.into()],
                pixel_formats: vec!["rgb8".into()],
                max_side: MAX_SIDE,
                timeout_ms: TIMEOUT_MS,
                deterministic: true,
                ..AnalysisSpec::default()
            }],
            provides: vec![provided(UPRIGHT), provided(PORTRAIT)],
            weights: weights.into_iter().map(vultus_vision::weight).collect(),
            // One instance analyses; the others provide the upright document and the portrait.
            instances: Instances { max: 4 },
        }
    }

    fn new(config: &Config) -> Result<Self, Failure> {
        let policy = Policy::read(config)?;
        Ok(Self { models: Models::new(vultus_vision::options(config)?), policy })
    }

    fn analyze(&mut self, job: &Job<'_>) -> Result<Outcome, Failure> {
        let params = Params::read(job.params(), &self.policy)?;
        let today = params.today.ok_or_else(|| {
            Failure::invalid_input("the parameter `today` of the document analysis is missing")
        })?;
        let total = job.media().len() as f32;
        let (mut front, mut back) = (None, None);
        while let Some(frame) = job.next_frame() {
            if job.is_cancelled() {
                return Err(Failure::cancelled("reading a document"));
            }
            let reading = self.read_side(job, &frame, &params, front.is_none())?;
            // The media are in the order of the slots.
            match front {
                None => front = Some(reading),
                Some(_) => back = Some(reading),
            }
            job.progress((frame.medium() + 1) as f32 / total);
        }
        let front =
            front.ok_or_else(|| Failure::invalid_input("the front of the document is missing"))?;
        judge(&front, back.as_ref(), &params, today).into_outcome()
    }

    fn provide(&mut self, job: &Job<'_>, request: &FeatureRequest) -> Result<Vec<u8>, Failure> {
        let frame = job.next_frame().ok_or_else(|| {
            Failure::internal("a feature of the document was requested without a frame")
        })?;
        let json = match request.feature.as_str() {
            UPRIGHT => serde_json::to_vec(&self.upright(job, &frame)?),
            PORTRAIT => serde_json::to_vec(&self.portrait(job, &frame)?),
            other => {
                return Err(Failure::unsupported(format!("document does not provide {other}")));
            }
        };
        json.map_err(|error| Failure::internal(format!("writing {}: {error}", request.feature)))
    }
}

impl Document {
    /// Reads one side. `keep` asks to store its portrait as an artifact.
    fn read_side(
        &mut self,
        job: &Job<'_>,
        frame: &Frame<'_>,
        params: &Params,
        keep: bool,
    ) -> Result<PageReading, Failure> {
        let faces = faces(job, frame)?;
        let picture = copied(frame)?;
        let Side { mut reading, face, quarters, mirrored, .. } =
            self.models.read(job, &picture, &faces, params.visual_zone)?;
        let width = picture.width() as f32;
        let picture = if mirrored { image::imageops::flip_horizontal(&picture) } else { picture };
        if let Some(face) = face {
            let jpeg = if params.extract_portrait && keep {
                portrait::cut_out(&picture, &face, quarters)?
            } else {
                None
            };
            let artifact = jpeg.as_ref().map(|_| portrait::ARTIFACT.to_owned());
            if let Some(jpeg) = jpeg {
                job.artifact(portrait::ARTIFACT, "image/jpeg", &jpeg)?;
            }
            reading.portrait = Some(portrait::described(&face, quarters, 1.0, artifact));
        }
        if mirrored {
            reading = mirror::restored(reading, width);
        }
        Ok(in_source_pixels(reading, 1.0 / frame.scale()))
    }

    fn upright(&mut self, job: &Job<'_>, frame: &Frame<'_>) -> Result<UprightDocument, Failure> {
        let faces = faces(job, frame)?;
        let picture = copied(frame)?;
        let layout = self.models.layout(&picture, &faces)?;
        let angle = match &layout.face {
            Some(face) => Some(portrait::angle(face)),
            None => self.models.text_angle(&picture)?,
        };
        let quarters = angle.map_or(0, edges::quarters);
        let back = 1.0 / frame.scale();
        let corners = layout
            .document
            .map(|quad| edges::upright(&quad, quarters).0.map(|p| p.map(|v| v * back)));
        Ok(UprightDocument { corners, rotation: quarters as u16 * 90 })
    }

    fn portrait(&mut self, job: &Job<'_>, frame: &Frame<'_>) -> Result<DocumentPortrait, Failure> {
        let faces = faces(job, frame)?;
        let plain = portrait::largest(&faces)
            .filter(|face| face.rect.width >= LARGE_FACE && face.score >= SURE_FACE);
        let face = match plain {
            Some(face) => Some(face.clone()),
            None => self.models.layout(&copied(frame)?, &faces)?.face,
        };
        let back = 1.0 / frame.scale();
        Ok(DocumentPortrait { face: face.map(|face| face.scaled(back)) })
    }
}

/// The faces of the frame, in pixels of the (scaled) frame.
fn faces(job: &Job<'_>, frame: &Frame<'_>) -> Result<Vec<vultus_vision::Face>, Failure> {
    let faces: Faces = job.feature_json(frame, FACES)?;
    Ok(faces.faces.into_iter().map(|face| face.scaled(frame.scale())).collect())
}

fn copied(frame: &Frame<'_>) -> Result<RgbImage, Failure> {
    if frame.format() != PixelFormat::Rgb8 {
        return Err(Failure::internal("the frame is not rgb8, which the manifest requests"));
    }
    let rows: Vec<&[u8]> = (0..frame.height()).filter_map(|y| frame.row(y)).collect();
    RgbImage::from_raw(frame.width(), frame.height(), rows.concat())
        .ok_or_else(|| Failure::internal("the buffer of a frame is too small for its size"))
}

fn in_source_pixels(mut reading: PageReading, back: f32) -> PageReading {
    let placed = |quad: Quad| Quad(quad.0.map(|p| p.map(|v| v * back)));
    reading.document = reading.document.map(placed);
    if let Some(mrz) = &mut reading.mrz {
        mrz.quad = placed(mrz.quad);
    }
    for line in &mut reading.lines {
        line.quad = placed(line.quad);
    }
    for code in &mut reading.barcodes {
        code.quad = placed(code.quad);
    }
    if let Some(portrait) = &mut reading.portrait {
        portrait.quad = placed(portrait.quad);
    }
    reading.quality.width_px = (reading.quality.width_px as f32 * back) as u32;
    reading
}

export_analyzer!(Document);

#[cfg(test)]
mod tests;
