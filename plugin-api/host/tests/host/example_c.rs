//! The example in C works through the host like every plugin.

use serde_json::{Value, json};
use vultus_plugin_api::{Outcome, Resolution, Status};
use vultus_plugin_host::FrameView;

use crate::support::{Library, TestHost, analyze, gray, image};

const SIDE: u32 = 64;

/// Squares of 8 pixels, well exposed.
fn checker(x: u32, y: u32) -> u8 {
    if (x / 8 + y / 8).is_multiple_of(2) { 60 } else { 190 }
}

/// The same squares after two box blurs of 7 × 7 pixels.
fn blurred() -> FrameView {
    let index = |x: u32, y: u32| (y * SIDE + x) as usize;
    let mut luma: Vec<u8> = (0..SIDE * SIDE).map(|at| checker(at % SIDE, at / SIDE)).collect();
    for _ in 0..2 {
        let around = |at: u32| at.saturating_sub(3)..=(at + 3).min(SIDE - 1);
        let mean = |x: u32, y: u32| {
            let values: Vec<u32> = around(y)
                .flat_map(|y| around(x).map(move |x| index(x, y)))
                .map(|at| u32::from(luma[at]))
                .collect();
            (values.iter().sum::<u32>() / values.len() as u32) as u8
        };
        luma = (0..SIDE * SIDE).map(|at| mean(at % SIDE, at / SIDE)).collect();
    }
    gray(1, 0, SIDE, |x, y| luma[index(x, y)])
}

fn judge(frames: Vec<FrameView>, params: Value) -> Outcome {
    let plugin = Library::compile("example-c/sharpness.c");
    let media = (0..frames.len() as u32).map(image).collect();
    let mut host = TestHost { frames, ..TestHost::default() };
    analyze(&plugin.open(), "sharpness", params, media, &mut host).expect("an outcome")
}

fn codes(outcome: &Outcome) -> Vec<(&str, Option<u32>)> {
    outcome.reasons.iter().map(|reason| (reason.code.as_str(), reason.medium)).collect()
}

#[test]
fn blurred_picture_scores_lower_and_is_declined() {
    let outcome = judge(vec![gray(0, 0, SIDE, checker), blurred()], json!({}));
    let sharpness = |medium: usize| outcome.result["media"][medium]["sharpness"].as_f64().unwrap();
    assert!(sharpness(0) > 10.0 * sharpness(1), "{}", outcome.result);
    assert_eq!(outcome.result["sharpness"], outcome.result["media"][1]["sharpness"]);
    assert_eq!(outcome.resolution, Resolution::Declined);
    assert_eq!(codes(&outcome), [("BLURRED", Some(1))]);
}

#[test]
fn a_sharp_picture_passes_and_the_threshold_is_a_parameter() {
    let sharp = || vec![gray(0, 0, SIDE, checker)];
    assert_eq!(judge(sharp(), json!({})).resolution, Resolution::Success);
    let strict = judge(sharp(), json!({ "minSharpness": 1e9 }));
    assert_eq!(codes(&strict), [("BLURRED", Some(0))]);
}

#[test]
fn a_dark_and_a_bright_picture_are_declined_for_their_exposure() {
    let dark = gray(0, 0, SIDE, |x, y| checker(x, y) / 8);
    let bright = gray(1, 0, SIDE, |x, y| 215 + checker(x, y) / 5);
    let outcome = judge(vec![dark, bright], json!({ "minSharpness": 0 }));
    assert_eq!(codes(&outcome), [("TOO_DARK", Some(0)), ("TOO_BRIGHT", Some(1))]);
}

#[test]
fn it_stops_when_cancelled() {
    let plugin = Library::compile("example-c/sharpness.c");
    let frames = vec![gray(0, 0, SIDE, checker)];
    let mut host = TestHost { frames, cancelled: true, ..TestHost::default() };
    let failure = analyze(&plugin.open(), "sharpness", json!({}), vec![image(0)], &mut host);
    assert_eq!(failure.unwrap_err().status, Status::Cancelled);
}
