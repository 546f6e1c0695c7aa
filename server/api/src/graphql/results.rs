//! The results of the built-in analyzers as typed objects, read from the JSON of their result
//! schemas.
//!
//! Reading is lenient: a value that a result of an older version lacks is null or empty, not an
//! error.

use std::sync::Arc;

use async_graphql::{Context, SimpleObject};
use serde::de::DeserializeOwned;
use serde_json::Value;
use vultus_core::{Analysis, AnalysisState, JsonText, MediaId, Result};

use super::artifact::Artifact;
use super::context::{AnswerCount, request};
use super::document::{DocumentResult, DocumentType};
use super::gestures::GesturesMediaResult;
use super::json::Json;
use super::loader;
use super::media::{self, Media};
use super::quality::QualityMediaResult;
use super::scalars::int;
use vultus_service::FolderContents;

/// The result of an analysis, if it has one. Its parts are parsed when they are asked for, and each
/// counts toward the JSON of the answer: a parsed value takes many times the memory of its text.
pub(super) struct ResultView<'r> {
    analysis: &'r Analysis,
    text: Option<JsonText>,
    count: AnswerCount,
}

impl<'r> ResultView<'r> {
    /// Reads the result of an analysis.
    pub(super) async fn of(ctx: &Context<'_>, analysis: &'r Analysis) -> Result<Self> {
        let count = request(ctx)?.count().clone();
        let text = match analysis.state {
            AnalysisState::Finished => loader::result(ctx, analysis.id).await?,
            AnalysisState::Queued
            | AnalysisState::Running
            | AnalysisState::Failed
            | AnalysisState::Cancelled => None,
        };
        Ok(Self { analysis, text, count })
    }

    /// The whole result.
    pub(super) fn json(&self) -> Option<Json> {
        self.text.as_ref().map(Json::from)
    }

    /// A field at the top of the result.
    fn field<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = &self.text else { return Ok(None) };
        self.count.add_json(text.as_str().len())?;
        Ok(text.field(name))
    }

    /// A number at the top of the result.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>> {
        self.field(name)
    }

    /// A truth value at the top of the result.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.field(name)
    }

    fn list(&self, name: &str) -> Result<Vec<Value>> {
        Ok(self.field(name)?.unwrap_or_default())
    }

    /// The medium that `index` of the result refers to, unless it was deleted.
    fn medium(&self, contents: &Arc<FolderContents>, index: Option<&Value>) -> Option<Media> {
        let index = usize::try_from(index?.as_u64()?).ok()?;
        media::in_folder(contents, self.analysis.media.get(index)?.media_id)
    }

    /// The media of a liveness result.
    pub(super) fn liveness_media(
        &self,
        contents: &Arc<FolderContents>,
    ) -> Result<Vec<LivenessMediaResult>> {
        let of_medium = |value: &Value| {
            LivenessMediaResult::read(value, self.medium(contents, value.get("medium")))
        };
        let media: Vec<_> = self.list("media")?.iter().map(of_medium).collect();
        self.count.add(media.iter().map(|medium| medium.frames.len()).sum())?;
        Ok(media)
    }

    /// The media of a face match result.
    pub(super) fn face_match_media(
        &self,
        contents: &Arc<FolderContents>,
    ) -> Result<Vec<FaceMatchMediaResult>> {
        let of_medium = |value: &Value| FaceMatchMediaResult {
            media: self.medium(contents, value.get("medium")),
            face_count: int(value.get("faces").and_then(Value::as_u64).unwrap_or_default()),
            frames_used: integers(value.get("framesUsed")),
        };
        Ok(self.list("media")?.iter().map(of_medium).collect())
    }

    /// The media of a quality result.
    pub(super) fn quality_media(
        &self,
        contents: &Arc<FolderContents>,
    ) -> Result<Vec<QualityMediaResult>> {
        let of_medium = |value: &Value| {
            QualityMediaResult::read(value, self.medium(contents, value.get("medium")))
        };
        Ok(self.list("media")?.iter().map(of_medium).collect())
    }

    /// The clips of a gestures result.
    pub(super) fn gestures_media(
        &self,
        contents: &Arc<FolderContents>,
    ) -> Result<Vec<GesturesMediaResult>> {
        let of_medium = |value: &Value| {
            GesturesMediaResult::read(value, self.medium(contents, value.get("medium")))
        };
        let media: Vec<_> = self.list("media")?.iter().map(of_medium).collect();
        self.count.add(media.iter().map(GesturesMediaResult::seen_count).sum())?;
        Ok(media)
    }

    /// The type in a document result.
    pub(super) fn document_type(&self) -> Result<Option<DocumentType>> {
        let Some(text) = &self.text else { return Ok(None) };
        self.count.add_json(text.as_str().len())?;
        Ok(Some(DocumentResult::kind_in(text)))
    }

    /// A document result, if there is one.
    pub(super) fn document(
        &self,
        contents: &Arc<FolderContents>,
        artifacts: &[vultus_core::Artifact],
    ) -> Result<Option<DocumentResult>> {
        let Some(text) = &self.text else { return Ok(None) };
        self.count.add_json(text.as_str().len())?;
        let medium = |index: i32| self.medium(contents, Some(&Value::from(index)));
        let artifact = |name: &str| {
            artifacts.iter().find(|artifact| artifact.name == name).cloned().map(Artifact)
        };
        DocumentResult::read(text, medium, artifact).map(Some)
    }

    /// All pairs of a face match result.
    pub(super) fn pairs(&self, contents: &Arc<FolderContents>) -> Result<Vec<FacePair>> {
        let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_f64);
        let of_pair = |value: &Value| FacePair {
            first: self.medium(contents, value.get("a")),
            second: self.medium(contents, value.get("b")),
            similarity: number(value, "similarity"),
            cosine: number(value, "cosine"),
        };
        Ok(self.list("pairs")?.iter().map(of_pair).collect())
    }

    /// The pair that determined the verdict.
    pub(super) fn least_similar_pair(
        &self,
        contents: &Arc<FolderContents>,
    ) -> Result<Option<FacePair>> {
        let similarity = |pair: &FacePair| pair.similarity.unwrap_or(f64::INFINITY);
        let pairs = self.pairs(contents)?.into_iter();
        Ok(pairs.min_by(|a, b| similarity(a).total_cmp(&similarity(b))))
    }

    /// The subject's face in the frames of the medium with this index.
    fn faces(&self, index: usize) -> Result<Vec<Face>> {
        let index = u64::try_from(index).ok();
        let media = self.list("media")?;
        let medium = media.iter().find(|v| v.get("medium").and_then(Value::as_u64) == index);
        Ok(medium.map(faces_of).unwrap_or_default())
    }
}

/// The subject's face as the newest finished analysis of the medium found it.
pub(super) async fn faces(
    ctx: &Context<'_>,
    contents: &FolderContents,
    id: MediaId,
) -> Result<Vec<Face>> {
    for analysis in contents.analyses.read()?.iter().rev() {
        let Some(index) = analysis.media.iter().position(|taken| taken.media_id == id) else {
            continue;
        };
        let found = ResultView::of(ctx, analysis).await?.faces(index)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
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
#[derive(Debug, Clone, SimpleObject)]
pub struct LivenessMediaResult {
    /// The medium; null if it was deleted.
    media: Option<Media>,
    /// Probability of a presentation attack on this medium, 0–1.
    score: Option<f64>,
    /// Maximum number of faces in one of its frames.
    face_count: i32,
    /// Number of its frames that count for the score.
    frames_judged: i32,
    /// The frames that show the subject, in order.
    frames: Vec<LivenessFrame>,
}

impl LivenessMediaResult {
    fn read(value: &Value, media: Option<Media>) -> Self {
        let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_f64);
        let count = |value: &Value, name: &str| {
            int(value.get(name).and_then(Value::as_u64).unwrap_or_default())
        };
        let of_frame = |frame: &Value| LivenessFrame {
            frame: count(frame, "frame"),
            score: number(frame, "score"),
            judged: frame.get("judged").and_then(Value::as_bool).unwrap_or_default(),
        };
        let frames = value.get("frames").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        Self {
            media,
            score: number(value, "score"),
            face_count: count(value, "faces"),
            frames_judged: count(value, "framesJudged"),
            frames: frames.iter().map(of_frame).collect(),
        }
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
