//! The results of the built-in analyzers as typed objects, read from the JSON of their result
//! schemas.
//!
//! Reading is lenient: a value that a result of an older version lacks is null or empty, not an
//! error.

use std::sync::Arc;

use async_graphql::{Object, SimpleObject};
use serde_json::Value;
use vultus_core::{Analysis, MediaId};

use super::artifact::Artifact;
use super::document::DocumentResult;
use super::media::{self, Media};
use super::quality::QualityMediaResult;
use super::scalars::int;
use vultus_service::FolderContents;

/// A result with the media that its indices refer to.
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
        let list = self
            .analysis
            .result
            .as_ref()
            .and_then(|result| result.get(name))
            .and_then(Value::as_array);
        list.map_or(&[], Vec::as_slice)
    }

    /// The medium that `index` of the result refers to, unless it was deleted.
    fn medium(self, contents: &Arc<FolderContents>, index: Option<&Value>) -> Option<Media> {
        let index = usize::try_from(index?.as_u64()?).ok()?;
        media::in_folder(contents, self.analysis.media.get(index)?.media_id)
    }

    /// The media of a liveness result.
    pub(super) fn liveness_media(self, contents: &Arc<FolderContents>) -> Vec<LivenessMediaResult> {
        let of_medium = |value: &'r Value| LivenessMediaResult {
            media: self.medium(contents, value.get("medium")),
            value: value.clone(),
        };
        self.list("media").iter().map(of_medium).collect()
    }

    /// The media of a face match result.
    pub(super) fn face_match_media(
        self,
        contents: &Arc<FolderContents>,
    ) -> Vec<FaceMatchMediaResult> {
        let of_medium = |value: &'r Value| FaceMatchMediaResult {
            media: self.medium(contents, value.get("medium")),
            face_count: int(value.get("faces").and_then(Value::as_u64).unwrap_or_default()),
            frames_used: integers(value.get("framesUsed")),
        };
        self.list("media").iter().map(of_medium).collect()
    }

    /// The media of a quality result.
    pub(super) fn quality_media(self, contents: &Arc<FolderContents>) -> Vec<QualityMediaResult> {
        let of_medium = |value: &'r Value| {
            QualityMediaResult::read(value, self.medium(contents, value.get("medium")))
        };
        self.list("media").iter().map(of_medium).collect()
    }

    /// A document result, if there is one.
    pub(super) fn document(
        self,
        contents: &Arc<FolderContents>,
        artifacts: &[vultus_core::Artifact],
    ) -> Option<DocumentResult> {
        let medium = |index: i32| self.medium(contents, Some(&Value::from(index)));
        let artifact = |name: &str| {
            artifacts.iter().find(|artifact| artifact.name == name).cloned().map(Artifact)
        };
        Some(DocumentResult::read(self.analysis.result.as_ref()?, medium, artifact))
    }

    /// All pairs of a face match result.
    pub(super) fn pairs(self, contents: &Arc<FolderContents>) -> Vec<FacePair> {
        let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_f64);
        let of_pair = |value: &'r Value| FacePair {
            first: self.medium(contents, value.get("a")),
            second: self.medium(contents, value.get("b")),
            similarity: number(value, "similarity"),
            cosine: number(value, "cosine"),
        };
        self.list("pairs").iter().map(of_pair).collect()
    }

    /// The pair that determined the verdict.
    pub(super) fn least_similar_pair(self, contents: &Arc<FolderContents>) -> Option<FacePair> {
        let similarity = |pair: &FacePair| pair.similarity.unwrap_or(f64::INFINITY);
        self.pairs(contents).into_iter().min_by(|a, b| similarity(a).total_cmp(&similarity(b)))
    }
}

/// The subject's face as the newest finished analysis of the medium found it.
pub(super) fn faces(contents: &FolderContents, id: MediaId) -> Vec<Face> {
    let newest_first = contents.analyses.iter().rev().filter(|analysis| analysis.result.is_some());
    let found = newest_first.filter_map(|analysis| {
        let index = analysis.media.iter().position(|taken| taken.media_id == id)?;
        let is_it = |value: &&Value| {
            value.get("medium").and_then(Value::as_u64) == u64::try_from(index).ok()
        };
        let medium = ResultView::of(analysis).list("media").iter().find(is_it)?;
        let faces = faces_of(medium);
        (!faces.is_empty()).then_some(faces)
    });
    found.into_iter().next().unwrap_or_default()
}

/// Liveness has the face of each frame, a face match that of the best frame.
fn faces_of(medium: &Value) -> Vec<Face> {
    match medium.get("frames").and_then(Value::as_array) {
        Some(frames) => frames
            .iter()
            .filter_map(|frame| Face::read(frame.get("box")?, frame.get("frame")?))
            .collect(),
        None => {
            let best = medium.get("framesUsed").and_then(|frames| frames.get(0));
            best.and_then(|frame| Face::read(medium.get("box")?, frame)).into_iter().collect()
        }
    }
}

fn integers(value: Option<&Value>) -> Vec<i32> {
    let list = value.and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
    list.iter().filter_map(Value::as_u64).map(int).collect()
}

/// Liveness of one medium.
#[derive(Debug, Clone)]
pub struct LivenessMediaResult {
    media: Option<Media>,
    value: Value,
}

/// Liveness of one medium.
#[Object]
impl LivenessMediaResult {
    /// The medium; null if it was deleted.
    async fn media(&self) -> Option<&Media> {
        self.media.as_ref()
    }

    /// Probability of a presentation attack on this medium, 0–1.
    async fn score(&self) -> Option<f64> {
        self.value.get("score").and_then(Value::as_f64)
    }

    /// Maximum number of faces in one of its frames.
    async fn face_count(&self) -> i32 {
        int(self.value.get("faces").and_then(Value::as_u64).unwrap_or_default())
    }

    /// Number of its frames that count for the score.
    async fn frames_judged(&self) -> i32 {
        int(self.value.get("framesJudged").and_then(Value::as_u64).unwrap_or_default())
    }

    /// The frames that show the subject, in order.
    async fn frames(&self) -> Vec<LivenessFrame> {
        let number = |frame: &Value, name: &str| frame.get(name).and_then(Value::as_f64);
        let of_frame = |frame: &Value| LivenessFrame {
            frame: int(frame.get("frame").and_then(Value::as_u64).unwrap_or_default()),
            score: number(frame, "score"),
            judged: frame.get("judged").and_then(Value::as_bool).unwrap_or_default(),
        };
        self.frames_of().iter().map(of_frame).collect()
    }
}

impl LivenessMediaResult {
    fn frames_of(&self) -> &[Value] {
        self.value.get("frames").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

/// Liveness of one frame.
#[derive(Debug, Clone, SimpleObject)]
pub struct LivenessFrame {
    /// The frame, counted from 0 over the frames taken from its medium.
    frame: i32,
    /// Probability of a presentation attack on this frame alone, 0–1.
    score: Option<f64>,
    /// Whether it counts for the score of its medium: frames with a turned face do not.
    judged: bool,
}

/// How a face match used one medium.
#[derive(Debug, Clone, SimpleObject)]
pub struct FaceMatchMediaResult {
    /// The medium; null if it was deleted.
    media: Option<Media>,
    /// Maximum number of faces in one of its frames.
    face_count: i32,
    /// The frames whose mean is the medium's template, counted from 0 over the frames taken from
    /// it.
    frames_used: Vec<i32>,
}

/// Two media and the similarity of their faces.
#[derive(Debug, Clone, SimpleObject)]
pub struct FacePair {
    /// One medium; null if it was deleted.
    first: Option<Media>,
    /// The other medium; null if it was deleted.
    second: Option<Media>,
    /// Calibrated similarity, 0–1; the analyzer's default threshold is 0.5.
    similarity: Option<f64>,
    /// Cosine of the two templates, −1 to 1.
    cosine: Option<f64>,
}

/// Where the subject's face is in one frame, in pixels of the upright picture.
#[derive(Debug, Clone, PartialEq, SimpleObject)]
pub struct Face {
    /// The frame, counted from 0 over the frames taken from the medium.
    frame: i32,
    /// Left edge.
    x: f64,
    /// Upper edge.
    y: f64,
    /// Width.
    width: f64,
    /// Height.
    height: f64,
}

impl Face {
    fn read(rect: &Value, frame: &Value) -> Option<Self> {
        let side = |at: usize| rect.get(at)?.as_f64();
        Some(Self {
            frame: int(frame.as_u64()?),
            x: side(0)?,
            y: side(1)?,
            width: side(2)?,
            height: side(3)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn faces_are_read_from_liveness_and_face_match_results() {
        let frames = json!([
            {"frame": 3, "box": [1, 2, 3.5, 4]},
            {"frame": 4, "box": [1, 2]},
        ]);
        let liveness = json!({"medium": 0, "frames": frames});
        assert_eq!(
            faces_of(&liveness),
            [Face { frame: 3, x: 1.0, y: 2.0, width: 3.5, height: 4.0 }]
        );
        let face_match = json!({"medium": 0, "framesUsed": [7, 2], "box": [1, 2, 3, 4]});
        assert_eq!(faces_of(&face_match)[0].frame, 7);
        assert!(faces_of(&json!({"medium": 0, "framesUsed": [], "box": null})).is_empty());
    }
}
