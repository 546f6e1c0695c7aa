//! Gesture clips that cannot be judged, and unusual ones: each gets a verdict with a reason that
//! says what to do, or is refused.

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use vultus_tests::{
    Client, Node, analysis, bona_fide_clip, item, jpeg, reason_codes, sample, sample_path, shot_set,
};

const X264: [&str; 5] = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt"];

/// Writes a clip of ffmpeg inputs through a filter.
fn clip(target: &Path, inputs: &[&str], filter: &str, encoder: &[&str]) {
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-y", "-loglevel", "error"])
        .args(inputs)
        .args(["-filter_complex", filter, "-an"])
        .args(encoder)
        .arg(target)
        .status()
        .expect("ffmpeg is installed by `make setup`");
    assert!(status.success(), "{filter}");
}

/// The folder of a test with clips made from portraits.
struct Clips<'f> {
    folder: &'f Path,
    living: String,
}

impl<'f> Clips<'f> {
    fn new(folder: &'f Path) -> Self {
        let living = folder.join("living.mp4");
        std::fs::write(&living, bona_fide_clip(folder)).unwrap();
        Self { folder, living: living.to_str().unwrap().to_owned() }
    }

    /// The living portrait through a filter.
    fn living(&self, filter: &str) -> Vec<u8> {
        self.made(&["-i", &self.living], filter, &[&X264[..], &["yuv420p"]].concat(), "mp4")
    }

    fn made(&self, inputs: &[&str], filter: &str, encoder: &[&str], extension: &str) -> Vec<u8> {
        let target = self.folder.join(format!("made.{extension}"));
        clip(&target, inputs, filter, encoder);
        std::fs::read(target).unwrap()
    }

    /// Two faces in the same place that take turns of 0.6 s.
    fn turns(&self) -> Vec<u8> {
        let [a, b] = ["obama2.jpg", "biden.jpg"].map(sample_path);
        let still = |file: &Path| {
            let file = file.to_str().unwrap().to_owned();
            ["-loop", "1", "-framerate", "24", "-t", "3", "-i"]
                .map(str::to_owned)
                .into_iter()
                .chain([file])
        };
        let inputs: Vec<String> = still(&a).chain(still(&b)).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let fit = "scale=360:480:force_original_aspect_ratio=increase,crop=360:480:0:0,setsar=1";
        let graph = format!(
            "[0:v]{fit}[a];[1:v]{fit}[b];[a][b]overlay=enable='lt(mod(t\\,1.2)\\,0.6)':shortest=1"
        );
        self.made(&inputs, &graph, &[&X264[..], &["yuv420p"]].concat(), "mp4")
    }

    /// A WebM clip whose pictures change their size, as browsers record over a slow network.
    fn resized(&self) -> Vec<u8> {
        let vp8 = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "800k"];
        let mut list = String::new();
        for (name, filter) in
            [("a", "trim=0:1.5"), ("b", "trim=1.5:3,setpts=PTS-STARTPTS,scale=270:480")]
        {
            let part = self.folder.join(format!("{name}.webm"));
            clip(&part, &["-i", &self.living], filter, &vp8);
            list.push_str(&format!("file '{name}.webm'\n"));
        }
        std::fs::write(self.folder.join("parts.txt"), list).unwrap();
        let parts = self.folder.join("parts.txt");
        let target = self.folder.join("resized.webm");
        let status = Command::new("ffmpeg")
            .args(["-nostdin", "-y", "-loglevel", "error", "-f", "concat", "-i"])
            .arg(parts)
            .args(["-c", "copy"])
            .arg(&target)
            .status()
            .unwrap();
        assert!(status.success());
        std::fs::read(target).unwrap()
    }
}

async fn gestures_of(client: &Client, bytes: Vec<u8>) -> Value {
    let media = [item("clip", &["video_selfie", "video_selfie_left"], bytes)];
    let folder = client.folder_with(&media, &["gestures"]).await;
    let gestures = analysis(&folder, "gestures").clone();
    assert_eq!(gestures["state"], "FINISHED", "{gestures:#}");
    gestures
}

#[tokio::test]
async fn unusable_gesture_clips_get_their_reason() {
    let node = Node::start().await;
    let client = node.client().await;
    let clips = Clips::new(node.scratch());
    let leaving = "trim=0:3,drawbox=t=fill:c=gray:enable='gt(t,1.2)'";
    for (name, bytes, reasons) in [
        ("slow", clips.living("trim=0:3,fps=10"), &["LOW_FRAME_RATE"][..]),
        ("short", clips.living("trim=0:1"), &["CLIP_TOO_SHORT"]),
        ("leaving", clips.living(leaving), &["FACE_LOST"]),
        ("taking turns", clips.turns(), &["FACE_CHANGED"]),
        ("sideways", clips.living("trim=0:2,transpose=1"), &["SIDEWAYS"]),
    ] {
        let gestures = gestures_of(&client, bytes).await;
        assert_ne!(gestures["resolution"], "SUCCESS", "{name}: {gestures:#}");
        let codes = reason_codes(&gestures);
        assert!(reasons.iter().all(|reason| codes.contains(reason)), "{name}: {gestures:#}");
    }
}

#[tokio::test]
async fn unusual_gesture_clips_are_judged_as_others() {
    let node = Node::start().await;
    let client = node.client().await;
    let clips = Clips::new(node.scratch());
    let living = ["-i", clips.living.as_str()];
    let hdr = [
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-pix_fmt",
        "yuv420p10le",
        "-x265-params",
        "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc",
    ];
    for (name, bytes) in [
        ("240 frames per second", clips.living("trim=0:1.6,fps=240,scale=180:-2")),
        ("high dynamic range", clips.made(&living, "trim=0:2,eq=brightness=-0.1", &hdr, "mp4")),
        ("changing size", clips.resized()),
    ] {
        let gestures = gestures_of(&client, bytes).await;
        assert_eq!(reason_codes(&gestures), ["GESTURE_NOT_SEEN"], "{name}: {gestures:#}");
        let seen = &gestures["gesturesPerMedia"][0];
        assert_eq!((&seen["wanted"], &seen["complete"]), (&json!(["LEFT"]), &json!(false)));
        let medium = &gestures["result"]["media"][0];
        assert_eq!(medium["faces"], medium["frames"], "{name}: {medium:#}");
    }
}

#[tokio::test]
async fn shot_set_shows_no_gesture_and_needs_no_times() {
    let node = Node::start().await;
    let client = node.client().await;
    let picture = image::load_from_memory(&sample("obama2.jpg")).unwrap();
    let picture = picture.resize(480, 640, image::imageops::FilterType::Triangle);
    let shots: Vec<Vec<u8>> = (0..8).map(|at| jpeg(&picture.brighten(at % 3).to_rgb8())).collect();
    let shots = [item("shots", &["video_selfie", "video_selfie_left"], shot_set(&shots))];
    let input = json!({"analyses": [{"type": "gestures"}]});
    let error = client.refused(&shots, input).await;
    assert_eq!(error["code"], "INVALID_INPUT", "{error:#}");
    let folder = client.folder_with(&shots, &["liveness"]).await;
    let liveness = analysis(&folder, "liveness");
    assert_eq!(reason_codes(liveness), ["NO_MOVEMENT"], "{liveness:#}");
}
