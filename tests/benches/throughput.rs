//! Measures full checks per minute and core: a 5 s selfie video and an ID photo, liveness and face
//! match, through GraphQL with `waitMs`.
//!
//! The cost grows with the number of video frames (decoding) and of judged frames (at most 24).

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use vultus_tests::measure::{Figure, cpu_time, exit_code, print_figures};
use vultus_tests::{Client, Node, NodeOptions, Upload, analysis, executable, sample, sample_path};

const CLIENTS: usize = 4;
const CHECKS_PER_CLIENT: usize = 10;

/// Minimum number of checks per minute of CPU time of node and workers.
const BAR: f64 = 53.0;

/// File name of the video.
const CLIP: &str = "bench.mp4";

const CREATE: &str = "mutation($input: CreateFolderInput!) { createFolder(input: $input) {
  folder { resolution analyses(first: 5) { nodes {
    type state
    ... on LivenessAnalysis { score perMedia { framesJudged } }
    ... on FaceMatchAnalysis { similarity perMedia { framesUsed } }
  } } }
} }";

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
    exit_code(reached)
}

async fn measure(decoder: &str) -> Vec<Figure> {
    let config = format!("[log]\nlevel = \"warn\"\n[workers]\ndecoder = \"{decoder}\"\n");
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let clip = selfie_video(node.scratch());
    let client = node.client().await;
    let first = check(&client, &clip).await;
    assert_eq!(
        scores(&first),
        scores(&judged_by_cli(&node)),
        "the server gives the scores of `vultus check`"
    );
    let run_costs = async || client.data(COSTS, json!({})).await["serverInfo"]["runCosts"].clone();
    let before = run_costs().await;
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
        task.await.expect("a client does not panic");
    }
    let (cpu, wall) = (cpu_time(node.pid()) - cpu, begun.elapsed());
    let costs = Costs { before, after: run_costs().await };
    let bit_rate = clip.len() as f64 * 8.0 / 5.0 / 1e6;
    let mut figures = figures(&costs, cpu, wall, &first);
    figures.push(Figure::plain("video bit rate", format!("{bit_rate:.1} Mbit/s")));
    figures
}

/// The server's CPU times of all runs, before and after the checks.
struct Costs {
    before: Value,
    after: Value,
}

fn figures(costs: &Costs, cpu: Duration, wall: Duration, folder: &Value) -> Vec<Figure> {
    let checks = (CLIENTS * CHECKS_PER_CLIENT) as f64;
    let per_minute = checks * 60.0 / cpu.as_secs_f64();
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
    ];
    figures.extend(verdict(folder));
    figures.extend(shares(costs, cpu));
    figures
}

/// The frames that were used, and the scores.
fn verdict(folder: &Value) -> [Figure; 3] {
    let (liveness, face_match) = (analysis(folder, "liveness"), analysis(folder, "face_match"));
    let judged = liveness["perMedia"][0]["framesJudged"].as_u64().unwrap_or_default();
    let embedded = face_match["perMedia"][0]["framesUsed"].as_array().map_or(0, Vec::len);
    let [score, similarity] = scores(folder);
    [
        Figure::against("frames judged for liveness", judged.to_string(), "≥ 8", judged >= 8),
        Figure::against(
            "frames in the video's template",
            embedded.to_string(),
            "≥ 3",
            embedded >= 3,
        ),
        Figure::plain("attack score / similarity", format!("{score} / {similarity}")),
    ]
}

/// Shares of the CPU time by stage.
fn shares(costs: &Costs, cpu: Duration) -> Vec<Figure> {
    let stages = [
        ("decode", "decodeMs"),
        ("detection", "detectionMs"),
        ("embedding", "embeddingMs"),
        ("liveness and matching", "analysisMs"),
    ];
    let spent = |costs: &Value, field: &str| costs[field].as_f64().unwrap_or_default() / 1000.0;
    let mut rest = 1.0;
    let mut figures = Vec::new();
    for (name, field) in stages {
        let seconds = spent(&costs.after, field) - spent(&costs.before, field);
        let share = seconds / cpu.as_secs_f64();
        rest -= share;
        figures.push(Figure::plain(&format!("share of {name}"), format!("{:.1} %", 100.0 * share)));
    }
    figures.push(Figure::against(
        "share of everything else",
        format!("{:.1} %", 100.0 * rest),
        "≤ 15 %",
        rest <= 0.15,
    ));
    figures
}

/// Attack score and similarity.
fn scores(folder: &Value) -> [Value; 2] {
    [("liveness", "score"), ("face_match", "similarity")].map(|(kind, field)| {
        let score = analysis(folder, kind)[field].clone();
        assert!(score.is_number(), "{kind} has no {field}");
        score
    })
}

/// Verdict of `vultus check` on the same files with the same configuration.
fn judged_by_cli(node: &Node) -> Value {
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
    json!({"analyses": {"nodes": judged["analyses"]}})
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
    folder.clone()
}

/// Makes a clip with motion and noise: 5 s, 30 fps, 1280 x 720, H.264 at 4 Mbit/s with B-frames and
/// one key frame, AAC audio.
fn selfie_video(folder: &Path) -> Vec<u8> {
    let target = folder.join(CLIP);
    let graph = "[0:v]scale=-2:900,pad=1500:900:(ow-iw)/2:0:gray,\
                 crop=1280:720:x='110+90*sin(1.7*t)':y='60+55*cos(1.3*t)',\
                 noise=alls=12:allf=t,format=yuv420p[v]";
    let status = Command::new("ffmpeg")
        .args(["-y", "-loglevel", "error", "-loop", "1", "-framerate", "30", "-t", "5", "-i"])
        .arg(sample_path("obama2.jpg"))
        .args(["-f", "lavfi", "-t", "5", "-i", "sine=frequency=220:sample_rate=44100"])
        .args(["-filter_complex", graph, "-map", "[v]", "-map", "1:a"])
        .args(["-c:v", "libx264", "-preset", "medium", "-g", "250", "-sc_threshold", "0"])
        .args(["-b:v", "4M", "-maxrate", "5M", "-bufsize", "5M", "-c:a", "aac", "-shortest"])
        .arg(&target)
        .status()
        .expect("ffmpeg is installed by `make setup`");
    assert!(status.success(), "ffmpeg failed with {status}");
    std::fs::read(&target).expect("the clip was written")
}
