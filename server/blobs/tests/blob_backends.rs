//! The rules of every storage of blobs, over local files, a bucket of an S3 server and GridFS in
//! MongoDB, and copies between them.

#![expect(clippy::unwrap_used, reason = "in helpers of tests a fault is a panic, too")]
#![expect(clippy::disallowed_methods, reason = "tests compare with the system's clock")]

use futures::TryStreamExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;
use vultus_blobs::keys::{FolderKey, MasterKey};
use vultus_blobs::{BlobError, BlobStore, BucketOptions, StoredBlob, Sweeper};
use vultus_maintenance::copy::{Blobs, Place, copy};
use vultus_store::contract::{World, at, new_id};
use vultus_store::{Archive, FolderAdditions, Folders};
use vultus_store_mongo::gridfs_blobs;
use vultus_store_sqlite::{Options, SqliteStore};
use vultus_tests::ReplicaSet;

const ACCESS: (&str, &str) = ("test-access", "test-secret");

/// Blobs of one kind of storage, with guards of their data.
struct Storage {
    blobs: Arc<BlobStore>,
    data: TempDir,
    _bucket: Option<TempDir>,
}

async fn local() -> Storage {
    let data = tempfile::tempdir().unwrap();
    Storage { blobs: BlobStore::local(data.path()).unwrap(), data, _bucket: None }
}

/// Files in a folder on another file system, like one that all nodes mount.
async fn mounted() -> Storage {
    let data = tempfile::tempdir().unwrap();
    let device = |folder: &TempDir| std::fs::metadata(folder.path()).unwrap().dev();
    let others = ["/dev/shm", "/run", "/var/tmp", env!("CARGO_TARGET_TMPDIR")];
    let mut others = others.into_iter().filter_map(|folder| tempfile::tempdir_in(folder).ok());
    let elsewhere = others
        .find(|other| device(other) != device(&data))
        .expect("there is a second file system, such as /dev/shm");
    std::os::unix::fs::symlink(elsewhere.path(), data.path().join("blobs")).unwrap();
    Storage { blobs: BlobStore::local(data.path()).unwrap(), data, _bucket: Some(elsewhere) }
}

/// GridFS in a new database.
async fn gridfs() -> Storage {
    gridfs_in(&ReplicaSet::shared(1).uri(&format!("blobs-{}", uuid::Uuid::now_v7()))).await
}

async fn gridfs_in(uri: &str) -> Storage {
    let data = tempfile::tempdir().unwrap();
    Storage { blobs: gridfs_blobs(data.path(), uri).await.unwrap(), data, _bucket: None }
}

/// A bucket of a new S3 server on loopback.
async fn bucket() -> Storage {
    let (data, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(root.path().join("media")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut service =
        s3s::service::S3ServiceBuilder::new(s3s_fs::FileSystem::new(root.path()).unwrap());
    service.set_auth(s3s::auth::SimpleAuth::from_single(ACCESS.0, ACCESS.1));
    let service = service.build();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let _ = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            });
        }
    });
    let blobs =
        BlobStore::bucket(data.path(), &options(&format!("http://{address}"), ACCESS.1)).unwrap();
    Storage { blobs, data, _bucket: Some(root) }
}

fn options(endpoint: &str, secret: &str) -> BucketOptions {
    BucketOptions {
        bucket: "media".to_owned(),
        prefix: "some/prefix".to_owned(),
        endpoint: Some(endpoint.to_owned()),
        region: "us-east-1".to_owned(),
        access_key: Some((ACCESS.0.to_owned(), secret.to_owned().into())),
    }
}

fn folder_key() -> Arc<FolderKey> {
    let (master, company, folder) = (MasterKey::new(&[3; 32]), new_id(), new_id());
    let key = master.open(company, &master.make_company_key(company)).unwrap();
    Arc::new(key.open(folder, &key.make_folder_key(folder)).unwrap())
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n * 31 + n / 257) as u8).collect()
}

impl Storage {
    async fn store(&self, key: &Arc<FolderKey>, bytes: &[u8]) -> StoredBlob {
        let mut spool = self.blobs.spool(bytes.len() as u64);
        spool.write(bytes).await.unwrap();
        self.blobs.commit(&spool.finish().await.unwrap(), key).await.unwrap()
    }

    async fn plain(&self, key: &Arc<FolderKey>, blob: &StoredBlob) -> Vec<u8> {
        let mut read = Vec::new();
        let plain = self.blobs.open(blob.key(), key).await.unwrap().plain().await.unwrap();
        std::fs::File::from(plain.descriptor().unwrap()).read_to_end(&mut read).unwrap();
        read
    }

    async fn listed(&self) -> Vec<String> {
        let mut keys: Vec<String> =
            self.blobs.list().map_ok(|(key, _)| key).try_collect().await.unwrap();
        keys.sort();
        keys
    }
}

async fn blobs_are_read_whole_and_in_ranges(storage: Storage) {
    let key = folder_key();
    // Empty, small, several chunks, several pieces, and long enough for a multipart upload.
    for count in [0, 10, 300_000, 2_500_000, 9_000_000] {
        let bytes = bytes(count);
        let blob = storage.store(&key, &bytes).await;
        assert_eq!(storage.plain(&key, &blob).await, bytes, "{count} bytes");
        for (from, to) in [(0, 1), (65_535, 65_537), (count.saturating_sub(3), count)] {
            let (from, to) = (from.min(count), to.min(count));
            let open = storage.blobs.open(blob.key(), &key).await.unwrap();
            let part: Vec<_> = open.range(from as u64..to as u64).try_collect().await.unwrap();
            assert_eq!(part.concat(), bytes[from..to], "{from}..{to} of {count}");
        }
    }
    assert_eq!(std::fs::read_dir(storage.data.path().join("spool")).unwrap().count(), 0);
}

async fn rewritten_blob_exists_once(storage: Storage) {
    let key = folder_key();
    let first = storage.store(&key, &bytes(1_500_000)).await;
    let open = storage.blobs.open(first.key(), &key).await.unwrap();
    let second = storage.store(&key, &bytes(1_500_000)).await;
    assert_eq!(first.key(), second.key());
    assert_eq!(storage.listed().await, [first.key()]);
    assert_eq!(storage.plain(&key, &second).await, bytes(1_500_000));
    // An open blob reads the version that it opened, or fails; it never mixes versions.
    if let Ok(read) = open.range(0..1_500_000).try_collect::<Vec<_>>().await {
        assert_eq!(read.concat(), bytes(1_500_000));
    }
}

async fn deleted_and_swept_blobs_are_gone(storage: Storage) {
    let store =
        SqliteStore::open(&storage.data.path().join("vultus.db"), Options::default()).unwrap();
    let world = World::new(store.clone()).await;
    let key = folder_key();
    let (gone, orphan) = (storage.store(&key, b"gone").await, storage.store(&key, b"orphan").await);
    for _ in 0..2 {
        let keys = [gone.key().to_owned()];
        let deleted = storage.blobs.delete_unreferenced(store.as_ref(), &keys, at(0)).await;
        assert_eq!(deleted.expect("deleting a missing blob works, too"), 1);
    }
    assert!(matches!(storage.blobs.open(gone.key(), &key).await, Err(BlobError::NotFound)));
    assert_eq!(storage.listed().await, [orphan.key()]);
    let folder = world.folder(0);
    let kept = storage.store(&key, b"kept").await;
    let medium = vultus_core::Medium {
        blob_key: kept.key().to_owned(),
        thumbnail_key: None,
        ..vultus_store::contract::medium(folder.id, 0)
    };
    store
        .create_folder(
            &folder,
            &FolderAdditions { media: vec![medium], ..FolderAdditions::default() },
            None,
        )
        .await
        .unwrap();
    let sweeper = Sweeper::new(storage.blobs.clone(), store);
    let now = OffsetDateTime::now_utc();
    assert_eq!(sweeper.sweep_once(now + Duration::minutes(9)).await.unwrap(), 0);
    assert_eq!(sweeper.sweep_once(now + Duration::minutes(11)).await.unwrap(), 1);
    assert_eq!(storage.listed().await, [kept.key()]);
}

macro_rules! on_every_storage {
    ($($rule:ident),+ $(,)?) => {
        mod on_local_files {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(super::local().await).await;
            })+
        }
        mod on_mounted_files {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(super::mounted().await).await;
            })+
        }
        mod in_a_bucket {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(super::bucket().await).await;
            })+
        }
        mod in_gridfs {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(super::gridfs().await).await;
            })+
        }
    };
}

on_every_storage! {
    blobs_are_read_whole_and_in_ranges,
    rewritten_blob_exists_once,
    deleted_and_swept_blobs_are_gone,
}

#[tokio::test]
async fn partial_copy_of_a_dead_writer_is_swept() {
    let storage = mounted().await;
    let unfinished = |name: &str| {
        let path = storage.data.path().join("blobs").join(name);
        std::fs::write(&path, "half of it").unwrap();
        path
    };
    let (left, other) = (unfinished(".unfinished-1"), unfinished("other"));
    let sweeper = Sweeper::new(storage.blobs.clone(), empty(&storage));
    let now = OffsetDateTime::now_utc();
    sweeper.sweep_once(now + Duration::minutes(59)).await.unwrap();
    assert!(left.exists(), "it may still be written");
    sweeper.sweep_once(now + Duration::minutes(61)).await.unwrap();
    assert!(!left.exists() && other.exists());
}

#[tokio::test]
async fn identity_of_a_storage_is_independent_of_its_address() {
    let (here, elsewhere) = (local().await, local().await);
    let link = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(here.data.path().join("blobs"), link.path().join("blobs")).unwrap();
    let linked = BlobStore::local(link.path()).unwrap();
    let (one, other) = tokio::join!(here.blobs.identity(), linked.identity());
    let one = one.unwrap();
    assert_eq!(one, other.unwrap());
    assert_eq!(one, here.blobs.identity().await.unwrap());
    assert_ne!(one, elsewhere.blobs.identity().await.unwrap());
    assert!(
        here.blobs.list().try_collect::<Vec<_>>().await.unwrap().is_empty(),
        "its name is no blob"
    );
    let bucket =
        BlobStore::bucket(here.data.path(), &options("http://127.0.0.1:1", ACCESS.1)).unwrap();
    assert_eq!(bucket.identity().await.unwrap(), "s3://media/some/prefix");
}

#[tokio::test]
async fn bucket_without_an_answer_is_unavailable() {
    let storage = bucket().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let unreachable =
        BlobStore::bucket(storage.data.path(), &options(&format!("http://{closed}"), ACCESS.1))
            .unwrap();
    let unavailable = unreachable.put_bytes(&folder_key(), b"photo").await;
    assert!(matches!(unavailable, Err(BlobError::Unavailable(_))), "{unavailable:?}");
    assert_eq!(
        std::fs::read_dir(storage.data.path().join("spool")).unwrap().count(),
        0,
        "nothing is left in the spool"
    );
}

/// A store with three folders of one photo each.
async fn filled(storage: &Storage, key: &Arc<FolderKey>) -> (Arc<SqliteStore>, Vec<StoredBlob>) {
    let store = empty(storage);
    let world = World::new(store.clone()).await;
    let mut blobs = Vec::new();
    for n in 0..3 {
        let blob = storage.store(key, &bytes(200_000 + n)).await;
        let folder = world.folder(0);
        let medium = vultus_core::Medium {
            blob_key: blob.key().to_owned(),
            thumbnail_key: None,
            ..vultus_store::contract::medium(folder.id, 0)
        };
        let additions = FolderAdditions { media: vec![medium], ..FolderAdditions::default() };
        store.create_folder(&folder, &additions, None).await.unwrap();
        blobs.push(blob);
    }
    (store, blobs)
}

fn empty(storage: &Storage) -> Arc<SqliteStore> {
    SqliteStore::open(&storage.data.path().join("vultus.db"), Options::default()).unwrap()
}

#[tokio::test]
async fn installation_is_copied_between_all_storages() {
    let (first, key) = (local().await, folder_key());
    let (mut store, blobs) = filled(&first, &key).await;
    let mut from = first;
    let mut before = None;
    for to in [bucket().await, gridfs().await, local().await] {
        let new = empty(&to);
        let places = (
            Place { store: store.as_ref(), blobs: &from.blobs },
            Place { store: new.as_ref(), blobs: &to.blobs },
        );
        let totals = copy(places.0, places.1, Blobs::Copy, |_| ()).await.unwrap();
        assert_eq!(
            (totals.records["folders"], totals.records["companies"], totals.blobs),
            (3, 1, 3)
        );
        assert_eq!(before.replace(totals.clone()).unwrap_or(totals.clone()), totals);
        for (n, blob) in blobs.iter().enumerate() {
            assert_eq!(to.plain(&key, blob).await, bytes(200_000 + n));
        }
        assert_eq!(
            copy(places.0, places.1, Blobs::Copy, |_| ()).await.unwrap(),
            totals,
            "what is copied already is compared again"
        );
        (from, store) = (to, new);
    }
}

#[tokio::test]
async fn interrupted_copy_continues_and_other_data_are_rejected() {
    let (from, to, key) = (local().await, gridfs().await, folder_key());
    let (old, new) = (filled(&from, &key).await.0, empty(&to));
    let places = (
        Place { store: old.as_ref(), blobs: &from.blobs },
        Place { store: new.as_ref(), blobs: &to.blobs },
    );
    let records: Vec<_> = old.export().await.unwrap().try_collect().await.unwrap();
    // Like a copy that is killed after the records of the first folder and the file of the second.
    new.import(records[..3].to_vec()).await.unwrap();
    let totals = copy(places.0, places.1, Blobs::Copy, |_| ()).await.unwrap();
    assert_eq!((totals.records["folders"], totals.blobs, to.listed().await.len()), (3, 3, 3));
    let copied: Vec<_> = new.export().await.unwrap().try_collect().await.unwrap();
    assert_eq!(copied, records);

    World::new(new.clone()).await;
    let refused = copy(places.0, places.1, Blobs::Copy, |_| ()).await.unwrap_err();
    assert!(refused.to_string().contains("not empty"), "{refused}");
    let other = local().await;
    let used = empty(&other);
    World::new(used.clone()).await;
    let refused =
        copy(places.0, Place { store: used.as_ref(), blobs: &other.blobs }, Blobs::Copy, |_| ())
            .await
            .unwrap_err();
    assert!(refused.to_string().contains("not empty"), "{refused}");
    assert_eq!(other.listed().await, Vec::<String>::new(), "nothing is written to it");
}

#[tokio::test]
async fn copy_names_the_missing_file() {
    let (from, to, key) = (local().await, local().await, folder_key());
    let (store, blobs) = filled(&from, &key).await;
    std::fs::remove_file(from.data.path().join("blobs").join(blobs[1].key())).unwrap();
    let new = empty(&to);
    let places = (
        Place { store: store.as_ref(), blobs: &from.blobs },
        Place { store: new.as_ref(), blobs: &to.blobs },
    );
    let refused = copy(places.0, places.1, Blobs::Copy, |_| ()).await.unwrap_err();
    assert!(refused.to_string().contains(blobs[1].key()), "{refused}");
}
