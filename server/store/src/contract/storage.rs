//! Rules of what companies store.

use super::fixtures::{World, at, medium, new_id};
use crate::Store;
use crate::export::{FolderRecord, MediumRecord, Record};
use crate::records::*;
use serde_json::json;
use std::sync::Arc;
use vultus_core::{Folder, JsonText, Medium};

async fn stored(world: &World) -> u64 {
    world.store.stored_bytes(world.company.id).await.expect("reading works")
}

fn text(length: usize) -> JsonText {
    json!({"text": "ä".repeat(length)}).into()
}

fn bytes(json: &JsonText) -> u64 {
    json.as_str().len() as u64
}

/// A medium of 1 000 bytes with metadata.
fn small(folder: &Folder) -> Medium {
    Medium { byte_size: 1_000, metadata: text(7).into(), ..medium(folder.id, 0) }
}

/// The bytes of a company grow and shrink with files and metadata, and are its own.
pub(crate) async fn stored_bytes_follow_additions_changes_and_deletions(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let neighbour = world.neighbour().await;
    assert_eq!(stored(&world).await, 0);
    let folder = Folder { metadata: text(30).into(), ..world.folder(0) };
    let first = small(&folder);
    let one = FolderAdditions { media: vec![first.clone()], ..FolderAdditions::default() };
    world.store.create_folder(&folder, &one, None).await.expect("creating works");
    let of_medium = 1_000 + bytes(&text(7));
    assert_eq!(stored(&world).await, bytes(&text(30)) + of_medium);

    let more = [small(&folder), small(&folder)].to_vec();
    let more = FolderAdditions { media: more, now: Some(at(1)), ..FolderAdditions::default() };
    let added = world.store.add_to_folder(world.scope(), folder.id, &more, None).await;
    added.expect("adding works");
    let smaller = text(2);
    for metadata in [Some(&smaller), None] {
        let changed = world.store.update_folder(world.scope(), folder.id, metadata, None, at(2));
        changed.await.expect("changing works");
    }
    assert_eq!(stored(&world).await, bytes(&smaller) + 3 * of_medium);

    let deleted = world.store.delete_medium(world.scope(), first.id, at(3)).await;
    deleted.expect("deleting works");
    assert_eq!(stored(&world).await, bytes(&smaller) + 2 * of_medium);
    let second = world.folder(4);
    let nothing = FolderAdditions::default();
    world.store.create_folder(&second, &nothing, None).await.expect("creating works");
    world.store.erase_folder(world.scope(), folder.id, at(5)).await.expect("erasing works");
    assert_eq!(stored(&world).await, bytes(&JsonText::empty_object()));
    assert_eq!(stored(&neighbour).await, 0);
}

/// Imported folders count as if they had been made here.
pub(crate) async fn stored_bytes_of_imported_folders_are_counted(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let folder = Folder { id: new_id(), metadata: text(5).into(), ..world.folder(0) };
    let record = FolderRecord {
        media: vec![MediumRecord(small(&folder)), MediumRecord(small(&folder))],
        folder: folder.clone(),
        groups: Vec::new(),
        runs: Vec::new(),
        analyses: Vec::new(),
        artifacts: Vec::new(),
    };
    world.store.import(vec![Record::Folder(Box::new(record))]).await.expect("importing works");
    let all = bytes(&text(5)) + 2 * (1_000 + bytes(&text(7)));
    assert_eq!(stored(&world).await, all);
    world.store.erase_folder(world.scope(), folder.id, at(1)).await.expect("erasing works");
    assert_eq!(stored(&world).await, 0);
}
