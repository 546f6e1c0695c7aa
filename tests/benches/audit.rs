//! Measures what the audit log costs 16 concurrent writers of one company on both stores, against
//! the same writers without it in the same run, and how long the verification of 1 000 000 entries
//! takes. `cargo bench --workspace --bench audit -- --small` only tries the bench: few rounds, 10
//! 000 entries.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use vultus_core::Resolution;
use vultus_store::audit::{
    Actor, AuditAction, AuditObject, Chain, ChainOf, Facts, NewEntry, Origin, verify,
};
use vultus_store::contract::{World, at, group, medium, new_id, verdict};
use vultus_store::{Applied, FolderAdditions, Store};
use vultus_store_mongo::MongoStore;
use vultus_store_sqlite::{Options, SqliteStore};
use vultus_tests::ReplicaSet;
use vultus_tests::measure::{Figure, bench, median};

const WRITERS: usize = 16;
/// Stored paths of each writer in a round.
const EACH: usize = 8;
const RATIO_BAR: f64 = 1.05;
/// Entries that are written with one command.
const AT_ONCE: u64 = 5_000;
const VERIFY_BAR: Duration = Duration::from_secs(10);
/// Interval of the node's background task.
const INTERVAL: Duration = Duration::from_millis(400);

/// How much is measured.
struct Size {
    /// Rounds with and without the audit log, in turn.
    rounds: usize,
    /// Entries to verify.
    entries: u64,
}

const WHOLE: Size = Size { rounds: 15, entries: 1_000_000 };
const SMALL: Size = Size { rounds: 3, entries: 10_000 };

fn main() -> ExitCode {
    let size = if std::env::args().any(|argument| argument == "--small") { SMALL } else { WHOLE };
    bench("Audit log", measure(size))
}

async fn measure(size: Size) -> Vec<Figure> {
    let data = TempDir::new().expect("a folder for the data");
    let path = data.path().join("vultus.db");
    let sqlite = SqliteStore::open(&path, Options::default()).expect("the store opens");
    let uri = ReplicaSet::shared(1).uri(&format!("audit-{}", uuid::Uuid::now_v7()));
    let mongo = MongoStore::open(&uri).await.expect("the store opens");
    let mut figures = Vec::new();
    for (name, store) in
        [("SQLite", sqlite as Arc<dyn Store>), ("MongoDB", mongo as Arc<dyn Store>)]
    {
        figures.extend(cost(name, &store, size.rounds).await);
        figures.push(verification(name, &store, size.entries).await);
    }
    figures
}

/// Time of the stored path with the audit log, relative to without.
async fn cost(name: &str, store: &Arc<dyn Store>, rounds: usize) -> [Figure; 2] {
    let world = World::new(Arc::clone(store)).await;
    let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    round(&world, true).await;
    for _ in 0..rounds {
        let plain = round(&world, false).await;
        let audited = round(&world, true).await;
        ratios.push(audited / plain);
        with.push(audited);
        without.push(plain);
    }
    let ratio = median(&mut ratios);
    let times = format!("{:.0} / {:.0} ms", median(&mut with) * 1e3, median(&mut without) * 1e3);
    let relative = format!("{name}: stored path, relative to no audit log");
    [
        Figure::plain(&format!("{name}: 128 stored paths with and without"), times),
        Figure::against(&relative, format!("{ratio:.3}"), "≤ 1.05", ratio <= RATIO_BAR),
    ]
}

/// Runs the stored path of all writers, in seconds. With the audit log, entries get their places
/// meanwhile, and the round ends when all have them.
async fn round(world: &World, audited: bool) -> f64 {
    let begun = Instant::now();
    let stop = CancellationToken::new();
    let chaining = audited.then(|| tokio::spawn(chain(Arc::clone(&world.store), stop.clone())));
    let writers = (0..WRITERS).map(|_| tokio::spawn(paths(world.clone(), audited)));
    futures::future::try_join_all(writers).await.expect("the writers end");
    stop.cancel();
    if let Some(chaining) = chaining {
        chaining.await.expect("the entries get their places");
    }
    begun.elapsed().as_secs_f64()
}

/// As the node's background task.
async fn chain(store: Arc<dyn Store>, stop: CancellationToken) {
    loop {
        let stopped = stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_none();
        while store.chain_waiting(None, 500).await.expect("chaining works") >= 500 {}
        if stopped {
            return;
        }
    }
}

/// Folders with a medium and an analysis; each run is claimed and gets its result.
async fn paths(world: World, audited: bool) {
    for _ in 0..EACH {
        let folder = world.folder(0);
        let medium = medium(folder.id, 0);
        let new = group(folder.id, 0, &["liveness"], &[medium.id]);
        let entry = entry(&world, ChainOf::Known(Chain::Company(world.company.id)));
        let entry = NewEntry { object: Some(AuditObject::Folder(folder.id)), ..entry };
        let additions = FolderAdditions {
            media: vec![medium],
            group: Some(new),
            now: Some(at(0)),
            most_media: Some(100),
            most_analyses: None,
        };
        let store = Arc::clone(&world.store);
        let store = if audited { store.recording(entry) } else { store };
        store.create_folder(&folder, &additions, None).await.expect("creating works");
        // A claim that conflicts with others may find nothing.
        let run = loop {
            if let Some(run) = world.claim(1).await {
                break run;
            }
        };
        let (token, analysis) = (run.token, run.analyses[0].id);
        world.store.enter_analysis(token, analysis, at(1)).await.expect("entering works");
        let result = verdict(Resolution::Success, run.media[0].id);
        let applied = world.store.apply_result(token, analysis, &result, at(2)).await;
        assert_eq!(applied.expect("writing works"), Applied::Yes);
        world.store.release_run(token, None, at(2)).await.expect("releasing works");
    }
}

fn entry(world: &World, chain: ChainOf) -> NewEntry {
    NewEntry {
        id: new_id(),
        chain,
        at: at(0),
        actor: Actor::User(world.owner.id),
        origin: Some(Origin::of([192, 0, 2, 1].into())),
        action: AuditAction::FolderCreated,
        object: Some(AuditObject::Folder(new_id())),
        before: Facts::new(),
        after: Facts::new().code("type", "liveness").id("analysis", world.owner.id),
    }
}

/// Time to verify the chain of the installation.
async fn verification(name: &str, store: &Arc<dyn Store>, entries: u64) -> Figure {
    let world = World::new(Arc::clone(store)).await;
    let chain = ChainOf::Known(Chain::Installation);
    for _ in 0..entries / AT_ONCE {
        let batch: Vec<_> = (0..AT_ONCE).map(|_| entry(&world, chain)).collect();
        store.record(&batch).await.expect("recording works");
        while store.chain_waiting(Some(batch[0].id), 1_000).await.expect("chaining works") > 0 {}
    }
    let begun = Instant::now();
    let found = verify(store.as_ref(), Chain::Installation, &[], |_| {}).await;
    let took = begun.elapsed();
    let head = found.expect("reading works").expect("the chain is sound");
    assert_eq!(head.number, entries);
    let what = format!("{name}: verifying {entries} entries");
    Figure::against(&what, format!("{:.1} s", took.as_secs_f64()), "≤ 10 s", took <= VERIFY_BAR)
}
