//! The analyzer with real models, through the plugin interface: real clips where they are given,
//! and pictures that are moved and bent everywhere.

use std::path::Path;

use image::{DynamicImage, Rgb, RgbImage};
use serde_json::{Value, json};
use vultus_face_detect::FaceDetect;
use vultus_face_mesh::FaceMeshProvider;
use vultus_face_template::FaceTemplateProvider;
use vultus_plugin_api::manifest::SlotKind;
use vultus_plugin_api::testing::{Bench, Picture};
use vultus_plugin_api::{Outcome, Resolution};

use crate::Gestures;

#[path = "../../vision/test-support/media.rs"]
#[expect(dead_code, reason = "shared by the tests of several crates, each of which uses a part")]
mod media;

use media::{config, sample, scaled, still};

fn bench() -> Bench {
    let config = config("{}");
    let mut bench = Bench::new::<Gestures>(&config).unwrap();
    bench.provider::<FaceDetect>().unwrap();
    bench.provider::<FaceTemplateProvider>().unwrap();
    bench.provider::<FaceMeshProvider>().unwrap();
    bench
}

/// Judges a track; every twelfth of its frames is a full one.
fn judge(bench: &mut Bench, tags: &[&str], track: &[Picture], params: Value) -> Outcome {
    let full: Vec<Picture> = track.iter().step_by(12).cloned().collect();
    bench.clear_media().medium(SlotKind::Video, tags, full);
    bench.track(0, track);
    bench.run("gestures", params).unwrap().outcome
}

fn codes(outcome: &Outcome) -> Vec<&str> {
    outcome.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

fn seen(outcome: &Outcome) -> Vec<&str> {
    let seen = outcome.result["media"][0]["seen"].as_array().unwrap();
    let counted = seen.iter().filter(|it| it["flaw"].is_null());
    counted.filter_map(|it| it["gesture"].as_str()).collect()
}

/// The part of a clip from `start` on, of `seconds`, at `rate` frames per second.
fn part(clip: &Path, start: f64, seconds: f64, rate: f64, size: [u32; 2]) -> Vec<Picture> {
    let [width, height] = size;
    let output = std::process::Command::new("ffmpeg")
        .args(["-loglevel", "error", "-ss", &start.to_string(), "-t", &seconds.to_string(), "-i"])
        .arg(clip)
        .args(["-vf", &format!("fps={rate},scale={width}:{height}")])
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .expect("ffmpeg runs");
    assert!(output.status.success(), "ffmpeg cannot read {}", clip.display());
    let frames = output.stdout.chunks_exact((width * height * 3) as usize);
    let picture = |(i, rgb): (usize, &[u8])| Picture {
        width,
        height,
        rgb: rgb.to_vec(),
        pts_us: (i as f64 * 1e6 / rate) as i64,
    };
    frames.enumerate().map(picture).collect()
}

/// Clips of live people; `None` where they are not given.
struct Live {
    phone: std::path::PathBuf,
    webcam: std::path::PathBuf,
    studio: std::path::PathBuf,
}

const PHONE: [u32; 2] = [270, 480];
const WIDE: [u32; 2] = [480, 270];

fn live() -> Option<Live> {
    let clips = media::shared("liveness")?.join("clips");
    Some(Live {
        phone: clips.join("c_live_phone.mp4"),
        webcam: clips.join("a_live_webcam.mov"),
        studio: clips.join("w_live_studio.mp4"),
    })
}

#[test]
fn gestures_of_live_people_are_found_by_their_tags() {
    let Some(live) = live() else { return };
    let mut bench = bench();
    let cases = [
        ("video_selfie_left", part(&live.phone, 0.5, 6.3, 15.0, PHONE)),
        ("video_selfie_right", part(&live.phone, 6.3, 5.0, 15.0, PHONE)),
        ("video_selfie_down", part(&live.phone, 10.9, 3.6, 15.0, PHONE)),
        ("video_selfie_smile", part(&live.webcam, 0.0, 2.6, 15.0, WIDE)),
        ("video_selfie_eyes", part(&live.studio, 10.9, 2.6, 24.0, WIDE)),
    ];
    for (tag, track) in cases {
        let outcome = judge(&mut bench, &["video_selfie", tag], &track, json!({}));
        assert_eq!(outcome.resolution, Resolution::Success, "{tag} {outcome:#?}");
        assert_eq!(outcome.result["media"][0]["complete"], true);
    }
}

#[test]
fn wrong_mirrored_and_slow_clips_get_their_reason() {
    let Some(live) = live() else { return };
    let mut bench = bench();
    let left = part(&live.phone, 0.5, 6.3, 15.0, PHONE);
    let mut judged = |tag: &str, track: &[Picture], params: Value| {
        let outcome = judge(&mut bench, &["video_selfie", tag], track, params);
        (outcome.resolution, codes(&outcome).join(","))
    };
    let operator = Resolution::OperatorRequired;
    let mirrored = json!({"mirrored": true});
    assert_eq!(judged("video_selfie_right", &left, mirrored), (Resolution::Success, "".into()));
    let wrong = judged("video_selfie_right", &left, json!({}));
    assert_eq!(wrong, (operator, "WRONG_GESTURE".into()));
    let missing = judged("video_selfie_smile", &left[..20], json!({}));
    assert_eq!(missing, (operator, "CLIP_TOO_SHORT".into()));
    let slow: Vec<Picture> = left.iter().step_by(2).cloned().collect();
    assert_eq!(judged("video_selfie_left", &slow, json!({})), (operator, "LOW_FRAME_RATE".into()));
    assert_eq!(judged("video_selfie_eyes", &left, json!({})), (operator, "LOW_FRAME_RATE".into()));
    let unasked = judged("x_free", &left, json!({}));
    assert_eq!(unasked, (operator, "NO_GESTURE_ASKED".into()));
}

#[test]
fn sequence_of_a_live_clip_is_compared_in_order() {
    let Some(live) = live() else { return };
    let mut bench = bench();
    let track = part(&live.phone, 0.5, 14.0, 15.0, PHONE);
    let mut judged = |sequence: Value| {
        let outcome = judge(&mut bench, &["video_selfie"], &track, json!({"sequence": sequence}));
        (outcome.resolution, codes(&outcome).join(","), outcome.result)
    };
    let (resolution, _, result) = judged(json!(["left", "right", "down"]));
    assert_eq!(resolution, Resolution::Success, "{result:#}");
    for wrong in [json!(["right", "left", "down"]), json!(["left", "down"]), json!(["left"])] {
        let (resolution, codes, _) = judged(wrong.clone());
        assert_eq!(resolution, Resolution::OperatorRequired, "{wrong}");
        assert_eq!(codes, "WRONG_GESTURE", "{wrong}");
    }
}

/// A picture on paper before a grey wall: turned by `yaw` and `pitch`, bent by `bend` radians, with
/// perspective.
fn print(picture: &RgbImage, yaw: f32, pitch: f32, bend: f32, size: [u32; 2]) -> RgbImage {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let (sin_yaw, cos_yaw) = yaw.to_radians().sin_cos();
    let (sin_pitch, cos_pitch) = pitch.to_radians().sin_cos();
    let focal = 1.4 * size[1] as f32;
    let scale = 0.9 * size[1] as f32 / height;
    let mut seen = RgbImage::from_pixel(size[0], size[1], Rgb([96, 98, 104]));
    // Forward in steps finer than a pixel: the paper is a grid of dots.
    let dots = [(width * scale * 1.3) as u32, (height * scale * 1.3) as u32];
    for row in 0..dots[1] {
        for column in 0..dots[0] {
            let (u, v) = (column as f32 / dots[0] as f32, row as f32 / dots[1] as f32);
            let (flat, y) = ((u - 0.5) * width * scale, (v - 0.5) * height * scale);
            let radius = width * scale / bend.abs().max(1e-3);
            let (x, z) = if bend.abs() < 1e-3 {
                (flat, 0.0)
            } else {
                let angle = flat / radius;
                (radius * angle.sin(), bend.signum() * radius * (1.0 - angle.cos()))
            };
            let (x, z) = (x * cos_yaw + z * sin_yaw, z * cos_yaw - x * sin_yaw);
            let (y, z) = (y * cos_pitch - z * sin_pitch, y * sin_pitch + z * cos_pitch);
            let near = focal / (focal * 1.1 + z);
            let to = [x * near + size[0] as f32 / 2.0, y * near + size[1] as f32 / 2.0];
            let inside = to[0] >= 0.0 && to[1] >= 0.0;
            let (to_x, to_y) = (to[0] as u32, to[1] as u32);
            if inside && to_x < size[0] && to_y < size[1] {
                let from = ((u * width) as u32, (v * height) as u32);
                seen.put_pixel(to_x, to_y, *picture.get_pixel(from.0, from.1));
            }
        }
    }
    seen
}

/// Four seconds in which a still is moved, turned and bent as someone would to imitate gestures.
fn handled_still(picture: &DynamicImage, yaw: f32, pitch: f32, bend: f32) -> Vec<Picture> {
    let picture = scaled(picture, 300).to_rgb8();
    let bump = |t: f32, at: f32| (-((t - at) / 0.45_f32).powi(4)).exp();
    let frame = |i: usize| {
        let t = i as f32 / 15.0;
        let seen = print(
            &picture,
            yaw * bump(t, 1.6),
            pitch * bump(t, 2.8),
            bend * bump(t, 2.2),
            [300, 340],
        );
        still(&seen.into()).at((f64::from(t) * 1e6) as i64)
    };
    (0..60).map(frame).collect()
}

#[test]
fn handled_print_passes_no_challenge() {
    let mut bench = bench();
    let pairs: Vec<[&str; 2]> = ["left", "right", "up", "down"]
        .into_iter()
        .flat_map(|head| [[head, "smile"], ["smile", head]])
        .collect();
    let ways = [("obama.jpg", 45.0, 25.0, 0.0), ("obama2.jpg", -35.0, -30.0, 1.6)];
    for (name, yaw, pitch, bend) in ways {
        let track = handled_still(&sample(name), yaw, pitch, bend);
        let free = judge(&mut bench, &["video_selfie"], &track, json!({}));
        let shown = seen(&free);
        for pair in &pairs {
            let place = |gesture: &str| shown.iter().position(|it| *it == gesture);
            let passes = matches!((place(pair[0]), place(pair[1])), (Some(a), Some(b)) if a < b);
            assert!(!passes, "{name} shows {pair:?}: {shown:?}");
        }
        let faces = free.result["media"][0]["faces"].as_u64().unwrap();
        assert!(faces >= 30, "{name}: the print must be followed, or it proves nothing: {faces}");
    }
}

#[test]
fn clip_without_face_is_declined() {
    let wall: Vec<Picture> =
        (0..45).map(|i| Picture::filled(320, 240, [90; 3]).at(i * 66_667)).collect();
    let outcome = judge(&mut bench(), &["video_selfie_left"], &wall, json!({}));
    assert_eq!((outcome.resolution, codes(&outcome)), (Resolution::Declined, vec!["NO_FACE"]));
}

#[test]
fn challenge_is_taken_only_as_the_server_filled_it_in() {
    let mut bench = bench();
    bench.medium(SlotKind::Video, &["video_selfie"], vec![Picture::filled(32, 32, [9; 3])]);
    let failure = bench.run("gestures", json!({"challenge": "a.b.c"})).unwrap_err();
    assert_eq!(failure.status, vultus_plugin_api::Status::InvalidInput);
}

#[test]
fn another_person_after_the_gesture_is_declined() {
    let mut track: Vec<Picture> = Vec::new();
    for (i, name) in ["obama.jpg", "biden.jpg"].into_iter().enumerate() {
        let picture = still(&scaled(&sample(name), 360));
        let canvas = track.first().cloned().unwrap_or_else(|| picture.clone());
        let fitted = image::imageops::resize(
            &RgbImage::from_raw(picture.width, picture.height, picture.rgb).unwrap(),
            canvas.width,
            canvas.height,
            image::imageops::FilterType::Triangle,
        );
        for step in 0..24 {
            let at = (24 * i as i64 + step) * 66_667;
            track.push(still(&DynamicImage::from(fitted.clone())).at(at));
        }
    }
    let outcome = judge(&mut bench(), &["video_selfie", "video_selfie_left"], &track, json!({}));
    assert_eq!(outcome.resolution, Resolution::Declined, "{outcome:#?}");
    assert!(codes(&outcome).contains(&"FACE_CHANGED"), "{outcome:#?}");
}
