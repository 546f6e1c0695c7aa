//! Rules of pages, filters and orders.

use super::fixtures::{World, at};
use crate::Store;
use crate::records::*;
use serde_json::{Value, json};
use std::sync::Arc;
use vultus_core::{Folder, FolderId, JsonText};

async fn page(
    world: &World,
    filter: &FolderFilter,
    order: FolderOrder,
    after: Option<FolderCursor>,
    limit: u32,
) -> (Vec<Folder>, bool) {
    world
        .store
        .list_folders(world.scope(), filter, order, after, limit)
        .await
        .expect("listing works")
}

async fn ids(world: &World, filter: &FolderFilter, order: FolderOrder) -> Vec<FolderId> {
    let (folders, more) = page(world, filter, order, None, 100).await;
    assert!(!more);
    folders.into_iter().map(|folder| folder.id).collect()
}

async fn make(world: &World, seconds: i64, metadata: Value) -> FolderId {
    let metadata = JsonText::from(metadata).into();
    let folder = Folder { metadata, ..world.folder(seconds) };
    world
        .store
        .create_folder(&folder, &FolderAdditions::default(), None)
        .await
        .expect("making works");
    folder.id
}

/// Reading page by page returns each folder that existed at the beginning once, even if others are
/// added between the pages.
pub(crate) async fn pages_neither_repeat_nor_miss_folders(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let mut expected = Vec::new();
    for number in 0..25 {
        // Several with the same time, so that the id breaks ties.
        expected.push(make(&world, number / 4, json!({})).await);
    }
    for order in [FolderOrder::CreatedDescending, FolderOrder::CreatedAscending] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let (folders, more) = page(&world, &FolderFilter::default(), order, after, 4).await;
            assert!(folders.len() == 4 || !more);
            let last = folders.last().expect("a page is never empty here");
            after = Some(FolderCursor { time: last.created_at, id: last.id });
            seen.extend(
                folders.into_iter().map(|folder| folder.id).filter(|id| expected.contains(id)),
            );
            if !more {
                break;
            }
            // Before the first page in this order.
            make(
                &world,
                if order == FolderOrder::CreatedDescending { 1000 } else { -1000 },
                json!({}),
            )
            .await;
        }
        assert_eq!(seen.len(), expected.len(), "{order:?}");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), expected.len(), "{order:?}");
    }
}

/// Each filter selects exactly what matches. Metadata keys need no escaping, and a string equals
/// only a string.
pub(crate) async fn filters_select_exactly_what_matches(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let mut keys = vec!["plain", "with \"quotes\"", "a.b", "$", "back\\slash", "[0]"];
    keys.extend(["o'clock", "ключ", "100%_"]);
    let mut by_key = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        by_key.push(
            make(&world, i64::try_from(number).expect("few"), json!({ *key: "value" })).await,
        );
    }
    let decoys = json!({
        "plain": 1,
        "nested": {"plain": "value"},
        "list": ["value"],
        "a": {"b": "value"},
        "Plain": "value",
    });
    make(&world, 100, decoys).await;
    let metadata = |key: &str, value: &str| FolderFilter {
        metadata_equals: vec![(key.to_owned(), value.to_owned())],
        ..FolderFilter::default()
    };
    let order = FolderOrder::CreatedAscending;
    for (key, id) in keys.iter().zip(&by_key) {
        assert_eq!(ids(&world, &metadata(key, "value"), order).await, vec![*id], "{key}");
    }
    assert!(
        ids(&world, &metadata("plain", "1"), order).await.is_empty(),
        "a number is not a string"
    );
    assert!(ids(&world, &metadata("plain", "VALUE"), order).await.is_empty());

    let range = FolderFilter {
        created_from: Some(at(2)),
        created_before: Some(at(4)),
        ..FolderFilter::default()
    };
    assert_eq!(ids(&world, &range, order).await, by_key[2..4]);
    let (queued, _) = world.queued(200, &["liveness", "face_match"]).await;
    let processing = FolderFilter { processing: Some(true), ..FolderFilter::default() };
    assert_eq!(ids(&world, &processing, order).await, vec![queued.id]);
    let idle = FolderFilter { processing: Some(false), ..FolderFilter::default() };
    assert_eq!(ids(&world, &idle, order).await.len(), by_key.len() + 1);
    for (kind, found) in [("face_match", vec![queued.id]), ("document", vec![])] {
        let of_type =
            FolderFilter { analysis_type: Some(kind.to_owned()), ..FolderFilter::default() };
        assert_eq!(ids(&world, &of_type, order).await, found);
    }
    world
        .store
        .update_folder(world.scope(), by_key[0], None, Some(Some("E")), at(300))
        .await
        .expect("changing works");
    let external = FolderFilter { external_id: Some("E".to_owned()), ..FolderFilter::default() };
    assert_eq!(ids(&world, &external, order).await, vec![by_key[0]]);
}

/// Orders follow the times of creation and last change, ascending and descending, also within the
/// scope of an owner.
pub(crate) async fn orders_follow_creation_and_change(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let all = FolderFilter::default();
    let mut made = Vec::new();
    for seconds in 0..3 {
        made.push(make(&world, seconds, json!({})).await);
    }
    world
        .store
        .update_folder(world.scope(), made[0], Some(&JsonText::empty_object()), None, at(10))
        .await
        .expect("changing works");
    let [a, b, c] = [made[0], made[1], made[2]];
    assert_eq!(ids(&world, &all, FolderOrder::CreatedAscending).await, [a, b, c]);
    assert_eq!(ids(&world, &all, FolderOrder::CreatedDescending).await, [c, b, a]);
    assert_eq!(ids(&world, &all, FolderOrder::UpdatedAscending).await, [b, c, a]);
    assert_eq!(ids(&world, &all, FolderOrder::UpdatedDescending).await, [a, c, b]);
    let after = Some(FolderCursor { time: at(2), id: c });
    let (rest, more) = page(&world, &all, FolderOrder::UpdatedDescending, after, 5).await;
    assert_eq!((rest.len(), rest[0].id, more), (1, b, false));
    let listed = world
        .store
        .list_folders(world.owner_scope(), &all, FolderOrder::default(), None, 2)
        .await
        .expect("listing works");
    assert!(listed.0.len() == 2 && listed.1);
}
