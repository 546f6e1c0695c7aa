//! Verifying, encrypting the data of an older version, changing the master key, backups.

#![expect(clippy::unwrap_used, reason = "in helpers of tests a fault is a panic, too")]
#![expect(clippy::disallowed_methods, reason = "tests compare with the system's clock")]

use rusqlite::Connection;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use time::OffsetDateTime;
use vultus_blobs::keys::{FolderKey, MasterKey};
use vultus_blobs::{BlobStore, Sweeper};
use vultus_core::{Folder, Medium};
use vultus_maintenance::archive::{backup, restore};
use vultus_maintenance::encrypt::{Encrypted, encrypt};
use vultus_maintenance::rekey::rekey;
use vultus_maintenance::verify::{Problem, Verification, verify};
use vultus_store::contract::{at, medium, new_id, user_of};
use vultus_store::{Accounts, Company, FolderAdditions, Folders, Store};
use vultus_store_sqlite::{Options, SqliteStore};

struct Installation {
    folder: TempDir,
    store: Arc<SqliteStore>,
    blobs: Arc<BlobStore>,
    master: MasterKey,
    company: Company,
}

impl Installation {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store =
            SqliteStore::open(&folder.path().join("vultus.db"), Options::default()).unwrap();
        let blobs = BlobStore::local(folder.path()).unwrap();
        let master = MasterKey::new(&[1; 32]);
        let id = new_id();
        let company = Company {
            id,
            name: "c".into(),
            wrapped_key: master.make_company_key(id),
            created_at: at(0),
            suspended_at: None,
            deleting_at: None,
        };
        store.create_company(&company).await.unwrap();
        Self { folder, store, blobs, master, company }
    }

    /// A folder with one photo and its thumbnail.
    async fn with_photo(&self, bytes: &[u8]) -> (Folder, Arc<FolderKey>, Medium) {
        let owner = user_of(&self.company);
        self.store.create_user(&owner, "hash").await.unwrap();
        let id = new_id();
        let company = self
            .master
            .open(self.company.id, &self.store.company(self.company.id).await.unwrap().wrapped_key)
            .unwrap();
        let wrapped_key = company.make_folder_key(id);
        let key = Arc::new(company.open(id, &wrapped_key).unwrap());
        let folder = Folder {
            id,
            company_id: self.company.id,
            owner_id: owner.id,
            external_id: None,
            metadata: vultus_core::JsonText::empty_object().into(),
            created_at: at(0),
            updated_at: at(0),
            media_changed_at: None,
            revision: 1,
            wrapped_key,
        };
        let stored = self.blobs.put_bytes(&key, bytes).await.unwrap();
        let thumbnail = self.blobs.put_bytes(&key, b"small").await.unwrap();
        let medium = Medium {
            sha256: stored.sha256().to_owned(),
            byte_size: bytes.len() as u64,
            blob_key: stored.key().to_owned(),
            thumbnail_key: Some(thumbnail.key().to_owned()),
            ..medium(id, 0)
        };
        let additions = FolderAdditions {
            media: vec![medium.clone()],
            group: None,
            now: Some(at(0)),
            most_media: None,
            most_analyses: None,
        };
        self.store.create_folder(&folder, &additions, None).await.unwrap();
        (folder, key, medium)
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join("blobs").join(key)
    }

    async fn verified(&self) -> Verification {
        verify(self.store.as_ref(), &self.blobs, &self.master, |_| ()).await.unwrap()
    }
}

#[tokio::test]
async fn verification_names_every_fault() {
    let data = Installation::new().await;
    let mut media = Vec::new();
    for bytes in [&b"first"[..], b"second", b"third", b"fourth"] {
        media.push(data.with_photo(bytes).await);
    }
    let sound = data.verified().await;
    assert!(sound.is_sound() && sound.orphans.is_empty());
    assert_eq!((sound.folders, sound.blobs, sound.bytes), (4, 8, 42));

    std::fs::remove_file(data.path(&media[0].2.blob_key)).unwrap();
    let mut damaged = std::fs::read(data.path(media[1].2.thumbnail_key.as_ref().unwrap())).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(data.path(media[1].2.thumbnail_key.as_ref().unwrap()), damaged).unwrap();
    let sql = Connection::open(data.folder.path().join("vultus.db")).unwrap();
    sql.execute(
        "UPDATE media SET sha256 = ?2 WHERE id = ?1",
        (media[2].2.id.to_string(), "00".repeat(32)),
    )
    .unwrap();
    sql.execute(
        "UPDATE folders SET wrapped_key = ?2 WHERE id = ?1",
        (media[3].0.id.to_string(), vec![1; 61]),
    )
    .unwrap();
    let orphan = data.blobs.put_bytes(&media[0].1, b"orphan").await.unwrap();
    let old = std::fs::File::options().write(true).open(data.path(orphan.key())).unwrap();
    old.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(700)).unwrap();

    let found = data.verified().await;
    let mut problems: Vec<_> =
        found.findings.iter().map(|finding| (finding.folder, finding.problem)).collect();
    problems.sort_by_key(|(folder, _)| media.iter().position(|(known, ..)| known.id == *folder));
    let expected = [Problem::Missing, Problem::Damaged, Problem::HashDiffers, Problem::KeyUnusable];
    assert_eq!(
        problems,
        media.iter().map(|(folder, ..)| folder.id).zip(expected).collect::<Vec<_>>()
    );
    assert_eq!(found.orphans, [orphan.key()]);
}

#[tokio::test]
async fn new_master_key_replaces_the_old_one() {
    let data = Installation::new().await;
    data.with_photo(b"photo").await;
    let (old, new) = (&data.master, MasterKey::new(&[2; 32]));
    assert_eq!(rekey(data.store.as_ref(), old, &new).await.unwrap(), 1);
    assert_eq!(
        rekey(data.store.as_ref(), old, &new).await.unwrap(),
        0,
        "a second time there is nothing to do"
    );
    assert!(verify(data.store.as_ref(), &data.blobs, &new, |_| ()).await.unwrap().is_sound());
    let with_old = data.verified().await;
    assert_eq!(with_old.findings[0].problem, Problem::KeyUnusable);
}

/// A data folder of the version before encryption: two folders that share a photo, and one whose
/// file is missing.
async fn plain_data() -> (TempDir, Vec<Medium>) {
    let data = Installation::new().await;
    let mut media = Vec::new();
    for bytes in [&b"plain photo"[..], b"plain photo", b"lost"] {
        let (folder, _, medium) = data.with_photo(bytes).await;
        media.push((folder, medium));
    }
    data.store.close().await.unwrap();
    let sql = Connection::open(data.folder.path().join("vultus.db")).unwrap();
    std::fs::remove_dir_all(data.folder.path().join("blobs")).unwrap();
    let mut changed = Vec::new();
    for (_, medium) in media {
        let name = |bytes: &[u8]| {
            let hash = hex::encode(Sha256::digest(bytes));
            format!("{}/{}/{hash}", data.company.id, &hash[..2])
        };
        let bytes: &[u8] = if medium.byte_size == 4 { b"lost" } else { b"plain photo" };
        for (column, bytes, old) in [
            ("blob_key", bytes, &medium.blob_key),
            ("thumbnail_key", b"small", medium.thumbnail_key.as_ref().unwrap()),
        ] {
            let path = data.folder.path().join("blobs").join(name(bytes));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            if bytes != b"lost" {
                std::fs::write(&path, bytes).unwrap();
            }
            sql.execute(
                &format!("UPDATE media SET {column} = ?2 WHERE {column} = ?1"),
                (old, name(bytes)),
            )
            .unwrap();
        }
        changed.push(medium);
    }
    sql.execute_batch(
        "UPDATE companies SET wrapped_key = NULL; UPDATE folders SET wrapped_key = NULL",
    )
    .unwrap();
    (data.folder, changed)
}

fn holds(folder: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            holds(&path, needle)
        } else {
            std::fs::read(path).unwrap().windows(needle.len()).any(|w| w == needle)
        }
    })
}

#[tokio::test]
async fn plain_data_of_an_older_version_are_encrypted() {
    let (folder, media) = plain_data().await;
    let store = SqliteStore::open(&folder.path().join("vultus.db"), Options::default()).unwrap();
    let blobs = BlobStore::local(folder.path()).unwrap();
    let master = MasterKey::new(&[9; 32]);
    assert_eq!(store.count_plain_folders().await.unwrap(), 3);
    let plain = folder.path().join("blobs");
    assert!(holds(&plain, b"plain photo"));
    let done = encrypt(&store, &blobs, &plain, &master, |_| ()).await.unwrap();
    assert_eq!(done, Encrypted { folders: 3, blobs: 5, missing: 1 });
    assert_eq!(store.count_plain_folders().await.unwrap(), 0);
    assert!(!holds(folder.path(), b"plain photo"));
    let found = verify(store.as_ref(), &blobs, &master, |_| ()).await.unwrap();
    assert_eq!(
        found.findings.iter().map(|finding| finding.problem).collect::<Vec<_>>(),
        [Problem::Missing]
    );
    assert_eq!((found.blobs, found.findings[0].folder), (5, media[2].folder_id));
    assert_eq!(
        encrypt(&store, &blobs, &plain, &master, |_| ()).await.unwrap(),
        Encrypted::default()
    );
    let late = OffsetDateTime::now_utc() + time::Duration::hours(1);
    Sweeper::new(blobs.clone(), store.clone()).sweep_once(late).await.unwrap();
    assert_eq!(
        verify(store.as_ref(), &blobs, &master, |_| ()).await.unwrap().blobs,
        5,
        "the sweeper takes nothing that is needed"
    );
}

#[tokio::test]
async fn backup_is_restored_unless_it_was_changed() {
    let data = Installation::new().await;
    for bytes in [&b"first"[..], b"second"] {
        data.with_photo(bytes).await;
    }
    let place = tempfile::tempdir().unwrap();
    let (earlier, target) = (place.path().join("earlier"), place.path().join("backup"));
    backup(data.store.as_ref(), &data.blobs, &earlier, |_| ()).await.unwrap();
    data.with_photo(b"third").await;
    let totals = backup(data.store.as_ref(), &data.blobs, &target, |_| ()).await.unwrap();
    assert_eq!((totals.records["folders"], totals.records["users"], totals.blobs), (3, 3, 6));
    assert!(!holds(&target, b"second"), "it contains encrypted media only");
    let occupied = backup(data.store.as_ref(), &data.blobs, &target, |_| ()).await;
    assert!(occupied.unwrap_err().to_string().contains("not empty"));

    let other = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&other.path().join("vultus.db"), Options::default()).unwrap();
    let blobs = BlobStore::local(other.path()).unwrap();
    assert_eq!(restore(store.as_ref(), &blobs, &target, |_| ()).await.unwrap(), totals);
    let found = verify(store.as_ref(), &blobs, &data.master, |_| ()).await.unwrap();
    assert!(found.is_sound() && found.blobs == 6);
    assert_eq!(
        restore(store.as_ref(), &blobs, &target, |_| ()).await.unwrap(),
        totals,
        "it continues where it stopped"
    );
    let filled = restore(data.store.as_ref(), &data.blobs, &earlier, |_| ()).await;
    assert!(filled.unwrap_err().to_string().contains("not empty"));

    let records = target.join("records.jsonl");
    let text = std::fs::read_to_string(&records).unwrap();
    std::fs::write(&records, text.replacen("example.org", "example.com", 1)).unwrap();
    let third = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&third.path().join("vultus.db"), Options::default()).unwrap();
    let blobs = BlobStore::local(third.path()).unwrap();
    let changed = restore(store.as_ref(), &blobs, &target, |_| ()).await;
    assert!(changed.unwrap_err().to_string().contains("manifest"));
    std::fs::remove_file(target.join("manifest.json")).unwrap();
    let incomplete = restore(store.as_ref(), &blobs, &target, |_| ()).await;
    assert!(incomplete.unwrap_err().to_string().contains("no complete backup"));
}
