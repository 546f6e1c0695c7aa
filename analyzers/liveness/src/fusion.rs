//! Combines the scores of frames to the score of a medium. Pure.
//!
//! The score of a medium is that of its **worst window**: the highest mean over [`WINDOW`]
//! successive counted frames. The mean over the whole clip would hide a short attack segment; the
//! worst frame alone would punish a single blurred frame. Measured on clips of 12 frames made from
//! stills with shifts, noise, motion blur and strong compression (50 webcam and 25 portrait clips,
//! all live; 50 printed attacks, all detected by each rule):
//!
//! | rule | live webcam clips rejected | live portrait clips rejected |
//! | --- | --- | --- |
//! | worst frame | 14 % | 32 % |
//! | worst pair | 6 % | 4 % |
//! | worst three | 2 % | 0 % |
//!
//! The price: an attack must cover two successive sampled frames to be detected (0.8 s of a 5 s
//! clip at 12 frames). A single frame of another person is still detected as FACE_CHANGED, and face
//! match never relies on one frame.
//!
//! The model expects faces towards the camera: a bona fide face in profile scores up to 0.98.
//! Frames turned further than [`TURNED`] are therefore scored and reported, but not counted unless
//! they are the majority.

/// Number of successive frames that are averaged.
const WINDOW: usize = 3;

/// Nose offset, in eye distances, above which a face is turned too far: about 30 degrees of yaw.
pub(crate) const TURNED: f32 = 0.30;

/// One scored frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scored {
    /// Probability of an attack, 0–1.
    pub(crate) score: f32,
    /// Whether the face is turned too far to count.
    pub(crate) turned: bool,
}

/// The score of a medium.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fused {
    /// Probability of an attack, 0–1.
    pub(crate) score: f32,
    /// Number of frames that counted.
    pub(crate) counted: usize,
    /// Whether most frames were turned away; in that case, all frames counted.
    pub(crate) mostly_turned: bool,
}

/// The score of the worst window of the frames, given in order. `None` without frames.
pub(crate) fn fuse(frames: &[Scored]) -> Option<Fused> {
    let turned = frames.iter().filter(|frame| frame.turned).count();
    let mostly_turned = turned * 2 > frames.len();
    let counted: Vec<f32> =
        frames.iter().filter(|f| mostly_turned || !f.turned).map(|f| f.score).collect();
    let width = WINDOW.min(counted.len());
    if width == 0 {
        return None;
    }
    let mean = |window: &[f32]| window.iter().sum::<f32>() / width as f32;
    let score = counted.windows(width).map(mean).fold(0.0, f32::max);
    Some(Fused { score, counted: counted.len(), mostly_turned })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(scores: &[f32]) -> Vec<Scored> {
        scores.iter().map(|score| Scored { score: *score, turned: false }).collect()
    }

    fn score(scores: &[f32]) -> f32 {
        fuse(&frames(scores)).unwrap().score
    }

    #[test]
    fn two_attack_frames_outweigh_ten_live_ones() {
        let mut clip = [0.02; 12];
        clip[5] = 0.98;
        clip[6] = 0.98;
        assert!(score(&clip) > 0.5);
        assert!(clip.iter().sum::<f32>() / 12.0 < 0.5);
        clip[5] = 0.02;
        assert!(score(&clip) < 0.5);
    }

    #[test]
    fn attack_at_either_end_is_detected() {
        assert!(score(&[0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]) > 0.5);
        assert!(score(&[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.9, 0.9]) > 0.5);
    }

    #[test]
    fn single_picture_keeps_its_score() {
        assert_eq!(score(&[0.7]), 0.7);
        assert_eq!(score(&[0.2, 0.6]), 0.4);
        assert_eq!(fuse(&[]), None);
    }

    #[test]
    fn turned_frames_count_only_as_the_majority() {
        let mut clip = frames(&[0.95, 0.95, 0.95, 0.01, 0.01, 0.01, 0.01]);
        clip[..3].iter_mut().for_each(|frame| frame.turned = true);
        let fused = fuse(&clip).unwrap();
        assert_eq!((fused.counted, fused.mostly_turned), (4, false));
        assert!(fused.score < 0.1);
        clip.truncate(5);
        let fused = fuse(&clip).unwrap();
        assert_eq!((fused.counted, fused.mostly_turned), (5, true));
        assert!(fused.score > 0.9);
    }
}
