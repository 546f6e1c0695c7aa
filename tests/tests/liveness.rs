//! Liveness of clips and photos: a bad segment, a second person or an unusable face never gives
//! SUCCESS.

use serde_json::{Value, json};
use std::path::PathBuf;
use vultus_tests::{
    Client, Clip, Node, analysis, bona_fide_clip, clip_of, id_photo, large_suites, reason_codes,
    sample, sample_path, selfie_photo, selfie_video, still_clip,
};

fn piece(still: PathBuf, seconds: f32) -> Clip {
    Clip { still, seconds }
}

async fn liveness_of(client: &Client, bytes: Vec<u8>) -> Value {
    let folder = client.folder_with(&[selfie_video(bytes)], &["liveness"]).await;
    analysis(&folder, "liveness").clone()
}

#[tokio::test]
async fn attack_segment_in_a_clip_raises_the_score() {
    let Some(data) = large_suites() else { return };
    let node = Node::start().await;
    let client = node.client().await;
    let live = data.join("liveness/nuaa/live/0001_00_00_02_456.jpg");
    let print = first_file(&data.join("liveness/nuaa/print"), "0001");
    let bona_fide =
        liveness_of(&client, clip_of(node.scratch(), &[piece(live.clone(), 5.0)])).await;
    let by_score = |code: &&str| ["SPOOF_SUSPECTED", "SCORE_BETWEEN_THRESHOLDS"].contains(code);
    // It is made of a still, which only its movement tells.
    assert!(!reason_codes(&bona_fide).iter().any(by_score), "{bona_fide:#}");
    // Five seconds, the middle one of which shows a printed photo of the same person.
    let spliced =
        clip_of(node.scratch(), &[piece(live.clone(), 2.0), piece(print, 1.0), piece(live, 2.0)]);
    let spliced = liveness_of(&client, spliced).await;
    assert_ne!(spliced["resolution"], "SUCCESS", "{spliced:#}");
    assert!(spliced["score"].as_f64().unwrap() > bona_fide["score"].as_f64().unwrap());
    assert!(reason_codes(&spliced).iter().any(by_score), "{spliced:#}");
}

fn first_file(folder: &std::path::Path, prefix: &str) -> PathBuf {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
        .into_iter()
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix))
        .unwrap()
}

#[tokio::test]
async fn change_of_person_in_a_clip_is_never_success() {
    let node = Node::start().await;
    let client = node.client().await;
    let clip = clip_of(
        node.scratch(),
        &[piece(sample_path("obama2.jpg"), 2.5), piece(sample_path("biden.jpg"), 2.5)],
    );
    let media = [selfie_video(clip), id_photo(sample("obama.jpg"))];
    let folder = client.folder_with(&media, &["liveness", "face_match"]).await;
    for kind in ["liveness", "face_match"] {
        let judged = analysis(&folder, kind);
        assert_ne!(judged["resolution"], "SUCCESS", "{judged:#}");
        assert!(reason_codes(judged).contains(&"FACE_CHANGED"), "{kind}: {judged:#}");
    }
}

#[tokio::test]
async fn media_without_one_usable_face_are_never_success() {
    let node = Node::start().await;
    let client = node.client().await;
    let work = node.scratch();
    for (name, bytes, code) in [
        (
            "no face",
            picture(work, &["-f", "lavfi", "-i", "testsrc2=size=640x480"], "null"),
            "NO_FACE",
        ),
        ("two faces", side_by_side(work), "MULTIPLE_FACES"),
        (
            "a small face",
            framed(work, "scale=80:-2,pad=1280:960:(ow-iw)/2:(oh-ih)/2:gray"),
            "FACE_TOO_SMALL",
        ),
        ("a face cut off", sample("obama_partial_face2.jpg"), "FACE_CUT_OFF"),
    ] {
        let folder = client.folder_with(&[selfie_photo(bytes)], &["liveness"]).await;
        let liveness = analysis(&folder, "liveness");
        assert_ne!(liveness["resolution"], "SUCCESS", "{name}: {liveness:#}");
        assert!(reason_codes(liveness).contains(&code), "{name}: {liveness:#}");
        assert_eq!(liveness["state"], "FINISHED", "{name}: the analysis finishes");
    }
}

fn framed(work: &std::path::Path, filter: &str) -> Vec<u8> {
    let input = sample_path("obama2.jpg");
    picture(work, &["-i", input.to_str().unwrap()], filter)
}

fn side_by_side(work: &std::path::Path) -> Vec<u8> {
    let (a, b) = (sample_path("obama2.jpg"), sample_path("biden.jpg"));
    let graph =
        "[0:v]scale=-2:800,crop=400:800[a];[1:v]scale=-2:900,crop=396:800:0:0[b];[a][b]hstack";
    picture(work, &["-i", a.to_str().unwrap(), "-i", b.to_str().unwrap()], graph)
}

/// A JPEG made by ffmpeg.
fn picture(work: &std::path::Path, inputs: &[&str], filter: &str) -> Vec<u8> {
    let target = work.join("picture.jpg");
    let status = std::process::Command::new("ffmpeg")
        .args(["-y", "-loglevel", "error"])
        .args(inputs)
        .args(["-filter_complex", filter, "-frames:v", "1", "-q:v", "2"])
        .arg(&target)
        .status()
        .unwrap();
    assert!(status.success());
    std::fs::read(target).unwrap()
}

#[tokio::test]
async fn thresholds_give_three_outcomes_and_only_tighten() {
    let node = Node::start().await;
    let client = node.client().await;
    let judge = async |params: Value| {
        let analyses = json!([{"type": "liveness", "params": params}]);
        let folder = client.judged(&[selfie_photo(sample("obama2.jpg"))], analyses).await;
        analysis(&folder, "liveness").clone()
    };
    let score = judge(json!({})).await["score"].as_f64().unwrap();
    assert!(score > 0.0 && score < 0.35);
    let between = judge(json!({"acceptBelow": score / 2.0, "declineFrom": 0.5})).await;
    assert_eq!(between["resolution"], "OPERATOR_REQUIRED", "{between:#}");
    assert_eq!(between["score"].as_f64().unwrap(), score, "a threshold never moves a score");
    let declined = judge(json!({"acceptBelow": score / 4.0, "declineFrom": score / 2.0})).await;
    assert_eq!(declined["resolution"], "DECLINED", "{declined:#}");
    let lax = json!({"acceptBelow": 0.9, "declineFrom": 0.9});
    let lax = json!({"analyses": [{"type": "liveness", "params": lax}]});
    let error = client.refused(&[selfie_photo(sample("obama2.jpg"))], lax).await;
    assert_eq!(error["code"], "INVALID_INPUT", "{error:#}");
}

#[tokio::test]
async fn still_picture_sent_as_a_video_is_never_success() {
    let node = Node::start().await;
    let client = node.client().await;
    let media = [
        selfie_video(still_clip(node.scratch(), "obama2.jpg", 0.1)),
        id_photo(sample("obama.jpg")),
    ];
    let folder = client.folder_with(&media, &["liveness", "face_match"]).await;
    let liveness = analysis(&folder, "liveness");
    assert_ne!(liveness["resolution"], "SUCCESS", "{liveness:#}");
    assert!(reason_codes(liveness).contains(&"TOO_FEW_FRAMES"), "{liveness:#}");
}

/// Encoders of browsers and phones: options and extension.
const ENCODERS: [(&[&str], &str); 3] = [
    (&["-c:v", "libx264", "-preset", "veryfast", "-b:v", "1200k"], "mp4"),
    (&["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1200k"], "webm"),
    (&["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1200k"], "webm"),
];

/// A clip made by ffmpeg.
fn encoded(
    work: &std::path::Path,
    inputs: &[&str],
    filter: &str,
    (options, extension): (&[&str], &str),
) -> Vec<u8> {
    let target = work.join(format!("encoded.{extension}"));
    let status = std::process::Command::new("ffmpeg")
        .args(["-y", "-loglevel", "error"])
        .args(inputs)
        .args(["-filter_complex", filter, "-pix_fmt", "yuv420p"])
        .args(options)
        .arg(&target)
        .status()
        .unwrap();
    assert!(status.success(), "{filter}");
    std::fs::read(target).unwrap()
}

#[tokio::test]
async fn codec_of_a_living_clip_turns_no_verdict() {
    let node = Node::start().await;
    let client = node.client().await;
    let clip = node.scratch().join("living.mp4");
    std::fs::write(&clip, bona_fide_clip(node.scratch())).unwrap();
    for encoder in ENCODERS {
        let input = ["-i", clip.to_str().unwrap()];
        let liveness = liveness_of(&client, encoded(node.scratch(), &input, "null", encoder)).await;
        assert_eq!(liveness["resolution"], "SUCCESS", "{encoder:?}: {liveness:#}");
        let measured = &liveness["result"]["media"][0]["integrity"];
        assert!(measured["faceDepth"].as_f64().unwrap() > 0.007, "{measured:#}");
        assert!(measured["bitsPerPixel"].as_f64().unwrap() > 0.01, "{measured:#}");
    }
}

#[tokio::test]
async fn frozen_looped_and_moved_stills_never_succeed() {
    let node = Node::start().await;
    let client = node.client().await;
    let clip = node.scratch().join("living.mp4");
    std::fs::write(&clip, bona_fide_clip(node.scratch())).unwrap();
    let (portrait, clip) = (sample_path("obama2.jpg"), clip.to_str().unwrap());
    let still = ["-loop", "1", "-framerate", "30", "-t", "4", "-i", portrait.to_str().unwrap()];
    let living = ["-i", clip];
    let [h264, vp8, vp9] = ENCODERS;
    let shaken = "scale=420:-2,crop=360:640:x='30+9*sin(2.3*t)':y='60+12*cos(1.7*t)'";
    let zoomed = "scale=360:-2,crop=360:640,zoompan=z='1.1+0.07*sin(on/11)':d=1:s=360x640:fps=30:\
                  x='iw/2-(iw/zoom/2)':y='ih/2-(ih/zoom/2)'";
    let part = "trim=0.5:1.9,setpts=PTS-STARTPTS";
    let forwards = format!("{part},loop=loop=-1:size=999,trim=0:5");
    let back =
        format!("{part},split[a][b];[b]reverse[c];[a][c]concat,loop=loop=-1:size=999,trim=0:5");
    let cases: [(&[&str], &str, _, &[&str]); 6] = [
        (&still, "scale=360:-2", vp8, &["FROZEN", "NO_MOVEMENT"]),
        (&still, "scale=360:-2,noise=alls=9:allf=t", h264, &["NO_MOVEMENT"]),
        // Their movement comes back to its beginning.
        (&still, shaken, vp9, &["FLAT_MOTION", "LOOP"]),
        (&still, zoomed, h264, &["FLAT_MOTION", "LOOP"]),
        (&living, &forwards, vp8, &["LOOP"]),
        (&living, &back, h264, &["LOOP"]),
    ];
    for (inputs, filter, encoder, expected) in cases {
        let liveness = liveness_of(&client, encoded(node.scratch(), inputs, filter, encoder)).await;
        assert_ne!(liveness["resolution"], "SUCCESS", "{filter}: {liveness:#}");
        let codes = reason_codes(&liveness);
        assert!(expected.iter().any(|code| codes.contains(code)), "{filter}: {liveness:#}");
    }
}
