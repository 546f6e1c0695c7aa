//! Deletion, tombstones and the sweeper.

use super::{data, in_minutes};
use std::sync::Arc;
use time::Duration;
use vultus_blobs::BlobError;
use vultus_store::{Orphans, Selection, StoreError};

#[tokio::test]
async fn only_unreferenced_blob_is_deleted() {
    let data = data().await;
    let key = data.stored(b"face").await.key().to_owned();
    let medium = data.reference(&key).await.unwrap();
    assert_eq!(data.delete(&key).await.unwrap(), 0, "a medium references it");
    assert_eq!(data.files("blobs").len(), 1);
    let orphans = data.unreference(medium).await;
    assert_eq!(orphans.keys(), std::slice::from_ref(&key));
    data.delete_orphans(&orphans).await;
    assert!(data.files("blobs").is_empty());
    data.delete(&key).await.expect("deleting a missing blob works");
}

#[tokio::test]
async fn commit_of_a_deleted_blob_fails_until_it_is_written_again() {
    let data = data().await;
    let key = data.stored(b"face").await.key().to_owned();
    assert_eq!(data.delete(&key).await.unwrap(), 1);
    assert!(matches!(data.reference(&key).await, Err(StoreError::BlobSwept { .. })));
    let (store, keys) = (data.world.store.as_ref(), [key.clone()]);
    let deleted = data.blobs.await_deletions(store, &keys).await.unwrap();
    data.stored(b"face").await;
    store.revive(&deleted).await.unwrap();
    data.reference(&key).await.expect("the blob exists again");
    data.open(&key).await.expect("the blob exists again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn referenced_blob_is_never_missing_during_deletions() {
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
                let (scope, entities) = (data.world.scope(), Selection::ENTITIES);
                let found = data.world.store.media(scope, &[medium], entities).await.unwrap();
                let stored = &found[0];
                data.open(&stored.blob_key).await.expect("a referenced blob exists");
                let orphans = data.unreference(medium).await;
                data.delete_orphans(&orphans).await;
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
async fn sweeper_deletes_only_old_unreferenced_blobs() {
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
async fn killed_deletion_is_completed_by_a_later_sweep() {
    let data = data().await;
    let store = data.world.store.as_ref();
    let keys = [data.stored(b"swept").await.key().to_owned()];
    let marked =
        store.tombstone_unreferenced(&keys, in_minutes(11), Duration::minutes(10)).await.unwrap();
    assert_eq!(Orphans { tombstones: marked }.keys(), keys);
    // The deletion is killed here, before it deletes anything.
    assert!(matches!(data.reference(&keys[0]).await, Err(StoreError::BlobSwept { .. })));
    assert_eq!(
        data.sweeper().sweep_once(in_minutes(20)).await.unwrap(),
        0,
        "the deletion may still be running"
    );
    assert_eq!(data.sweeper().sweep_once(in_minutes(22)).await.unwrap(), 1);
    assert!(data.files("blobs").is_empty());
    assert!(matches!(data.reference(&keys[0]).await, Err(StoreError::BlobSwept { .. })));
    data.sweeper().sweep_once(in_minutes(33)).await.unwrap();
    assert!(store.tombstones(&keys).await.unwrap().is_empty());
}

#[tokio::test]
async fn interrupted_erasure_is_completed_at_start() {
    let data = data().await;
    let key = data.stored(b"face").await.key().to_owned();
    let medium = data.reference(&key).await.unwrap();
    assert_eq!(data.unreference(medium).await.keys(), std::slice::from_ref(&key));
    assert_eq!(data.files("blobs").len(), 1, "the node is killed here");
    assert_eq!(data.sweeper().complete_deletions(in_minutes(1)).await.unwrap(), 1);
    assert!(data.files("blobs").is_empty());
}

#[tokio::test]
async fn paused_deletion_spares_bytes_that_were_written_again() {
    let data = data().await;
    let store = data.world.store.as_ref();
    let keys = [data.stored(b"face").await.key().to_owned()];
    let mark = async |minutes| {
        let abandoned = Duration::minutes(10);
        store.tombstone_unreferenced(&keys, in_minutes(minutes), abandoned).await.unwrap()
    };
    let paused = mark(0).await;
    // Another node takes the deletion over and ends it; then the same file is uploaded again.
    let taken_over = mark(11).await;
    assert_eq!(data.blobs.delete_tombstoned(store, &taken_over).await.unwrap(), 1);
    let deleted = data.blobs.await_deletions(store, &keys).await.unwrap();
    data.stored(b"face").await;
    store.revive(&deleted).await.unwrap();
    data.reference(&keys[0]).await.unwrap();
    assert_eq!(data.blobs.delete_tombstoned(store, &paused).await.unwrap(), 0);
    data.open(&keys[0]).await.expect("a committed medium keeps its file");
}
