//! Measures what deletions cost the readers of the SQLite store on this machine, and what many
//! idempotency keys cost a deletion.
//!
//! `cargo run -p vultus-store-sqlite --example deletions [FOLDER]`: the data are in a temporary
//! folder below FOLDER (default: the current folder).

use std::io::{Result, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vultus_core::FolderId;
use vultus_store::contract::{World, at};
use vultus_store::export::{IdempotencyRecord, Record};
use vultus_store::{Archive, IdempotencyKey, Replay};
use vultus_store_sqlite::{Options, SqliteStore};

/// Folders that stay and are read.
const FOLDERS: i64 = 500;
/// Tasks that read.
const READERS: usize = 4;
/// Tasks that delete.
const DELETERS: usize = 6;
/// Length of each measurement of reads.
const LENGTH: Duration = Duration::from_secs(5);
/// Pause of a reader between two reads, so that they do not fill the machine.
const PAUSE: Duration = Duration::from_millis(2);
/// Idempotency keys of other folders.
const KEYS: usize = 200_000;

fn quantile(times: &mut [Duration], share: f64) -> f64 {
    times.sort();
    let at = ((times.len() - 1) as f64 * share).round() as usize;
    times[at].as_secs_f64() * 1e3
}

/// Reads folders for a while and returns how long each read took.
async fn reads(world: &World, ids: &[FolderId]) -> Vec<Duration> {
    let readers = (0..READERS).map(|reader| {
        let (world, ids) = (world.clone(), ids.to_vec());
        tokio::spawn(async move {
            let (mut times, begun) = (Vec::new(), Instant::now());
            for turn in 0.. {
                if begun.elapsed() > LENGTH {
                    break;
                }
                let id = ids[(turn * READERS + reader) % ids.len()];
                let at = Instant::now();
                world.contents(id).await;
                times.push(at.elapsed());
                tokio::time::sleep(PAUSE).await;
            }
            times
        })
    });
    let all = futures::future::join_all(readers).await;
    all.into_iter().flat_map(|times| times.expect("none panics")).collect()
}

/// Creates and erases folders until told to stop. Returns how long each erasure took.
async fn erasures(world: World, over: Arc<AtomicBool>) -> Vec<Duration> {
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let (folder, _) = world.queued(1, &["liveness", "face_match"]).await;
        let at_begin = Instant::now();
        let erased = world.store.erase_folder(world.scope(), folder.id, at(2)).await;
        erased.expect("erasing works");
        times.push(at_begin.elapsed());
    }
    times
}

/// Creates and erases folders, one after the other. Returns how long each erasure took.
async fn one_by_one(world: &World) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..50 {
        let (folder, _) = world.queued(1, &["liveness", "face_match"]).await;
        let begun = Instant::now();
        let erased = world.store.erase_folder(world.scope(), folder.id, at(2)).await;
        erased.expect("erasing works");
        times.push(begun.elapsed());
    }
    times
}

/// Stores idempotency keys of folders that do not exist.
async fn store_keys(store: &SqliteStore, world: &World) {
    for some in (0..KEYS).collect::<Vec<_>>().chunks(10_000) {
        let record = |number: &usize| {
            let key = IdempotencyKey {
                user_id: world.owner.id,
                operation: "createFolder".to_owned(),
                key: format!("key-{number}"),
                fingerprint: "ab".repeat(32),
            };
            let folder_id = Some(uuid::Uuid::now_v7().into());
            let replay = Replay { folder_id, ..Replay::default() };
            Record::Idempotency(IdempotencyRecord { key, replay, created_at: at(0) })
        };
        store.import(some.iter().map(record).collect()).await.expect("importing works");
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let below = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());
    let data = tempfile::tempdir_in(below)?;
    let mut out = std::io::stdout();
    let store = SqliteStore::open(&data.path().join("vultus.db"), Options::default())
        .map_err(std::io::Error::other)?;
    let world = World::new(store.clone()).await;
    let mut ids = Vec::new();
    for seconds in 0..FOLDERS {
        ids.push(world.queued(seconds, &["liveness"]).await.0.id);
    }
    let mut quiet = reads(&world, &ids).await;
    let over = Arc::new(AtomicBool::new(false));
    let deleters: Vec<_> =
        (0..DELETERS).map(|_| tokio::spawn(erasures(world.clone(), over.clone()))).collect();
    let mut busy = reads(&world, &ids).await;
    over.store(true, Ordering::Relaxed);
    let mut erasing = Vec::new();
    for deleter in deleters {
        erasing.extend(deleter.await.map_err(std::io::Error::other)?);
    }
    let mut alone = one_by_one(&world).await;
    store_keys(&store, &world).await;
    let mut with_keys = one_by_one(&world).await;
    for (name, times) in [
        ("read of a folder, quiet", &mut quiet),
        ("read of a folder, 6 clients deleting", &mut busy),
        ("deletion, 6 clients deleting", &mut erasing),
        ("deletion alone", &mut alone),
        ("deletion alone with 200 000 idempotency keys", &mut with_keys),
    ] {
        let (p50, p99) = (quantile(times, 0.5), quantile(times, 0.99));
        writeln!(out, "{name:<46} {:>6} times, p50 {p50:>7.2} ms, p99 {p99:>7.2} ms", times.len())?;
    }
    world.store.close().await.map_err(std::io::Error::other)
}
