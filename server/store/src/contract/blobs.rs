//! Rules of references to blobs and of tombstones.

use super::fixtures::{World, at, medium, verdict};
use crate::records::*;
use crate::{Selection, Store, StoreError};
use std::sync::Arc;
use time::Duration;
use vultus_core::Resolution;

/// A deletion that is not done after this time counts as killed.
const ABANDONED: Duration = Duration::seconds(60);

fn tombstone(key: &str, swept: bool, seconds: i64) -> Vec<Tombstone> {
    vec![Tombstone { key: key.to_owned(), swept, made_at: at(seconds) }]
}

/// A tombstone rejects every kind of reference to its blob, and nothing of the request is stored,
/// also after the deletion, until the key is revived. A key cannot be revived before its deletion
/// is done.
pub(crate) async fn tombstone_rejects_references_until_it_is_revived(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (existing, new) = world.queued(0, &["a"]).await;
    let id = new.group.analyses[0];
    let run = world.claim(1).await.expect("the run waits");
    let result = verdict(Resolution::Success, run.media[0].id);
    let folder = world.folder(1);
    let medium = medium(folder.id, 1);
    let thumbnail = medium.thumbnail_key.clone().expect("it has one");
    let artifact = format!("artifact-of-{}", run.media[0].id);
    let store = world.store.as_ref();
    for key in [medium.blob_key.clone(), thumbnail, artifact] {
        let keys = [key.clone()];
        let refused = async || {
            let additions = FolderAdditions {
                media: vec![medium.clone()],
                group: None,
                now: Some(at(1)),
                most_media: None,
                most_analyses: None,
            };
            let refused = if key.starts_with("artifact") {
                store.apply_result(run.token, id, &result, at(2)).await.map(|_| ())
            } else {
                store.create_folder(&folder, &additions, None).await.map(|_| ())
            };
            let Err(StoreError::BlobSwept { key: named }) = refused else { panic!("{refused:?}") };
            assert_eq!(named, key);
            assert!(
                store
                    .folders(world.scope(), &[folder.id], Selection::ALL)
                    .await
                    .expect("reading works")
                    .is_empty()
            );
            assert!(!world.analysis(id).await.state.is_final());
        };
        assert_eq!(
            store.tombstone_unreferenced(&keys, at(5), ABANDONED).await.expect("marking works"),
            tombstone(&key, false, 5)
        );
        assert!(store.tombstones_before(at(5), 10).await.expect("reading works").is_empty());
        assert_eq!(
            store.tombstones_before(at(6), 10).await.expect("reading works"),
            tombstone(&key, false, 5)
        );
        refused().await;
        store.revive(&tombstone(&key, true, 5)).await.expect("reviving works");
        assert_eq!(
            store.tombstones(&keys).await.expect("reading works"),
            tombstone(&key, false, 5),
            "the deletion is not done"
        );
        store.mark_swept(&tombstone(&key, false, 5)).await.expect("marking works");
        assert_eq!(store.tombstones(&keys).await.expect("reading works"), tombstone(&key, true, 5));
        refused().await;
        let earlier = Tombstone { key: key.clone(), swept: true, made_at: at(4) };
        store.revive(&[earlier]).await.expect("reviving works");
        assert_eq!(
            store.tombstones(&keys).await.expect("reading works"),
            tombstone(&key, true, 5),
            "it belongs to another deletion"
        );
        store.revive(&tombstone(&key, true, 5)).await.expect("reviving works");
        assert!(store.tombstones(&keys).await.expect("reading works").is_empty());
    }
    let additions = FolderAdditions {
        media: vec![medium],
        group: None,
        now: Some(at(1)),
        most_media: None,
        most_analyses: None,
    };
    store.create_folder(&folder, &additions, None).await.expect("the references work now");
    assert_eq!(
        store.apply_result(run.token, id, &result, at(2)).await.expect("writing works"),
        Applied::Yes
    );
    assert_eq!(world.contents(existing.id).await.artifacts.members().len(), 1);
}

/// A blob has one deletion at a time: a key is not returned to another caller until its deletion is
/// done or counts as killed.
pub(crate) async fn killed_deletion_of_a_blob_is_taken_over(store: Arc<dyn Store>) {
    let keys = ["one".to_owned(), "two".to_owned()];
    let mark = async |seconds| {
        let marked = store.tombstone_unreferenced(&keys, at(seconds), ABANDONED).await;
        let mut marked = marked.expect("marking works");
        marked.sort_by(|a, b| a.key.cmp(&b.key));
        marked
    };
    let first = mark(0).await;
    assert_eq!(first, [tombstone("one", false, 0), tombstone("two", false, 0)].concat());
    assert!(mark(1).await.is_empty());
    store.mark_swept(&first[1..]).await.expect("marking works");
    assert_eq!(mark(2).await, tombstone("two", false, 2));
    assert_eq!(mark(61).await, tombstone("one", false, 61), "the first deletion was killed");
    let mut left = store.tombstones_before(at(70), 10).await.expect("reading works");
    left.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(left, [tombstone("one", false, 61), tombstone("two", false, 2)].concat());
    assert_eq!(store.tombstones_before(at(70), 1).await.expect("reading works").len(), 1);
}

/// A blob that a medium, a thumbnail or an artifact references gets no tombstone. Erasing the
/// folder adds the tombstone and returns the key.
pub(crate) async fn referenced_blobs_get_no_tombstone(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, new) = world.queued(0, &["a"]).await;
    let run = world.claim(1).await.expect("the run waits");
    let medium = run.media[0].clone();
    let result = verdict(Resolution::Success, medium.id);
    world
        .store
        .apply_result(run.token, new.group.analyses[0], &result, at(2))
        .await
        .expect("writing works");
    let mut keys = vec![
        medium.blob_key,
        medium.thumbnail_key.expect("it has one"),
        format!("artifact-of-{}", medium.id),
    ];
    assert!(
        world
            .store
            .tombstone_unreferenced(&keys, at(3), ABANDONED)
            .await
            .expect("marking works")
            .is_empty()
    );
    let erased =
        world.store.erase_folder(world.scope(), folder.id, at(3)).await.expect("erasing works");
    let mut erased_keys = erased.keys();
    erased_keys.sort();
    keys.sort();
    assert_eq!(erased_keys, keys);
    assert!(
        world
            .store
            .tombstone_unreferenced(&keys, at(4), ABANDONED)
            .await
            .expect("marking works")
            .is_empty()
    );
    world.store.mark_swept(&erased.tombstones).await.expect("marking works");
    let marked = world.store.tombstone_unreferenced(&keys, at(4), ABANDONED).await;
    let mut marked = Orphans { tombstones: marked.expect("marking works") }.keys();
    marked.sort();
    assert_eq!(marked, keys);
}

/// A deletion that was paused until another caller took it over ends nothing: only the deletion
/// that made the current tombstone marks it as done.
pub(crate) async fn only_its_own_deletion_ends_a_tombstone(store: Arc<dyn Store>) {
    let keys = ["blob".to_owned()];
    let mark = async |seconds| {
        let marked = store.tombstone_unreferenced(&keys, at(seconds), ABANDONED).await;
        marked.expect("marking works")
    };
    let current = async || store.tombstones(&keys).await.expect("reading works");
    let paused = mark(0).await;
    let taken_over = mark(61).await;
    assert_eq!(taken_over, tombstone("blob", false, 61));
    store.mark_swept(&paused).await.expect("marking works");
    assert_eq!(current().await, taken_over, "the new deletion still runs");
    store.mark_swept(&taken_over).await.expect("marking works");
    store.revive(&tombstone("blob", true, 61)).await.expect("reviving works");
    store.mark_swept(&paused).await.expect("marking works");
    assert!(current().await.is_empty(), "it makes no tombstone");
}

/// Unreferenced keys are found by a read, each once: those of media, thumbnails and artifacts are
/// referenced, and tombstones do not matter.
pub(crate) async fn unreferenced_keys_are_found_by_a_read(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (_, new) = world.queued(0, &["a"]).await;
    let run = world.claim(1).await.expect("the run waits");
    let medium = run.media[0].clone();
    let result = verdict(Resolution::Success, medium.id);
    let written = world.store.apply_result(run.token, new.group.analyses[0], &result, at(2)).await;
    written.expect("writing works");
    let orphan = "orphan".to_owned();
    let keys = [
        medium.blob_key,
        orphan.clone(),
        medium.thumbnail_key.expect("it has one"),
        orphan.clone(),
        format!("artifact-of-{}", medium.id),
    ];
    for _ in 0..2 {
        let found = world.store.unreferenced(&keys).await.expect("reading works");
        assert_eq!(found, std::slice::from_ref(&orphan));
        let marked = world.store.tombstone_unreferenced(&found, at(3), ABANDONED).await;
        marked.expect("marking works");
    }
    assert!(world.store.unreferenced(&[]).await.expect("reading works").is_empty());
}
