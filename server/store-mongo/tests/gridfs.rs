//! Rules of GridFS alone: concurrent writers of a blob, interrupted writes and deletions, ranges
//! that read few chunks.

#![expect(clippy::unwrap_used, reason = "in helpers of tests a fault is a panic, too")]
#![expect(clippy::disallowed_methods, reason = "tests compare with the system's clock")]

use futures::TryStreamExt;
use futures::future::join_all;
use mongodb::Database;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use std::sync::Arc;
use tempfile::TempDir;
use time::OffsetDateTime;
use vultus_blobs::keys::{FolderKey, MasterKey};
use vultus_blobs::{BlobError, BlobStore, Sweeper};
use vultus_store::contract::{World, at, medium, new_id};
use vultus_store::{FolderAdditions, Store};
use vultus_store_mongo::gridfs_blobs;
use vultus_store_sqlite::{Options, SqliteStore};
use vultus_tests::{ReplicaSet, Standalone};

/// A bucket with its database.
struct Bucket {
    uri: String,
    database: Database,
    data: TempDir,
    blobs: Arc<BlobStore>,
    key: Arc<FolderKey>,
}

impl Bucket {
    async fn new() -> Self {
        let uri = ReplicaSet::shared(1).uri(&format!("gridfs-{}", uuid::Uuid::now_v7()));
        let database =
            mongodb::Client::with_uri_str(&uri).await.unwrap().default_database().unwrap();
        let data = tempfile::tempdir().unwrap();
        let blobs = gridfs_blobs(data.path(), &uri).await.unwrap();
        let (master, company, folder) = (MasterKey::new(&[3; 32]), new_id(), new_id());
        let key = master.open(company, &master.make_company_key(company)).unwrap();
        let key = Arc::new(key.open(folder, &key.make_folder_key(folder)).unwrap());
        Self { uri, database, data, blobs, key }
    }

    fn store(&self) -> Arc<dyn Store> {
        SqliteStore::open(&self.data.path().join("vultus.db"), Options::default()).unwrap()
    }

    /// Numbers of documents in the two collections.
    async fn counts(&self) -> (u64, u64) {
        let count = async |name: &str| {
            self.database.collection::<Document>(name).count_documents(doc! {}).await.unwrap()
        };
        (count("blobs.files").await, count("blobs.chunks").await)
    }

    async fn all(&self, name: &str) -> Vec<Document> {
        self.database.collection(name).find(doc! {}).await.unwrap().try_collect().await.unwrap()
    }

    async fn delete(&self, name: &str) {
        self.database.collection::<Document>(name).delete_many(doc! {}).await.unwrap();
    }

    async fn read(&self, key: &str) -> Result<Vec<u8>, BlobError> {
        let pieces: Vec<_> =
            self.blobs.open(key, &self.key).await?.range(0..u64::MAX).try_collect().await?;
        Ok(pieces.concat())
    }
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n * 31 + n / 257) as u8).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_of_a_blob_store_it_once() {
    let bucket = Bucket::new().await;
    let bytes = bytes(1_200_000);
    let nodes = join_all((0..4).map(|_| gridfs_blobs(bucket.data.path(), &bucket.uri))).await;
    let writers = nodes.into_iter().flat_map(|node| {
        let node = node.unwrap();
        [Arc::clone(&node), node]
    });
    let written = join_all(writers.map(|node| {
        let (key, bytes) = (&bucket.key, &bytes);
        async move { node.put_bytes(key, bytes).await.unwrap().key().to_owned() }
    }));
    let keys = written.await;
    assert!(keys.iter().all(|key| *key == keys[0]));
    assert_eq!(bucket.counts().await, (1, 5), "one version, in chunks of 255 KiB");
    assert_eq!(bucket.read(&keys[0]).await.unwrap(), bytes);
}

#[tokio::test]
async fn range_reads_its_chunks_only() {
    let bucket = Bucket::new().await;
    let bytes = bytes(20_000_000);
    let blob = bucket.blobs.put_bytes(&bucket.key, &bytes).await.unwrap();
    let (_, chunks) = bucket.counts().await;
    assert_eq!(chunks, 77);
    bucket.database.run_command(doc! { "profile": 2 }).await.unwrap();
    let open = bucket.blobs.open(blob.key(), &bucket.key).await.unwrap();
    let read: Vec<_> = open.range(19_000_000..19_000_100).try_collect().await.unwrap();
    assert_eq!(read.concat(), bytes[19_000_000..19_000_100]);
    bucket.database.run_command(doc! { "profile": 0 }).await.unwrap();
    let of_chunks =
        doc! { "ns": format!("{}.blobs.chunks", bucket.database.name()), "op": "query" };
    let profile =
        bucket.database.collection::<Document>("system.profile").find(of_chunks).await.unwrap();
    let examined: Vec<i64> = profile
        .map_ok(|command| {
            command
                .get("docsExamined")
                .and_then(|count| count.as_i64().or(count.as_i32().map(i64::from)))
                .unwrap()
        })
        .try_collect()
        .await
        .unwrap();
    assert_eq!(examined, [5, 1], "the beginning with the header, and the chunk of the range");
}

#[tokio::test]
async fn deleted_blob_is_in_no_collection() {
    let bucket = Bucket::new().await;
    let blob = bucket.blobs.put_bytes(&bucket.key, &bytes(700_000)).await.unwrap();
    assert_eq!(bucket.counts().await, (1, 3));
    bucket
        .blobs
        .delete_unreferenced(bucket.store().as_ref(), &[blob.key().to_owned()], at(0))
        .await
        .unwrap();
    for name in bucket.database.list_collection_names().await.unwrap() {
        assert_eq!(bucket.all(&name).await, Vec::<Document>::new(), "{name}");
    }
}

#[tokio::test]
async fn chunks_of_dead_writers_are_swept_once_old() {
    let bucket = Bucket::new().await;
    // Chunks of a writer that died before its document; their ids contain the time.
    bucket.blobs.put_bytes(&bucket.key, &bytes(700_000)).await.unwrap();
    bucket.delete("blobs.files").await;
    let finished = bucket.blobs.put_bytes(&bucket.key, b"finished").await.unwrap();
    let world = World::new(bucket.store()).await;
    let folder = world.folder(0);
    let medium = vultus_core::Medium {
        blob_key: finished.key().to_owned(),
        thumbnail_key: None,
        ..medium(folder.id, 0)
    };
    let additions = FolderAdditions { media: vec![medium], ..FolderAdditions::default() };
    world.store.create_folder(&folder, &additions, None).await.unwrap();
    let sweeper = Sweeper::new(bucket.blobs.clone(), world.store);
    let now = OffsetDateTime::now_utc();
    for (minutes, chunks) in [(14, 4), (16, 1), (18, 1)] {
        assert_eq!(sweeper.sweep_once(now + time::Duration::minutes(minutes)).await.unwrap(), 0);
        assert_eq!(bucket.counts().await, (1, chunks), "after {minutes} minutes");
    }
    assert_eq!(bucket.read(finished.key()).await.unwrap(), b"finished");
}

#[tokio::test]
async fn incomplete_blob_is_damaged_until_it_is_written_again() {
    let bucket = Bucket::new().await;
    let (bytes, key) = (bytes(2_500_000), &bucket.key);
    let blob = bucket.blobs.put_bytes(key, &bytes).await.unwrap();
    let chunks = bucket.database.collection::<Document>("blobs.chunks");
    chunks.delete_one(doc! { "n": 7 }).await.unwrap();
    let damaged = bucket.read(blob.key()).await;
    assert!(matches!(damaged, Err(BlobError::Damaged("a part of it is missing"))), "{damaged:?}");
    // As after an interrupted deletion, and after a command whose answer was lost.
    bucket.blobs.put_bytes(key, &bytes).await.unwrap();
    assert_eq!(bucket.read(blob.key()).await.unwrap(), bytes);
    bucket.delete("blobs.chunks").await;
    bucket.blobs.put_bytes(key, &bytes).await.unwrap();
    assert_eq!(bucket.read(blob.key()).await.unwrap(), bytes);
    assert_eq!(bucket.counts().await, (1, 10));
    let id = bucket.all("blobs.files").await[0].get_object_id("_id").unwrap();
    chunks.update_one(doc! { "files_id": id, "n": 4 }, doc! { "$set": { "n": 40 } }).await.unwrap();
    assert!(
        matches!(bucket.read(blob.key()).await, Err(BlobError::Damaged(_))),
        "a chunk in the wrong place"
    );
}

#[tokio::test]
async fn blob_of_a_writer_that_took_too_long_is_not_trusted() {
    let bucket = Bucket::new().await;
    let blob = bucket.blobs.put_bytes(&bucket.key, b"photo").await.unwrap();
    // The same file as if its write had begun six minutes before its end.
    let mut file = bucket.all("blobs.files").await.remove(0);
    let ended = file.get_datetime("uploadDate").unwrap().timestamp_millis() / 1000;
    let id = ObjectId::from_parts(u32::try_from(ended - 360).unwrap(), [1; 5], [1; 3]);
    bucket.delete("blobs.files").await;
    let chunks = bucket.database.collection::<Document>("blobs.chunks");
    chunks.update_one(doc! {}, doc! { "$set": { "files_id": id } }).await.unwrap();
    file.insert("_id", id);
    bucket.database.collection("blobs.files").insert_one(file).await.unwrap();
    bucket.blobs.put_bytes(&bucket.key, b"photo").await.unwrap();
    assert_ne!(bucket.all("blobs.files").await[0].get("_id"), Some(&Bson::ObjectId(id)));
    assert_eq!(bucket.read(blob.key()).await.unwrap(), b"photo");
    assert_eq!(bucket.counts().await, (1, 1));
}

#[tokio::test]
async fn unsuitable_database_is_rejected_and_a_lost_one_unavailable() {
    let alone = Standalone::start().await;
    let data = tempfile::tempdir().unwrap();
    let refused = gridfs_blobs(data.path(), &alone.uri("db")).await.map(drop).unwrap_err();
    assert!(format!("{refused:?}").contains("no member of a replica set"), "{refused:?}");

    let uri = ReplicaSet::shared(1).uri(&format!("gridfs-{}", uuid::Uuid::now_v7()));
    let database = mongodb::Client::with_uri_str(&uri).await.unwrap().default_database().unwrap();
    let twice = [doc! { "filename": "twice" }, doc! { "filename": "twice" }];
    database.collection::<Document>("blobs.files").insert_many(twice).await.unwrap();
    let refused = gridfs_blobs(data.path(), &uri).await.map(drop).unwrap_err();
    assert!(
        format!("{refused:?}").contains("the index of the collection `blobs.files`"),
        "{refused:?}"
    );

    let mut set = ReplicaSet::start(1).await;
    let uri = format!("{}&serverSelectionTimeoutMS=500", set.uri("db"));
    let blobs = gridfs_blobs(data.path(), &uri).await.unwrap();
    let key = Bucket::new().await.key;
    let blob = blobs.put_bytes(&key, b"photo").await.unwrap();
    set.kill(0);
    let unavailable = blobs.put_bytes(&key, b"another").await;
    assert!(matches!(unavailable, Err(BlobError::Unavailable(_))), "{unavailable:?}");
    assert!(matches!(blobs.open(blob.key(), &key).await, Err(BlobError::Unavailable(_))));
    assert_eq!(
        std::fs::read_dir(data.path().join("spool")).unwrap().count(),
        0,
        "nothing is left in the spool"
    );
    set.restart(0);
    set.settled().await;
    assert_eq!(blobs.open(blob.key(), &key).await.unwrap().byte_size(), 5);
}
