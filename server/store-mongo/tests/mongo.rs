//! The contract over MongoDB with one member, and what only a store of several nodes can show:
//! starting together, events and the queue across nodes, refusals at start.

use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use mongodb::bson::{DateTime, Document, doc};
use serde_json::json;
use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use vultus_core::{AnalysisState, Resolution};
use vultus_store::contract::{LEASE, World, at, verdict};
use vultus_store::{Applied, Change, Scope, Store, StoreError};
use vultus_store_mongo::MongoStore;
use vultus_tests::{Disguise, ReplicaSet};

const DEADLINE: Duration = Duration::from_secs(20);
/// How long what is no result waits for one.
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

async fn database(uri: &str) -> mongodb::Database {
    let client = mongodb::Client::with_uri_str(uri).await.expect("the URI is valid");
    client.default_database().expect("the URI names a database")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_prepare_the_database_once() {
    let uri = new_uri();
    let stores = join_all((0..8).map(|_| open(&uri))).await;
    let schema: Option<Document> = database(&uri)
        .await
        .collection("meta")
        .find_one(doc! { "_id": "schema" })
        .await
        .expect("reading works");
    let schema = schema.expect("the version is written down");
    assert_eq!(schema.get_i32("version").ok(), Some(1));
    assert_eq!(
        schema.get_array("steps").expect("the steps are listed").len(),
        1,
        "each step was made once: {schema}"
    );
    let world = World::new(Arc::clone(&stores[0])).await;
    let (folder, _) = world.queued(0, &["a"]).await;
    for store in &stores {
        assert_eq!(
            store.folders(Scope::Everything, &[folder.id]).await.expect("reading works").len(),
            1
        );
        assert_eq!(
            store.has_keys("first").await.expect("asking works"),
            store.has_keys("first").await.expect("asking works")
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_keys_and_the_first_place_of_blobs_are_the_installations() {
    let (here, there) = two_nodes().await;
    assert!(here.store.has_blobs("gridfs").await.expect("asking works"));
    assert!(!there.store.has_blobs("file 1").await.expect("asking works"));
    assert!(there.store.has_blobs("gridfs").await.expect("asking works"));
    let asked = join_all([here.store.has_keys("a"), there.store.has_keys("b")]).await;
    let right: Vec<bool> = asked.into_iter().map(|answer| answer.expect("asking works")).collect();
    assert_eq!(right.iter().filter(|right| **right).count(), 1, "{right:?}");
    let first = if right[0] { "a" } else { "b" };
    assert!(there.store.has_keys(first).await.expect("asking works"));
    assert!(!here.store.has_keys("c").await.expect("asking works"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_writes_another_is_told_and_sees() {
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
async fn a_run_made_on_one_node_wakes_another() {
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
            let pools = ["built-in".to_owned()];
            let claim = || store.claim_run(&pools, "node", at(1000), LEASE);
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
async fn what_begins_shares_the_transaction_of_the_next_result() {
    let (world, _) = two_nodes().await;
    let (folder, new) = world.queued(0, &["a", "b", "c"]).await;
    let [first, second, third] = new.group.analyses[..] else {
        unreachable!("three were asked for")
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
    // By itself it is written all the same; at once, once it is told that no result is to come.
    let alone = timeout(DEADLINE, world.store.enter_analysis(run.token, third, at(5)))
        .await
        .expect("nothing else is needed");
    assert_eq!(alone.expect("entering works"), Applied::Yes);
    let at_once = timeout(DEADLINE, async {
        let mut took = LINGER;
        while took >= LINGER {
            let begun = Instant::now();
            let mut progress = Box::pin(world.store.record_progress(run.token, third, 0.5));
            assert!(futures::poll!(&mut progress).is_pending());
            world.store.hurry(run.token);
            assert_eq!(progress.await.expect("writing works"), Applied::Yes);
            took = begun.elapsed();
        }
    });
    at_once.await.expect("one takes no longer than its transaction");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_a_transaction_holds_does_not_keep_the_others_waiting() {
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
    // As a node does that is stopped before it commits.
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
    assert!(world.claim(100).await.is_none(), "the one that is held is left");
    session.abort_transaction().await.expect("the transaction ends");
    assert!(world.claim(100).await.is_some());
}

/// The message of a refused start, with its causes.
async fn refusal(uri: &str) -> String {
    let error = MongoStore::open(uri).await.map(|_| ()).expect_err("it does not start");
    assert!(matches!(error, StoreError::Internal { .. }), "{error:?}");
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

#[tokio::test]
async fn a_wrong_uri_and_a_server_that_is_not_there_are_named() {
    let malformed = refusal("mongodb://").await;
    assert!(malformed.contains("the URI is not valid"), "{malformed}");
    let nobody = refusal("mongodb://127.0.0.1:1/db?serverSelectionTimeoutMS=300").await;
    assert!(nobody.contains("no server answers at 127.0.0.1:1"), "{nobody}");
    let uri = new_uri();
    let wrong_set =
        refusal(&uri.replace("replicaSet=rs0", "replicaSet=other&serverSelectionTimeoutMS=300"))
            .await;
    assert!(wrong_set.contains("`rs0`") && wrong_set.contains("`other`"), "{wrong_set}");
    let direct = refusal(&uri.replace("replicaSet=rs0", "directConnection=true")).await;
    assert!(direct.contains("directConnection"), "{direct}");
}

#[tokio::test]
async fn wrong_credentials_are_refused_without_showing_them() {
    let uri = new_uri().replace("mongodb://", "mongodb://vultus:sesame@");
    let refused = refusal(&format!("{uri}&authSource=admin")).await;
    assert!(refused.contains("refuses the user name or the password"), "{refused}");
    assert!(!refused.contains("sesame"), "{refused}");
}

#[tokio::test]
async fn a_user_without_rights_to_the_database_is_told_what_it_needs() {
    let set = ReplicaSet::start_with_login(1).await;
    let refused = refusal(&set.uri("another")).await;
    assert!(refused.contains("readWrite"), "{refused}");
}

/// The shared server, whose answers say that it is older than it is.
#[tokio::test]
async fn a_server_that_is_too_old_is_named() {
    let set = ReplicaSet::shared(1);
    let old = Disguise::put_on(set, &[(b"\x100\0\x06\0\0\0", b"\x100\0\x05\0\0\0")]).await;
    let refused = refusal(&old.uri("db")).await;
    assert!(refused.contains("the oldest that works"), "{refused}");
    let ancient =
        Disguise::put_on(set, &[(b"maxWireVersion\0\x11", b"maxWireVersion\0\x02")]).await;
    let refused = refusal(&ancient.uri("db")).await;
    assert!(refused.contains("another age") && refused.contains("wire version 2"), "{refused}");
}

#[tokio::test]
async fn a_server_without_a_replica_set_is_refused() {
    let alone = vultus_tests::Standalone::start().await;
    let refused = refusal(&alone.uri("db")).await;
    assert!(refused.contains("no member of a replica set"), "{refused}");
    let refused =
        refusal(&format!("{}?replicaSet=rs0&serverSelectionTimeoutMS=300", alone.uri("db"))).await;
    assert!(refused.contains("no member of a replica set"), "{refused}");
}

#[tokio::test]
async fn documents_of_a_newer_program_are_refused() {
    let uri = new_uri();
    let meta = database(&uri).await.collection::<Document>("meta");
    meta.insert_one(doc! { "_id": "schema", "v": 1, "version": 99 }).await.expect("writing works");
    let refused = refusal(&uri).await;
    assert!(refused.contains("99") && refused.contains("newer program"), "{refused}");
    let collections = database(&uri).await.list_collection_names().await.expect("listing works");
    assert_eq!(collections, ["meta"], "it is left as it is");
}

#[tokio::test]
async fn an_index_that_cannot_be_built_is_named() {
    let uri = new_uri();
    let users = database(&uri).await.collection::<Document>("users");
    users
        .insert_many([doc! { "email": "twice" }, doc! { "email": "twice" }])
        .await
        .expect("writing works");
    let refused = refusal(&uri).await;
    assert!(refused.contains("the indexes of the collection `users`"), "{refused}");
}

#[tokio::test]
async fn an_index_that_is_there_and_another_one_is_named() {
    let uri = new_uri();
    let users = database(&uri).await.collection::<Document>("users");
    users
        .create_index(mongodb::IndexModel::builder().keys(doc! { "email": 1 }).build())
        .await
        .expect("an index is built");
    let refused = refusal(&uri).await;
    assert!(
        refused.contains("the indexes of the collection `users`") && refused.contains("email_1"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_document_of_a_newer_version_is_not_read_as_if_it_were_known() {
    let uri = new_uri();
    let world = World::new(open(&uri).await).await;
    let (folder, _) = world.queued(0, &["a"]).await;
    let database = database(&uri).await;
    for name in ["folders", "media", "analyses"] {
        let version = |v: i32| doc! { "$set": { "v": v } };
        let documents = database.collection::<Document>(name);
        documents.update_many(doc! {}, version(2)).await.expect("writing works");
        let refused = world
            .store
            .folders(Scope::Everything, &[folder.id])
            .await
            .expect_err("it cannot be read");
        let source = refused.source().expect("it says why").to_string();
        assert!(
            source.contains("version 2") && matches!(refused, StoreError::Internal { .. }),
            "{name}: {source}"
        );
        documents.update_many(doc! {}, version(1)).await.expect("writing works");
    }
    assert_eq!(
        world.store.folders(Scope::Everything, &[folder.id]).await.expect("reading works").len(),
        1
    );
}

#[tokio::test]
async fn a_migration_whose_node_died_is_made_again_by_another() {
    let uri = new_uri();
    let database = database(&uri).await;
    let until = DateTime::from_millis(DateTime::now().timestamp_millis() - 1);
    let died = doc! { "_id": "schema", "v": 1, "version": 0, "lock": { "holder": "dead", "until": until } };
    database.collection::<Document>("meta").insert_one(died).await.expect("writing works");
    // It got as far as this.
    database.create_collection("users").await.expect("a collection is made");
    World::new(open(&uri).await).await;
    let schema = database
        .collection::<Document>("meta")
        .find_one(doc! { "_id": "schema" })
        .await
        .expect("reading works");
    let schema = schema.expect("the version is written down");
    assert_eq!(
        (schema.get_i32("version").ok(), schema.contains_key("lock")),
        (Some(1), false),
        "{schema}"
    );
}

#[tokio::test]
async fn a_migration_that_another_node_makes_is_waited_for_and_not_made_twice() {
    let uri = new_uri();
    let meta = database(&uri).await.collection::<Document>("meta");
    let until = DateTime::from_millis(DateTime::now().timestamp_millis() + 60_000);
    let going_on = doc! { "_id": "schema", "v": 1, "version": 0, "lock": { "holder": "other", "until": until } };
    meta.insert_one(going_on).await.expect("writing works");
    let mut opening = tokio::spawn(async move { open(&uri).await });
    let early = tokio::time::timeout(Duration::from_millis(700), &mut opening).await;
    assert!(early.is_err(), "it does not begin while the other one may be at work");
    let done = doc! { "$set": { "version": 1, "steps": [{ "version": 1, "by": "other" }] }, "$unset": { "lock": "" } };
    meta.update_one(doc! { "_id": "schema" }, done).await.expect("writing works");
    let opened = timeout(DEADLINE, opening).await.expect("it goes on").expect("it does not panic");
    World::new(opened).await;
    let schema =
        meta.find_one(doc! { "_id": "schema" }).await.expect("reading works").expect("it is there");
    assert_eq!(schema.get_array("steps").expect("the steps are listed").len(), 1, "{schema}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_takes_longer_than_the_server_remembers_says_so() {
    let set = ReplicaSet::start(1).await;
    let world = World::new(open(&set.uri("db")).await).await;
    // More than are read ahead.
    for seconds in 0..250 {
        let folder = world.folder(seconds);
        world
            .store
            .create_folder(&folder, &Default::default(), None)
            .await
            .expect("a folder is made");
    }
    let admin = set.client().await.database("admin");
    let window = async || {
        let status =
            admin.run_command(doc! { "serverStatus": 1 }).await.expect("the server answers");
        let settings = status
            .get_document("wiredTiger")
            .and_then(|engine| engine.get_document("snapshot-window-settings"));
        let settings = settings.expect("the server has a window").clone();
        // A time to the second, and a count that is left out.
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
    vultus_tests::wait_until("the server to forget the moment", || async {
        // Time goes on with writes.
        world
            .store
            .create_folder(&world.folder(0), &Default::default(), None)
            .await
            .expect("a folder is made");
        (window().await.0 > begun).then_some(())
    })
    .await;
    let ended = records.try_for_each(|_| std::future::ready(Ok(()))).await;
    let refused = ended.expect_err("it cannot be read to its end");
    assert!(refused.to_string().contains("minSnapshotHistoryWindowInSeconds"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_string_of_a_client_is_an_operator() {
    let (store, ()) = make().await;
    let world = World::new(store).await;
    let (folder, _) = world.queued(0, &["a"]).await;
    let tricky = json!({"$gt": "", "a.b": "$$ROOT", "\u{0}": "\u{0}", "$where": "sleep(1)"});
    let changed = world
        .store
        .update_folder(world.scope(), folder.id, Some(&tricky), Some(Some("$ne")), at(1))
        .await;
    assert_eq!(changed.expect("changing works").metadata, tricky);
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
