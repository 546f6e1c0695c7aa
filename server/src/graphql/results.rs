//! The results of the built-in analyzers as typed objects, read out of the JSON that each stores in the shape of its result schema.
//!
//! Reading is lenient: what a result of an older version does not have is null or empty, never an error.

use std::sync::Arc;

use async_graphql::{Object, SimpleObject};
use serde_json::Value;
use vultus_core::Analysis;

use super::media::{self, Media};
use super::scalars::int;
use crate::service::FolderContents;

/// A result together with the media that its indices mean.
#[derive(Clone, Copy)]
pub(super) struct ResultView<'r> {
    analysis: &'r Analysis,
}

impl<'r> ResultView<'r> {
    pub(super) fn of(analysis: &'r Analysis) -> Self {
        Self { analysis }
    }

    /// A number at the top of the result.
    pub(super) fn number(self, name: &str) -> Option<f64> {
        self.analysis.result.as_ref()?.get(name)?.as_f64()
    }

    fn list(self, name: &str) -> &'r [Value] {
        let list = self.analysis.result.as_ref().and_then(|result| result.get(name)).and_then(Value::as_array);
        list.map_or(&[], Vec::as_slice)
    }

    /// The medium that index `index` of the result means, unless it was deleted.
    fn medium(self, contents: &Arc<FolderContents>, index: Option<&Value>) -> Option<Media> {
        let index = usize::try_from(index?.as_u64()?).ok()?;
        media::in_folder(contents, self.analysis.media.get(index)?.media_id)
    }

    /// What a liveness result says of each medium.
    pub(super) fn liveness_media(self, contents: &Arc<FolderContents>) -> Vec<LivenessMediaResult> {
        let of_medium = |value: &'r Value| LivenessMediaResult {
            media: self.medium(contents, value.get("medium")),
            value: value.clone(),
        };
        self.list("media").iter().map(of_medium).collect()
    }

    /// What a face match result says of each medium.
    pub(super) fn face_match_media(self, contents: &Arc<FolderContents>) -> Vec<FaceMatchMediaResult> {
        let of_medium = |value: &'r Value| FaceMatchMediaResult {
            media: self.medium(contents, value.get("medium")),
            frames_used: integers(value.get("framesUsed")),
        };
        self.list("media").iter().map(of_medium).collect()
    }

    /// All pairs of a face match result.
    pub(super) fn pairs(self, contents: &Arc<FolderContents>) -> Vec<FacePair> {
        let of_pair = |value: &'r Value| {
            let ends = value.get("media").and_then(Value::as_array);
            let end = |at: usize| self.medium(contents, ends.and_then(|ends| ends.get(at)));
            FacePair {
                first: end(0),
                second: end(1),
                similarity: value.get("similarity").and_then(Value::as_f64),
                cosine: value.get("cosine").and_then(Value::as_f64),
                fmr: value.get("fmr").and_then(Value::as_f64),
            }
        };
        self.list("pairs").iter().map(of_pair).collect()
    }

    /// The pair that decided.
    pub(super) fn least_similar_pair(self, contents: &Arc<FolderContents>) -> Option<FacePair> {
        let similarity = |pair: &FacePair| pair.similarity.unwrap_or(f64::INFINITY);
        self.pairs(contents).into_iter().min_by(|a, b| similarity(a).total_cmp(&similarity(b)))
    }
}

fn integers(value: Option<&Value>) -> Vec<i32> {
    let list = value.and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
    list.iter().filter_map(Value::as_u64).map(int).collect()
}

/// What liveness says of one medium.
#[derive(Debug, Clone)]
pub struct LivenessMediaResult {
    media: Option<Media>,
    value: Value,
}

/// What liveness says of one medium.
#[Object]
impl LivenessMediaResult {
    /// The medium; null when it was deleted.
    async fn media(&self) -> Option<&Media> {
        self.media.as_ref()
    }

    /// Probability of a presentation attack on this medium, 0–1.
    async fn score(&self) -> Option<f64> {
        self.value.get("score").and_then(Value::as_f64)
    }

    /// How many of its frames were judged.
    async fn frames_judged(&self) -> i32 {
        int(self.frames_of().len())
    }

    /// The frames that were judged, in order.
    async fn frames(&self) -> Vec<LivenessFrame> {
        let number = |frame: &Value, name: &str| frame.get(name).and_then(Value::as_f64);
        let of_frame = |frame: &Value| LivenessFrame {
            frame: int(frame.get("frame").and_then(Value::as_u64).unwrap_or_default()),
            score: number(frame, "score"),
        };
        self.frames_of().iter().map(of_frame).collect()
    }
}

impl LivenessMediaResult {
    fn frames_of(&self) -> &[Value] {
        self.value.get("frames").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

/// What liveness says of one frame.
#[derive(Debug, Clone, SimpleObject)]
pub struct LivenessFrame {
    /// The frame, counted from 0 in the frames that were taken from its medium.
    frame: i32,
    /// Probability of a presentation attack on this frame alone, 0–1.
    score: Option<f64>,
}

/// What a face match made of one medium.
#[derive(Debug, Clone, SimpleObject)]
pub struct FaceMatchMediaResult {
    /// The medium; null when it was deleted.
    media: Option<Media>,
    /// The frames whose mean is the medium's template, counted from 0 in the frames that were taken from it.
    frames_used: Vec<i32>,
}

/// Two media, and how alike their faces are.
#[derive(Debug, Clone, SimpleObject)]
pub struct FacePair {
    /// One medium; null when it was deleted.
    first: Option<Media>,
    /// The other; null when it was deleted.
    second: Option<Media>,
    /// Calibrated similarity, 0–1; the analyzer's default threshold lies at 0.5.
    similarity: Option<f64>,
    /// Cosine of the two templates, −1 to 1.
    cosine: Option<f64>,
    /// Share of pairs of different people that are at least as alike; null outside of what was measured.
    fmr: Option<f64>,
}
