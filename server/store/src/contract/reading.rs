//! Rules of what reads return.

use super::fixtures::{World, at, group, medium};
use crate::records::*;
use crate::{JsonSelection, ROW_BYTES, Selection, Store, StoreError};
use serde_json::json;
use std::sync::Arc;
use vultus_core::{Folder, JsonText, Medium, Part};

/// A folder with media and analyses is read as it was written; folders come in the requested order.
pub(crate) async fn folder_is_read_as_it_was_written(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let metadata =
        r#"{"name":"Zoë \ud83d\ude00","deep":{"a":[true,null,1.25,123456789012345678901]}}"#;
    let metadata = JsonText::stored(metadata).into();
    let folder = Folder { external_id: Some("case/1".to_owned()), metadata, ..world.folder(0) };
    let plain = Medium {
        thumbnail_key: None,
        duration_us: None,
        frame_rate: None,
        frame_count: None,
        ..medium(folder.id, 1)
    };
    let media = vec![medium(folder.id, 1), plain];
    let new = group(folder.id, 2, &["liveness", "face_match"], &[media[1].id, media[0].id]);
    let additions = FolderAdditions {
        media: media.clone(),
        group: Some(new.clone()),
        now: Some(at(2)),
        most_media: None,
        most_analyses: None,
    };
    assert_eq!(
        world.store.create_folder(&folder, &additions, None).await.expect("making works"),
        Created::New
    );
    let (second, _) = world.queued(3, &["liveness"]).await;

    let found = world
        .store
        .folders(world.scope(), &[second.id, folder.id], Selection::ALL)
        .await
        .expect("reading works");
    assert_eq!(found[0].folder.id, second.id);
    assert_eq!(found[1].folder, Folder { media_changed_at: Some(at(1)), ..folder.clone() });
    assert_eq!(found[1].media.members(), media);
    assert_eq!(found[1].analyses.members(), new.runs[0].analyses);
    assert_eq!(
        world.store.groups(world.scope(), folder.id).await.expect("reading works"),
        vec![new.group]
    );
    assert_eq!(
        world
            .store
            .media(world.scope(), &[media[1].id, media[0].id], Selection::ALL)
            .await
            .expect("reading works"),
        [media[1].clone(), media[0].clone()]
    );
    let by_external_id =
        world.store.folder_by_external_id(world.scope(), world.company.id, "case/1").await;
    assert_eq!(by_external_id.expect("reading works"), Some(folder.id));
}

/// A read returns what it selects, and nothing else.
pub(crate) async fn what_is_not_selected_is_left_out(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, new) = world.queued(0, &["a"]).await;
    let (store, scope) = (&world.store, world.scope());
    let read = async |selection| {
        store.folders(scope, &[folder.id], selection).await.expect("reading works").remove(0)
    };
    let bare = read(Selection::ENTITIES).await;
    assert_eq!((bare.folder.metadata, bare.media), (Part::LeftOut, Part::LeftOut));
    assert_eq!((bare.analyses, bare.artifacts), (Part::LeftOut, Part::LeftOut));
    let metadata = read(Selection::json(JsonSelection::METADATA, 100)).await.folder.metadata;
    assert_eq!(metadata, folder.metadata);
    let contents = read(Selection::CONTENTS).await;
    assert_eq!(contents.media.members()[0].metadata, Part::LeftOut);
    let analysis = &contents.analyses.members()[0];
    assert_eq!((&analysis.params, &analysis.result), (&Part::LeftOut, &Part::LeftOut));
    let selected = Selection::json(JsonSelection::PARAMS, 100);
    let found = store.analyses(scope, &new.group.analyses, selected).await;
    let analysis = found.expect("reading works").remove(0).0;
    assert!(matches!((analysis.params, analysis.result), (Part::Read(_), Part::LeftOut)));
    let selected = Selection::json(JsonSelection::RESULTS, 100);
    let found = store.analyses(scope, &new.group.analyses, selected).await;
    let analysis = found.expect("reading works").remove(0).0;
    assert_eq!((analysis.params, analysis.result), (Part::LeftOut, Part::Read(None)));
}

/// A read of more JSON than its limit fails; the JSON of all entities counts together.
pub(crate) async fn json_over_the_limit_of_a_read_is_refused(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let metadata = |bytes: usize| JsonText::from(json!("x".repeat(bytes - 2)));
    let folder = Folder { metadata: metadata(100).into(), ..world.folder(0) };
    let media: Vec<Medium> =
        (0..2).map(|_| Medium { metadata: metadata(50).into(), ..medium(folder.id, 0) }).collect();
    let additions = FolderAdditions {
        media: media.clone(),
        group: None,
        now: Some(at(0)),
        most_media: None,
        most_analyses: None,
    };
    world.store.create_folder(&folder, &additions, None).await.expect("making works");
    let ids = [media[0].id, media[1].id];
    for (limit, fits) in [(100, true), (99, false)] {
        let selected = Selection::json(JsonSelection::METADATA, limit);
        let folders = world.store.folders(world.scope(), &[folder.id], selected).await;
        let media = world.store.media(world.scope(), &ids, selected).await;
        for refused in [folders.err(), media.err()] {
            match refused {
                None => assert!(fits, "{limit}"),
                Some(StoreError::TooLarge(_)) => assert!(!fits, "{limit}"),
                Some(other) => panic!("{other}"),
            }
        }
    }
    let whole = Selection { json_bytes: 199, ..Selection::ALL };
    let refused = world.store.folders(world.scope(), &[folder.id], whole).await;
    assert!(matches!(refused, Err(StoreError::TooLarge(_))), "{refused:?}");
}

/// A read of more media and analyses than its limit fails.
pub(crate) async fn rows_over_the_limit_of_a_read_are_refused(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, _) = world.queued(0, &["a", "b"]).await;
    let rows = world.contents(folder.id).await.media.members().len() + 2;
    let read = async |rows| {
        let selection = Selection { json_bytes: rows * ROW_BYTES, ..Selection::CONTENTS };
        world.store.folders(world.scope(), &[folder.id], selection).await
    };
    assert_eq!(read(rows).await.expect("reading works")[0].analyses.members().len(), 2);
    let refused = read(rows - 1).await;
    assert!(matches!(refused, Err(StoreError::TooLarge(_))), "{refused:?}");
}
