//! Quality of a face for comparison: sharpness, frontality, size, position. Measures only; no
//! thresholds for verdicts.

use serde::{Deserialize, Serialize};

use crate::align::AlignedFace;
use crate::geometry::{Landmarks, Rect};

/// Laplacian variance of the aligned face at which sharpness is 0.5. Portraits have 750–1830,
/// live webcam frames 170–1030 (median 460), the same blurred 5–27.
const HALF_SHARP: f32 = 80.0;
/// Nose offset, in eye distances, of a face in profile.
const PROFILE_OFFSET: f32 = 0.5;
/// Roll, in radians, at which frontality is 0.
const WORST_ROLL: f32 = 1.2;
/// Position of the nose tip between eyes (0) and mouth (1) in a level face.
const LEVEL_NOSE: f32 = 0.57;
/// Width of a face, in pixels, from which its size is 1.
const FULL_WIDTH: f32 = 112.0;
/// Share of the picture's width or height above which a face is too near.
const NEAR_SHARE: f32 = 0.5;

/// The quality of one face. All values are 0–1; 1 is best.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// 0 blurred, 1 sharp.
    pub sharpness: f32,
    /// 0 profile, 1 facing the camera.
    pub frontality: f32,
    /// 0 tiny or filling the picture, 1 of good size.
    pub size: f32,
    /// 0 at the edge, 1 in the middle.
    pub centring: f32,
    /// Weighted product of the four.
    pub overall: f32,
}

impl Quality {
    /// Measures the face `rect` of a picture of `width` x `height` pixels; `aligned` is its aligned
    /// crop.
    pub fn measure(
        aligned: &AlignedFace,
        rect: &Rect,
        landmarks: &Landmarks,
        width: u32,
        height: u32,
    ) -> Self {
        let variance = aligned.laplacian_variance();
        let sharpness = variance / (variance + HALF_SHARP);
        let frontality = frontality(landmarks);
        let framing = Framing::of(rect, width, height);
        let too_near = ((framing.share - NEAR_SHARE) / (1.0 - NEAR_SHARE)).clamp(0.0, 1.0);
        let size = (rect.width / FULL_WIDTH).min(1.0) * (1.0 - too_near);
        let [x, y] = rect.centre();
        let (dx, dy) = (2.0 * x / width as f32 - 1.0, 2.0 * y / height as f32 - 1.0);
        let centring = 1.0 - dx.hypot(dy).min(1.0);
        let overall =
            sharpness.powf(0.4) * frontality.powf(0.4) * size.powf(0.15) * (0.05 * centring + 0.95);
        Self { sharpness, frontality, size, centring, overall }
    }
}

/// Size and position of a face in its picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Framing {
    /// Width of the box in pixels.
    pub width: f32,
    /// The larger of the box's shares of the picture's width and height.
    pub share: f32,
    /// The share of the box inside the picture, 0–1.
    pub inside: f32,
}

impl Framing {
    /// The framing of `rect` in a picture of `width` x `height` pixels.
    pub fn of(rect: &Rect, width: u32, height: u32) -> Self {
        let share = (rect.width / width.max(1) as f32).max(rect.height / height.max(1) as f32);
        Self { width: rect.width, share, inside: rect.inside(width, height) }
    }
}

/// Offset of the nose tip from the midpoint of the eyes, in eye distances: 0 facing the camera,
/// about 0.2 at 25 degrees of yaw, 0.5 and more in profile. Positive towards the image's right.
/// `f32::MAX` if the eyes coincide.
pub fn yaw_offset(landmarks: &Landmarks) -> f32 {
    let axes = FaceAxes::of(landmarks);
    axes.map_or(f32::MAX, |axes| axes.along(landmarks[2]) / axes.eye_distance)
}

fn frontality(landmarks: &Landmarks) -> f32 {
    let Some(axes) = FaceAxes::of(landmarks) else {
        return 0.0;
    };
    let yaw = (axes.along(landmarks[2]).abs() / axes.eye_distance / PROFILE_OFFSET).min(1.0);
    let mouth =
        [(landmarks[3][0] + landmarks[4][0]) / 2.0, (landmarks[3][1] + landmarks[4][1]) / 2.0];
    let depth = axes.across(mouth);
    if depth <= 0.0 {
        return 0.0;
    }
    let pitch = ((axes.across(landmarks[2]) / depth - LEVEL_NOSE).abs() / LEVEL_NOSE).min(1.0);
    let roll = (axes.direction[1].atan2(axes.direction[0]).abs() / WORST_ROLL).min(1.0);
    (1.0 - yaw) * (1.0 - pitch * pitch) * (1.0 - roll * roll)
}

/// The coordinate system of a face: origin between the eyes, one axis along the line of the eyes,
/// one across it.
struct FaceAxes {
    origin: [f32; 2],
    direction: [f32; 2],
    eye_distance: f32,
}

impl FaceAxes {
    fn of(landmarks: &Landmarks) -> Option<Self> {
        let [left, right] = [landmarks[0], landmarks[1]];
        let (dx, dy) = (right[0] - left[0], right[1] - left[1]);
        let eye_distance = dx.hypot(dy);
        (eye_distance > 1e-3).then(|| Self {
            origin: [(left[0] + right[0]) / 2.0, (left[1] + right[1]) / 2.0],
            direction: [dx / eye_distance, dy / eye_distance],
            eye_distance,
        })
    }

    fn along(&self, [x, y]: [f32; 2]) -> f32 {
        (x - self.origin[0]) * self.direction[0] + (y - self.origin[1]) * self.direction[1]
    }

    fn across(&self, [x, y]: [f32; 2]) -> f32 {
        (y - self.origin[1]) * self.direction[0] - (x - self.origin[0]) * self.direction[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: Landmarks = [[38.0, 52.0], [74.0, 52.0], [56.0, 74.0], [42.0, 92.0], [70.0, 92.0]];

    #[test]
    fn turned_face_is_less_frontal() {
        let mut turned = LEVEL;
        turned[2][0] += 14.0;
        assert!(frontality(&LEVEL) > 0.95);
        assert!(frontality(&turned) < 0.4);
        assert!((yaw_offset(&turned) - 14.0 / 36.0).abs() < 1e-4);
    }

    #[test]
    fn blurred_face_is_less_sharp() {
        let side = crate::ALIGNED_SIDE;
        let stripes: Vec<u8> =
            (0..side * side * 3).map(|i| if (i / 3 % side) % 8 < 4 { 200 } else { 60 }).collect();
        let blurred: Vec<u8> = (0..side * side * 3)
            .map(|i| 130 + (70.0 * ((i / 3 % side) as f32 * 0.785).sin()) as u8 / 4)
            .collect();
        let variance = |bytes: &[u8]| {
            let picture =
                crate::PixelView::new(bytes, 112, 112, 336, crate::Channels::Rgb).unwrap();
            let mut face = AlignedFace::default();
            face.take(&picture).unwrap();
            face.laplacian_variance()
        };
        assert!(variance(&stripes) > 10.0 * variance(&blurred));
    }

    #[test]
    fn coinciding_landmarks_are_not_frontal() {
        assert_eq!(frontality(&[[5.0, 5.0]; 5]), 0.0);
        assert_eq!(yaw_offset(&[[5.0, 5.0]; 5]), f32::MAX);
    }
}
