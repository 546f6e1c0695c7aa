//! `make hostile`: all that strangers and one company can do at once, and what another company and
//! the node's health notice of it. HOSTILE_SECONDS shortens the five minutes.

mod attacks;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;
use vultus_tests::measure::{Figure, bench, quantile, resident_memory};
use vultus_tests::{CREATE_FOLDER, Client, Node, NodeOptions, jpeg, media_input, selfie_photo};

/// Time without attacks, before and after.
const QUIET: Duration = Duration::from_secs(20);
/// Time for the node to return memory after the attacks.
const RECOVERY: Duration = Duration::from_secs(60);
const MEMORY_BAR: f64 = 1024.0;
const HEALTH_BAR_MS: f64 = 100.0;
const SLOWDOWN_BAR: f64 = 3.0;
const RETURNED_BAR: f64 = 1.2;

fn main() -> ExitCode {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(1 << 20).min(1 << 20);
    setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit })
        .expect("the limit of descriptors can be raised");
    bench("All attacks at once", measure())
}

fn attack_time() -> Duration {
    let seconds = std::env::var("HOSTILE_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(300))
}

/// The machine of the attackers: threads that leave the processors to the node and to the honest
/// client, which would not share theirs with an attacker.
fn attackers() -> Runtime {
    let leave_processors = || {
        rustix::process::setpriority_process(None, 19).expect("a priority can be lowered");
    };
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    threads.enable_all().on_thread_start(leave_processors);
    threads.build().expect("a runtime can be started")
}

async fn measure() -> Vec<Figure> {
    let config = "[log]\nlevel = \"warn\"\n[tokens]\naccess_seconds = 3600\n".to_owned();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let plugins = attacks::plugins(folder.path());
    let node = Node::start_with(NodeOptions { config, plugins, ..NodeOptions::default() }).await;
    let honest = node.client_of_company("Honest", "honest@example.org", "client").await;
    let tenant = node.client_of_company("Hostile", "hostile@example.org", "client-admin").await;
    let photo = jpeg(&image::RgbImage::from_pixel(64, 64, image::Rgb([90, 120, 60])));

    let mut quiet = work(&honest, &photo, QUIET).await;
    let base = resident_memory(node.pid());
    let peak = Arc::new(AtomicU64::new(0));
    let watched = AbortOnDropHandle::new(watch_memory(node.pid(), peak.clone()));
    let machine = attackers();
    let attacks = {
        let _on_it = machine.enter();
        attacks::all(&node.url, &tenant, &photo)
    };
    let health = health(&node, attack_time());
    let (mut under_attack, mut health) = tokio::join!(work(&honest, &photo, attack_time()), health);
    drop((attacks, watched));
    machine.shutdown_background();
    tokio::time::sleep(RECOVERY).await;
    let after = resident_memory(node.pid());
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);

    let peak = mib(peak.load(Ordering::Relaxed));
    let returned = after as f64 / base as f64;
    let mut figures = vec![
        Figure::against(
            "memory of the node, peak (MiB)",
            format!("{peak:.0}"),
            "<= 1024",
            peak <= MEMORY_BAR,
        ),
        Figure::against(
            "memory a minute later, to that before",
            format!("{returned:.2} ({:.0} MiB)", mib(after)),
            "<= 1.2",
            returned <= RETURNED_BAR,
        ),
        {
            let p99 = quantile(&mut health, 0.99);
            let slowest = format!("{p99:.1} of {}", health.len());
            Figure::against("/healthz p99 (ms)", slowest, "<= 100", p99 <= HEALTH_BAR_MS)
        },
    ];
    for (quiet, loud) in quiet.iter_mut().zip(&mut under_attack) {
        let (before, during) = (quantile(&mut quiet.times, 0.99), quantile(&mut loud.times, 0.99));
        let slowdown = during / before;
        figures.push(Figure::against(
            &format!("another company: {} p99, to that in quiet", quiet.name),
            format!("{slowdown:.2} ({before:.0} -> {during:.0} ms)"),
            "<= 3",
            slowdown <= SLOWDOWN_BAR,
        ));
        figures.push(Figure::against(
            &format!("another company: {} refused", quiet.name),
            format!("{} of {}", loud.refused, loud.times.len() + loud.refused),
            "0",
            loud.refused == 0,
        ));
    }
    figures
}

/// What one kind of request of the honest company took, in milliseconds.
struct Kind {
    name: &'static str,
    times: Vec<f64>,
    refused: usize,
}

impl Kind {
    fn new(name: &'static str) -> Self {
        Self { name, times: Vec::new(), refused: 0 }
    }

    fn note(&mut self, begun: Instant, answer: reqwest::Result<Value>) -> Option<Value> {
        match answer {
            Ok(answer) if answer.get("errors").is_none() => {
                self.times.push(begun.elapsed().as_secs_f64() * 1000.0);
                Some(answer)
            }
            Ok(_) | Err(_) => {
                self.refused += 1;
                None
            }
        }
    }
}

/// The honest company creates folders with a photo, and reads and lists them.
async fn work(client: &Client, photo: &[u8], time: Duration) -> [Kind; 3] {
    let [mut create, mut read, mut list] =
        [Kind::new("upload"), Kind::new("read"), Kind::new("list")];
    let by_id = "query($id: ID!) { folder(id: $id) { id media(first: 5) { nodes { id } } } }";
    let all = "{ folders(first: 20) { nodes { id state } } }";
    let begun = Instant::now();
    while begun.elapsed() < time {
        let (variables, files) = media_input(&[selfie_photo(photo.to_vec())], json!({}));
        let at = Instant::now();
        let created = client.try_upload(CREATE_FOLDER, variables, files).await;
        let id =
            create.note(at, created).map(|a| a["data"]["createFolder"]["folder"]["id"].clone());
        for _ in 0..5 {
            if let Some(id) = &id {
                let at = Instant::now();
                read.note(at, client.try_query(by_id, json!({"id": id})).await);
            }
            let at = Instant::now();
            list.note(at, client.try_query(all, json!({})).await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    [create, read, list]
}

/// The times of `/healthz`, each on a new connection.
async fn health(node: &Node, time: Duration) -> Vec<f64> {
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        let at = Instant::now();
        let answer = node.anonymous().try_get("/healthz").await;
        let took = at.elapsed().as_secs_f64() * 1000.0;
        times.push(if answer.is_ok() { took } else { f64::INFINITY });
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    times
}

fn watch_memory(pid: u32, peak: Arc<AtomicU64>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            peak.fetch_max(resident_memory(pid), Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
}
