//! Full checks per minute and core: a 5 s selfie video and an ID photo, liveness and face match,
//! through GraphQL with `waitMs`.
//!
//! Cost grows with the frames of the video (decoding) and with the frames judged (at most 24 for
//! any length).

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use vultus_tests::measure::{Figure, cpu_time, print_figures};
use vultus_tests::{Client, Node, NodeOptions, Upload, executable, sample, sample_path};

const CLIENTS: usize = 4;
const CHECKS_PER_CLIENT: usize = 10;

/// Checks per minute of CPU time of node and workers that must be reached.
const BAR: f64 = 53.0;

/// File name of the video.
const CLIP: &str = "bench.mp4";

const CREATE: &str = "mutation($input: CreateFolderInput!) { createFolder(input: $input) { folder { resolution analyses(first: 5) { nodes {
  type state ... on LivenessAnalysis { score perMedia { framesJudged } } ... on FaceMatchAnalysis { similarity perMedia { framesUsed } }
} } } } }";

const COSTS: &str =
    "{ serverInfo { runCosts { runs decodeMs detectionMs embeddingMs analysisMs totalMs } } }";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    let mut reached = true;
    for decoder in ["exact", "fast"] {
        let figures = runtime.block_on(measure(decoder));
        reached &= print_figures(&format!("Full checks, 4 clients, decoder = {decoder}"), &figures)
            || decoder == "fast";
    }
    if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn measure(decoder: &str) -> Vec<Figure> {
    let config = format!("[log]\nlevel = \"warn\"\n[workers]\ndecoder = \"{decoder}\"\n");
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let clip = selfie_video(node.scratch());
    let client = node.client().await;
    let first = check(&client, &clip).await;
    assert_eq!(
        scores(&first["nodes"]),
        scores(&judged_by_command(&node)),
        "the server gives the scores that `vultus check` gives"
    );
    let before = client.data(COSTS, json!({})).await["serverInfo"]["runCosts"].clone();
    let (cpu, begun) = (cpu_time(node.pid()), Instant::now());
    let tasks: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (client, clip) = (client.clone(), clip.clone());
            tokio::spawn(async move {
                for _ in 0..CHECKS_PER_CLIENT {
                    check(&client, &clip).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a client ends well");
    }
    let (cpu, wall) = (cpu_time(node.pid()) - cpu, begun.elapsed());
    let after = client.data(COSTS, json!({})).await["serverInfo"]["runCosts"].clone();
    figures(&before, &after, cpu, wall, &first, clip.len())
}

fn figures(
    before: &Value,
    after: &Value,
    cpu: Duration,
    wall: Duration,
    first: &Value,
    clip_bytes: usize,
) -> Vec<Figure> {
    let checks = (CLIENTS * CHECKS_PER_CLIENT) as f64;
    let per_minute = checks * 60.0 / cpu.as_secs_f64();
    let spent = |name: &str| {
        (after[name].as_f64().unwrap_or_default() - before[name].as_f64().unwrap_or_default())
            / 1000.0
    };
    let share = |seconds: f64| seconds / cpu.as_secs_f64();
    let parts = [
        ("decode", "decodeMs"),
        ("detection", "detectionMs"),
        ("embedding", "embeddingMs"),
        ("liveness and matching", "analysisMs"),
    ];
    let rest = 1.0 - parts.iter().map(|(_, field)| share(spent(field))).sum::<f64>();
    let node = |kind: &str| {
        first["nodes"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|a| a["type"] == kind)
            .cloned()
            .unwrap_or_default()
    };
    let (liveness, face_match) = (node("liveness"), node("face_match"));
    let judged = liveness["perMedia"][0]["framesJudged"].as_u64().unwrap_or_default();
    let embedded = face_match["perMedia"][0]["framesUsed"].as_array().map_or(0, Vec::len);
    let mut figures = vec![
        Figure::against(
            "checks per minute and core (CPU time of node and workers)",
            format!("{per_minute:.1}"),
            "≥ 53",
            per_minute >= BAR,
        ),
        Figure::plain(
            "checks per minute, wall clock",
            format!("{:.1}", checks * 60.0 / wall.as_secs_f64()),
        ),
        Figure::plain(
            "video bit rate",
            format!("{:.1} Mbit/s", clip_bytes as f64 * 8.0 / 5.0 / 1e6),
        ),
        Figure::against("frames judged for liveness", judged.to_string(), "≥ 8", judged >= 8),
        Figure::against(
            "frames in the video's template",
            embedded.to_string(),
            "≥ 3",
            embedded >= 3,
        ),
        Figure::plain(
            "attack score / similarity",
            format!("{} / {}", liveness["score"], face_match["similarity"]),
        ),
    ];
    figures.extend(parts.iter().map(|(name, field)| {
        Figure::plain(&format!("share of {name}"), format!("{:.1} %", 100.0 * share(spent(field))))
    }));
    figures.push(Figure::against(
        "share of everything else",
        format!("{:.1} %", 100.0 * rest),
        "≤ 15 %",
        rest <= 0.15,
    ));
    figures
}

/// Attack score and similarity.
fn scores(analyses: &Value) -> [Value; 2] {
    let of = |kind: &str, name: &str| {
        analyses
            .as_array()
            .into_iter()
            .flatten()
            .find(|a| a["type"] == kind)
            .map(|a| a[name].clone())
    };
    [("liveness", "score"), ("face_match", "similarity")]
        .map(|(kind, name)| of(kind, name).filter(Value::is_number).expect("a score"))
}

/// The same files judged by the command line, in workers of its own with the same configuration.
fn judged_by_command(node: &Node) -> Value {
    let medium = |path: &Path, tags: &str| format!("{}:{tags}", path.display());
    let output = Command::new(executable("vultus"))
        .arg("--config")
        .arg(node.config_file())
        .args(["check", "--json", "--analysis", "liveness", "--analysis", "face_match", "--media"])
        .arg(medium(&node.scratch().join(CLIP), "video_selfie,video_selfie_blank"))
        .arg("--media")
        .arg(medium(&sample_path("obama.jpg"), "photo_id,photo_id_front"))
        .output()
        .expect("the command line can be started");
    let judged: Value = serde_json::from_slice(&output.stdout).expect("`check --json` prints JSON");
    judged["analyses"].clone()
}

async fn check(client: &Client, clip: &[u8]) -> Value {
    let media = json!([
        {"key": "video", "file": null, "tags": ["video_selfie", "video_selfie_blank"]},
        {"key": "id", "file": null, "tags": ["photo_id", "photo_id_front"]},
    ]);
    let analyses = json!([{"type": "liveness", "mediaKeys": ["video"]}, {"type": "face_match"}]);
    let files = vec![
        Upload::medium(0, "selfie.mp4", clip.to_vec()),
        Upload::medium(1, "id.jpg", sample("obama.jpg")),
    ];
    let input = json!({"input": {"media": media, "analyses": analyses, "waitMs": 30_000}});
    let data = client.upload_data(CREATE, input, files).await;
    let folder = &data["createFolder"]["folder"];
    assert!(folder["resolution"].is_string(), "the check did not end in time: {folder}");
    folder["analyses"].clone()
}

/// 5 s, 30 fps, 1280 x 720, H.264 at 4 Mbit/s with B-frames and one key frame, AAC audio; the
/// picture moves and carries noise.
fn selfie_video(folder: &Path) -> Vec<u8> {
    let target = folder.join(CLIP);
    let graph = "[0:v]scale=-2:900,pad=1500:900:(ow-iw)/2:0:gray,crop=1280:720:x='110+90*sin(1.7*t)':y='60+55*cos(1.3*t)',\
                 noise=alls=12:allf=t,format=yuv420p[v]";
    let status = Command::new("ffmpeg")
        .args(["-y", "-loglevel", "error", "-loop", "1", "-framerate", "30", "-t", "5", "-i"])
        .arg(sample_path("obama2.jpg"))
        .args([
            "-f",
            "lavfi",
            "-t",
            "5",
            "-i",
            "sine=frequency=220:sample_rate=44100",
            "-filter_complex",
            graph,
        ])
        .args([
            "-map",
            "[v]",
            "-map",
            "1:a",
            "-c:v",
            "libx264",
            "-preset",
            "medium",
            "-g",
            "250",
            "-sc_threshold",
            "0",
            "-b:v",
            "4M",
            "-maxrate",
            "5M",
        ])
        .args(["-bufsize", "5M", "-c:a", "aac", "-shortest"])
        .arg(&target)
        .status()
        .expect("ffmpeg is installed by `make setup`");
    assert!(status.success(), "ffmpeg failed with {status}");
    std::fs::read(&target).expect("the clip was written")
}
