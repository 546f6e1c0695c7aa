//! Converts observations of a face to measures from 0 to 100, where 100 is best. No thresholds for
//! verdicts.

use vultus_vision::{AlignedFace, Exposure, Face, HeadPose, OpenEyes, Rect};

/// Laplacian variance of the aligned face at which sharpness is 50. Measured: portraits 750–1830,
/// live webcam frames 170–1030, the same frames blurred 5–27.
const HALF_SHARP: f32 = 80.0;
/// Eye distance, in pixels, from which the size is 100; the one recommended for passport pictures.
const FULL_EYE_DISTANCE: f32 = 90.0;
/// Width of the face, as a share of the picture's, above which the size decreases, and at which it
/// is 0.
const NEAR: (f32, f32) = (0.60, 1.0);
/// Entropy of a well-lit face, in bits.
const FULL_RANGE: f32 = 7.0;
/// Entropy, in bits, at which exposure is 0.
const NO_RANGE: f32 = 4.0;
/// Ideal position of the face's centre, as shares of the picture's width and height: in a portrait
/// the head is above the middle.
const MIDDLE: f32 = 0.5;
const HEIGHTS: (f32, f32) = (0.25, 0.55);
/// Distance from the ideal position at which centring is 0.
const OFF_CENTRE: f32 = 0.4;
/// Mean difference between cells of the background, in levels, at which uniformity is 50.
const HALF_CALM: f32 = 6.0;

/// Observations of one face.
pub(crate) struct Measured<'a> {
    pub(crate) pose: HeadPose,
    pub(crate) eyes: OpenEyes,
    /// `None` if the face cannot be aligned.
    pub(crate) aligned: Option<&'a AlignedFace>,
    pub(crate) unrest: Option<f32>,
    /// In pixels of the picture before scaling.
    pub(crate) face: &'a Face,
    /// Width and height of that picture in pixels.
    pub(crate) size: (u32, u32),
}

/// The measures of one face, each 0–100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measures {
    /// Facing the camera: the squared cosine of the largest angle.
    pub(crate) pose: f64,
    /// Probability that the less open eye is open.
    pub(crate) eyes_open: f64,
    /// Sharpness of the aligned face.
    pub(crate) sharpness: f64,
    /// 100 without underexposed and overexposed areas and with a good range of levels.
    pub(crate) exposure: f64,
    /// 100 if the eyes are at least 90 pixels apart and the face does not fill the picture.
    pub(crate) size: f64,
    /// 100 for a complete face in the middle.
    pub(crate) centring: f64,
    /// 100 for a plain wall; `None` if too little background is visible.
    pub(crate) background: Option<f64>,
    /// The angles from which `pose` is computed.
    pub(crate) angles: HeadPose,
}

impl Measures {
    pub(crate) fn of(seen: &Measured<'_>) -> Self {
        let (width, height) = (seen.size.0 as f32, seen.size.1 as f32);
        Self {
            pose: pose(seen.pose),
            eyes_open: hundred(seen.eyes.least()),
            sharpness: seen.aligned.map_or(0.0, |face| sharpness(face.laplacian_variance())),
            exposure: seen.aligned.map_or(0.0, |face| exposure(Exposure::measure(face))),
            size: size(seen.face, width),
            centring: centring(&seen.face.rect, width, height),
            background: seen.unrest.map(|unrest| hundred(HALF_CALM / (HALF_CALM + unrest))),
            angles: seen.pose,
        }
    }

    /// The lowest measure except the background.
    pub(crate) fn overall(&self) -> f64 {
        self.of_the_face().into_iter().fold(100.0, f64::min)
    }

    /// The mean of all measures except the background. Frames of a clip are compared by it, because
    /// a single measure that is low in all frames must not decide between them.
    pub(crate) fn mean(&self) -> f64 {
        self.of_the_face().iter().sum::<f64>() / 6.0
    }

    fn of_the_face(&self) -> [f64; 6] {
        [self.pose, self.eyes_open, self.sharpness, self.exposure, self.size, self.centring]
    }
}

/// A share of 0–1 as 0–100, rounded to one decimal, its useful precision.
fn hundred(share: f32) -> f64 {
    (f64::from(share.clamp(0.0, 1.0)) * 1_000.0).round() / 10.0
}

fn pose(HeadPose { yaw, pitch, roll }: HeadPose) -> f64 {
    let largest = yaw.abs().max(pitch.abs()).max(roll.abs()).min(90.0);
    hundred(largest.to_radians().cos().powi(2))
}

fn sharpness(variance: f32) -> f64 {
    hundred(variance / (variance + HALF_SHARP))
}

fn exposure(Exposure { dark, light, range }: Exposure) -> f64 {
    let range = ((range - NO_RANGE) / (FULL_RANGE - NO_RANGE)).clamp(0.0, 1.0);
    // A beard or a shadow makes a part of the face dark; the factor makes a third of it half the
    // score.
    hundred((1.0 - 1.5 * dark.max(light)).min(range))
}

fn size(face: &Face, width: f32) -> f64 {
    let [left, right] = [face.landmarks[0], face.landmarks[1]];
    let eye_distance = (right[0] - left[0]).hypot(right[1] - left[1]);
    let too_near = ((face.rect.width / width - NEAR.0) / (NEAR.1 - NEAR.0)).clamp(0.0, 1.0);
    // The eyes of a turned face are closer together although the face is not smaller.
    let distance = eye_distance.max(0.4 * face.rect.width);
    hundred((distance / FULL_EYE_DISTANCE).min(1.0) * (1.0 - too_near))
}

fn centring(rect: &Rect, width: f32, height: f32) -> f64 {
    let [x, y] = rect.centre();
    let (across, down) = (x / width, y / height);
    let off = (across - MIDDLE).hypot(down - down.clamp(HEIGHTS.0, HEIGHTS.1));
    // A face that is cut off is not centred, wherever its middle is.
    let inside = rect.inside(width as u32, height as u32);
    hundred((1.0 - off / OFF_CENTRE) * ((inside - 0.8) / 0.16).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn facing(yaw: f32, pitch: f32, roll: f32) -> HeadPose {
        HeadPose { yaw, pitch, roll }
    }

    #[test]
    fn largest_angle_determines_the_pose() {
        assert_eq!(pose(facing(0.0, 0.0, 0.0)), 100.0);
        assert_eq!(pose(facing(30.0, 5.0, -5.0)), 75.0);
        assert_eq!(pose(facing(-30.0, 5.0, -5.0)), 75.0);
        assert_eq!(pose(facing(0.0, 45.0, 0.0)), 50.0);
        assert_eq!(pose(facing(0.0, 0.0, 179.0)), 0.0);
    }

    #[test]
    fn dark_bright_and_flat_faces_have_a_low_exposure() {
        let good = Exposure { dark: 0.0, light: 0.0, range: 7.2 };
        assert_eq!(exposure(good), 100.0);
        assert_eq!(exposure(Exposure { dark: 0.4, ..good }), 40.0);
        assert_eq!(exposure(Exposure { light: 0.4, ..good }), 40.0);
        assert_eq!(exposure(Exposure { range: 4.0, ..good }), 0.0);
        assert_eq!(exposure(Exposure { dark: 1.0, ..good }), 0.0);
    }

    #[test]
    fn face_that_is_cut_off_is_not_centred() {
        let middle = Rect::from([220.0, 126.0, 200.0, 200.0]);
        assert!(centring(&middle, 640.0, 480.0) > 95.0);
        let corner = Rect::from([10.0, 10.0, 100.0, 100.0]);
        assert!(centring(&corner, 640.0, 480.0) < 20.0);
        let cut = Rect::from([220.0, -60.0, 200.0, 200.0]);
        assert_eq!(centring(&cut, 640.0, 480.0), 0.0);
    }

    #[test]
    fn far_and_near_faces_have_a_low_size() {
        let face = |left: f32, side: f32| {
            let eyes = [[left + 0.3 * side, 0.4 * side], [left + 0.7 * side, 0.4 * side]];
            Face {
                rect: [left, 0.0, side, side].into(),
                score: 0.9,
                landmarks: [eyes[0], eyes[1], eyes[0], eyes[0], eyes[1]],
            }
        };
        assert_eq!(size(&face(0.0, 240.0), 640.0), 100.0);
        assert!(size(&face(0.0, 60.0), 640.0) < 30.0);
        assert!(size(&face(0.0, 600.0), 640.0) < 30.0);
    }
}
