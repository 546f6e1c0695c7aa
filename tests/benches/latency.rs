//! Measures the overhead of the server: `check` of two photos, and the stored path (`createFolder`
//! with `waitMs`), against the same pipeline called directly in this process. The calls alternate,
//! so that load on the machine affects all of them. Each round also measures an fsync in the data
//! folder.

mod direct;

use direct::Direct;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;
use vultus_tests::measure::{Figure, bench, median, quantile};
use vultus_tests::{Client, Node, NodeOptions, Upload, analysis, sample};

const ROUNDS: usize = 60;
/// Rounds that are not counted, while buffers and caches fill.
const WARM_UP: usize = 6;
/// Maximum overhead of the server, in milliseconds.
const BAR_MS: f64 = 15.0;
/// Number of fsyncs that the stored path may wait for in addition.
const FSYNCS: f64 = 4.0;
const SELFIE: &str = "obama2.jpg";
const ID: &str = "obama.jpg";

const CHECK: &str = "mutation($input: CheckInput!) {
  check(input: $input) { resolution analyses { type score result } }
}";
const CREATE: &str = "mutation($input: CreateFolderInput!) { createFolder(input: $input) {
  folder { resolution analyses(first: 5) { nodes {
    type ... on LivenessAnalysis { score } ... on FaceMatchAnalysis { pairs { cosine } }
  } } }
} }";

fn main() -> ExitCode {
    bench("Latency of two photos: liveness and face match", measure())
}

async fn measure() -> Vec<Figure> {
    let config = "[log]\nlevel = \"warn\"\n[workers]\ncount = 1\n".to_owned();
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let client = node.client().await;
    let portraits = (sample(SELFIE), sample(ID));
    let mut direct = Direct::open();
    let mut disk = File::create(node.scratch().join("fsync"))
        .expect("a file beside the data folder can be made");
    let mut times: [Vec<f64>; 4] = Default::default();
    for round in 0..WARM_UP + ROUNDS {
        let (selfie, id) = (distinct(&portraits.0, round), distinct(&portraits.1, round));
        let clock = Instant::now();
        let expected = direct.judge(&selfie, Some(&id));
        let direct_ms = ms(clock);
        let (checked, check_ms) = check(&client, &selfie, &id).await;
        let (stored, stored_ms) = create(&client, &selfie, &id).await;
        if round == 0 {
            assert_eq!(scores(&checked), expected, "`check` gives the scores of the direct call");
            assert_eq!(
                scores(&stored),
                expected,
                "the stored path gives the scores of the direct call"
            );
        }
        let fsync_ms = fsync(&mut disk);
        if round >= WARM_UP {
            for (times, time) in times.iter_mut().zip([direct_ms, check_ms, stored_ms, fsync_ms]) {
                times.push(time);
            }
        }
    }
    figures(times)
}

/// The figures of the times of direct calls, checks, the stored path and fsyncs, in milliseconds.
fn figures(times: [Vec<f64>; 4]) -> Vec<Figure> {
    let [mut direct, mut check, mut stored, mut fsync] = times;
    let spread = |values: &mut [f64]| {
        format!("{:.1} / {:.1} ms", quantile(values, 0.1), quantile(values, 0.9))
    };
    let p50 = [&mut direct, &mut check, &mut stored, &mut fsync].map(|values| median(values));
    let added = |to: f64| to - p50[0];
    let stored_bar = BAR_MS + FSYNCS * p50[3];
    vec![
        Figure::plain("rounds", ROUNDS.to_string()),
        Figure::plain("direct, p50", format!("{:.1} ms", p50[0])),
        Figure::plain("direct, p10 / p90", spread(&mut direct)),
        Figure::plain("check, p50", format!("{:.1} ms", p50[1])),
        Figure::plain("check, p10 / p90", spread(&mut check)),
        Figure::plain("stored, p50", format!("{:.1} ms", p50[2])),
        Figure::plain("stored, p10 / p90", spread(&mut stored)),
        Figure::plain("fsync, p50", format!("{:.2} ms", p50[3])),
        Figure::against(
            "check adds",
            format!("{:.1} ms", added(p50[1])),
            "≤ 15 ms",
            added(p50[1]) <= BAR_MS,
        ),
        Figure::against(
            "the stored path adds",
            format!("{:.1} ms", added(p50[2])),
            &format!("≤ {stored_bar:.1} ms"),
            added(p50[2]) <= stored_bar,
        ),
    ]
}

fn ms(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0
}

/// The picture with the round's number after its end, so that each round stores a different file.
fn distinct(picture: &[u8], round: usize) -> Vec<u8> {
    [picture, &round.to_le_bytes()].concat()
}

fn input(selfie: &[u8], id: &[u8]) -> (Value, Vec<Upload>) {
    let media = json!([
        {"key": "selfie", "file": null, "tags": ["photo_selfie"]},
        {"key": "id", "file": null, "tags": ["photo_id", "photo_id_front"]},
    ]);
    let analyses = json!([{"type": "liveness"}, {"type": "face_match"}]);
    let files = vec![
        Upload::medium(0, "selfie.jpg", selfie.to_vec()),
        Upload::medium(1, "id.jpg", id.to_vec()),
    ];
    (json!({"media": media, "analyses": analyses}), files)
}

async fn check(client: &Client, selfie: &[u8], id: &[u8]) -> (Value, f64) {
    let (input, files) = input(selfie, id);
    let begun = Instant::now();
    let data = client.upload_data(CHECK, json!({"input": input}), files).await;
    let taken = ms(begun);
    (json!({"analyses": {"nodes": data["check"]["analyses"]}}), taken)
}

async fn create(client: &Client, selfie: &[u8], id: &[u8]) -> (Value, f64) {
    let (mut input, files) = input(selfie, id);
    input["waitMs"] = json!(30_000);
    let begun = Instant::now();
    let data = client.upload_data(CREATE, json!({"input": input}), files).await;
    let taken = ms(begun);
    let folder = data["createFolder"]["folder"].clone();
    assert_eq!(folder["resolution"], "SUCCESS", "the answer has the verdict: {folder}");
    (folder, taken)
}

/// Attack score and cosine as text, as [`Direct::judge`] returns them.
fn scores(folder: &Value) -> (String, Option<String>) {
    let (liveness, face_match) = (analysis(folder, "liveness"), analysis(folder, "face_match"));
    let pairs = if face_match["result"].is_null() {
        &face_match["pairs"]
    } else {
        &face_match["result"]["pairs"]
    };
    (liveness["score"].to_string(), Some(pairs[0]["cosine"].to_string()))
}

/// Milliseconds of a small append and an fsync, as in a commit of the database.
fn fsync(file: &mut File) -> f64 {
    let page = [7; 4096];
    let begun = Instant::now();
    file.write_all(&page)
        .and_then(|()| file.sync_data())
        .expect("a page can be written and synced");
    ms(begun)
}
