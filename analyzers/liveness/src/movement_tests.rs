//! Clips that stand still, repeat themselves or are moved by a program, as tracks in memory.

use image::{DynamicImage, Rgb, RgbImage};
use serde_json::json;
use vultus_plugin_api::manifest::SlotKind;
use vultus_plugin_api::testing::{Picture, TestRun};

use super::media::{sample, scaled, still};
use super::{bench, codes};

const FRAMES: usize = 60;
const STEP_US: i64 = 66_667;

/// Judges a clip whose frames are given by their number; the reasons on movement.
fn judged(frame: impl Fn(usize) -> DynamicImage) -> TestRun {
    let track: Vec<Picture> =
        (0..FRAMES).map(|at| still(&frame(at)).at(at as i64 * STEP_US)).collect();
    let frames = track.iter().step_by(4).cloned().collect();
    let mut bench = bench();
    bench.medium(SlotKind::Video, &["video_selfie"], frames).track(0, &track);
    bench.run("liveness", json!({"extractBestShot": false})).unwrap()
}

fn reasons(frame: impl Fn(usize) -> DynamicImage) -> Vec<String> {
    let run = judged(frame);
    codes(&run.outcome).into_iter().map(str::to_owned).collect()
}

fn portrait() -> RgbImage {
    scaled(&sample("obama2.jpg"), 480).to_rgb8()
}

/// The portrait bent over an ellipsoid that turns and nods: not flat.
fn living(portrait: &RgbImage, at: usize) -> DynamicImage {
    let time = at as f32 / 15.0;
    let (width, height) = portrait.dimensions();
    let scale = width as f32 / 360.0;
    // Centre and half axes of the face, as parts of the picture.
    let (wide, high) = (width as f32, height as f32);
    let ([cx, cy], [rx, ry]) = ([0.54 * wide, 0.36 * high], [0.236 * wide, 0.188 * high]);
    let yaw = scale * (22.0 * (1.9 * time).sin() + 11.0 * (3.1 * time + 1.0).sin());
    let nod = scale * (5.0 * (1.3 * time + 0.5).sin() + 1.2 * time);
    RgbImage::from_fn(width, height, |x, y| {
        let (u, v) = ((x as f32 - cx) / rx, (y as f32 - cy) / ry);
        let depth = (1.0 - u * u - v * v).max(0.0).sqrt();
        sampled(portrait, x as f32 - yaw * depth, y as f32 - nod * depth)
    })
    .into()
}

/// Bilinear, so that movement below a pixel shows.
fn sampled(picture: &RgbImage, x: f32, y: f32) -> Rgb<u8> {
    let x = x.clamp(0.0, picture.width() as f32 - 1.001);
    let y = y.clamp(0.0, picture.height() as f32 - 1.001);
    let (left, top) = (x as u32, y as u32);
    let (fx, fy) = (x - left as f32, y - top as f32);
    let at = |dx: u32, dy: u32| picture.get_pixel(left + dx, top + dy).0.map(f32::from);
    let [a, b, c, d] = [at(0, 0), at(1, 0), at(0, 1), at(1, 1)];
    Rgb([0, 1, 2].map(|i| {
        let upper = a[i] + (b[i] - a[i]) * fx;
        let lower = c[i] + (d[i] - c[i]) * fx;
        (upper + (lower - upper) * fy + 0.5) as u8
    }))
}

/// The portrait with noise that differs in each frame.
fn noisy(portrait: &RgbImage, at: usize) -> DynamicImage {
    let mut state = at as u32 * 7919 + 1;
    let mut picture = portrait.clone();
    for level in picture.as_mut() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *level = level.saturating_add_signed(((state >> 24) % 17) as i8 - 8);
    }
    picture.into()
}

#[test]
fn living_face_has_no_reason() {
    let portrait = portrait();
    assert_eq!(reasons(|at| living(&portrait, at)), [""; 0]);
}

#[test]
fn picture_that_stands_still_is_declined() {
    let portrait = portrait();
    let found = reasons(|_| portrait.clone().into());
    assert!(found.contains(&"FROZEN".to_owned()), "{found:?}");
}

#[test]
fn noise_over_a_still_is_no_movement() {
    let portrait = portrait();
    let found = reasons(|at| noisy(&portrait, at));
    assert!(found.contains(&"NO_MOVEMENT".to_owned()), "{found:?}");
}

#[test]
fn still_that_is_moved_is_flat() {
    let portrait = portrait();
    let shaken = |at: usize| {
        let time = at as f32 / 15.0;
        let (dx, dy) = (9.0 * (1.7 * time).sin(), 7.0 * (1.1 * time).cos() + 2.0 * time);
        let zoom = 1.0 + 0.02 * time;
        RgbImage::from_fn(portrait.width(), portrait.height(), |x, y| {
            sampled(&portrait, x as f32 / zoom + dx, y as f32 / zoom + dy)
        })
        .into()
    };
    let found = reasons(shaken);
    assert!(found.contains(&"FLAT_MOTION".to_owned()), "{found:?}");
}

#[test]
fn clip_that_repeats_itself_is_declined() {
    let portrait = portrait();
    // The second one is of a second, over which movement is measured.
    for period in [24, 15] {
        let forwards = reasons(|at| living(&portrait, at % period));
        assert!(forwards.contains(&"LOOP".to_owned()), "{period}: {forwards:?}");
        let moves = !forwards.iter().any(|code| code == "NO_MOVEMENT" || code == "FLAT_MOTION");
        assert!(moves, "{period}: {forwards:?}");
    }
    let there_and_back = reasons(|at| living(&portrait, if at < 32 { at } else { 62 - at }));
    assert!(there_and_back.contains(&"LOOP".to_owned()), "{there_and_back:?}");
}

#[test]
fn shot_set_of_one_picture_is_noticed() {
    let portrait = portrait();
    let judged = |picture: &dyn Fn(usize) -> DynamicImage| {
        let shots = (0..10).map(|at| still(&picture(at)).at(0)).collect();
        let mut bench = bench();
        bench.medium(SlotKind::ShotSet, &["video_selfie"], shots);
        let run = bench.run("liveness", json!({"extractBestShot": false})).unwrap();
        codes(&run.outcome).join(",")
    };
    assert_eq!(judged(&|at| living(&portrait, 5 * at)), "");
    assert!(judged(&|_| portrait.clone().into()).contains("FROZEN"));
    assert!(judged(&|at| noisy(&portrait, at)).contains("NO_MOVEMENT"));
}

#[test]
fn cut_is_noticed_at_its_frame() {
    let portrait = portrait();
    let other = scaled(&sample("obama2.jpg"), 480).brighten(60).to_rgb8();
    let run = judged(|at| living(if at < 30 { &portrait } else { &other }, at));
    let cut = run.outcome.reasons.iter().find(|reason| reason.code == "CUT");
    assert!(cut.is_some_and(|cut| matches!(cut.frame, Some(7 | 8))), "{:?}", run.outcome.reasons);
}
