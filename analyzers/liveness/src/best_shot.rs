//! Selects the best picture of the face: sharp, frontal, of good size and bona fide.

use jpeg_encoder::{ColorType, Encoder};
use vultus_plugin_api::{Failure, Frame, Job, PixelFormat};
use vultus_vision::FaceTrack;

use crate::medium::ScoredFrame;
use crate::params::Params;
use crate::report::{BestShot, rounded};

const ARTIFACT: &str = "best_shot";
const JPEG_QUALITY: u8 = 90;

/// A candidate for the best shot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    frame: Frame<'a>,
    quality: f32,
}

impl<'a> Candidate<'a> {
    /// `frame` as a candidate; `None` if it may be an attack, if the person changes within its
    /// medium, or if its face was not compared with the others.
    pub(crate) fn of(
        frame: Frame<'a>,
        track: &FaceTrack,
        scored: &ScoredFrame,
        params: &Params,
    ) -> Option<Self> {
        let compared = track.frames.iter().any(|f| f.frame == scored.frame && f.template.is_some());
        let bona_fide = scored.score < params.accept_below && track.changes.is_empty() && compared;
        let quality = scored.quality.overall * (1.0 - scored.score);
        bona_fide.then_some(Self { frame, quality })
    }

    /// Stores the frame as the artifact.
    pub(crate) fn keep(&self, job: &Job<'_>) -> Result<BestShot, Failure> {
        let jpeg = encode(&self.frame)?;
        job.artifact(ARTIFACT, "image/jpeg", &jpeg)?;
        Ok(BestShot {
            medium: self.frame.medium(),
            frame: self.frame.index(),
            quality: rounded(self.quality),
            artifact: ARTIFACT.to_owned(),
        })
    }
}

/// The better of two candidates; the first if they are equal.
pub(crate) fn better<'a>(
    held: Option<Candidate<'a>>,
    next: Option<Candidate<'a>>,
) -> Option<Candidate<'a>> {
    match (held, next) {
        (Some(held), Some(next)) if next.quality > held.quality => Some(next),
        (None, next) => next,
        (held, _) => held,
    }
}

fn encode(frame: &Frame<'_>) -> Result<Vec<u8>, Failure> {
    if frame.format() != PixelFormat::Rgb8 {
        return Err(Failure::internal("the frame is not rgb8, which the manifest requests"));
    }
    let rows: Vec<&[u8]> = (0..frame.height()).filter_map(|y| frame.row(y)).collect();
    let failed = |error: String| Failure::internal(format!("encoding the best shot: {error}"));
    let side = |pixels: u32| {
        u16::try_from(pixels).map_err(|_| failed(format!("{pixels} pixels are too many for JPEG")))
    };
    let (width, height) = (side(frame.width())?, side(frame.height())?);
    let mut jpeg = Vec::new();
    Encoder::new(&mut jpeg, JPEG_QUALITY)
        .encode(&rows.concat(), width, height, ColorType::Rgb)
        .map_err(|error| failed(error.to_string()))?;
    Ok(jpeg)
}
