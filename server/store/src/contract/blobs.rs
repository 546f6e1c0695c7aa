//! Rules of references to blobs and of tombstones.

use super::fixtures::{World, at, medium, verdict};
use crate::records::*;
use crate::traits::{Store, StoreError};
use std::sync::Arc;
use vultus_core::Resolution;

/// A tombstone refuses every way to reference its blob, and nothing of the request is stored; once it is cleared, the reference works.
pub async fn a_tombstone_refuses_a_reference_until_it_is_cleared(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (existing, new) = world.queued(0, &["a"]).await;
    let id = new.group.analyses[0];
    let run = world.claim(1).await.expect("the run waits");
    let result = verdict(Resolution::Success, run.media[0].id);
    let folder = world.folder(1);
    let medium = medium(folder.id, 1);
    let thumbnail = medium.thumbnail_key.clone().expect("it has one");
    let artifact = format!("artifact-of-{}", run.media[0].id);
    for key in [medium.blob_key.clone(), thumbnail, artifact] {
        let keys = [key.clone()];
        assert_eq!(world.store.tombstone_unreferenced(&keys, at(5)).await.expect("marking works"), keys);
        assert!(world.store.tombstones_before(at(5)).await.expect("reading works").is_empty());
        assert_eq!(world.store.tombstones_before(at(6)).await.expect("reading works"), keys);
        let additions = FolderAdditions { media: vec![medium.clone()], group: None, now: Some(at(1)) };
        let refused = if key.starts_with("artifact") {
            world.store.apply_result(run.token, id, &result, at(2)).await.map(|_| ())
        } else {
            world.store.create_folder(&folder, &additions, None).await.map(|_| ())
        };
        let Err(StoreError::BlobSwept { key: named }) = refused else { panic!("{refused:?}") };
        assert_eq!(named, key);
        assert!(world.store.folders(world.scope(), &[folder.id]).await.expect("reading works").is_empty());
        assert!(!world.analysis(id).await.state.is_final());
        world.store.clear_tombstones(&keys).await.expect("clearing works");
    }
    let additions = FolderAdditions { media: vec![medium], group: None, now: Some(at(1)) };
    world.store.create_folder(&folder, &additions, None).await.expect("the references work now");
    assert_eq!(world.store.apply_result(run.token, id, &result, at(2)).await.expect("writing works"), Applied::Yes);
    assert_eq!(world.contents(existing.id).await.artifacts.len(), 1);
}

/// What a medium, a thumbnail or an artifact references gets no tombstone; after the erasure it does.
pub async fn referenced_blobs_get_no_tombstone(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, new) = world.queued(0, &["a"]).await;
    let run = world.claim(1).await.expect("the run waits");
    let medium = run.media[0].clone();
    let result = verdict(Resolution::Success, medium.id);
    world.store.apply_result(run.token, new.group.analyses[0], &result, at(2)).await.expect("writing works");
    let mut keys = vec![medium.blob_key, medium.thumbnail_key.expect("it has one"), format!("artifact-of-{}", medium.id)];
    assert!(world.store.tombstone_unreferenced(&keys, at(3)).await.expect("marking works").is_empty());
    world.store.erase_folder(world.scope(), folder.id, at(3)).await.expect("erasing works");
    let mut marked = world.store.tombstone_unreferenced(&keys, at(4)).await.expect("marking works");
    marked.sort();
    keys.sort();
    assert_eq!(marked, keys);
}
