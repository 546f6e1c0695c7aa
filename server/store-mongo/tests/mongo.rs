//! The contract suite over MongoDB with one member, and rules about several nodes: starting
//! together, events and the queue across nodes, exports, values of clients.

use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use mongodb::bson::{Document, doc};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use vultus_core::{AnalysisState, JsonText, Part, Resolution};
use vultus_store::audit::{Actor, AuditAction, Chain, ChainOf, Facts, Fault, NewEntry, verify};
use vultus_store::contract::{LEASE, World, at, claim_request, new_id, verdict};
use vultus_store::{Applied, Change, Store};
use vultus_store_mongo::MongoStore;
use vultus_tests::ReplicaSet;

const DEADLINE: Duration = Duration::from_secs(20);
/// Maximum time that a non-result write is held back.
const LINGER: Duration = Duration::from_secs(1);

fn new_uri() -> String {
    ReplicaSet::shared(1).uri(&format!("contract-{}", uuid::Uuid::now_v7()))
}

async fn open(uri: &str) -> Arc<dyn Store> {
    MongoStore::open(uri).await.expect("the store opens")
}

async fn make() -> (Arc<dyn Store>, ()) {
    (open(&new_uri()).await, ())
}

vultus_store::contract_tests!(make);

/// A world on one node, and the same seen from another one.
async fn two_nodes() -> (World, World) {
    let uri = new_uri();
    let here = World::new(open(&uri).await).await;
    let there = World { store: open(&uri).await, ..here.clone() };
    (here, there)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_registered_keys_and_blobs_place_win() {
    let (here, there) = two_nodes().await;
    assert!(here.store.register_blobs_place("gridfs").await.expect("registering works"));
    assert!(!there.store.register_blobs_place("file 1").await.expect("registering works"));
    assert!(there.store.register_blobs_place("gridfs").await.expect("registering works"));
    let answers = join_all([here.store.register_keys("a"), there.store.register_keys("b")]).await;
    let right: Vec<bool> =
        answers.into_iter().map(|answer| answer.expect("registering works")).collect();
    assert_eq!(right.iter().filter(|right| **right).count(), 1, "{right:?}");
    let first = if right[0] { "a" } else { "b" };
    assert!(there.store.register_keys(first).await.expect("registering works"));
    assert!(!here.store.register_keys("c").await.expect("registering works"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_one_node_reach_another() {
    let (here, there) = two_nodes().await;
    let mut changes = there.store.changes();
    let (folder, new) = here.queued(0, &["a"]).await;
    let next = async |changes: &mut vultus_store::ChangeStream| {
        let next = timeout(DEADLINE, changes.next()).await.expect("a change comes");
        let Some(Change::Folder(change)) = next else { panic!("{next:?}") };
        assert_eq!(change.folder_id, folder.id);
        change.revision
    };
    assert_eq!(next(&mut changes).await, 1);
    let run = there.claim(1).await.expect("the run waits");
    let result = verdict(Resolution::Success, run.media[0].id);
    let written = there.store.apply_result(run.token, new.group.analyses[0], &result, at(2));
    assert_eq!(written.await.expect("writing works"), Applied::Yes);
    assert_eq!(next(&mut changes).await, 2);
    assert_eq!(here.contents(folder.id).await.folder.revision, 2);
    here.store.erase_folder(here.scope(), folder.id, at(3)).await.expect("erasing works");
    assert_eq!(next(&mut changes).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_run_of_one_node_wakes_another() {
    let (here, there) = two_nodes().await;
    let mut waiting = Box::pin(there.store.run_waiting());
    assert!(futures::poll!(&mut waiting).is_pending());
    here.queued(0, &["a"]).await;
    timeout(DEADLINE, waiting).await.expect("it wakes");
    assert!(there.claim(1).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_nodes_claim_and_finish_each_run_once() {
    const RUNS: usize = 120;
    let uri = new_uri();
    let world = World::new(open(&uri).await).await;
    let nodes = join_all((0..3).map(|_| open(&uri))).await;
    for seconds in 0..RUNS {
        world.queued(i64::try_from(seconds).expect("few"), &["a"]).await;
    }
    let workers = (0..9).map(|worker| {
        let store = Arc::clone(&nodes[worker % nodes.len()]);
        tokio::spawn(async move {
            let mut done = Vec::new();
            let request = claim_request(1000);
            let claim = || store.claim_run(&request);
            while let Some(run) = claim().await.expect("claiming works") {
                let result = verdict(Resolution::Success, run.media[0].id);
                let applied =
                    store.apply_result(run.token, run.analyses[0].id, &result, at(1001)).await;
                assert_eq!(applied.expect("writing works"), Applied::Yes);
                assert_eq!(
                    store.release_run(run.token, None, at(1001)).await.expect("releasing works"),
                    Applied::Yes
                );
                done.push(run.token.run_id);
            }
            done
        })
    });
    let done: Vec<_> =
        join_all(workers).await.into_iter().flat_map(|done| done.expect("none panics")).collect();
    assert_eq!((done.len(), done.iter().collect::<HashSet<_>>().len()), (RUNS, RUNS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entered_analysis_shares_a_transaction_with_a_result() {
    let (world, _) = two_nodes().await;
    let (folder, new) = world.queued(0, &["a", "b", "c"]).await;
    let [first, second, third] = new.group.analyses[..] else {
        unreachable!("three were requested")
    };
    let run = world.claim(1).await.expect("the run waits");
    let revision = async || world.contents(folder.id).await.folder.revision;
    let enter = |id, seconds| {
        let store = Arc::clone(&world.store);
        tokio::spawn(async move { store.enter_analysis(run.token, id, at(seconds)).await })
    };
    let before = revision().await;
    let begun = Instant::now();
    let entered = [enter(first, 2), enter(second, 3)];
    for _ in 0..3 {
        assert!(world.store.heartbeat(run.token, at(2), LEASE).await.expect("extending works"));
    }
    assert!(revision().await == before || begun.elapsed() > LINGER, "nothing is written yet");
    let result = verdict(Resolution::Success, run.media[0].id);
    let applied = world.store.apply_result(run.token, first, &result, at(4)).await;
    assert_eq!(applied.expect("writing works"), Applied::Yes);
    for entered in entered {
        assert_eq!(
            entered.await.expect("it does not panic").expect("entering works"),
            Applied::Yes
        );
    }
    assert!(revision().await == before + 1 || begun.elapsed() > LINGER, "all is written at once");
    let (first, second) = (world.analysis(first).await, world.analysis(second).await);
    assert_eq!(
        (first.state, first.started_at, first.finished_at),
        (AnalysisState::Finished, Some(at(2)), Some(at(4)))
    );
    assert_eq!(
        (second.state, second.started_at, second.attempts),
        (AnalysisState::Running, Some(at(3)), 1)
    );
    // It is written without a result too, and at once after a flush.
    let alone = timeout(DEADLINE, world.store.enter_analysis(run.token, third, at(5)))
        .await
        .expect("it is written by itself");
    assert_eq!(alone.expect("entering works"), Applied::Yes);
    let at_once = timeout(DEADLINE, async {
        let mut took = LINGER;
        while took >= LINGER {
            let begun = Instant::now();
            let mut progress = Box::pin(world.store.record_progress(run.token, third, 0.5));
            assert!(futures::poll!(&mut progress).is_pending());
            world.store.flush_kept_back(run.token);
            assert_eq!(progress.await.expect("writing works"), Applied::Yes);
            took = begun.elapsed();
        }
    });
    at_once.await.expect("a flushed write takes no longer than its transaction");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_run_does_not_block_other_claims() {
    let uri = new_uri();
    let world = World::new(open(&uri).await).await;
    for seconds in 0..2 {
        world.queued(seconds, &["a"]).await;
    }
    let client = mongodb::Client::with_uri_str(&uri).await.expect("the URI is valid");
    let runs =
        client.default_database().expect("the URI names a database").collection::<Document>("runs");
    let first = runs
        .find_one(doc! {})
        .sort(doc! { "turn_at": 1 })
        .await
        .expect("reading works")
        .expect("there is one");
    // Like a node that is suspended before its commit.
    let mut session = client.start_session().await.expect("a session begins");
    session.start_transaction().await.expect("a transaction begins");
    let held =
        runs.update_one(doc! { "_id": first.get("_id") }, doc! { "$inc": { "writes": 1_i64 } });
    held.session(&mut session).await.expect("writing works");
    let other = world.claim(100).await.expect("the other run is claimed");
    let held = first.get("_id").cloned();
    assert_ne!(
        held,
        Some(mongodb::bson::Uuid::from_bytes(other.token.run_id.0.into_bytes()).into())
    );
    assert!(world.claim(100).await.is_none(), "the locked run is skipped");
    session.abort_transaction().await.expect("the transaction ends");
    assert!(world.claim(100).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn export_names_the_setting_for_a_lost_snapshot() {
    let set = ReplicaSet::start(1).await;
    let world = World::new(open(&set.uri("db")).await).await;
    // More than the backend reads ahead.
    for seconds in 0..250 {
        let folder = world.folder(seconds);
        world
            .store
            .create_folder(&folder, &Default::default(), None)
            .await
            .expect("creating a folder works");
    }
    let admin = set.client().await.database("admin");
    let window = async || {
        let status =
            admin.run_command(doc! { "serverStatus": 1 }).await.expect("the server answers");
        let settings = status
            .get_document("wiredTiger")
            .and_then(|engine| engine.get_document("snapshot-window-settings"));
        let settings = settings.expect("the server has a window").clone();
        // The time to the second, without the counter.
        let time = |name: &str| settings.get_str(name).expect("it has a time")[..15].to_owned();
        (
            time("oldest majority snapshot timestamp available"),
            time("latest majority snapshot timestamp available"),
        )
    };
    admin
        .run_command(doc! { "setParameter": 1, "minSnapshotHistoryWindowInSeconds": 0 })
        .await
        .expect("the server obeys");
    let mut records = world.store.export().await.expect("exporting begins");
    records.next().await.expect("a record comes").expect("it can be read");
    let (_, begun) = window().await;
    vultus_tests::wait_until("the server to discard the snapshot", || async {
        // Writes advance the time of the server.
        world
            .store
            .create_folder(&world.folder(0), &Default::default(), None)
            .await
            .expect("creating a folder works");
        (window().await.0 > begun).then_some(())
    })
    .await;
    let ended = records.try_for_each(|_| std::future::ready(Ok(()))).await;
    let refused = ended.expect_err("the snapshot is lost");
    assert!(refused.to_string().contains("minSnapshotHistoryWindowInSeconds"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_string_of_a_client_is_an_operator() {
    let (store, ()) = make().await;
    let world = World::new(store).await;
    let (folder, _) = world.queued(0, &["a"]).await;
    let tricky = json!({"$gt": "", "a.b": "$$ROOT", "\u{0}": "\u{0}", "$where": "sleep(1)"});
    let tricky = JsonText::from(tricky);
    let changed = world
        .store
        .update_folder(world.scope(), folder.id, Some(&tricky), Some(Some("$ne")), at(1))
        .await;
    changed.expect("changing works");
    let metadata = world.contents(folder.id).await.folder.metadata;
    assert_eq!(metadata, Part::Read(tricky));
    for name in ["$ne", "{\"$gt\":\"\"}", "\u{0}"] {
        let found = world
            .store
            .folder_by_external_id(world.scope(), world.company.id, name)
            .await
            .expect("reading works");
        assert_eq!(found.is_some(), name == "$ne", "{name:?}");
        assert!(world.store.user_by_email(name).await.expect("reading works").is_none());
    }
    let filter = vultus_store::FolderFilter {
        metadata_equals: vec![
            ("$gt".to_owned(), String::new()),
            ("a.b".to_owned(), "$$ROOT".to_owned()),
        ],
        ..Default::default()
    };
    let listed =
        world.store.list_folders(world.scope(), &filter, Default::default(), None, 10).await;
    assert_eq!(listed.expect("listing works").0.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_holds_a_lease_until_it_ends() {
    let (here, there) = two_nodes().await;
    let hold = async |world: &World, node: &str, seconds| {
        let lease = world.store.hold_lease("audit", node, Duration::from_secs(seconds));
        lease.await.expect("asking works")
    };
    let both = join_all([hold(&here, "here", 60), hold(&there, "there", 60)]).await;
    assert_eq!(both.iter().filter(|held| **held).count(), 1, "{both:?}");
    let [(holder, name), (other, other_name)] = match both[0] {
        true => [(&here, "here"), (&there, "there")],
        false => [(&there, "there"), (&here, "here")],
    };
    assert!(hold(holder, name, 60).await && !hold(other, other_name, 60).await);
    assert!(hold(holder, name, 0).await, "it is given up");
    let taken = async || hold(other, other_name, 60).await.then_some(());
    vultus_tests::wait_until("the lease to end", taken).await;
    assert!(!hold(holder, name, 60).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audit_documents_that_were_tampered_with_are_found() {
    let name = format!("contract-{}", uuid::Uuid::now_v7());
    let set = ReplicaSet::shared(1);
    let world = World::new(open(&set.uri(&name)).await).await;
    let entries = set.client().await.database(&name).collection::<Document>("audit_entries");
    let chain = Chain::Company(world.company.id);
    let record = async |seconds| {
        let entry = NewEntry {
            id: new_id(),
            chain: ChainOf::Known(chain),
            at: at(seconds),
            actor: Actor::CommandLine,
            origin: None,
            action: AuditAction::LoggedIn,
            object: None,
            before: Facts::new(),
            after: Facts::new(),
        };
        world.store.record(&[entry]).await.expect("recording works");
    };
    for seconds in 0..5 {
        record(seconds).await;
    }
    assert_eq!(world.store.chain_waiting(None, 10).await.expect("chaining works"), 5);
    let head = world.store.chain_head(chain).await.expect("reading works").expect("a head");
    let verified = async || {
        let found = verify(world.store.as_ref(), chain, &[head], |_| {}).await;
        found.expect("reading works")
    };
    assert_eq!(verified().await, Ok(head));
    let third = doc! { "number": 3 };
    let kept = entries.find_one(third.clone()).await.expect("reading works").expect("it is there");
    let changed = doc! { "$set": { "actor": "node" } };
    entries.update_one(third.clone(), changed).await.expect("changing works");
    assert_eq!(verified().await, Err(Fault::Changed { number: 3 }));
    entries.delete_one(third).await.expect("deleting works");
    assert_eq!(verified().await, Err(Fault::Gap { expected: 3, found: 4 }));
    entries.insert_one(kept).await.expect("writing works");
    assert_eq!(verified().await, Ok(head));
    entries.delete_many(doc! { "number": { "$gt": 3 } }).await.expect("deleting works");
    assert_eq!(verified().await, Err(Fault::CutOff { last: 3, head: 5 }));
    // What is written after a cut continues the chain, and is another one than that of the head.
    record(6).await;
    record(7).await;
    assert_eq!(world.store.chain_waiting(None, 10).await.expect("chaining works"), 2);
    assert_eq!(verified().await, Err(Fault::Rewritten { number: 5 }));
}
