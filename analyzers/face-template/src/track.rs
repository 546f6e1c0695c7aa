//! Following one person through the frames of a medium, and noticing when it becomes another one.
//! Pure: it is told what was found and compares; it touches no pixels and no model.
//!
//! A frame begins another person when one of two things holds:
//!
//! 1. its similarity to the frame before **and** to the mean of the subject so far is under
//!    [`CHANGED_BELOW`]: a cut. Both are asked, because a head that turns quickly is unlike its
//!    mean but like its last frame, and a blurred frame the other way round;
//! 2. it is clear, and so was an earlier frame, and the two are under [`CHANGED_BELOW`]: a slow
//!    morph, in which every frame is like the one before.

use vultus_vision::{
    EmbeddingModel, Face, FaceTrack, Quality, Rect, TrackFrame, cosine, mean_template,
    significant_faces,
};

/// Cosine under which two frames show different people. 998 of 1000 pairs of different people are
/// under it with either model; within a clip of a head that turns from 48 to -34 degrees of yaw, at
/// three, six and twelve frames a second, no similarity to the frame before or to the mean of the
/// frames so far is under 0.60.
pub(crate) const CHANGED_BELOW: f32 = 0.35;
/// Overlap from which a box continues the track, 0–1.
const CONTINUES: f32 = 0.3;
/// Overlap with the last embedded box under which a frame is embedded whatever the budget says.
const WEAK_CONTINUITY: f32 = 0.5;
/// Overlap under which the face has jumped to another place.
const JUMPED: f32 = 0.05;
/// Faces compared where the boxes alone do not tell which one is the subject.
const MOST_CANDIDATES: usize = 3;
/// Frontality and sharpness of a clear frame.
const CLEAR: [f32; 2] = [0.6, 0.4];

/// The subject's face in one frame, as found and measured.
#[derive(Debug, Clone)]
pub(crate) struct Sighting {
    pub(crate) frame: u32,
    pub(crate) pts_us: i64,
    pub(crate) face_index: usize,
    pub(crate) face: Face,
    pub(crate) quality: Quality,
    pub(crate) template: Option<Vec<f32>>,
}

/// The state of following.
#[derive(Debug)]
pub(crate) struct Tracker {
    track: FaceTrack,
    last: Option<Rect>,
    last_embedded: Option<Rect>,
    previous: Option<Vec<f32>>,
    /// Templates of the present person.
    person: Vec<Vec<f32>>,
    /// Those of them from clear frames.
    clear: Vec<Vec<f32>>,
}

impl Tracker {
    /// Starts with no frame seen, in pictures of `width` x `height` pixels.
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

    /// Which of a frame's faces (largest first) may be the subject. One index: it is that one.
    /// Several: their templates must tell.
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

    /// Which of the candidates' templates is most like the subject so far; the first when there is
    /// none.
    pub(crate) fn most_similar(&self, templates: &[Vec<f32>]) -> usize {
        let Some(mean) = self.mean() else { return 0 };
        let similarity = |i: &usize| cosine(&templates[*i], &mean);
        let best = (0..templates.len()).max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
        best.unwrap_or(0)
    }

    /// Whether the frame with the face at `rect` must be embedded though it is over the budget.
    pub(crate) fn continuity_is_weak(&self, rect: &Rect) -> bool {
        self.last_embedded.is_none_or(|last| last.overlap(rect) < WEAK_CONTINUITY)
    }

    /// Takes note of the faces of the next frame.
    pub(crate) fn count(&mut self, faces: &[Face]) {
        self.track.face_counts.push(significant_faces(faces));
    }

    /// Takes note of a frame without the subject.
    pub(crate) fn miss(&mut self, frame: u32) {
        self.track.missing.push(frame);
    }

    /// Takes note of the subject in the next frame.
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
            let morph =
                clear && self.clear.iter().any(|other| cosine(other, template) < CHANGED_BELOW);
            if cut || morph {
                self.track.changes.push(sighting.frame);
                self.track.broken |= self.last.is_some_and(|last| last.overlap(&rect) < JUMPED);
                self.person.clear();
                self.clear.clear();
            }
            self.person.push(template.clone());
            if clear {
                self.clear.push(template.clone());
            }
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

    /// The track of all frames seen.
    pub(crate) fn finish(self) -> FaceTrack {
        self.track
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
