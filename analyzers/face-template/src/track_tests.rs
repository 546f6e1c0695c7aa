//! Rules of tracking, with synthetic two-dimensional templates: the angle identifies the person.

use super::*;

const ALICE: f32 = 0.0;
const BOB: f32 = 90.0;

fn template(degrees: f32) -> Vec<f32> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    vec![cos, sin]
}

fn face(x: f32, side: f32) -> Face {
    Face { rect: [x, 100.0, side, side].into(), score: 0.9, landmarks: [[0.0; 2]; 5] }
}

fn quality(frontality: f32) -> Quality {
    Quality { sharpness: 0.9, frontality, size: 1.0, centring: 1.0, overall: 0.8 }
}

/// Tracks faces given as (left edge, person in degrees, frontality).
fn track(sightings: &[(f32, f32, f32)]) -> FaceTrack {
    let mut tracker = Tracker::new(EmbeddingModel::Sface, 640, 480);
    for (i, (x, who, frontality)) in sightings.iter().enumerate() {
        let face = face(*x, 100.0);
        tracker.count(std::slice::from_ref(&face));
        tracker.add(Sighting {
            frame: i as u32,
            pts_us: i as i64 * 400_000,
            face_index: 0,
            face,
            quality: quality(*frontality),
            template: Some(template(*who)),
        });
    }
    tracker.finish()
}

#[test]
fn cut_in_the_same_place_is_a_change() {
    let track = track(&[
        (100.0, ALICE, 1.0),
        (102.0, 5.0, 1.0),
        (101.0, BOB, 1.0),
        (101.0, 88.0, 1.0),
        (100.0, ALICE, 1.0),
    ]);
    assert_eq!(track.changes, [2, 4]);
    assert!(!track.broken);
}

#[test]
fn cut_to_another_place_breaks_the_track() {
    let track = track(&[(100.0, ALICE, 1.0), (400.0, BOB, 1.0)]);
    assert_eq!(track.changes, [1]);
    assert!(track.broken);
}

#[test]
fn turning_head_is_no_change() {
    let angles = [(0.0, 0.2), (20.0, 0.3), (45.0, 0.5), (60.0, 0.9), (70.0, 0.7), (75.0, 0.4)];
    let sightings = angles.map(|(degrees, frontality)| (100.0, degrees, frontality));
    assert_eq!(track(&sightings).changes, [0u32; 0]);
}

#[test]
fn slow_morph_between_clear_faces_is_a_change() {
    // In steps of 15 degrees; then it stays.
    let sightings: Vec<_> = (0..=9).map(|i| (100.0, 15.0 * (i as f32).min(6.0), 1.0)).collect();
    assert_eq!(track(&sightings).changes, [8]);
    let unclear: Vec<_> = sightings.iter().map(|(x, who, _)| (*x, *who, 0.2)).collect();
    assert_eq!(track(&unclear).changes, [0u32; 0]);
}

#[test]
fn moment_unlike_the_rest_is_no_change() {
    // Similarities of a bowed head: to its neighbours 0.67 and more, to the face at rest 0.17.
    let bowed = [0.0, 5.0, 10.0, 45.0, 80.0, 70.0, 45.0, 10.0, 0.0];
    assert_eq!(track(&bowed.map(|who| (100.0, who, 1.0))).changes, [0u32; 0]);
}

#[test]
fn frame_like_the_subject_mean_is_no_change() {
    let track = track(&[(100.0, ALICE, 1.0), (100.0, 60.0, 0.3), (100.0, -20.0, 1.0)]);
    assert!(track.frames[2].similarity_to_previous.is_some_and(|s| s < CHANGED_BELOW));
    assert_eq!(track.changes, [0u32; 0]);
}

#[test]
fn larger_face_does_not_take_over_the_track() {
    let mut tracker = Tracker::new(EmbeddingModel::Sface, 640, 480);
    assert_eq!(tracker.candidates(&[face(100.0, 100.0), face(400.0, 80.0)]), [0]);
    tracker.add(Sighting {
        frame: 0,
        pts_us: 0,
        face_index: 0,
        face: face(100.0, 100.0),
        quality: quality(1.0),
        template: Some(template(ALICE)),
    });
    assert_eq!(tracker.candidates(&[face(400.0, 150.0), face(105.0, 98.0)]), [1]);
    let unclear = tracker.candidates(&[face(400.0, 150.0), face(300.0, 120.0)]);
    assert_eq!(unclear, [0, 1]);
    assert_eq!(tracker.most_similar(&[template(BOB), template(10.0)]), 1);
}

#[test]
fn even_subset_has_the_requested_size() {
    let chosen: Vec<usize> = (0..24).filter(|i| in_even_subset(*i, 24, 16)).collect();
    assert_eq!(chosen.len(), 16);
    assert_eq!(chosen[0], 0);
    assert!(chosen.windows(2).all(|pair| pair[1] - pair[0] <= 2));
    assert!((0..12).all(|i| in_even_subset(i, 12, 16)));
}
