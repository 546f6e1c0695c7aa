//! Measures what deletions cost: with many idempotency keys in the store, and what readers notice
//! of six clients that delete.

use rusqlite::Connection;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vultus_tests::measure::{Figure, bench, median, quantile};
use vultus_tests::{CREATE_FOLDER, Client, DELETE_FOLDER, Node, NodeOptions};

/// Idempotency keys in the store.
const KEYS: usize = 200_000;
/// Deletions of each measurement.
const DELETIONS: usize = 60;
/// Clients that delete.
const DELETING: usize = 6;
/// Clients that read.
const READING: usize = 2;
/// Duration of each phase with readers; quiet and deletions take turns.
const PHASE: Duration = Duration::from_secs(5);
const PHASES: usize = 3;
/// Maximum time of a deletion with the keys, in milliseconds.
const DELETION_BAR: f64 = 10.0;
/// Maximum of the readers' p99 relative to that in quiet.
const SLOWDOWN_BAR: f64 = 2.0;

fn main() -> ExitCode {
    bench("Deletions", measure())
}

async fn measure() -> Vec<Figure> {
    let config = "log.level = \"warn\"\n".to_owned();
    let mut node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let without = deletion(&node.client().await).await;
    node.stop();
    fill(&node);
    node.launch().await;
    let client = node.client().await;
    let with = deletion(&client).await;
    let sync = sync_time(&node);
    let mut figures = vec![
        Figure::plain("one fsync of this disk", format!("{sync:.1} ms")),
        Figure::plain("deletion without idempotency keys", format!("{without:.1} ms")),
        Figure::against(
            "deletion with 200 000 idempotency keys",
            format!("{with:.1} ms"),
            "<= 10 ms",
            with <= DELETION_BAR,
        ),
    ];
    figures.push(readers(client).await);
    figures
}

async fn folder(client: &Client) -> Value {
    let input = json!({"input": {"metadata": {"text": "x".repeat(200)}}});
    client.data(CREATE_FOLDER, input).await["createFolder"]["folder"]["id"].clone()
}

/// Median time of a deletion, in milliseconds.
async fn deletion(client: &Client) -> f64 {
    let mut times = Vec::new();
    for _ in 0..DELETIONS {
        let id = folder(client).await;
        let begun = Instant::now();
        client.data(DELETE_FOLDER, json!({"input": {"folderId": id}})).await;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    median(&mut times)
}

/// Writes keys of requests, each with a folder, into the database of a stopped node.
fn fill(node: &Node) {
    let mut database = Connection::open(node.data().join("vultus.db")).expect("the database");
    let transaction = database.transaction().expect("a transaction");
    let user: String = transaction
        .query_row("SELECT id FROM users LIMIT 1", (), |row| row.get(0))
        .expect("a user");
    let now = time::OffsetDateTime::now_utc().unix_timestamp_nanos();
    let now = i64::try_from(now).expect("a time of this century");
    let insert = "INSERT INTO idempotency
        (user_id, operation, key, fingerprint, replay_doc, created_at)
        VALUES (?1, 'createFolder', ?2, ?2, ?3, ?4)";
    for number in 0..KEYS {
        let folder = uuid::Uuid::now_v7();
        let replay = json!({
            "v": 1, "folder_id": folder.to_string(), "media": [], "group_id": null, "analyses": [],
        });
        let arguments = (&user, format!("key {number}"), replay.to_string(), now);
        transaction.execute(insert, arguments).expect("a key");
    }
    transaction.commit().expect("a commit");
}

/// Median time to write a block and to have it on the disk, in milliseconds.
fn sync_time(node: &Node) -> f64 {
    let path = node.data().join("sync");
    let mut file = std::fs::File::create(&path).expect("a file can be made");
    let mut times = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        std::io::Write::write_all(&mut file, &[1; 4096]).expect("a block can be written");
        file.sync_data().expect("the file can be synced");
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    std::fs::remove_file(path).expect("the file can be removed");
    median(&mut times)
}

/// Times of reads while `stop` is not cancelled.
async fn reads(client: Client, id: Value, stop: CancellationToken) -> Vec<f64> {
    let query = "query($id: ID!) { folder(id: $id) { id metadata revision } }";
    let mut times = Vec::new();
    while !stop.is_cancelled() {
        let begun = Instant::now();
        client.data(query, json!({"id": id})).await;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    times
}

/// One phase: the times of the readers and the number of deletions.
async fn phase(client: &Client, id: &Value, deleting: usize) -> (Vec<f64>, usize) {
    let stop = CancellationToken::new();
    let readers: Vec<_> = (0..READING)
        .map(|_| tokio::spawn(reads(client.clone(), id.clone(), stop.clone())))
        .collect();
    let client = Arc::new(client.clone());
    let mut deletions = JoinSet::new();
    for _ in 0..deleting {
        let (client, stop) = (client.clone(), stop.clone());
        deletions.spawn(async move {
            let mut count = 0;
            while !stop.is_cancelled() {
                let id = folder(&client).await;
                client.data(DELETE_FOLDER, json!({"input": {"folderId": id}})).await;
                count += 1;
            }
            count
        });
    }
    tokio::time::sleep(PHASE).await;
    stop.cancel();
    let mut times = Vec::new();
    for reader in readers {
        times.extend(reader.await.expect("a reader does not panic"));
    }
    (times, deletions.join_all().await.into_iter().sum())
}

async fn readers(client: Client) -> Figure {
    let id = folder(&client).await;
    let (mut quiet, mut loud, mut deleted) = (Vec::new(), Vec::new(), 0);
    for _ in 0..PHASES {
        quiet.extend(phase(&client, &id, 0).await.0);
        let (times, count) = phase(&client, &id, DELETING).await;
        loud.extend(times);
        deleted += count;
    }
    let (before, during) = (quantile(&mut quiet, 0.99), quantile(&mut loud, 0.99));
    let slowdown = during / before;
    Figure::against(
        &format!("readers' p99 during {deleted} deletions, to quiet"),
        format!("{slowdown:.2} ({before:.1} -> {during:.1} ms)"),
        "<= 2",
        slowdown <= SLOWDOWN_BAR,
    )
}
