//! Blobs on local files: spool, commit, encryption, deletion, sweeping.

#![expect(clippy::unwrap_used, reason = "in helpers of tests a fault is a panic, too")]

use futures::TryStreamExt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use vultus_blobs::keys::{FolderKey, MasterKey};
use vultus_blobs::{
    BlobError, BlobStore, Deleted, OpenBlob, Plain, SpooledBlob, StoredBlob, Sweeper,
};
use vultus_core::{FolderId, MediaId, Medium};
use vultus_store::contract::{World, at, medium};
use vultus_store::{FolderAdditions, StoreError};
use vultus_store_sqlite::{Options, SqliteStore};

struct Data {
    folder: TempDir,
    blobs: Arc<BlobStore>,
    world: World,
    /// A folder in the store, with its key.
    home: FolderId,
    key: Arc<FolderKey>,
}

async fn data() -> Data {
    let folder = tempfile::tempdir().expect("a folder for the data");
    let store = SqliteStore::open(&folder.path().join("vultus.db"), Options::default())
        .expect("the store opens");
    let blobs = BlobStore::local(folder.path()).expect("the blobs open");
    let world = World::new(store).await;
    let home = world.folder(0);
    world
        .store
        .create_folder(&home, &FolderAdditions::default(), None)
        .await
        .expect("a folder is made");
    Data { blobs, key: folder_key(&world, home.id), world, folder, home: home.id }
}

fn folder_key(world: &World, id: FolderId) -> Arc<FolderKey> {
    let master = MasterKey::new(&[7; 32]);
    let company = master
        .open(world.company.id, &master.make_company_key(world.company.id))
        .expect("its own key opens");
    Arc::new(company.open(id, &company.make_folder_key(id)).expect("its own key opens"))
}

impl Data {
    async fn spooled(&self, bytes: &[u8]) -> SpooledBlob {
        let mut spool = self.blobs.spool(1 << 20);
        for part in bytes.chunks(99_991) {
            spool.write(part).await.expect("spooling works");
        }
        spool.finish().await.expect("spooling works")
    }

    async fn stored(&self, bytes: &[u8]) -> StoredBlob {
        self.blobs.commit(&self.spooled(bytes).await, &self.key).await.expect("committing works")
    }

    async fn open(&self, key: &str) -> Result<OpenBlob, BlobError> {
        self.blobs.open(key, &self.key).await
    }

    fn files(&self, below: &str) -> Vec<PathBuf> {
        fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).expect("the folder is there") {
                let path = entry.expect("an entry").path();
                if path.is_dir() { walk(&path, files) } else { files.push(path) }
            }
        }
        let mut files = Vec::new();
        walk(&self.folder.path().join(below), &mut files);
        files
    }

    async fn delete(&self, key: &str) -> Deleted {
        self.blobs
            .delete_unreferenced(
                self.world.store.as_ref(),
                &[key.to_owned()],
                OffsetDateTime::now_utc(),
            )
            .await
    }

    fn sweeper(&self) -> Sweeper {
        Sweeper::new(Arc::clone(&self.blobs), Arc::clone(&self.world.store))
    }

    /// References a blob by a new medium of the folder.
    async fn reference(&self, key: &str) -> Result<MediaId, StoreError> {
        let medium =
            Medium { blob_key: key.to_owned(), thumbnail_key: None, ..medium(self.home, 0) };
        let id = medium.id;
        let additions = FolderAdditions { media: vec![medium], group: None, now: Some(at(0)) };
        self.world
            .store
            .add_to_folder(self.world.scope(), self.home, &additions, None)
            .await
            .map(|_| id)
    }

    async fn unreference(&self, medium: MediaId) -> Vec<String> {
        self.world
            .store
            .delete_medium(self.world.scope(), medium, OffsetDateTime::now_utc())
            .await
            .expect("deleting works")
            .1
            .keys
    }
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n * 31 + n / 257) as u8).collect()
}

fn read(plain: &Plain) -> Vec<u8> {
    let mut bytes = Vec::new();
    File::from(plain.descriptor().unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

fn in_minutes(minutes: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::minutes(minutes)
}

#[tokio::test]
async fn a_committed_upload_reads_back_whole_and_in_ranges_and_leaves_the_spool() {
    let data = data().await;
    for count in [0, 10, 65_536, 700_001] {
        let bytes = bytes(count);
        let spooled = data.spooled(&bytes).await;
        assert_eq!(
            (spooled.byte_size(), spooled.first_bytes()),
            (count as u64, &bytes[..count.min(16)])
        );
        assert_eq!(read(&spooled.plain().await.unwrap()), bytes);
        let stored = data.blobs.commit(&spooled, &data.key).await.unwrap();
        assert_eq!(stored.key(), data.key.blob_key(spooled.sha256()));
        drop(spooled);
        assert!(data.files("spool").is_empty());
        let open = data.open(stored.key()).await.unwrap();
        assert_eq!(open.byte_size(), count as u64);
        assert_eq!(open.sha256().await.unwrap(), stored.sha256());
        assert_eq!(read(&open.plain().await.unwrap()), bytes);
        for (from, to) in
            [(0, count), (3, 7), (65_530, 65_540), (count.saturating_sub(2), count + 9)]
        {
            let (from, to) = (from.min(count), to.min(count));
            let open = data.open(stored.key()).await.unwrap();
            let range: Vec<_> = open.range(from as u64..to as u64).try_collect().await.unwrap();
            assert_eq!(range.concat(), bytes[from..to], "{from}..{to} of {count}");
        }
    }
}

#[tokio::test]
async fn plain_bytes_handed_on_cannot_be_changed_and_are_read_at_a_place_of_their_own() {
    let data = data().await;
    let plain = data.spooled(b"0123").await.plain().await.unwrap();
    let mut first = File::from(plain.descriptor().unwrap());
    let mut two = [0; 2];
    first.read_exact(&mut two).unwrap();
    assert_eq!(read(&plain), b"0123");
    assert!(first.write_all(b"x").is_err());
    let path = format!("/proc/self/fd/{}", first.as_raw_fd());
    assert!(
        File::options().write(true).open(path).and_then(|mut file| file.write_all(b"x")).is_err()
    );
}

#[tokio::test]
async fn nothing_readable_is_on_disk_at_any_time() {
    let data = data().await;
    let canary = b"canary-of-a-face ".repeat(40_000);
    let on_disk = || {
        let files = data.files("spool").into_iter().chain(data.files("blobs"));
        files
            .map(std::fs::read)
            .any(|file| file.unwrap().windows(16).any(|window| window == &canary[..16]))
    };
    let mut spool = data.blobs.spool(1 << 20);
    for part in canary.chunks(100_000) {
        spool.write(part).await.unwrap();
        assert!(!on_disk());
    }
    let spooled = spool.finish().await.unwrap();
    let _plain = spooled.plain().await.unwrap();
    assert!(!on_disk());
    data.blobs.commit(&spooled, &data.key).await.unwrap();
    data.blobs.put_bytes(&data.key, &canary[..5000]).await.unwrap();
    assert_eq!(data.files("blobs").len(), 2);
    assert!(!on_disk());
}

#[tokio::test]
async fn the_same_bytes_are_one_file_within_a_folder_and_two_across_folders() {
    let data = data().await;
    let (first, second) = (data.stored(b"same").await, data.stored(b"same").await);
    assert_eq!(first.key(), second.key());
    assert_eq!(data.files("blobs").len(), 1);
    let elsewhere = folder_key(&data.world, data.world.folder(0).id);
    let theirs = data.blobs.put_bytes(&elsewhere, b"same").await.unwrap();
    assert_ne!(theirs.key(), first.key());
    assert_eq!(data.files("blobs").len(), 2);
    assert!(
        matches!(data.blobs.open(theirs.key(), &data.key).await, Err(BlobError::Damaged(_))),
        "its key does not open it"
    );
}

#[tokio::test]
async fn a_file_that_a_power_failure_left_torn_is_replaced_by_the_next_upload() {
    let data = data().await;
    let torn = data.stored(&bytes(200_000)).await;
    let path = data.folder.path().join("blobs").join(torn.key());
    std::fs::File::options().write(true).open(path).unwrap().set_len(1000).unwrap();
    let again = data.stored(&bytes(200_000)).await;
    assert_eq!(again.key(), torn.key());
    let open = data.open(again.key()).await.unwrap();
    assert_eq!(
        open.range(0..200_000).try_collect::<Vec<_>>().await.unwrap().concat(),
        bytes(200_000)
    );
    assert!(data.files("spool").is_empty(), "nothing is left beside it");
}

#[tokio::test]
async fn a_damaged_or_exchanged_file_is_not_read() {
    let data = data().await;
    let (one, two) = (data.stored(&bytes(200_000)).await, data.stored(&bytes(200_001)).await);
    let path = |blob: &StoredBlob| data.folder.path().join("blobs").join(blob.key());
    let mut changed = std::fs::read(path(&one)).unwrap();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    std::fs::write(path(&one), &changed).unwrap();
    let open = data.open(one.key()).await.unwrap();
    assert!(matches!(open.plain().await, Err(BlobError::Damaged(_))));
    assert_eq!(
        open.range(0..10).try_collect::<Vec<_>>().await.unwrap().concat(),
        bytes(10),
        "a range opens alone"
    );
    std::fs::copy(path(&two), path(&one)).unwrap();
    assert!(matches!(data.open(one.key()).await, Err(BlobError::Damaged(_))));
}

#[tokio::test]
async fn one_byte_over_the_limit_is_refused_as_it_arrives_and_leaves_nothing() {
    let data = data().await;
    let limit = 1 << 20;
    let mut spool = data.blobs.spool(limit);
    spool.write(&bytes(limit as usize)).await.unwrap();
    assert!(
        matches!(spool.write(b"5").await, Err(BlobError::TooLarge { limit: told }) if told == limit)
    );
    assert_eq!(data.files("spool").len(), 1);
    drop(spool);
    assert!(data.files("spool").is_empty());
}

#[tokio::test]
async fn what_a_killed_node_left_in_the_spool_is_removed_at_the_start() {
    let data = data().await;
    std::fs::write(data.folder.path().join("spool/upload-left"), b"left").unwrap();
    data.blobs.clear_spool().unwrap();
    assert!(data.files("spool").is_empty());
}

#[tokio::test]
async fn blobs_are_for_the_owner_only() {
    let data = data().await;
    let _spooled = data.spooled(b"spooled").await;
    data.stored(b"stored").await;
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    for file in data.files("spool").into_iter().chain(data.files("blobs")) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        for folder in file.ancestors().skip(1).take_while(|folder| *folder != data.folder.path()) {
            assert_eq!(mode(folder), 0o700, "{}", folder.display());
        }
    }
}

#[tokio::test]
async fn a_key_that_was_not_made_here_opens_nothing() {
    let data = data().await;
    std::fs::write(data.folder.path().join("secret"), b"s").unwrap();
    let missing = data.key.blob_key("00");
    for key in ["../secret", "/etc/passwd", "", "a/b/c", "../../../etc/passwd", &missing] {
        assert!(matches!(data.open(key).await, Err(BlobError::NotFound)), "{key}");
    }
    assert!(data.delete("../secret").await.is_err());
    assert!(data.folder.path().join("secret").exists());
}

#[tokio::test]
async fn a_deleted_blob_is_gone_and_one_that_is_referenced_stays() {
    let data = data().await;
    let key = data.stored(b"face").await.key().to_owned();
    let medium = data.reference(&key).await.unwrap();
    assert_eq!(data.delete(&key).await.unwrap(), 0, "a medium references it");
    assert_eq!(data.files("blobs").len(), 1);
    let orphans = data.unreference(medium).await;
    assert_eq!(orphans, std::slice::from_ref(&key));
    data.blobs.delete_tombstoned(data.world.store.as_ref(), &orphans).await.unwrap();
    assert!(data.files("blobs").is_empty());
    data.delete(&key).await.expect("deleting what is gone works");
}

#[tokio::test]
async fn a_commit_whose_blob_was_deleted_after_it_was_written_is_refused_until_it_is_written_again()
{
    let data = data().await;
    let key = data.stored(b"face").await.key().to_owned();
    assert_eq!(data.delete(&key).await.unwrap(), 1);
    assert!(matches!(data.reference(&key).await, Err(StoreError::BlobSwept { .. })));
    let (store, keys) = (data.world.store.as_ref(), [key.clone()]);
    let deleted = data.blobs.await_deletions(store, &keys).await.unwrap();
    data.stored(b"face").await;
    store.revive(&deleted).await.unwrap();
    data.reference(&key).await.expect("it is there again");
    data.open(&key).await.expect("it is there again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_referenced_blob_is_ever_missing_while_the_same_bytes_come_and_go() {
    let data = Arc::new(data().await);
    let clients = (0..6).map(|_| {
        let data = Arc::clone(&data);
        tokio::spawn(async move {
            for _ in 0..20 {
                let mut swept = Vec::new();
                let medium = loop {
                    let key = data.stored(b"the same face").await.key().to_owned();
                    data.world.store.revive(&swept).await.unwrap();
                    match data.reference(&key).await {
                        Ok(medium) => break medium,
                        Err(StoreError::BlobSwept { .. }) => {
                            swept = data
                                .blobs
                                .await_deletions(data.world.store.as_ref(), &[key])
                                .await
                                .unwrap();
                        }
                        Err(error) => panic!("{error:?}"),
                    }
                };
                let stored =
                    data.world.store.medium(data.world.scope(), medium).await.unwrap().unwrap();
                data.open(&stored.blob_key).await.expect("what is referenced is there");
                let orphans = data.unreference(medium).await;
                data.blobs.delete_tombstoned(data.world.store.as_ref(), &orphans).await.unwrap();
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    data.sweeper().sweep_once(in_minutes(11)).await.unwrap();
    assert!(data.files("blobs").is_empty());
}

#[tokio::test]
async fn the_sweeper_takes_only_what_is_old_and_unreferenced() {
    let data = data().await;
    let referenced = data.stored(b"referenced").await;
    data.reference(referenced.key()).await.unwrap();
    let orphan = data.stored(b"orphan").await.key().to_owned();
    let sweeper = data.sweeper();
    assert_eq!(sweeper.sweep_once(in_minutes(9)).await.unwrap(), 0);
    assert_eq!(data.files("blobs").len(), 2);
    assert_eq!(sweeper.sweep_once(in_minutes(11)).await.unwrap(), 1);
    assert!(matches!(data.open(&orphan).await, Err(BlobError::NotFound)));
    assert_eq!(data.files("blobs").len(), 1);
}

#[tokio::test]
async fn a_killed_deletion_is_completed_by_a_later_sweep_and_its_tombstone_goes_in_the_end() {
    let data = data().await;
    let store = data.world.store.as_ref();
    let keys = [data.stored(b"swept").await.key().to_owned()];
    let marked =
        store.tombstone_unreferenced(&keys, in_minutes(11), Duration::minutes(10)).await.unwrap();
    assert_eq!(marked, keys);
    // The deletion is killed here, before it deleted anything.
    assert!(matches!(data.reference(&keys[0]).await, Err(StoreError::BlobSwept { .. })));
    assert_eq!(data.sweeper().sweep_once(in_minutes(20)).await.unwrap(), 0, "it may still go on");
    assert_eq!(data.sweeper().sweep_once(in_minutes(22)).await.unwrap(), 1);
    assert!(data.files("blobs").is_empty());
    assert!(matches!(data.reference(&keys[0]).await, Err(StoreError::BlobSwept { .. })));
    data.sweeper().sweep_once(in_minutes(33)).await.unwrap();
    assert!(store.tombstones(&keys).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_killed_node_left_half_erased_is_completed_at_its_next_start() {
    let data = data().await;
    let key = data.stored(b"face").await.key().to_owned();
    let medium = data.reference(&key).await.unwrap();
    assert_eq!(data.unreference(medium).await, std::slice::from_ref(&key));
    assert_eq!(data.files("blobs").len(), 1, "the node is killed here");
    assert_eq!(data.sweeper().complete_deletions(in_minutes(1)).await.unwrap(), 1);
    assert!(data.files("blobs").is_empty());
}
