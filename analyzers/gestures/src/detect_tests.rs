//! Rules of gestures, with synthetic measures at 30 frames per second.

use super::*;
use crate::series::Neutral;

const STEP_US: i64 = 33_333;

const REST: Measures = Measures {
    yaw: 0.0,
    pitch: 0.0,
    absolute_yaw: 0.0,
    smile: 0.05,
    closed: 0.1,
    opening: 0.3,
    size: 1.0,
    nose: 1.0,
};

/// A clip of `seconds` whose frames are at rest but for `change`, which gets the time in seconds.
fn series(seconds: f32, change: impl Fn(f32, &mut Measures)) -> Series {
    let count = (seconds * 30.0) as usize;
    let frame = |i: usize| {
        let mut measures = REST;
        change(i as f32 / 30.0, &mut measures);
        Some(measures)
    };
    Series {
        times: (0..count).map(|i| i as i64 * STEP_US).collect(),
        frames: (0..count).map(frame).collect(),
        neutral: Neutral { yaw: 0.0, pitch: 0.0, roll: 0.0, smile: 0.05 },
        step_us: STEP_US,
    }
}

fn found(series: &Series) -> Vec<(Gesture, Option<Flaw>)> {
    gestures(series).into_iter().map(|seen| (seen.gesture, seen.flaw)).collect()
}

fn turned(yaw: f32, from: f32, to: f32) -> Series {
    series(6.0, move |t, it| {
        if (from..to).contains(&t) {
            (it.yaw, it.absolute_yaw) = (yaw, yaw);
        }
    })
}

#[test]
fn turn_needs_its_angle_and_its_time() {
    assert_eq!(found(&turned(25.0, 2.0, 3.0)), [(Gesture::Right, None)]);
    assert_eq!(found(&turned(-25.0, 2.0, 3.0)), [(Gesture::Left, None)]);
    assert_eq!(found(&turned(18.0, 2.0, 3.0)), []);
    assert_eq!(found(&turned(25.0, 2.0, 2.1)), [(Gesture::Right, Some(Flaw::TooFast))]);
    assert_eq!(found(&series(5.0, |_, _| {})), []);
}

#[test]
fn turn_that_does_not_return_is_not_neutral() {
    assert_eq!(found(&turned(30.0, 2.0, 6.0)), [(Gesture::Right, Some(Flaw::NotNeutral))]);
}

#[test]
fn wavering_turn_is_one() {
    let clip = series(6.0, |t, it| {
        if (2.0..4.0).contains(&t) {
            it.yaw = if (2.5..3.0).contains(&t) { 15.0 } else { 24.0 };
        }
    });
    assert_eq!(found(&clip), [(Gesture::Right, None)]);
}

#[test]
fn profile_out_of_sight_belongs_to_the_turn() {
    let hidden = |yaw: f32| {
        let mut clip = turned(yaw, 2.0, 4.0);
        clip.frames[64..116].fill(None);
        found(&clip)
    };
    assert_eq!(hidden(-45.0), [(Gesture::Left, None)]);
    // A face that leaves without having been in profile: two short turns.
    assert_eq!(hidden(-25.0), [(Gesture::Left, Some(Flaw::TooFast)); 2]);
}

#[test]
fn nods_need_less_angle_downwards() {
    let nod = |pitch: f32, yaw: f32| {
        found(&series(6.0, move |t, it| {
            if (2.0..2.6).contains(&t) {
                (it.pitch, it.yaw) = (pitch, yaw);
            }
        }))
    };
    assert_eq!(nod(16.0, 0.0), [(Gesture::Up, None)]);
    assert_eq!(nod(-13.0, 0.0), [(Gesture::Down, None)]);
    assert_eq!(nod(13.0, 0.0), []);
    assert_eq!(nod(30.0, 17.0), [], "a head that also turns");
}

#[test]
fn bowed_head_out_of_sight_is_one_nod() {
    let mut clip = series(6.0, |t, it| {
        if (2.0..4.0).contains(&t) {
            it.pitch = -27.0;
        }
    });
    clip.frames[80..88].fill(None);
    assert_eq!(found(&clip), [(Gesture::Down, None)]);
}

#[test]
fn smile_begins_without_one_and_faces_the_camera() {
    let smile = |before: f32, yaw: f32, nose: f32| {
        found(&series(6.0, move |t, it| {
            it.smile = if (3.0..4.0).contains(&t) { 0.9 } else { before };
            (it.yaw, it.nose) = (yaw, nose);
        }))
    };
    assert_eq!(smile(0.1, 0.0, 1.0), [(Gesture::Smile, None)]);
    assert_eq!(smile(0.3, 0.0, 1.0), [(Gesture::Smile, Some(Flaw::NotNeutral))]);
    assert_eq!(smile(0.1, 0.0, 1.2), [], "a print that is bent changes the nose as well");
}

#[test]
fn blink_closes_and_opens_both_eyes() {
    let blink = |closed: f32, opening: f32, time: f32| {
        found(&series(5.0, move |t, it| {
            if (2.0..2.0 + time).contains(&t) {
                (it.closed, it.opening) = (closed, opening);
            }
        }))
    };
    assert_eq!(blink(0.6, 0.1, 0.12), [(Gesture::Blink, None)]);
    assert_eq!(blink(0.6, 0.25, 0.12), [], "the lids do not meet");
    assert_eq!(blink(0.25, 0.1, 0.12), []);
    assert_eq!(blink(0.6, 0.1, 0.9), [], "closed eyes");
    let opening = series(5.0, |t, it| {
        if t < 0.13 {
            (it.closed, it.opening) = (0.7, 0.05);
        }
    });
    assert_eq!(found(&opening), [], "eyes that were never seen open before");
}

#[test]
fn zoom_is_a_change_of_distance() {
    let zoom = |size: f32| {
        found(&series(5.0, move |t, it| it.size = if t > 2.0 && t < 3.0 { size } else { 1.0 }))
    };
    assert_eq!(zoom(1.3), [(Gesture::ZoomIn, None)]);
    assert_eq!(zoom(0.75), [(Gesture::ZoomOut, None)]);
    assert_eq!(zoom(1.1), []);
}
