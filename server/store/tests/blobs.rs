//! Blobs on local files: spool, commit, deletion, sweeping.

use futures::TryStreamExt;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use vultus_core::Medium;
use vultus_store::blobs::{BlobError, BlobStore, Deleted, SpooledBlob, StoredBlob, Sweeper, blob_key};
use vultus_store::contract::{World, at, medium};
use vultus_store::sqlite::{Options, SqliteStore};
use vultus_store::{FolderAdditions, StoreError};

struct Data {
    folder: TempDir,
    blobs: Arc<BlobStore>,
    world: World,
}

async fn data() -> Data {
    let folder = tempfile::tempdir().expect("a folder for the data");
    let store = SqliteStore::open(&folder.path().join("vultus.db"), Options::default()).expect("the store opens");
    Data { blobs: BlobStore::open(folder.path()).expect("the blobs open"), world: World::new(store).await, folder }
}

impl Data {
    async fn spooled(&self, bytes: &[u8]) -> SpooledBlob {
        let mut spool = self.blobs.spool(1 << 20).await.expect("spooling works");
        for part in bytes.chunks(3) {
            spool.write(part).await.expect("spooling works");
        }
        spool.finish().await.expect("spooling works")
    }

    async fn stored(&self, bytes: &[u8]) -> StoredBlob {
        self.blobs.commit(&self.spooled(bytes).await, &self.world.company).await.expect("committing works")
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
        self.blobs.delete_unreferenced(self.world.store.as_ref(), &[key.to_owned()], at(0)).await
    }

    fn sweeper(&self) -> Sweeper {
        Sweeper::new(Arc::clone(&self.blobs), Arc::clone(&self.world.store))
    }

    async fn reference(&self, key: &str) -> Result<vultus_core::FolderId, StoreError> {
        let folder = self.world.folder(0);
        let medium = Medium { blob_key: key.to_owned(), thumbnail_key: None, ..medium(folder.id, 0) };
        let additions = FolderAdditions { media: vec![medium], group: None, now: Some(at(0)) };
        self.world.store.create_folder(&folder, &additions, None).await.map(|_| folder.id)
    }
}

fn in_minutes(minutes: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::minutes(minutes)
}

#[tokio::test]
async fn a_committed_upload_reads_back_whole_and_in_ranges_and_leaves_the_spool() {
    let data = data().await;
    let spooled = data.spooled(b"0123456789").await;
    assert_eq!((spooled.byte_size(), spooled.sha256()), (10, "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"));
    let stored = data.blobs.commit(&spooled, &data.world.company).await.unwrap();
    assert_eq!(stored.key(), blob_key(data.world.company.id, &data.world.company.blob_name_key, spooled.sha256()));
    drop(spooled);
    assert!(data.files("spool").is_empty());
    let mut text = String::new();
    data.blobs.open_file(stored.key()).await.unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "0123456789");
    let range: Vec<_> = data.blobs.read_range(stored.key(), 3..7).await.unwrap().try_collect().await.unwrap();
    assert_eq!(range.concat(), b"3456");
    assert_eq!(data.blobs.byte_size(stored.key()).await.unwrap(), 10);
}

#[tokio::test]
async fn the_same_bytes_are_one_file_within_a_company_and_two_across_companies() {
    let data = data().await;
    let (first, second) = (data.stored(b"same").await, data.stored(b"same").await);
    assert_eq!(first.key(), second.key());
    assert_eq!(data.files("blobs").len(), 1);
    let neighbour = data.world.neighbour().await;
    let theirs = data.blobs.put_bytes(&neighbour.company, b"same").await.unwrap();
    assert_ne!(theirs.key(), first.key());
    assert_eq!(data.files("blobs").len(), 2);
}

#[tokio::test]
async fn one_byte_over_the_limit_is_refused_as_it_arrives_and_leaves_nothing() {
    let data = data().await;
    let mut spool = data.blobs.spool(4).await.unwrap();
    spool.write(b"1234").await.unwrap();
    assert!(matches!(spool.write(b"5").await, Err(BlobError::TooLarge { limit: 4 })));
    assert_eq!(data.files("spool").len(), 1);
    drop(spool);
    assert!(data.files("spool").is_empty());
}

#[tokio::test]
async fn what_a_killed_node_left_in_the_spool_is_removed_at_the_start() {
    let data = data().await;
    std::fs::write(data.folder.path().join("spool/upload-left"), b"face").unwrap();
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
    let missing = blob_key(data.world.company.id, b"k", "00");
    for key in ["../secret", "/etc/passwd", "", "a/b/c", "../../../etc/passwd", &missing] {
        assert!(matches!(data.blobs.open_file(key).await, Err(BlobError::NotFound)), "{key}");
        assert!(matches!(data.blobs.read_range(key, 0..1).await, Err(BlobError::NotFound)), "{key}");
    }
    assert!(data.delete("../secret").await.is_err());
    assert!(data.folder.path().join("secret").exists());
}

#[tokio::test]
async fn a_deleted_blob_is_gone_and_one_that_is_referenced_or_held_stays() {
    let data = data().await;
    let stored = data.stored(b"face").await;
    let key = stored.key().to_owned();
    data.delete(&key).await.unwrap();
    assert_eq!(data.files("blobs").len(), 1, "a request holds it");
    let folder = data.reference(&key).await.unwrap();
    drop(stored);
    assert_eq!(data.delete(&key).await.unwrap(), 0, "a folder references it");
    assert_eq!(data.files("blobs").len(), 1);
    let orphans = data.world.store.erase_folder(data.world.scope(), folder, at(9)).await.unwrap();
    assert_eq!(orphans.keys, std::slice::from_ref(&key));
    assert_eq!(data.delete(&key).await.unwrap(), 1);
    assert!(data.files("blobs").is_empty());
    data.delete(&key).await.expect("deleting what is gone works");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_referenced_blob_is_ever_missing_while_the_same_bytes_come_and_go() {
    let data = Arc::new(data().await);
    let clients = (0..6).map(|_| {
        let data = Arc::clone(&data);
        tokio::spawn(async move {
            for _ in 0..30 {
                let mut refused = 0;
                let folder = loop {
                    let stored = data.stored(b"the same face").await;
                    match data.reference(stored.key()).await {
                        Ok(folder) => break folder,
                        Err(StoreError::BlobSwept { key }) => {
                            drop(stored);
                            data.delete(&key).await.unwrap();
                            refused += 1;
                        }
                        Err(error) => panic!("{error:?}"),
                    }
                    assert!(refused < 5, "a retry comes through");
                };
                let contents = data.world.contents(folder).await;
                data.blobs.open_file(&contents.media[0].blob_key).await.expect("what is referenced is there");
                let orphans = data.world.store.erase_folder(data.world.scope(), folder, at(9)).await.unwrap();
                for key in &orphans.keys {
                    data.delete(key).await.unwrap();
                }
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
    let held = data.stored(b"held").await;
    let orphan = data.stored(b"orphan").await.key().to_owned();
    let sweeper = data.sweeper();
    assert_eq!(sweeper.sweep_once(in_minutes(9)).await.unwrap(), 0);
    assert_eq!(data.files("blobs").len(), 3);
    sweeper.sweep_once(in_minutes(11)).await.unwrap();
    assert!(matches!(data.blobs.open_file(&orphan).await, Err(BlobError::NotFound)));
    assert_eq!(data.files("blobs").len(), 2);
    data.reference(held.key()).await.expect("a held blob can still be referenced");
    drop((held, referenced));
    sweeper.sweep_once(in_minutes(20)).await.unwrap();
    assert_eq!(data.files("blobs").len(), 2);
}

#[tokio::test]
async fn a_killed_sweep_blocks_a_key_only_until_the_next_one() {
    let data = data().await;
    let key = data.stored(b"swept").await.key().to_owned();
    let marked = data.world.store.tombstone_unreferenced(std::slice::from_ref(&key), in_minutes(11)).await.unwrap();
    assert_eq!(marked, std::slice::from_ref(&key));
    assert!(matches!(data.reference(&key).await, Err(StoreError::BlobSwept { .. })));
    // The sweep is killed here, before it deleted and cleared; the next one completes it.
    data.sweeper().sweep_once(in_minutes(12)).await.unwrap();
    assert!(data.files("blobs").is_empty());
    let again = data.stored(b"swept").await;
    data.reference(again.key()).await.expect("it was written again");
}

#[tokio::test]
async fn an_erasure_that_was_killed_before_it_deleted_its_blobs_is_completed_by_the_next_sweep() {
    let data = data().await;
    let blob = data.stored(b"face").await;
    let folder = data.reference(blob.key()).await.unwrap();
    drop(blob);
    data.world.store.erase_folder(data.world.scope(), folder, at(9)).await.unwrap();
    assert_eq!(data.files("blobs").len(), 1, "the node is killed here");
    // Not after the ten minutes that an unreferenced blob is left alone for: at once.
    data.sweeper().sweep_once(at(10)).await.unwrap();
    assert!(data.files("blobs").is_empty());
}
