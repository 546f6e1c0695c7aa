//! The analyzer with real models and pictures, through the plugin interface: the measures order
//! pictures as people would.

use image::DynamicImage;
use serde_json::{Value, json};
use vultus_face_detect::FaceDetect;
use vultus_plugin_api::manifest::SlotKind;
use vultus_plugin_api::testing::{Bench, Picture};
use vultus_plugin_api::{Outcome, Resolution};

use crate::FaceQuality;

#[path = "../../vision/test-support/media.rs"]
#[expect(dead_code, reason = "shared by the tests of several crates, each of which uses a part")]
mod media;

use media::{clip, config, sample, scaled, still};

fn bench() -> Bench {
    let mut bench = Bench::new::<FaceQuality>(&config("{}")).unwrap();
    bench.provider::<FaceDetect>().unwrap();
    bench
}

fn run(kind: SlotKind, pictures: Vec<Picture>, params: Value) -> Outcome {
    let mut bench = bench();
    bench.medium(kind, &["photo_selfie"], pictures);
    bench.run("quality", params).unwrap().outcome
}

fn judged(picture: &DynamicImage) -> Outcome {
    run(SlotKind::Image, vec![still(picture)], json!({}))
}

fn measure(outcome: &Outcome, name: &str) -> f64 {
    outcome.result["media"][0]["measures"][name]
        .as_f64()
        .unwrap_or_else(|| panic!("{name} of {outcome:#?}"))
}

fn codes(outcome: &Outcome) -> Vec<&str> {
    outcome.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

/// The picture with all levels multiplied by `factor`.
fn lit(picture: &DynamicImage, factor: f32) -> DynamicImage {
    let mut rgb = picture.to_rgb8();
    rgb.pixels_mut().for_each(|pixel| {
        pixel.0 = pixel.0.map(|level| (f32::from(level) * factor).min(255.0) as u8)
    });
    rgb.into()
}

#[test]
fn good_portraits_pass() {
    for name in ["obama.jpg", "obama2.jpg", "biden.jpg"] {
        let outcome = judged(&sample(name));
        assert_eq!(outcome.resolution, Resolution::Success, "{name} {outcome:#?}");
        assert!(outcome.result["overall"].as_f64().unwrap() >= 40.0, "{name} {outcome:#?}");
    }
}

#[test]
fn degraded_pictures_score_lower_than_the_original() {
    let good = sample("obama.jpg");
    let original = judged(&good);
    for (worse, name, code) in [
        (good.blur(2.0), "sharpness", ""),
        (good.blur(5.0), "sharpness", "BLURRED"),
        (lit(&good, 0.2), "exposure", "BADLY_LIT"),
        (lit(&good, 2.5), "exposure", "BADLY_LIT"),
    ] {
        let outcome = judged(&worse);
        let (before, after) = (measure(&original, name), measure(&outcome, name));
        assert!(after < before - 5.0, "{name} {before} -> {after}");
        assert!(code.is_empty() || codes(&outcome).contains(&code), "{code} {outcome:#?}");
    }
    // More blur, less sharpness; less light, less exposure.
    let by = |pictures: [DynamicImage; 3], name: &str| {
        pictures.map(|picture| measure(&judged(&picture), name))
    };
    let [a, b, c] = by([good.blur(1.0), good.blur(2.0), good.blur(4.0)], "sharpness");
    assert!(a > b && b > c, "{a} {b} {c}");
    let [a, b, c] = by([lit(&good, 0.5), lit(&good, 0.3), lit(&good, 0.2)], "exposure");
    assert!(a >= b && b > c, "{a} {b} {c}");
}

#[test]
fn far_face_and_face_at_the_edge_are_findings() {
    let portrait = sample("obama.jpg");
    let far = judged(&scaled(&portrait, 160));
    assert!(codes(&far).contains(&"WRONG_SIZE"), "{far:#?}");
    let (width, height) = (portrait.width(), portrait.height());
    // Padding on one side moves the face to the edge.
    let mut canvas = image::RgbImage::from_pixel(width * 5 / 2, height, image::Rgb([120; 3]));
    image::imageops::replace(&mut canvas, &portrait.to_rgb8(), 0, 0);
    let aside = judged(&canvas.into());
    assert!(
        measure(&aside, "centring") < measure(&judged(&portrait), "centring") - 20.0,
        "{aside:#?}"
    );
    let cut = judged(&sample("obama_partial_face2.jpg"));
    assert!(codes(&cut).contains(&"OFF_CENTRE"), "{cut:#?}");
    assert_ne!(cut.resolution, Resolution::Success);
}

#[test]
fn no_face_and_several_faces_are_findings() {
    let wall = image::RgbImage::from_fn(640, 480, |x, y| image::Rgb([(x / 4 + y / 8) as u8; 3]));
    let empty = judged(&wall.into());
    assert_eq!((empty.resolution, codes(&empty)), (Resolution::Declined, vec!["NO_FACE"]));
    assert!(empty.result["overall"].is_null());
    let two = judged(&media::beside(&sample("obama.jpg"), &sample("biden.jpg")));
    assert!(codes(&two).contains(&"MULTIPLE_FACES"), "{two:#?}");
    assert_ne!(two.resolution, Resolution::Success);
}

#[test]
fn best_frame_of_a_clip_counts() {
    let good = sample("obama.jpg");
    let outcome = run(
        SlotKind::Video,
        clip(&[good.blur(5.0), lit(&good, 0.1), good.clone(), good.blur(3.0)]),
        json!({}),
    );
    assert_eq!(outcome.result["media"][0]["frame"], 2, "{outcome:#?}");
    assert_eq!(outcome.resolution, Resolution::Success);
}

#[test]
fn request_can_raise_a_minimum() {
    let with = |params: Value| run(SlotKind::Image, vec![still(&sample("biden.jpg"))], params);
    let sharper = with(json!({"minSharpness": 95}));
    assert_eq!(
        (sharper.resolution, codes(&sharper)),
        (Resolution::OperatorRequired, vec!["BLURRED"]),
        "{sharper:#?}"
    );
    let plain_wall = with(json!({"minBackground": 100}));
    assert_eq!(
        (plain_wall.resolution, codes(&plain_wall)),
        (Resolution::Declined, vec!["BUSY_BACKGROUND"]),
        "{plain_wall:#?}"
    );
}

/// The measure `name` and the file name of every picture with a face in a folder of the larger test
/// data.
fn of_folder(folder: &std::path::Path, name: &str) -> Vec<(f64, String)> {
    let mut bench = bench();
    let mut found = Vec::new();
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|ending| ending == "jpg")) {
        let picture = image::open(path).unwrap();
        bench.clear_media().medium(SlotKind::Image, &[], vec![still(&picture)]);
        let outcome = bench.run("quality", json!({})).unwrap().outcome;
        if let Some(value) = outcome.result["media"][0]["measures"][name].as_f64() {
            found.push((value, path.file_name().unwrap().to_string_lossy().into_owned()));
        }
    }
    found
}

#[test]
fn eyes_of_surprised_people_are_open() {
    let Some(folder) = media::shared("expressions/surprise") else {
        return;
    };
    let eyes = of_folder(&folder, "eyesOpen");
    let open = eyes.iter().filter(|(value, _)| *value >= 50.0).count();
    assert!(eyes.len() >= 28, "faces are found");
    assert!(
        open * 10 >= eyes.len() * 8,
        "of {} pictures {open} have open eyes: {eyes:?}",
        eyes.len()
    );
}

#[test]
fn turned_head_has_a_lower_pose() {
    let Some(folder) = media::shared("liveness/attacks") else {
        return;
    };
    let pose = |name: &str| measure(&judged(&image::open(folder.join(name)).unwrap()), "pose");
    let (facing, turned) = (pose("photo_faceonlive_2.jpg"), pose("photo_faceonlive_6.jpg"));
    assert!(facing > 95.0 && turned < 75.0, "{facing} {turned}");
}

#[test]
fn eyes_behind_sunglasses_do_not_count_as_open() {
    let Some(folder) = media::shared("liveness/attacks") else {
        return;
    };
    let eyes = |name: &str| measure(&judged(&image::open(folder.join(name)).unwrap()), "eyesOpen");
    assert!(eyes("photo_faceonlive_2.jpg") > 90.0 && eyes("photo_faceonlive_1.jpg") < 50.0);
}

#[test]
fn webcam_faces_are_mostly_frontal() {
    let Some(folder) = media::shared("liveness/nuaa/live") else {
        return;
    };
    let poses = of_folder(&folder, "pose");
    let facing = poses.iter().filter(|(value, _)| *value >= 75.0).count();
    assert!(
        facing * 10 >= poses.len() * 8,
        "of {} frames {facing} face the camera: {poses:?}",
        poses.len()
    );
}
