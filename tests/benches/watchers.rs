//! `make soak`: many subscriptions to one folder. 2 000 that read see each change in time; with
//! 10 000, of which half never read, the node answers all through and readers see the newest state.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use vultus_tests::measure::{Figure, bench, quantile};
use vultus_tests::{Client, Node, NodeOptions, Socket};

/// Number of subscriptions in the form that measures latency.
const READERS: usize = 2_000;
/// Number of subscriptions of which half never read.
const MANY: usize = 10_000;
/// Number of changes in each form.
const CHANGES: u64 = 100;
/// Maximum time from a change until 99 % of the readers have it, in milliseconds.
const LATENCY_BAR: f64 = 250.0;
/// Number of sockets that are opened concurrently.
const AT_ONCE: usize = 50;
/// A request of another client must be answered within this time.
const PATIENCE: Duration = Duration::from_secs(8);

fn main() -> ExitCode {
    let limit = getrlimit(Resource::Nofile);
    let wanted = MANY as u64 + 1000;
    assert!(
        limit.maximum.is_none_or(|most| most >= wanted),
        "this account may not open {wanted} descriptors (ulimit -Hn)"
    );
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit })
        .expect("the limit of descriptors can be raised");
    bench("Many subscriptions to one folder", measure())
}

async fn measure() -> Vec<Figure> {
    let (slowest, p99) = readers().await;
    let (answered, newest) = many().await;
    vec![
        Figure::against(
            "2 000 readers have a change, p99",
            format!("{p99:.0} ms"),
            "<= 250 ms",
            p99 <= LATENCY_BAR,
        ),
        Figure::plain("the slowest reader", format!("{slowest:.0} ms")),
        Figure::against(
            "10 000, half never reading: slowest request of another",
            format!("{answered:.0} ms"),
            "answered",
            answered < PATIENCE.as_secs_f64() * 1000.0,
        ),
        Figure::plain("until all readers have the newest state", format!("{newest:.2} s")),
    ]
}

/// A node with one folder.
struct Stage {
    node: Node,
    client: Client,
    folder: Value,
}

impl Stage {
    async fn new() -> Self {
        let config =
            "[log]\nlevel = \"warn\"\n[workers]\ncount = 1\n[tokens]\naccess_seconds = 3600\n";
        let options = NodeOptions { config: config.to_owned(), ..NodeOptions::default() };
        let node = Node::start_with(options).await;
        let client = node.client().await;
        let folder = client.create(&[], json!({})).await["id"].clone();
        Self { node, client, folder }
    }

    async fn watching(&self, reads: bool) -> Socket {
        let mut socket = match reads {
            true => self.client.socket().await,
            false => self.client.reluctant_socket().await,
        };
        let query = "subscription($id: ID!) { folder(id: $id) { revision metadata } }";
        socket.subscribe("1", query, json!({"id": self.folder})).await;
        if reads {
            assert_eq!(socket.next().await["type"], "next");
        }
        socket
    }

    async fn watchers(&self, count: usize, reads: bool) -> Vec<Socket> {
        let mut sockets = Vec::with_capacity(count);
        while sockets.len() < count {
            let some = (0..AT_ONCE.min(count - sockets.len())).map(|_| self.watching(reads));
            sockets.extend(futures::future::join_all(some).await);
        }
        sockets
    }

    /// Changes the folder and returns its revision.
    async fn change(&self, marker: u64) -> u64 {
        let update = "mutation($input: UpdateFolderInput!) {
            updateFolder(input: $input) { folder { revision } } }";
        let metadata = json!({"marker": marker, "text": "x".repeat(4_000)});
        let input = json!({"input": {"folderId": self.folder, "metadata": metadata}});
        let changed = self.client.data(update, input).await;
        changed["updateFolder"]["folder"]["revision"].as_u64().expect("a revision")
    }
}

/// Reads until the last change and returns when each revision came.
async fn arrivals(mut socket: Socket, mut last: watch::Receiver<u64>) -> Vec<(u64, Instant)> {
    let mut came: Vec<(u64, Instant)> = Vec::new();
    loop {
        let newest = came.last().map_or(0, |(revision, _)| *revision);
        let is_over = *last.borrow_and_update();
        if is_over > 0 && newest >= is_over {
            return came;
        }
        tokio::select! {
            _ = last.changed() => {}
            message = socket.next() => {
                let revision = &message["payload"]["data"]["folder"]["revision"];
                came.push((revision.as_u64().expect("a revision"), Instant::now()));
            }
        }
    }
}

fn reading(sockets: Vec<Socket>, last: &watch::Sender<u64>) -> JoinSet<Vec<(u64, Instant)>> {
    let mut tasks = JoinSet::new();
    for socket in sockets {
        tasks.spawn(arrivals(socket, last.subscribe()));
    }
    tasks
}

/// Returns the slowest and the 99th percentile of all times from a change to a reader, in
/// milliseconds.
async fn readers() -> (f64, f64) {
    let stage = Stage::new().await;
    let sockets = stage.watchers(READERS, true).await;
    let (last, _) = watch::channel(0);
    let tasks = reading(sockets, &last);
    let (mut begun, mut newest) = (Vec::new(), 0);
    let mut pace = tokio::time::interval(Duration::from_secs(1));
    for marker in 1..=CHANGES {
        // Paced, because the latency of one change is measured, not the throughput of many.
        pace.tick().await;
        let at = Instant::now();
        newest = stage.change(marker).await;
        begun.push((newest, at));
    }
    last.send_replace(newest);
    let mut times = Vec::new();
    for came in tasks.join_all().await {
        for (revision, at) in &begun {
            let (_, seen) = came.iter().find(|(seen, _)| seen >= revision).expect("it came");
            times.push(seen.duration_since(*at).as_secs_f64() * 1000.0);
        }
    }
    (quantile(&mut times, 1.0), quantile(&mut times, 0.99))
}

/// Returns the slowest request of another client in milliseconds, and the seconds until every
/// reader had the newest state.
async fn many() -> (f64, f64) {
    let stage = Stage::new().await;
    let unread = stage.watchers(MANY / 2, false).await;
    let sockets = stage.watchers(MANY / 2, true).await;
    let (last, _) = watch::channel(0);
    let tasks = reading(sockets, &last);
    let (mut slowest, mut newest) = (Duration::ZERO, 0);
    for marker in 1..=CHANGES {
        let at = Instant::now();
        let changed = tokio::time::timeout(PATIENCE, stage.change(marker)).await;
        newest = changed.expect("a change is answered");
        slowest = slowest.max(at.elapsed());
        let ready = tokio::time::timeout(PATIENCE, stage.node.is_ready()).await;
        assert!(ready.expect("the node answers"), "the node is ready");
    }
    let changed = Instant::now();
    last.send_replace(newest);
    assert_eq!(tasks.join_all().await.len(), MANY / 2, "every reader has the newest state");
    drop(unread);
    (slowest.as_secs_f64() * 1000.0, changed.elapsed().as_secs_f64())
}
