//! Blobs on local files: spool, commit, encryption, deletion, sweeping.

#![expect(clippy::unwrap_used, reason = "in helpers of tests a fault is a panic, too")]
#![expect(clippy::disallowed_methods, reason = "tests compare with the system's clock")]

mod deletion;
mod upload;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use vultus_blobs::keys::{FolderKey, MasterKey};
use vultus_blobs::{BlobError, BlobStore, Deleted, OpenBlob, SpooledBlob, StoredBlob, Sweeper};
use vultus_core::{FolderId, MediaId, Medium};
use vultus_store::contract::{World, at, medium};
use vultus_store::{FolderAdditions, Orphans, StoreError};
use vultus_store_sqlite::{Options, SqliteStore};

struct Data {
    folder: TempDir,
    blobs: Arc<BlobStore>,
    world: World,
    /// A folder in the store.
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
        .expect("creating a folder works");
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

    /// Adds a medium that references the blob.
    async fn reference(&self, key: &str) -> Result<MediaId, StoreError> {
        let medium =
            Medium { blob_key: key.to_owned(), thumbnail_key: None, ..medium(self.home, 0) };
        let id = medium.id;
        let additions = FolderAdditions {
            media: vec![medium],
            group: None,
            now: Some(at(0)),
            most_media: None,
            most_analyses: None,
        };
        self.world
            .store
            .add_to_folder(self.world.scope(), self.home, &additions, None)
            .await
            .map(|_| id)
    }

    async fn delete_orphans(&self, orphans: &Orphans) {
        let store = self.world.store.as_ref();
        self.blobs.delete_tombstoned(store, &orphans.tombstones).await.expect("deleting works");
    }

    async fn unreference(&self, medium: MediaId) -> Orphans {
        self.world
            .store
            .delete_medium(self.world.scope(), medium, OffsetDateTime::now_utc())
            .await
            .expect("deleting works")
            .1
    }
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n * 31 + n / 257) as u8).collect()
}

fn in_minutes(minutes: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::minutes(minutes)
}
