//! Uploads and what is on disk.

use super::{bytes, data, folder_key};
use futures::TryStreamExt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use vultus_blobs::{BlobError, Plain, StoredBlob};

fn read(plain: &Plain) -> Vec<u8> {
    let mut bytes = Vec::new();
    File::from(plain.descriptor().unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn committed_upload_is_read_whole_and_in_ranges() {
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
async fn plain_bytes_cannot_be_changed_by_their_reader() {
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
async fn same_bytes_are_one_file_per_folder() {
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
        "the key of another folder does not open it"
    );
}

#[tokio::test]
async fn torn_file_is_replaced_by_the_next_upload() {
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
    assert!(data.files("spool").is_empty(), "no temporary file is left");
}

#[tokio::test]
async fn damaged_or_exchanged_file_is_not_read() {
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
        "other ranges can be read"
    );
    std::fs::copy(path(&two), path(&one)).unwrap();
    assert!(matches!(data.open(one.key()).await, Err(BlobError::Damaged(_))));
}

#[tokio::test]
async fn upload_over_the_limit_fails_and_leaves_nothing() {
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
async fn spool_of_a_killed_node_is_cleared_at_start() {
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
async fn malformed_key_opens_nothing() {
    let data = data().await;
    std::fs::write(data.folder.path().join("secret"), b"s").unwrap();
    let missing = data.key.blob_key("00");
    for key in ["../secret", "/etc/passwd", "", "a/b/c", "../../../etc/passwd", &missing] {
        assert!(matches!(data.open(key).await, Err(BlobError::NotFound)), "{key}");
    }
    assert!(data.delete("../secret").await.is_err());
    assert!(data.folder.path().join("secret").exists());
}
