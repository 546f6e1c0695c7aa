//! Starting a node on a MongoDB database: migrations, unsuitable servers, documents of newer
//! programs.

use futures::future::join_all;
use mongodb::bson::{DateTime, Document, doc};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use vultus_core::{MayStart, Resolution, Role, User};
use vultus_store::contract::{World, user_of};
use vultus_store::{CaseFilter, Scope, Selection, Store, StoreError};
use vultus_store_mongo::MongoStore;
use vultus_tests::{Disguise, ReplicaSet};

const DEADLINE: Duration = Duration::from_secs(20);

fn new_uri() -> String {
    ReplicaSet::shared(1).uri(&format!("start-{}", uuid::Uuid::now_v7()))
}

async fn open(uri: &str) -> Arc<dyn Store> {
    MongoStore::open(uri).await.expect("the store opens")
}

async fn database(uri: &str) -> mongodb::Database {
    let client = mongodb::Client::with_uri_str(uri).await.expect("the URI is valid");
    client.default_database().expect("the URI names a database")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_migrate_once() {
    let uri = new_uri();
    let stores = join_all((0..8).map(|_| open(&uri))).await;
    let schema: Option<Document> = database(&uri)
        .await
        .collection("meta")
        .find_one(doc! { "_id": "schema" })
        .await
        .expect("reading works");
    let schema = schema.expect("the version is stored");
    let newest = MongoStore::inspect(&uri).await.expect("inspecting works").newest;
    assert_eq!(schema.get_i32("version").ok(), i32::try_from(newest).ok());
    assert_eq!(
        schema.get_array("steps").expect("the steps are listed").len(),
        newest,
        "each step was executed once: {schema}"
    );
    let world = World::new(Arc::clone(&stores[0])).await;
    let (folder, _) = world.queued(0, &["a"]).await;
    for store in &stores {
        assert_eq!(
            store
                .folders(Scope::Everything, &[folder.id], Selection::ALL)
                .await
                .expect("reading works")
                .len(),
            1
        );
        assert_eq!(
            store.register_keys("first").await.expect("registering works"),
            store.register_keys("first").await.expect("registering works")
        );
    }
}

/// The message of a failed start, with its causes.
async fn failure(uri: &str) -> String {
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
async fn invalid_uri_and_missing_server_are_named() {
    let malformed = failure("mongodb://").await;
    assert!(malformed.contains("the URI is not valid"), "{malformed}");
    let absent = failure("mongodb://127.0.0.1:1/db?serverSelectionTimeoutMS=300").await;
    assert!(absent.contains("no server answers at 127.0.0.1:1"), "{absent}");
    let uri = new_uri();
    let wrong_set =
        failure(&uri.replace("replicaSet=rs0", "replicaSet=other&serverSelectionTimeoutMS=300"))
            .await;
    assert!(wrong_set.contains("`rs0`") && wrong_set.contains("`other`"), "{wrong_set}");
    let direct = failure(&uri.replace("replicaSet=rs0", "directConnection=true")).await;
    assert!(direct.contains("directConnection"), "{direct}");
}

#[tokio::test]
async fn wrong_credentials_are_not_shown() {
    let uri = new_uri().replace("mongodb://", "mongodb://vultus:sesame@");
    let refused = failure(&format!("{uri}&authSource=admin")).await;
    assert!(refused.contains("refuses the user name or the password"), "{refused}");
    assert!(!refused.contains("sesame"), "{refused}");
}

#[tokio::test]
async fn user_without_rights_is_told_the_needed_role() {
    let set = ReplicaSet::start_with_login(1).await;
    let refused = failure(&set.uri("another")).await;
    assert!(refused.contains("readWrite"), "{refused}");
}

/// The shared server, with answers that claim an older version.
#[tokio::test]
async fn unsupported_server_version_is_named() {
    let set = ReplicaSet::shared(1);
    let old = Disguise::put_on(set, &[(b"\x100\0\x06\0\0\0", b"\x100\0\x05\0\0\0")]).await;
    let refused = failure(&old.uri("db")).await;
    assert!(refused.contains("the oldest that works"), "{refused}");
    let ancient =
        Disguise::put_on(set, &[(b"maxWireVersion\0\x11", b"maxWireVersion\0\x02")]).await;
    let refused = failure(&ancient.uri("db")).await;
    assert!(refused.contains("not supported") && refused.contains("wire version 2"), "{refused}");
}

#[tokio::test]
async fn server_without_a_replica_set_is_rejected() {
    let alone = vultus_tests::Standalone::start().await;
    let refused = failure(&alone.uri("db")).await;
    assert!(refused.contains("no member of a replica set"), "{refused}");
    let refused =
        failure(&format!("{}?replicaSet=rs0&serverSelectionTimeoutMS=300", alone.uri("db"))).await;
    assert!(refused.contains("no member of a replica set"), "{refused}");
}

#[tokio::test]
async fn database_of_a_newer_program_is_rejected() {
    let uri = new_uri();
    let meta = database(&uri).await.collection::<Document>("meta");
    meta.insert_one(doc! { "_id": "schema", "v": 1, "version": 99 }).await.expect("writing works");
    let refused = failure(&uri).await;
    assert!(refused.contains("99") && refused.contains("newer program"), "{refused}");
    let collections = database(&uri).await.list_collection_names().await.expect("listing works");
    assert_eq!(collections, ["meta"], "it is not changed");
}

#[tokio::test]
async fn index_that_cannot_be_built_is_named() {
    let uri = new_uri();
    let users = database(&uri).await.collection::<Document>("users");
    users
        .insert_many([doc! { "email": "twice" }, doc! { "email": "twice" }])
        .await
        .expect("writing works");
    let refused = failure(&uri).await;
    assert!(refused.contains("the indexes of the collection `users`"), "{refused}");
}

#[tokio::test]
async fn existing_index_of_another_form_is_named() {
    let uri = new_uri();
    let users = database(&uri).await.collection::<Document>("users");
    users
        .create_index(mongodb::IndexModel::builder().keys(doc! { "email": 1 }).build())
        .await
        .expect("an index is built");
    let refused = failure(&uri).await;
    assert!(
        refused.contains("the indexes of the collection `users`") && refused.contains("email_1"),
        "{refused}"
    );
}

#[tokio::test]
async fn document_of_a_newer_version_is_not_read() {
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
            .folders(Scope::Everything, &[folder.id], Selection::ALL)
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
        world
            .store
            .folders(Scope::Everything, &[folder.id], Selection::ALL)
            .await
            .expect("reading works")
            .len(),
        1
    );
}

#[tokio::test]
async fn migration_of_a_dead_node_is_taken_over() {
    let uri = new_uri();
    let database = database(&uri).await;
    let until = DateTime::from_millis(DateTime::now().timestamp_millis() - 1);
    let lock = doc! { "holder": "dead", "until": until };
    let died = doc! { "_id": "schema", "v": 1, "version": 0, "lock": lock };
    database.collection::<Document>("meta").insert_one(died).await.expect("writing works");
    // It died after this collection.
    database.create_collection("users").await.expect("creating a collection works");
    World::new(open(&uri).await).await;
    let schema = database
        .collection::<Document>("meta")
        .find_one(doc! { "_id": "schema" })
        .await
        .expect("reading works");
    let schema = schema.expect("the version is stored");
    let newest = MongoStore::inspect(&uri).await.expect("inspecting works").newest;
    assert_eq!(
        (schema.get_i32("version").ok(), schema.contains_key("lock")),
        (i32::try_from(newest).ok(), false),
        "{schema}"
    );
}

/// Documents of the first release: every user has a company, and the fields of later ones are
/// missing.
#[tokio::test]
async fn users_and_folders_of_version_1_are_kept() {
    let uri = new_uri();
    let world = World::new(open(&uri).await).await;
    let administrator = User { role: Role::Admin, ..user_of(&world.company) };
    world.store.create_user(&administrator, "hash").await.expect("creating a user works");
    let (_, doubtful) = world.finished(0, Resolution::OperatorRequired).await;
    let (folder, _) = world.queued(0, &["a"]).await;
    world.store.close().await.expect("it closes");
    let database = database(&uri).await;
    let before = doc! { "$unset": { "waits_since": "" } };
    let analyses = database.collection::<Document>("analyses");
    analyses.update_many(doc! {}, before).await.expect("writing works");
    let users = database.collection::<Document>("users");
    let companies = database.collection::<Document>("companies");
    let company = companies.find_one(doc! {}).await.expect("reading works").expect("one");
    let company = company.get("_id").expect("an id");
    let before = doc! {
        "$set": { "company_id": company },
        "$unset": { "may_start": "", "disabled_at": "", "deleted_at": "" },
    };
    users.update_many(doc! {}, before).await.expect("writing works");
    let before = doc! { "$unset": { "suspended_at": "", "deleting_at": "" } };
    companies.update_many(doc! {}, before).await.expect("writing works");
    let meta = database.collection::<Document>("meta");
    let before = doc! { "$set": { "version": 1 } };
    meta.update_one(doc! { "_id": "schema" }, before).await.expect("writing works");
    let store = open(&uri).await;
    let kept = store.users(&[administrator.id, world.owner.id]).await.expect("reading works");
    let every =
        |user: &User, company_id| User { company_id, may_start: MayStart::Every, ..user.clone() };
    let company = Some(world.company.id);
    assert_eq!(kept, [every(&administrator, None), every(&world.owner, company)]);
    assert_eq!(
        store.companies().await.expect("reading works"),
        std::slice::from_ref(&world.company)
    );
    let scope = Scope::Company(world.company.id);
    let folders = store.folders(scope, &[folder.id], Selection::ALL).await.expect("reading works");
    assert_eq!(folders.len(), 1, "it stays in its company");
    let waiting = store.list_cases(scope, &CaseFilter::default(), None, 9).await;
    let waiting = waiting.expect("listing works").0;
    assert_eq!(waiting.iter().map(|case| case.analysis_id).collect::<Vec<_>>(), [doubtful.id]);
}

#[tokio::test]
async fn migration_of_another_node_is_awaited() {
    let uri = new_uri();
    open(&uri).await.close().await.expect("it closes");
    let meta = database(&uri).await.collection::<Document>("meta");
    let read = async || {
        let schema = meta.find_one(doc! { "_id": "schema" }).await.expect("reading works");
        schema.expect("the version is stored")
    };
    let migrated = read().await;
    let until = DateTime::from_millis(DateTime::now().timestamp_millis() + 60_000);
    let lock = doc! { "holder": "other", "until": until };
    let running = doc! { "$set": { "version": 0, "lock": lock } };
    meta.update_one(doc! { "_id": "schema" }, running).await.expect("writing works");
    let mut opening = tokio::spawn(async move { open(&uri).await });
    let early = tokio::time::timeout(Duration::from_millis(700), &mut opening).await;
    assert!(early.is_err(), "it waits while the other node may be migrating");
    let version = migrated.get("version").expect("a version");
    let done = doc! { "$set": { "version": version }, "$unset": { "lock": "" } };
    meta.update_one(doc! { "_id": "schema" }, done).await.expect("writing works");
    let opened = timeout(DEADLINE, opening).await.expect("it starts").expect("it does not panic");
    World::new(opened).await;
    let schema = read().await;
    assert_eq!(schema.get("steps"), migrated.get("steps"), "no step was repeated");
}
