//! Tracks one person through the frames of a medium and detects when the person changes. Pure: it
//! compares given faces and templates, without pixels and models.
//!
//! A frame shows another person if one of two conditions holds:
//!
//! 1. Its similarity to the previous frame **and** to the mean of the subject so far is below
//!    [`CHANGED_BELOW`]: a cut. Both are required, because a quickly turning head differs from its
//!    mean but not from the previous frame, and for a blurred frame it is the other way round.
//! 2. The last [`SETTLED`] clear frames are, in their mean, unlike as many successive earlier ones:
//!    a slow morph, in which every frame is similar to the previous one. Single frames prove
//!    nothing: of one person, a head bowed to the chest, or a hand before the face, is unlike the
//!    same face at rest.

use vultus_vision::{
    EmbeddingModel, Face, FaceTrack, Quality, Rect, TrackFrame, cosine, mean_template,
    significant_faces,
};

/// Cosine below which two frames show different people. 998 of 1000 pairs of different people are
/// below it with either model. In a clip of a head that turns from 48 to -34 degrees of yaw, at
/// three, six and twelve frames per second, no similarity to the previous frame or to the mean is
/// below 0.60.
pub(crate) const CHANGED_BELOW: f32 = 0.35;
/// Number of successive clear frames whose mean stands for a person.
const SETTLED: usize = 3;
/// Cosine below which two such means show different people. Of one person in the development clips,
/// which bows to the chest, weeps and laughs, they have at least 0.37; of two people at most 0.24.
const MORPHED_BELOW: f32 = 0.30;
/// Minimum intersection over union, 0–1, with the last box for a box that continues the track.
const CONTINUES: f32 = 0.3;
/// Intersection over union with the last embedded box below which a frame is embedded regardless of
/// the budget.
const WEAK_CONTINUITY: f32 = 0.5;
/// Intersection over union below which the face has moved to another place.
const JUMPED: f32 = 0.05;
/// Maximum number of faces compared if their boxes do not determine the subject.
const MOST_CANDIDATES: usize = 3;
/// Minimum frontality and sharpness of a clear frame.
const CLEAR: [f32; 2] = [0.6, 0.4];

/// The subject's face in one frame.
#[derive(Debug, Clone)]
pub(crate) struct Sighting {
    pub(crate) frame: u32,
    pub(crate) pts_us: i64,
    pub(crate) face_index: usize,
    pub(crate) face: Face,
    pub(crate) quality: Quality,
    pub(crate) template: Option<Vec<f32>>,
}

/// The state of tracking.
#[derive(Debug)]
pub(crate) struct Tracker {
    track: FaceTrack,
    last: Option<Rect>,
    last_embedded: Option<Rect>,
    previous: Option<Vec<f32>>,
    /// Templates of the current person.
    person: Vec<Vec<f32>>,
    /// Templates of the current person from clear frames.
    clear: Vec<Vec<f32>>,
}

impl Tracker {
    /// An empty track for pictures of `width` x `height` pixels.
    pub(crate) fn new(model: EmbeddingModel, width: u32, height: u32) -> Self {
        let track = FaceTrack {
            model,
            width,
            height,
            frames: Vec::new(),
            missing: Vec::new(),
            face_counts: Vec::new(),
            changes: Vec::new(),
            broken: false,
        };
        Self {
            track,
            last: None,
            last_embedded: None,
            previous: None,
            person: Vec::new(),
            clear: Vec::new(),
        }
    }

    /// Indices of the faces (given largest first) that may be the subject. If there are several,
    /// their templates must be compared.
    pub(crate) fn candidates(&self, faces: &[Face]) -> Vec<usize> {
        let Some(last) = self.last else {
            return (0..faces.len().min(1)).collect();
        };
        let near = |i: &usize| faces[*i].rect.overlap(&last) >= CONTINUES;
        let continuing: Vec<usize> = (0..faces.len()).filter(near).collect();
        match continuing.len() {
            1 => continuing,
            0 => (0..significant_faces(faces) as usize).take(MOST_CANDIDATES).collect(),
            _ => continuing.into_iter().take(MOST_CANDIDATES).collect(),
        }
    }

    /// Index of the template most similar to the subject so far; 0 if there is no subject yet.
    pub(crate) fn most_similar(&self, templates: &[Vec<f32>]) -> usize {
        let Some(mean) = self.mean() else { return 0 };
        let similarity = |i: &usize| cosine(&templates[*i], &mean);
        let best = (0..templates.len()).max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
        best.unwrap_or(0)
    }

    /// Whether the frame with the face at `rect` must be embedded beyond the budget.
    pub(crate) fn continuity_is_weak(&self, rect: &Rect) -> bool {
        self.last_embedded.is_none_or(|last| last.overlap(rect) < WEAK_CONTINUITY)
    }

    /// Records the number of faces of the next frame.
    pub(crate) fn count(&mut self, faces: &[Face]) {
        self.track.face_counts.push(significant_faces(faces));
    }

    /// Records a frame without the subject.
    pub(crate) fn miss(&mut self, frame: u32) {
        self.track.missing.push(frame);
    }

    /// Records the subject in the next frame.
    pub(crate) fn add(&mut self, sighting: Sighting) {
        let rect = sighting.face.rect;
        let template = sighting.template.as_deref();
        let similarity = |other: Option<&Vec<f32>>| Some(cosine(template?, other?));
        let to_previous = similarity(self.previous.as_ref());
        let to_subject = similarity(self.mean().as_ref());
        if let Some(template) = &sighting.template {
            let clear = is_clear(&sighting.quality);
            let cut =
                [to_previous, to_subject].iter().all(|s| s.is_some_and(|s| s < CHANGED_BELOW));
            if clear {
                self.clear.push(template.clone());
            }
            if cut || (clear && self.has_morphed()) {
                self.track.changes.push(sighting.frame);
                self.track.broken |= self.last.is_some_and(|last| last.overlap(&rect) < JUMPED);
                self.person.clear();
                self.clear.clear();
                if clear {
                    self.clear.push(template.clone());
                }
            }
            self.person.push(template.clone());
            self.previous = Some(template.clone());
            self.last_embedded = Some(rect);
        }
        self.last = Some(rect);
        self.track.frames.push(TrackFrame {
            frame: sighting.frame,
            pts_us: sighting.pts_us,
            face: sighting.face_index as u32,
            rect,
            landmarks: sighting.face.landmarks,
            score: sighting.face.score,
            similarity_to_previous: to_previous,
            similarity_to_subject: to_subject,
            quality: sighting.quality,
            template: sighting.template,
        });
    }

    /// The completed track.
    pub(crate) fn finish(self) -> FaceTrack {
        self.track
    }

    /// Whether the last clear frames show another person than earlier ones.
    fn has_morphed(&self) -> bool {
        let Some(before) = self.clear.len().checked_sub(SETTLED) else { return false };
        let (earlier, last) = self.clear.split_at(before);
        let mean = |frames: &[Vec<f32>]| mean_template(frames.iter().map(Vec::as_slice));
        let Some(last) = mean(last) else { return false };
        let mut means = earlier.windows(SETTLED).filter_map(mean);
        means.any(|earlier| cosine(&earlier, &last) < MORPHED_BELOW)
    }

    fn mean(&self) -> Option<Vec<f32>> {
        mean_template(self.person.iter().map(Vec::as_slice))
    }
}

fn is_clear(quality: &Quality) -> bool {
    quality.frontality >= CLEAR[0] && quality.sharpness >= CLEAR[1]
}

/// Whether frame `index` of a set of `total` belongs to an even subset of `most`.
pub(crate) fn in_even_subset(index: usize, total: usize, most: usize) -> bool {
    total <= most || index == 0 || index * most / total != (index - 1) * most / total
}

#[cfg(test)]
#[path = "track_tests.rs"]
mod tests;
