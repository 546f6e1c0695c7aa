//! Measures the cost of isolating plugins: the overhead of the plugin interface in a liveness run,
//! the time from the death of a worker to the next verdict, and how the server answers while
//! plugins show every fault of `analyzers/faulty`.

mod direct;

use direct::Direct;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use vultus_tests::hostile::{self, FAULTS};
use vultus_tests::measure::{Figure, exit_code, median, print_figures, quantile};
use vultus_tests::{Client, Node, NodeOptions, Upload, compiled, sample};

const ROUNDS: usize = 40;
const RESTARTS: usize = 5;
const HEALTHY: usize = 200;
/// Maximum overhead of the plugin interface, as a share of a liveness run.
const OVERHEAD: f64 = 0.03;
/// Maximum time from the death of a worker until the next one has loaded its weights.
const RESTART: Duration = Duration::from_millis(1500);
/// Maximum latency of `/healthz` while plugins misbehave, in milliseconds.
const HEALTH_MS: f64 = 100.0;
/// Timeout in the manifest of the faulty plugins.
const DEADLINE: Duration = Duration::from_secs(1);
/// Maximum time from the timeout to the failure.
const GRACE: Duration = Duration::from_secs(3);

const CHECK: &str = "mutation($input: CheckInput!) {
  check(input: $input) { resolution analyses { type state score } }
}";
const COSTS: &str =
    "{ serverInfo { runCosts { runs decodeMs detectionMs embeddingMs analysisMs totalMs } } }";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    let overhead = runtime.block_on(overhead());
    let hostile = runtime.block_on(under_hostile_plugins());
    let reached = [
        print_figures("Plugin interface: liveness of one photo", &overhead),
        print_figures("Every fault at once, under a load of healthy analyses", &hostile),
    ];
    exit_code(reached.iter().all(|reached| *reached))
}

async fn check(client: &Client, kind: &str, params: Value) -> (Value, Duration) {
    let media = json!([{"key": "selfie", "file": null, "tags": ["photo_selfie"]}]);
    let input = json!({"media": media, "analyses": [{"type": kind, "params": params}]});
    let files = vec![Upload::medium(0, "selfie.jpg", sample("obama2.jpg"))];
    let begun = Instant::now();
    let data = client.upload_data(CHECK, json!({"input": input}), files).await;
    (data["check"]["analyses"][0].clone(), begun.elapsed())
}

/// Times of one liveness check, in milliseconds.
#[derive(Default)]
struct Times {
    check: Vec<f64>,
    /// CPU time of the run in the worker.
    worker: Vec<f64>,
    /// The part of it that the worker's meter gives to no stage.
    unmetered: Vec<f64>,
    /// CPU time of the same work as direct calls.
    direct: Vec<f64>,
}

async fn overhead() -> Vec<Figure> {
    let mut times = liveness_times().await;
    let mut restarts = Vec::new();
    for _ in 0..RESTARTS {
        restarts.push(restart().await);
    }
    let longest = quantile(&mut restarts, 1.0);
    let (worker, direct) = (median(&mut times.worker), median(&mut times.direct));
    let (share, unmetered) = ((worker - direct) / worker, median(&mut times.unmetered) / worker);
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    vec![
        Figure::plain("one check, p50", format!("{:.1} ms", median(&mut times.check))),
        Figure::plain("CPU time of a run in the worker, p50", format!("{worker:.2} ms")),
        Figure::plain("CPU time of the same work called directly, p50", format!("{direct:.2} ms")),
        Figure::against(
            "overhead of the interface, against direct calls",
            percent(share),
            "≤ 3 %",
            share <= OVERHEAD,
        ),
        Figure::against(
            "overhead of the interface, by the worker's meter",
            percent(unmetered),
            "≤ 3 %",
            unmetered <= OVERHEAD,
        ),
        Figure::against(
            "worker killed, until the next is ready (longest of 5)",
            format!("{longest:.0} ms"),
            "≤ 1500 ms",
            longest <= ms(RESTART),
        ),
    ]
}

async fn liveness_times() -> Times {
    let node = node_with_one_worker().await;
    let client = node.client().await;
    let mut direct = Direct::open();
    let photo = sample("obama2.jpg");
    check(&client, "liveness", json!({})).await;
    direct.judge(&photo, None);
    let costs = async || {
        let told = client.data(COSTS, json!({})).await["serverInfo"]["runCosts"].clone();
        ["totalMs", "decodeMs", "detectionMs", "embeddingMs", "analysisMs"]
            .map(|name| told[name].as_f64().unwrap_or_default())
    };
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        let before = costs().await;
        let (analysis, took) = check(&client, "liveness", json!({})).await;
        let after = costs().await;
        let [total, parts @ ..] =
            std::array::from_fn::<f64, 5, _>(|part| after[part] - before[part]);
        times.check.push(ms(took));
        times.worker.push(total);
        times.unmetered.push(total - parts.iter().sum::<f64>());
        let begun = own_cpu_time();
        let (score, _) = direct.judge(&photo, None);
        times.direct.push(ms(own_cpu_time() - begun));
        assert_eq!(
            analysis["score"].to_string(),
            score,
            "the server gives the score of the direct call"
        );
    }
    times
}

async fn node_with_one_worker() -> Node {
    let config = "[log]\nlevel = \"warn\"\n[workers]\ncount = 1\n".to_owned();
    Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await
}

/// How much longer a check takes after its worker was killed, in milliseconds. Starts a new node
/// each time, as the server would count several kills in a minute as crashes of the plugin.
async fn restart() -> f64 {
    let node = node_with_one_worker().await;
    let client = node.client().await;
    check(&client, "liveness", json!({})).await;
    let (_, usual) = check(&client, "liveness", json!({})).await;
    let pid =
        rustix::process::Pid::from_raw(i32::try_from(node.workers()[0]).expect("a process id"))
            .expect("a process id");
    let begun = Instant::now();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL)
        .expect("a worker can be killed");
    let (analysis, _) = check(&client, "liveness", json!({})).await;
    let took = begun.elapsed();
    assert_eq!(analysis["state"], "FINISHED");
    ms(took) - ms(usual)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// CPU time of this process, over all threads.
fn own_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).expect("less than a second"),
    )
}

async fn under_hostile_plugins() -> Vec<Figure> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut plugins = hostile::plugins(folder.path());
    plugins.push(compiled(folder.path(), "example-c/sharpness.c", "libsharpness.so", &[]));
    let config = "[log]\nlevel = \"error\"\n[workers]\nmemory_bytes = 1073741824\n".to_owned();
    let node = Node::start_with(NodeOptions { config, plugins, ..NodeOptions::default() }).await;
    let client = node.client().await;
    let done = AtomicBool::new(false);
    let load = async {
        let faults = futures::future::join_all(FAULTS.map(|(mode, _)| fail(&client, mode)));
        let healthy = async {
            let mut good = 0;
            for _ in 0..HEALTHY / 4 {
                let checks = (0..4).map(|_| check(&client, "sharpness", json!({})));
                let checked = futures::future::join_all(checks).await;
                good +=
                    checked.iter().filter(|(analysis, _)| analysis["state"] == "FINISHED").count();
            }
            good
        };
        let both = futures::join!(faults, healthy);
        done.store(true, Relaxed);
        both
    };
    let anonymous = node.anonymous();
    let ((faults, good), mut health) = futures::join!(load, ask_for_health(&anonymous, &done));
    let longest =
        faults.into_iter().max_by_key(|(_, took)| *took).expect("the list of faults is not empty");
    let (p50, p99) = (quantile(&mut health, 0.5), quantile(&mut health, 0.99));
    vec![
        Figure::against(
            "healthy analyses that finish",
            format!("{good} of {HEALTHY}"),
            "all",
            good == HEALTHY,
        ),
        Figure::plain("health, p50", format!("{p50:.1} ms")),
        Figure::against("health, p99", format!("{p99:.1} ms"), "< 100 ms", p99 < HEALTH_MS),
        Figure::against(
            &format!("from RUNNING to FAILED, longest ({})", longest.0),
            format!("{:.2} s", longest.1.as_secs_f64()),
            "≤ 4 s",
            longest.1 <= DEADLINE + GRACE,
        ),
    ]
}

/// Runs a faulty plugin. Returns the time from its last start to its failure, by the server's
/// clock.
async fn fail(client: &Client, mode: &'static str) -> (&'static str, Duration) {
    let kind = hostile::kind(mode);
    let asked = json!({"analyses": [{"type": kind, "params": {"mode": mode}}]});
    let folder = client.create(&[vultus_tests::selfie_photo(sample("obama2.jpg"))], asked).await;
    let id = folder["id"].as_str().expect("a folder has an id").to_owned();
    client.final_folder(&id).await;
    let query = "query($id: ID!) { folder(id: $id) {
      analyses(first: 1) { nodes { state startedAt finishedAt } }
    } }";
    let analysis =
        client.data(query, json!({"id": id})).await["folder"]["analyses"]["nodes"][0].clone();
    assert_eq!(analysis["state"], "FAILED", "{mode}");
    let seconds = |field: &str| {
        seconds_of_day(analysis[field].as_str().expect("a failed analysis has both times"))
    };
    (
        mode,
        Duration::from_secs_f64(
            (seconds("finishedAt") - seconds("startedAt")).rem_euclid(86_400.0),
        ),
    )
}

/// Seconds since midnight of a time such as 2026-01-01T12:34:56.789Z.
fn seconds_of_day(time: &str) -> f64 {
    let clock = time.split_once('T').expect("a date and a time").1.trim_end_matches('Z');
    clock.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().expect("a number"))
}

async fn ask_for_health(client: &Client, done: &AtomicBool) -> Vec<f64> {
    let mut times = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    while !done.load(Relaxed) {
        pace.tick().await;
        let begun = Instant::now();
        assert!(client.get("/healthz").await.status().is_success());
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    times
}
