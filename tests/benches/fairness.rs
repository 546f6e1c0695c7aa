//! Measures how companies share a node: the checks of one company while another has thousands of
//! runs in the queue, and what a node achieves at five times the load that it can serve.

use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use vultus_tests::measure::{Figure, bench, median, quantile};
use vultus_tests::{
    Client, DELETE_FOLDER, Node, NodeOptions, REQUEST_ANALYSES, Upload, sample, selfie_photo,
};

/// Checks measured in quiet and under the flood.
const CHECKS: usize = 80;
/// Runs of the company that floods.
const FLOOD: usize = 5_000;
/// Clients that queue them at the same time.
const QUEUEING_CLIENTS: usize = 2;
/// Requests of one batch.
const BATCH: usize = 10;
/// Clients that measure the peak, each with one check at a time.
const PEAK_CLIENTS: usize = 4;
/// Duration of each measurement of load.
const PHASE: Duration = Duration::from_secs(15);
/// Offered load, in multiples of the peak.
const OVERLOAD: f64 = 5.0;

const CHECK: &str = "mutation($input: CheckInput!) { check(input: $input) { resolution } }";

fn main() -> ExitCode {
    bench("Fairness and overload", measure())
}

async fn measure() -> Vec<Figure> {
    let config = "log.level = \"warn\"\nworkers.spare = 1\n".to_owned();
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let few = node.client_of_company("Few", "few@example.org", "client").await;
    let many = node.client_of_company("Many", "many@example.org", "client-admin").await;
    let mut figures = flood(&few, &many).await;
    figures.extend(overload(&few).await);
    figures
}

/// An instant check of a photo. Returns the answer.
async fn check(client: &Client) -> Value {
    let media = json!([{"key": "s", "file": null, "tags": ["photo_selfie"]}]);
    let input = json!({"input": {"media": media, "analyses": [{"type": "liveness"}]}});
    let file = Upload::medium(0, "s.jpg", sample("obama2.jpg"));
    client.upload(CHECK, input, vec![file]).await
}

/// Milliseconds of checks, one after the other.
async fn latencies(client: &Client) -> Vec<f64> {
    let mut times = Vec::new();
    for _ in 0..CHECKS {
        let begun = Instant::now();
        let answer = check(client).await;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        assert_eq!(answer["data"]["check"]["resolution"], "SUCCESS", "{answer}");
    }
    times
}

async fn flood(few: &Client, many: &Client) -> Vec<Figure> {
    latencies(few).await;
    let mut quiet = latencies(few).await;
    let folder = many.create(&[selfie_photo(sample("obama2.jpg"))], json!({})).await;
    let id = folder["id"].as_str().expect("a folder has an id").to_owned();
    let input = json!({"input": {"folderId": id, "analyses": [{"type": "liveness"}]}});
    let batch = json!(vec![json!({"query": REQUEST_ANALYSES, "variables": input}); BATCH]);
    let begun = Instant::now();
    let queueing = (0..QUEUEING_CLIENTS).map(|_| async {
        for _ in 0..FLOOD / BATCH / QUEUEING_CLIENTS {
            many.post_text(&batch).await;
        }
    });
    let (mut during, _) = tokio::join!(latencies(few), futures::future::join_all(queueing));
    let queued = begun.elapsed();
    let mut flooded = latencies(few).await;
    many.data(DELETE_FOLDER, json!({"input": {"folderId": id}})).await;
    // The machine may have other work: the quiet before and after are averaged.
    quiet.extend(latencies(few).await);
    let p50 = [&mut quiet, &mut during, &mut flooded].map(|times| median(times));
    let p95 = [&mut quiet, &mut during, &mut flooded].map(|times| quantile(times, 0.95));
    let added = 100.0 * (p95[2] / p95[0] - 1.0);
    let times =
        |[quiet, during, flooded]: [f64; 3]| format!("{quiet:.0} / {during:.0} / {flooded:.0} ms");
    vec![
        Figure::plain("runs queued by one company", format!("{FLOOD} in {queued:.1?}")),
        Figure::plain("another's check, p50, quiet / queueing / queued", times(p50)),
        Figure::plain("another's check, p95, quiet / queueing / queued", times(p95)),
        Figure::against("added to another's p95", format!("{added:.0} %"), "< 20 %", added < 20.0),
    ]
}

/// What became of the checks of one phase.
#[derive(Debug, Default)]
struct Outcome {
    judged: AtomicUsize,
    told_to_retry: AtomicUsize,
    other: AtomicUsize,
}

impl Outcome {
    fn count(&self, answer: &Value) {
        let extensions = &answer["errors"][0]["extensions"];
        let counter = if answer["data"]["check"]["resolution"].is_string() {
            &self.judged
        } else if extensions["code"] == "UNAVAILABLE" && extensions["retryAfterMs"].is_number() {
            &self.told_to_retry
        } else {
            &self.other
        };
        counter.fetch_add(1, Relaxed);
    }
}

async fn overload(client: &Client) -> Vec<Figure> {
    let peak = Arc::new(Outcome::default());
    let until = Instant::now() + PHASE;
    let clients = (0..PEAK_CLIENTS).map(|_| async {
        while Instant::now() < until {
            peak.count(&check(client).await);
        }
    });
    futures::future::join_all(clients).await;
    let peak_rate = peak.judged.load(Relaxed) as f64 / PHASE.as_secs_f64();

    let outcome = Arc::new(Outcome::default());
    let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / (peak_rate * OVERLOAD)));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let (begun, mut sent) = (Instant::now(), Vec::new());
    while begun.elapsed() < PHASE {
        pace.tick().await;
        let (client, outcome) = (client.clone(), Arc::clone(&outcome));
        sent.push(tokio::spawn(async move { outcome.count(&check(&client).await) }));
    }
    let offered = sent.len() as f64 / begun.elapsed().as_secs_f64();
    let judged_in_time = outcome.judged.load(Relaxed) as f64 / begun.elapsed().as_secs_f64();
    for one in sent {
        one.await.expect("a client does not panic");
    }
    let goodput = 100.0 * judged_in_time / peak_rate;
    let (retry, other) = (outcome.told_to_retry.load(Relaxed), outcome.other.load(Relaxed));
    vec![
        Figure::plain("checks per second, four clients", format!("{peak_rate:.1}")),
        Figure::plain("offered load", format!("{:.1} × that", offered / peak_rate)),
        Figure::against("goodput", format!("{goodput:.0} %"), "≥ 80 %", goodput >= 80.0),
        Figure::against(
            "refused with a time to retry / in another way",
            format!("{retry} / {other}"),
            "0 others",
            other == 0,
        ),
    ]
}
