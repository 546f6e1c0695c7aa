//! The analyzer with real models and pictures, through the plugin interface.

use serde_json::{Value, json};
use vultus_face_detect::FaceDetect;
use vultus_face_template::FaceTemplateProvider;
use vultus_plugin_api::manifest::SlotKind;
use vultus_plugin_api::testing::{Bench, TestRun};
use vultus_plugin_api::{Outcome, Resolution, Status};

use crate::FaceMatch;

#[path = "../../vision/test-support/media.rs"]
#[expect(dead_code, reason = "shared by the tests of several crates, each of which uses a part")]
mod media;

use media::{clip, config, handheld, sample, still};

fn bench() -> Bench {
    let config = config("{}");
    let mut bench = Bench::new::<FaceMatch>(&config).unwrap();
    bench.provider::<FaceDetect>().unwrap().provider::<FaceTemplateProvider>().unwrap();
    bench
}

fn image(bench: &mut Bench, tags: &[&str], name: &str) {
    bench.medium(SlotKind::Image, tags, vec![still(&sample(name))]);
}

fn run(bench: &Bench) -> TestRun {
    bench.run("face_match", json!({})).unwrap()
}

fn codes(outcome: &Outcome) -> Vec<&str> {
    outcome.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

#[test]
fn selfie_clip_matches_only_the_same_person() {
    let mut bench = bench();
    bench.medium(SlotKind::Video, &["video_selfie"], clip(&handheld(&sample("obama.jpg"), 8)));
    image(&mut bench, &["photo_id", "photo_id_front"], "obama2.jpg");
    let same = run(&bench);
    assert_eq!(same.outcome.resolution, Resolution::Success, "{:?}", same.outcome);
    let result = &same.outcome.result;
    assert!(result["similarity"].as_f64().unwrap() > 0.7);
    assert!(result["media"][0]["framesUsed"].as_array().unwrap().len() >= 3);
    let fmr = result["fmr"].as_f64().unwrap();
    assert!((5e-4..1e-3).contains(&fmr), "{fmr}");

    bench.clear_media();
    bench.medium(SlotKind::Video, &["video_selfie"], clip(&handheld(&sample("obama.jpg"), 8)));
    image(&mut bench, &["photo_id", "photo_id_front"], "biden.jpg");
    let other = run(&bench);
    assert_eq!(other.outcome.resolution, Resolution::Declined);
    assert_eq!(codes(&other.outcome), ["NOT_SAME_PERSON"]);
    assert!(other.outcome.result["cosine"].as_f64().unwrap() < 0.3);
}

#[test]
fn copies_of_one_picture_need_an_operator() {
    let mut bench = bench();
    let original = sample("obama.jpg");
    let darker = original.brighten(-20);
    let copies = [original.clone(), media::scaled(&original, 400), original.fliph(), darker];
    for copy in &copies {
        bench.clear_media();
        bench.medium(SlotKind::Image, &["photo_selfie"], vec![still(copy)]);
        image(&mut bench, &["photo_id", "photo_id_front"], "obama.jpg");
        let run = run(&bench);
        assert_eq!(run.outcome.resolution, Resolution::OperatorRequired);
        assert_eq!(codes(&run.outcome), ["SAME_PICTURE"]);
    }
    bench.clear_media();
    image(&mut bench, &["photo_selfie"], "obama.jpg");
    image(&mut bench, &["photo_selfie"], "obama.jpg");
    assert_eq!(run(&bench).outcome.resolution, Resolution::Success, "neither is an ID photo");
}

#[test]
fn sideways_selfie_matches() {
    let mut bench = bench();
    for turned in [sample("obama.jpg").rotate90(), sample("obama.jpg").rotate270()] {
        bench.clear_media();
        bench.medium(SlotKind::Image, &["photo_selfie"], vec![still(&turned)]);
        image(&mut bench, &["photo_id", "photo_id_front"], "obama2.jpg");
        assert_eq!(run(&bench).outcome.resolution, Resolution::Success);
    }
}

#[test]
fn least_similar_pair_decides() {
    let mut bench = bench();
    for name in ["obama.jpg", "obama3.jpg", "biden.jpg"] {
        image(&mut bench, &["photo_selfie"], name);
    }
    let run = run(&bench);
    let pairs: &Vec<Value> = run.outcome.result["pairs"].as_array().unwrap();
    let named: Vec<_> = pairs.iter().map(|p| (p["a"].as_u64(), p["b"].as_u64())).collect();
    assert_eq!(named, [(Some(0), Some(1)), (Some(0), Some(2)), (Some(1), Some(2))]);
    let least = pairs.iter().filter_map(|p| p["cosine"].as_f64()).fold(1.0, f64::min);
    assert_eq!(run.outcome.result["cosine"].as_f64(), Some(least));
    assert!(pairs[0]["similarity"].as_f64().unwrap() > 0.5);
    assert_eq!(run.outcome.resolution, Resolution::Declined);
}

#[test]
fn threshold_does_not_change_the_similarity() {
    let mut bench = bench();
    image(&mut bench, &["photo_selfie"], "obama.jpg");
    image(&mut bench, &["photo_id"], "obama2.jpg");
    let usual = run(&bench);
    let strict = bench.run("face_match", json!({"acceptFrom": 0.99, "declineBelow": 0.2})).unwrap();
    assert_eq!(usual.outcome.result["similarity"], strict.outcome.result["similarity"]);
    assert_eq!(strict.outcome.resolution, Resolution::OperatorRequired);
    assert_eq!(codes(&strict.outcome), ["SIMILARITY_BELOW_THRESHOLD"]);
    assert!(strict.outcome.result["fmr"].is_null(), "0.99 is outside the measured range");
}

#[test]
fn second_face_is_declined_except_on_documents() {
    let both = media::beside(&sample("obama.jpg"), &sample("biden.jpg"));
    for (tags, refused) in [(["photo_selfie"], true), (["photo_id"], false)] {
        let mut bench = bench();
        bench.medium(SlotKind::Image, &tags, vec![still(&both)]);
        image(&mut bench, &["photo_selfie"], "obama3.jpg");
        let run = run(&bench);
        assert_eq!(codes(&run.outcome).contains(&"MULTIPLE_FACES"), refused, "{tags:?}");
        assert_eq!(run.outcome.result["media"][0]["faces"], 2);
    }
}

#[test]
fn medium_without_a_face_or_with_two_people_is_declined() {
    let mut bench = bench();
    let wall = image::RgbImage::from_pixel(320, 240, image::Rgb([90; 3])).into();
    bench.medium(SlotKind::Image, &[], vec![still(&wall)]);
    image(&mut bench, &[], "obama.jpg");
    let none = run(&bench);
    assert_eq!(
        (none.outcome.resolution, codes(&none.outcome)),
        (Resolution::Declined, vec!["NO_FACE"])
    );
    assert!(none.outcome.result["similarity"].is_null());

    bench.clear_media();
    let mut frames = handheld(&sample("obama.jpg"), 9);
    frames.splice(3..5, handheld(&sample("biden.jpg"), 2));
    bench.medium(SlotKind::Video, &["video_selfie"], clip(&frames));
    image(&mut bench, &["photo_id"], "obama2.jpg");
    let changed = run(&bench);
    assert_eq!(changed.outcome.resolution, Resolution::Declined);
    assert!(codes(&changed.outcome).contains(&"FACE_CHANGED"));
}

#[test]
fn sideways_document_is_matched() {
    let mut bench = bench();
    let sideways = sample("obama2.jpg").rotate90();
    bench.medium(SlotKind::Image, &["photo_id_front"], vec![still(&sideways)]);
    image(&mut bench, &["photo_selfie"], "obama.jpg");
    let run = run(&bench);
    assert_eq!(run.outcome.resolution, Resolution::Success, "{:?}", run.outcome);
}

#[test]
fn aligned_faces_are_compared_but_never_accepted() {
    let mut bench = bench();
    let face = sample("obama.jpg").resize_exact(112, 112, image::imageops::FilterType::Triangle);
    bench.medium(SlotKind::Image, &[], vec![still(&face)]);
    bench.medium(SlotKind::Image, &[], vec![still(&face)]);
    let run = bench.run("face_match", json!({"aligned": true})).unwrap();
    assert!(run.outcome.result["cosine"].as_f64().unwrap() > 0.999);
    assert_eq!(run.outcome.resolution, Resolution::OperatorRequired);
    assert_eq!(codes(&run.outcome), ["ALIGNED_INPUT", "ALIGNED_INPUT"]);

    bench.clear_media();
    image(&mut bench, &[], "obama.jpg");
    image(&mut bench, &[], "biden.jpg");
    let failure = bench.run("face_match", json!({"aligned": true})).unwrap_err();
    assert_eq!(failure.status, Status::InvalidInput);
}
