//! Benchmark of the store for clusters, compared with raw commands on the same replica set in the
//! same run: claims of empty runs, events across nodes, and listings of few and many folders. Part
//! of `make bench`. `CLUSTER_SCALE=0.1` reduces the numbers; `CLUSTER_PART=queue` or `listing` runs
//! only that part.

#![expect(
    clippy::disallowed_methods,
    reason = "the benchmark takes its options from the environment"
)]

use futures::future::join_all;
use mongodb::bson::{Bson, Document, Uuid, doc};
use mongodb::options::{Acknowledgment, WriteConcern};
use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vultus_core::Resolution;
use vultus_store::contract::{World, at, claim_request, verdict};
use vultus_store::{AnalysisResult, Applied, Change, FolderFilter, FolderOrder, Selection, Store};
use vultus_store_mongo::MongoStore;
use vultus_tests::ReplicaSet;
use vultus_tests::measure::{Figure, print_figures, quantile};

/// Number of nodes, and of tasks of each.
const NODES: usize = 3;
const TASKS: usize = 8;
const INSERTS: usize = 4_000;
const RUNS: usize = 10_000;
const EVENTS: usize = 400;
const FEW: usize = 1_000;
const MANY: usize = 1_000_000;
/// Folders of a page.
const PAGE: u32 = 50;
/// Documents of one bulk insert.
const BULK: usize = 5_000;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    let part = std::env::var("CLUSTER_PART").unwrap_or_default();
    let mut figures = Vec::new();
    if part != "listing" {
        figures.extend(runtime.block_on(queue_and_events()));
    }
    if part != "queue" {
        figures.extend(runtime.block_on(listing()));
    }
    if print_figures("MongoDB store: three members, three nodes", &figures) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn percentile(values: &[f64], percent: f64) -> f64 {
    quantile(&mut values.to_vec(), percent / 100.0)
}

fn scaled(number: usize) -> usize {
    let scale = std::env::var("CLUSTER_SCALE")
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
        .unwrap_or(1.0);
    ((number as f64 * scale) as usize).max(10)
}

fn journaled() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
}

async fn queue_and_events() -> Vec<Figure> {
    let set = ReplicaSet::start(3).await;
    let raw = set.client().await.database("raw");
    let uri = set.uri("vultus");
    let nodes: Vec<Arc<dyn Store>> = join_all((0..NODES).map(|_| MongoStore::open(&uri)))
        .await
        .into_iter()
        .map(|node| node.expect("it opens") as _)
        .collect();
    let world = World::new(Arc::clone(&nodes[0])).await;

    let inserted = inserts_per_second(&raw).await;
    make_runs(&world, scaled(RUNS)).await;
    let (finished, distinct, took) = claim_all(&nodes).await;
    let claimed = finished as f64 / took.as_secs_f64();
    let share = 100.0 * claimed / inserted;

    let raw_events = raw_latency(&raw).await;
    let events = event_latency(&world, &nodes[1]).await;
    let ratio = percentile(&events, 50.0) / percentile(&raw_events, 50.0);
    vec![
        Figure::plain("raw inserts, journaled by the majority", format!("{inserted:.0} /s")),
        Figure::against(
            "runs claimed and finished",
            format!("{claimed:.0} /s, {share:.0} %"),
            "≥ 25 % of raw",
            share >= 25.0,
        ),
        Figure::against(
            "runs claimed twice",
            format!("{} of {finished}", finished - distinct),
            "0",
            finished == distinct,
        ),
        Figure::plain("raw change stream, p50", format!("{:.1} ms", percentile(&raw_events, 50.0))),
        Figure::against(
            "event across nodes, p50",
            format!("{:.1} ms, {ratio:.1} ×", percentile(&events, 50.0)),
            "≤ 5 × raw",
            ratio <= 5.0,
        ),
        Figure::against(
            "event across nodes, p99",
            format!("{:.1} ms", percentile(&events, 99.0)),
            "≤ 100 ms",
            percentile(&events, 99.0) <= 100.0,
        ),
    ]
}

async fn inserts_per_second(raw: &mongodb::Database) -> f64 {
    let number = scaled(INSERTS);
    let tasks = NODES * TASKS;
    let begun = Instant::now();
    let inserts = (0..tasks).map(|_| {
        let collection = raw.collection::<Document>("inserts");
        tokio::spawn(async move {
            for number in 0..number / tasks {
                let one = doc! { "number": i64::try_from(number).unwrap_or_default() };
                collection
                    .insert_one(one)
                    .write_concern(journaled())
                    .await
                    .expect("inserting works");
            }
        })
    });
    join_all(inserts).await;
    (number / tasks * tasks) as f64 / begun.elapsed().as_secs_f64()
}

async fn make_runs(world: &World, number: usize) {
    let tasks = NODES * TASKS;
    let made = (0..tasks).map(|_| {
        let world = world.clone();
        tokio::spawn(async move {
            for turn in 0..number / tasks {
                // Like the runs of clients that send one request after the other.
                world.queued(i64::try_from(turn).unwrap_or_default(), &["a"]).await;
            }
        })
    });
    join_all(made).await;
}

/// All nodes claim and finish runs until none is left. Returns the number of runs, the number of
/// distinct runs, and the time.
async fn claim_all(nodes: &[Arc<dyn Store>]) -> (usize, usize, Duration) {
    let begun = Instant::now();
    let workers = (0..NODES * TASKS).map(|worker| {
        let store = Arc::clone(&nodes[worker % NODES]);
        tokio::spawn(async move {
            let mut done = Vec::new();
            let request = claim_request(1);
            while let Some(run) = store.claim_run(&request).await.expect("claiming works") {
                let mut result = verdict(Resolution::Success, run.media[0].id);
                if let AnalysisResult::Finished { artifacts, .. } = &mut result {
                    artifacts.clear();
                }
                let applied =
                    store.apply_result(run.token, run.analyses[0].id, &result, at(2)).await;
                assert_eq!(applied.expect("writing works"), Applied::Yes);
                store.release_run(run.token, None, at(2)).await.expect("releasing works");
                done.push(run.token.run_id);
            }
            done
        })
    });
    let done: Vec<_> =
        join_all(workers).await.into_iter().flat_map(|done| done.expect("none panics")).collect();
    (done.len(), done.iter().collect::<HashSet<_>>().len(), begun.elapsed())
}

/// Milliseconds from before a write to its event, with the driver alone.
async fn raw_latency(raw: &mongodb::Database) -> Vec<f64> {
    use futures::StreamExt;
    let collection = raw.collection::<Document>("events");
    collection
        .insert_one(doc! { "_id": 0, "number": 0_i64 })
        .write_concern(journaled())
        .await
        .expect("inserting works");
    let mut stream = collection.watch().await.expect("watching works");
    let mut took = Vec::new();
    for _ in 0..scaled(EVENTS) {
        let begun = Instant::now();
        let write = collection
            .update_one(doc! { "_id": 0 }, doc! { "$inc": { "number": 1_i64 } })
            .write_concern(journaled());
        let (written, event) = tokio::join!(async { write.await }, stream.next());
        written.expect("writing works");
        event.expect("the stream continues").expect("an event");
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    took
}

/// Milliseconds from before a write to its event, through the stores of two nodes.
async fn event_latency(world: &World, other: &Arc<dyn Store>) -> Vec<f64> {
    let (folder, _) = world.queued(0, &["a"]).await;
    let mut changes = other.changes();
    let mut took = Vec::new();
    let mut revision = 1;
    let nothing = serde_json::json!({}).into();
    for _ in 0..scaled(EVENTS) {
        let begun = Instant::now();
        let write =
            world.store.update_folder(world.scope(), folder.id, Some(&nothing), None, at(3));
        let arrival = async {
            loop {
                match changes.next().await {
                    Some(Change::Folder(change))
                        if change.folder_id == folder.id && change.revision > revision =>
                    {
                        return change.revision;
                    }
                    Some(_) => {}
                    None => panic!("the stream ended"),
                }
            }
        };
        let (written, arrived) = tokio::join!(write, arrival);
        written.expect("changing works");
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        revision = arrived;
    }
    took
}

/// Reads pages of 50 folders with their contents, first among few folders, then among many.
async fn listing() -> Vec<Figure> {
    let set = ReplicaSet::start(1).await;
    let uri = set.uri("vultus");
    let store: Arc<dyn Store> = MongoStore::open(&uri).await.expect("it opens");
    let world = World::new(store).await;
    let database = set.client().await.database("vultus");
    for seconds in 0..i64::from(PAGE) {
        let (_, group) = world.queued(2_000_000 + seconds, &["liveness", "face_match"]).await;
        let run = world.claim(3_000_000).await.expect("the run waits");
        for id in group.group.analyses {
            let result = verdict(Resolution::Success, run.media[0].id);
            world
                .store
                .apply_result(run.token, id, &result, at(3_000_000))
                .await
                .expect("writing works");
        }
    }
    let few = scaled(FEW);
    grow(&database, 0, few).await;
    let (among_few, commands) = pages(&world, &database).await;
    let many = scaled(MANY);
    grow(&database, few, many).await;
    let (among_many, _) = pages(&world, &database).await;
    let growth = among_many / among_few;
    vec![
        Figure::plain(
            "page of 50 among few folders, p50",
            format!("{among_few:.1} ms among {few}"),
        ),
        Figure::against("commands of a page", format!("{commands:.1}"), "≤ 4", commands <= 4.0),
        Figure::against(
            "page of 50 among many folders, p50",
            format!("{among_many:.1} ms among {many}"),
            "≤ 15 ms",
            among_many <= 15.0,
        ),
        Figure::against("growth", format!("{growth:.2} ×"), "< 1.5 ×", growth < 1.5),
    ]
}

/// Adds copies of the first folder, each older, with a medium and two analyses.
async fn grow(database: &mongodb::Database, from: usize, to: usize) {
    let fast = WriteConcern::builder().w(Acknowledgment::Nodes(1)).build();
    let template = async |name: &str| {
        database
            .collection::<Document>(name)
            .find_one(doc! {})
            .await
            .expect("reading works")
            .expect("one is there")
    };
    let (folder, medium, analysis) =
        (template("folders").await, template("media").await, template("analyses").await);
    let mut next = from;
    while next < to {
        let numbers: Vec<usize> = (next..to.min(next + BULK)).collect();
        next += BULK;
        let ids: Vec<Uuid> = numbers.iter().map(|_| Uuid::new()).collect();
        let copies = |of: &Document, each: usize| -> Vec<Document> {
            let pairs = numbers.iter().zip(&ids).flat_map(|pair| std::iter::repeat_n(pair, each));
            pairs.map(|(number, id)| copy(of, *number, *id)).collect()
        };
        let mut folders = copies(&folder, 1);
        for (folder, id) in folders.iter_mut().zip(&ids) {
            folder.insert("_id", *id);
        }
        for (name, documents) in [
            ("folders", folders),
            ("media", copies(&medium, 1)),
            ("analyses", copies(&analysis, 2)),
        ] {
            let collection = database.collection::<Document>(name);
            collection
                .insert_many(documents)
                .write_concern(fast.clone())
                .ordered(false)
                .await
                .expect("inserting works");
        }
    }
}

fn copy(of: &Document, number: usize, folder: Uuid) -> Document {
    let mut copy = of.clone();
    let time =
        1_790_000_000_000_000_000_i64 + i64::try_from(number).unwrap_or_default() * 1_000_000;
    copy.insert("_id", Uuid::new());
    for field in ["created_at", "updated_at"] {
        if copy.contains_key(field) {
            copy.insert(field, time);
        }
    }
    if let Some(Bson::Document(member)) = copy.get_mut("member") {
        member.insert("folder_id", folder);
    }
    copy
}

/// Median time of a page, and its number of commands.
async fn pages(world: &World, database: &mongodb::Database) -> (f64, f64) {
    const READ: usize = 100;
    let queries = async || {
        let status =
            database.run_command(doc! { "serverStatus": 1 }).await.expect("the server answers");
        let counters = status.get_document("opcounters").expect("it counts").clone();
        let of = |name: &str| {
            counters.get(name).and_then(Bson::as_i64).or(counters.get_i32(name).ok().map(i64::from))
        };
        of("query").unwrap_or_default() + of("getmore").unwrap_or_default()
    };
    let page = async || {
        let listed = world
            .store
            .list_folders(
                world.scope(),
                &FolderFilter::default(),
                FolderOrder::default(),
                None,
                PAGE,
            )
            .await;
        let contents = world
            .store
            .contents(listed.expect("listing works").0, Selection::CONTENTS)
            .await
            .expect("reading works");
        assert!(
            contents.len() == PAGE as usize
                && contents.iter().all(|folder| folder.analyses.members().len() == 2)
        );
    };
    page().await;
    let before = queries().await;
    let mut took = Vec::new();
    for _ in 0..READ {
        let begun = Instant::now();
        page().await;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let commands = (queries().await - before) as f64 / READ as f64;
    (percentile(&took, 50.0), commands)
}
