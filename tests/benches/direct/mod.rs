//! Calls the pipeline of the built-in plugins as functions of this process, for comparisons.

#[path = "../models/mod.rs"]
mod models;

use jpeg_encoder::{ColorType, Encoder};
use serde_json::json;
use std::io::Cursor;
use vultus_media::{DecodeOptions, Limits, StoredFrame};
use vultus_vision::{
    AlignedFace, Channels, EmbeddingModel, FaceDetector, FaceEmbedder, PixelView, Quality,
    SpoofScorer, cosine,
};

/// Side of the frames in which the built-in plugins detect faces, in pixels.
const DETECTION_SIDE: u32 = 640;
/// Side of the frames from which they crop faces, in pixels.
const FACE_SIDE: u32 = 1920;

/// Decodes, detects, crops, embeds, scores, compares and keeps the best shot, as the worker does,
/// but without a process, a plugin interface or JSON.
pub struct Direct {
    detector: FaceDetector,
    embedder: FaceEmbedder,
    scorer: SpoofScorer,
    aligned: AlignedFace,
}

impl Direct {
    /// Opens the installed models.
    pub fn open() -> Self {
        let options = models::options();
        Self {
            detector: FaceDetector::open(&options).expect("the detector can be opened"),
            embedder: FaceEmbedder::open(&options, EmbeddingModel::Sface)
                .expect("the embedder can be opened"),
            scorer: SpoofScorer::open(&options).expect("the scorer can be opened"),
            aligned: AlignedFace::default(),
        }
    }

    /// Attack score of the selfie, and cosine of both faces if there is an id photo, as text.
    pub fn judge(&mut self, selfie: &[u8], id: Option<&[u8]>) -> (String, Option<String>) {
        let (template, score) = self.face(&decode(selfie), true);
        let rounded = |value: f32| json!((f64::from(value) * 1e6).round() / 1e6).to_string();
        let attack = rounded(score.expect("the selfie was scored"));
        let matched = id.map(|id| rounded(cosine(&template, &self.face(&decode(id), false).0)));
        (attack, matched)
    }

    fn face(&mut self, frame: &StoredFrame, is_selfie: bool) -> (Vec<f32>, Option<f32>) {
        let small = vultus_media::scale(frame, DETECTION_SIDE);
        let face = self
            .detector
            .find(&view(&small))
            .expect("the detector runs")
            .into_iter()
            .next()
            .expect("the frame shows a face");
        let face = face.scaled(1.0 / scale(&small, frame));
        let picture = vultus_media::scale(frame, FACE_SIDE);
        let scale = scale(&picture, frame);
        let cut = face.clone().scaled(scale);
        self.aligned.cut(&view(&picture), &cut.landmarks).expect("a face can be aligned");
        Quality::measure(&self.aligned, &face.rect, &face.landmarks, frame.width, frame.height);
        let template = self.embedder.embed(&self.aligned).expect("the embedder runs");
        let score = is_selfie.then(|| {
            let score = self.scorer.score(&view(&picture), &cut.rect).expect("the scorer runs");
            let mut best_shot = Vec::new();
            Encoder::new(&mut best_shot, 90)
                .encode(&picture.rgb, picture.width as u16, picture.height as u16, ColorType::Rgb)
                .expect("the best shot can be encoded");
            score
        });
        (template, score)
    }
}

fn decode(bytes: &[u8]) -> StoredFrame {
    let size = bytes.len() as u64;
    let frames = vultus_media::decode(
        Cursor::new(bytes.to_vec()),
        size,
        &Limits::default(),
        DecodeOptions::default(),
    );
    frames.expect("a photo can be decoded").frames.remove(0)
}

/// Scale of a copy of a frame, as the plugin interface defines it.
fn scale(copy: &StoredFrame, frame: &StoredFrame) -> f32 {
    copy.width as f32 / frame.width as f32
}

fn view(frame: &StoredFrame) -> PixelView<'_> {
    PixelView::new(&frame.rgb, frame.width, frame.height, frame.width as usize * 3, Channels::Rgb)
        .expect("a frame is whole")
}
