//! The analyzer with real models and pictures, through the plugin interface.

use serde_json::{Value, json};
use vultus_face_detect::FaceDetect;
use vultus_face_template::FaceTemplateProvider;
use vultus_plugin_api::manifest::SlotKind;
use vultus_plugin_api::testing::{Bench, Picture, TestRun};
use vultus_plugin_api::{Outcome, Resolution, Status};

use crate::Liveness;

#[path = "../../vision/test-support/media.rs"]
#[expect(dead_code, reason = "shared by the tests of several crates, each of which uses a part")]
mod media;

use media::{OBAMA_FACE, clip, config, handheld, print_of, sample, scaled, still};

fn bench() -> Bench {
    let config = config("{}");
    let mut bench = Bench::new::<Liveness>(&config).unwrap();
    bench.provider::<FaceDetect>().unwrap().provider::<FaceTemplateProvider>().unwrap();
    bench
}

fn run(kind: SlotKind, pictures: Vec<Picture>) -> TestRun {
    let mut bench = bench();
    bench.medium(kind, &["video_selfie"], pictures);
    bench.run("liveness", json!({})).unwrap()
}

fn image(picture: &image::DynamicImage) -> TestRun {
    run(SlotKind::Image, vec![still(picture)])
}

fn codes(outcome: &Outcome) -> Vec<&str> {
    outcome.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

fn score(run: &TestRun) -> f64 {
    run.outcome.result["score"].as_f64().unwrap()
}

#[test]
fn portraits_pass_and_a_print_is_declined() {
    for name in ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg"] {
        let run = image(&sample(name));
        assert_eq!(run.outcome.resolution, Resolution::Success, "{name} {:?}", run.outcome);
        assert!(score(&run) < 0.2, "{name} {}", score(&run));
    }
    let run = image(&print_of(&sample("obama.jpg"), OBAMA_FACE));
    assert_eq!(run.outcome.resolution, Resolution::Declined);
    assert_eq!(codes(&run.outcome), ["SPOOF_SUSPECTED"]);
    assert!(run.artifacts.is_empty() && run.outcome.result["bestShot"].is_null());
}

#[test]
fn attack_segment_in_a_bona_fide_clip_is_noticed() {
    let live = sample("obama.jpg");
    let mut frames = handheld(&live, 12);
    let run_of = |frames: &[_]| run(SlotKind::Video, clip(frames));
    let bona_fide = run_of(&frames);
    // The bench gives no track, so that only the pixels are judged.
    assert_eq!(codes(&bona_fide.outcome), ["MOVEMENT_UNCLEAR"], "{:?}", bona_fide.outcome);
    assert_eq!(bona_fide.outcome.result["media"][0]["framesJudged"], 12);
    let attack = handheld(&print_of(&live, OBAMA_FACE), 3);
    frames.splice(5..8, attack);
    let spliced = run_of(&frames);
    let noticed = |code: &&str| ["SPOOF_SUSPECTED", "SCORE_BETWEEN_THRESHOLDS"].contains(code);
    assert!(codes(&spliced.outcome).iter().any(noticed), "{:?}", spliced.outcome);
    assert!(score(&spliced) > score(&bona_fide));
    assert!(!codes(&spliced.outcome).contains(&"FACE_CHANGED"), "it is the same person");
}

#[test]
fn second_person_in_a_clip_is_declined() {
    let mut frames = handheld(&sample("obama.jpg"), 10);
    frames.splice(6..8, handheld(&sample("biden.jpg"), 2));
    let run = run(SlotKind::Video, clip(&frames));
    assert_eq!(run.outcome.resolution, Resolution::Declined);
    let changes: Vec<_> = run.outcome.reasons.iter().filter(|r| r.code == "FACE_CHANGED").collect();
    let frames: Vec<_> = changes.iter().filter_map(|r| r.frame).collect();
    assert_eq!(frames, [6, 8]);
    assert!(run.artifacts.is_empty(), "no best shot of a medium with two people");
}

#[test]
fn medium_without_one_whole_face_is_never_success() {
    let portrait = sample("obama.jpg");
    let (width, height) = (portrait.width() as f32, portrait.height() as f32);
    let [x, y, w, h] = OBAMA_FACE;
    let around = |grow: f32| {
        let (left, top) = ((x - grow * w) * width, (y - grow * h).max(0.0) * height);
        let size = |length: f32| ((1.0 + 2.0 * grow) * length) as u32;
        portrait.crop_imm(left as u32, top as u32, size(w * width), size(h * height))
    };
    let wall = image::RgbImage::from_fn(640, 480, |x, y| image::Rgb([(x / 4 + y / 8) as u8; 3]));
    let cases = [
        (wall.into(), "NO_FACE"),
        (media::beside(&portrait, &sample("biden.jpg")), "MULTIPLE_FACES"),
        (scaled(&portrait, 130), "FACE_TOO_SMALL"),
        (around(0.04), "FACE_TOO_CLOSE"),
        (sample("obama_partial_face2.jpg"), "FACE_CUT_OFF"),
    ];
    for (picture, code) in cases {
        let run = image(&picture);
        assert_ne!(run.outcome.resolution, Resolution::Success, "{code}");
        assert!(codes(&run.outcome).contains(&code), "{code} {:?}", run.outcome);
    }
}

#[test]
fn clip_that_loses_its_face_is_not_accepted() {
    let mut frames = handheld(&sample("obama.jpg"), 12);
    let wall = image::RgbImage::from_pixel(600, 700, image::Rgb([120; 3]));
    frames.splice(6..12, (0..6).map(|_| wall.clone().into()));
    let run = run(SlotKind::Video, clip(&frames));
    assert_eq!(run.outcome.resolution, Resolution::OperatorRequired);
    assert_eq!(codes(&run.outcome), ["FACE_LOST", "TOO_FEW_FRAMES", "MOVEMENT_UNCLEAR"]);
}

#[test]
fn best_shot_is_sharp_frontal_and_bona_fide() {
    let (best, turned) = (sample("obama.jpg"), sample("obama2.jpg"));
    let frames =
        [best.blur(4.0), turned, print_of(&best, OBAMA_FACE), best.clone(), best.blur(2.0)];
    let run = run(SlotKind::ShotSet, clip(&frames));
    assert_eq!(run.outcome.result["bestShot"]["frame"], 3, "{:?}", run.outcome);
    let [artifact] = run.artifacts.as_slice() else { panic!("one artifact") };
    assert_eq!((artifact.name.as_str(), artifact.mime.as_str()), ("best_shot", "image/jpeg"));
    let picture = image::load_from_memory(&artifact.bytes).unwrap();
    assert_eq!(picture.height(), best.blur(4.0).height());
}

#[test]
fn worst_medium_decides() {
    let live = sample("obama.jpg");
    let mut bench = bench();
    bench.medium(SlotKind::Image, &["photo_selfie"], vec![still(&live)]);
    let attack = print_of(&live, OBAMA_FACE);
    bench.medium(SlotKind::Image, &["photo_selfie"], vec![still(&attack)]);
    let run = bench.run("liveness", json!({"extractBestShot": false})).unwrap();
    let result: &Value = &run.outcome.result;
    assert_eq!(run.outcome.resolution, Resolution::Declined);
    assert_eq!(result["score"], result["media"][1]["score"]);
    assert!(result["media"][0]["score"].as_f64().unwrap() < 0.35);
    assert!(run.artifacts.is_empty());
    assert_eq!(run.outcome.reasons[0].medium, Some(1));
}

#[test]
fn score_between_thresholds_requires_an_operator() {
    let mut bench = bench();
    bench.medium(SlotKind::Image, &[], vec![still(&sample("obama2.jpg"))]);
    let gap = json!({"acceptBelow": 0.0, "declineFrom": 0.9});
    let run = bench.run("liveness", gap).unwrap();
    assert_eq!(run.outcome.resolution, Resolution::OperatorRequired);
    assert_eq!(codes(&run.outcome), ["SCORE_BETWEEN_THRESHOLDS"]);
    let crossed = json!({"acceptBelow": 0.9, "declineFrom": 0.1});
    assert_eq!(bench.run("liveness", crossed).unwrap_err().status, Status::InvalidInput);
}

#[test]
fn at_most_one_error_of_fifty_on_the_webcam_set() {
    let Some(folder) = media::shared("liveness") else {
        return;
    };
    let list = std::fs::read_to_string(folder.join("nuaa.csv")).unwrap();
    let mut bench = bench();
    let (mut wrong, mut unsure, mut counted) = ([0, 0], 0, [0, 0]);
    for line in list.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let live = usize::from(fields[1] == "live");
        let picture = image::open(folder.join(fields[0])).unwrap();
        bench.clear_media().medium(SlotKind::Image, &[], vec![still(&picture)]);
        let run = bench.run("liveness", json!({"extractBestShot": false})).unwrap();
        let score = run.outcome.result["score"].as_f64().unwrap_or(1.0);
        let (accepted, declined) = (score < 0.35, score >= 0.75);
        counted[live] += 1;
        wrong[live] += usize::from(if live == 1 { declined } else { accepted });
        unsure += usize::from(!accepted && !declined);
    }
    assert_eq!(counted, [50, 50]);
    assert!(wrong[0] <= 1 && wrong[1] <= 1, "accepted attacks, refused people: {wrong:?}");
    assert!(unsure <= 5, "{unsure} unsure");
}

#[path = "movement_tests.rs"]
mod movement;
