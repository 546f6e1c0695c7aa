//! Rules of folders and media.

use super::fixtures::{World, at, group, key, medium, new_id, verdict};
use crate::records::*;
use crate::{Selection, Store, StoreError};
use serde_json::json;
use std::sync::Arc;
use vultus_core::{Folder, FolderId, Medium, Resolution, summary};

async fn is_missing(world: &World, id: FolderId) -> bool {
    world
        .store
        .folders(Scope::Everything, &[id], Selection::ALL)
        .await
        .expect("reading works")
        .is_empty()
}

/// A repeated idempotency key replays the first request, another request with the key is rejected,
/// and the same key of another user is independent.
pub(crate) async fn repeated_key_replays_the_same_request_only(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let folder = world.folder(0);
    let media = vec![medium(folder.id, 0), medium(folder.id, 0)];
    let new = group(folder.id, 0, &["b", "a"], &[media[0].id]);
    let additions = FolderAdditions {
        media: media.clone(),
        group: Some(new.clone()),
        now: Some(at(0)),
        most_media: None,
        most_analyses: None,
    };
    let first = key(&world, "k", "same");
    assert_eq!(
        world.store.create_folder(&folder, &additions, Some(&first)).await.expect("making works"),
        Created::New
    );
    let replay = Replay {
        folder_id: Some(folder.id),
        media: media.iter().map(|medium| medium.id).collect(),
        group_id: Some(new.group.id),
        analyses: new.group.analyses,
    };
    assert_eq!(world.store.replay(&first).await.expect("asking works"), Some(replay.clone()));
    let nothing = FolderAdditions::default();
    let again = world.folder(1);
    let replayed =
        world.store.create_folder(&again, &nothing, Some(&first)).await.expect("replaying works");
    assert_eq!(replayed, Created::Replayed(replay));
    let other = key(&world, "k", "another request");
    for refused in [
        world.store.create_folder(&again, &nothing, Some(&other)).await.err(),
        world.store.replay(&other).await.err(),
    ] {
        assert!(matches!(refused, Some(StoreError::IdempotencyMismatch)), "{refused:?}");
    }
    assert!(is_missing(&world, again.id).await);
    let neighbour = world.neighbour().await;
    assert_eq!(
        neighbour.store.replay(&key(&neighbour, "k", "same")).await.expect("asking works"),
        None
    );
}

/// A hundred concurrent identical requests create one folder; all others replay it.
pub(crate) async fn concurrent_identical_requests_create_one_folder(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let requests = (0..100).map(|_| {
        let world = world.clone();
        tokio::spawn(async move {
            let folder = world.folder(0);
            let key = key(&world, "once", "same");
            let created =
                world.store.create_folder(&folder, &FolderAdditions::default(), Some(&key)).await;
            match created.expect("all are answered") {
                Created::New => (folder.id, true),
                Created::Replayed(replay) => {
                    (replay.folder_id.expect("the folder was created"), false)
                }
            }
        })
    });
    let answers = futures::future::join_all(requests)
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .expect("none panics");
    assert_eq!(answers.iter().filter(|(_, new)| *new).count(), 1);
    assert!(answers.iter().all(|(id, _)| *id == answers[0].0));
    let (listed, _) = list_all(&world).await;
    assert_eq!(listed.len(), 1);
}

async fn list_all(world: &World) -> (Vec<Folder>, bool) {
    let all = FolderFilter::default();
    world
        .store
        .list_folders(world.scope(), &all, FolderOrder::default(), None, 1000)
        .await
        .expect("listing works")
}

/// An external id is unique within its company: a duplicate names the folder that has it, and a
/// cleared one can be used again.
pub(crate) async fn external_id_is_unique_within_its_company(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let neighbour = world.neighbour().await;
    let named = |world: &World| Folder { external_id: Some("E-1".to_owned()), ..world.folder(0) };
    let nothing = FolderAdditions::default();
    let (first, second, third) = (named(&world), named(&world), world.folder(0));
    world.store.create_folder(&first, &nothing, None).await.expect("making works");
    world.store.create_folder(&third, &nothing, None).await.expect("making works");
    neighbour
        .store
        .create_folder(&named(&neighbour), &nothing, None)
        .await
        .expect("the neighbour may use the same id");
    let update = |id, external_id| {
        world.store.update_folder(world.scope(), id, None, Some(external_id), at(1))
    };
    for refused in [
        world.store.create_folder(&second, &nothing, None).await.err(),
        update(third.id, Some("E-1")).await.err(),
    ] {
        let Some(StoreError::Duplicate { what: "externalId", existing }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(existing, first.id.to_string());
    }
    assert!(is_missing(&world, second.id).await);
    assert_eq!(
        update(first.id, Some("E-1"))
            .await
            .expect("keeping the id is no duplicate")
            .external_id
            .as_deref(),
        Some("E-1")
    );
    assert_eq!(update(first.id, None).await.expect("clearing works").external_id, None);
    world.store.create_folder(&second, &nothing, None).await.expect("the id is free again");
}

/// What belongs to another company, or to another owner in the scope of an owner, does not exist.
pub(crate) async fn what_is_outside_the_scope_does_not_exist(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let neighbour = world.neighbour().await;
    let (folder, new) = world.queued(0, &["liveness"]).await;
    let contents = world.contents(folder.id).await;
    let (medium_id, analysis_id) = (contents.media.members()[0].id, new.group.analyses[0]);
    let claimed = world.claim(1).await.expect("the run waits");
    let written = world
        .store
        .apply_result(claimed.token, analysis_id, &verdict(Resolution::Success, medium_id), at(2))
        .await;
    assert_eq!(written.expect("writing works"), Applied::Yes);
    let colleague = Scope::Owner(world.company.id, neighbour.owner.id);
    for scope in [
        neighbour.scope(),
        neighbour.owner_scope(),
        colleague,
        Scope::Owner(neighbour.company.id, world.owner.id),
    ] {
        let store = &world.store;
        assert!(
            store
                .folders(scope, &[folder.id], Selection::ALL)
                .await
                .expect("reading works")
                .is_empty()
        );
        let media = store.media(scope, &[medium_id], Selection::ALL).await;
        assert!(media.expect("reading works").is_empty());
        assert!(
            store
                .analyses(scope, &[analysis_id], Selection::ALL)
                .await
                .expect("reading works")
                .is_empty()
        );
        assert!(store.groups(scope, folder.id).await.expect("reading works").is_empty());
        let listed = store
            .list_folders(scope, &FolderFilter::default(), FolderOrder::default(), None, 10)
            .await;
        assert!(listed.expect("listing works").0.is_empty());
        let additions = FolderAdditions {
            media: vec![medium(folder.id, 1)],
            group: None,
            now: Some(at(1)),
            most_media: None,
            most_analyses: None,
        };
        let refusals = [
            store.add_to_folder(scope, folder.id, &additions, None).await.err(),
            store
                .update_folder(scope, folder.id, Some(&json!({"x": 1}).into()), None, at(1))
                .await
                .err(),
            store.delete_medium(scope, medium_id, at(1)).await.err(),
            store.cancel_analysis(scope, analysis_id, at(1)).await.err(),
            store.erase_folder(scope, folder.id, at(9)).await.err(),
        ];
        assert!(
            refusals.iter().all(|refused| matches!(refused, Some(StoreError::NotFound(_)))),
            "{refusals:?}"
        );
    }
    for scope in [Scope::Everything, world.scope(), world.owner_scope()] {
        let seen =
            world.store.folders(scope, &[folder.id], Selection::ALL).await.expect("reading works");
        assert_eq!(
            (seen[0].media.members().len(), seen[0].artifacts.members().len()),
            (1, 1),
            "{scope:?}"
        );
    }
}

/// Analyses of a medium that is not in the folder are rejected, and nothing of the request is
/// stored.
pub(crate) async fn analyses_of_a_missing_medium_are_rejected_whole(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (other, _) = world.queued(0, &["liveness"]).await;
    let foreign = world.contents(other.id).await.media.members()[0].id;
    for missing in [foreign, new_id()] {
        let folder = world.folder(1);
        let own = medium(folder.id, 1);
        let new = group(folder.id, 1, &["liveness"], &[own.id, missing]);
        let additions = FolderAdditions {
            media: vec![own],
            group: Some(new),
            now: Some(at(1)),
            most_media: None,
            most_analyses: None,
        };
        let refused = world.store.create_folder(&folder, &additions, None).await;
        assert!(matches!(refused, Err(StoreError::NotFound("medium"))), "{refused:?}");
        assert!(is_missing(&world, folder.id).await);
    }
    assert_eq!(
        world.store.queue_depth().await.expect("counting works"),
        QueueDepth { queued: 1, leased: 0 }
    );
}

/// Every change of a folder, its media and its analyses raises the revision of the folder. Its time
/// of change never goes back.
pub(crate) async fn every_change_raises_the_revision_of_the_folder(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, new) = world.queued(0, &["a", "b"]).await;
    let (store, [first, second]) = (&world.store, [new.group.analyses[0], new.group.analyses[1]]);
    let mut before = world.contents(folder.id).await.folder;
    let mut expect_raised = async |what: &str| {
        let now = world.contents(folder.id).await.folder;
        assert!(
            now.revision > before.revision && now.updated_at >= before.updated_at,
            "{what}: {now:?}"
        );
        before = now;
    };
    store
        .update_folder(world.scope(), folder.id, Some(&json!({"k": "v"}).into()), None, at(50))
        .await
        .expect("changing works");
    expect_raised("metadata").await;
    let additions = FolderAdditions {
        media: vec![medium(folder.id, 60)],
        group: None,
        now: Some(at(60)),
        most_media: None,
        most_analyses: None,
    };
    store.add_to_folder(world.scope(), folder.id, &additions, None).await.expect("adding works");
    expect_raised("a medium").await;
    // From here on the clock is behind.
    let token = world.claim(1).await.expect("the run waits").token;
    store.enter_analysis(token, first, at(2)).await.expect("entering works");
    expect_raised("entering").await;
    store.record_progress(token, first, 0.5).await.expect("progress works");
    expect_raised("progress").await;
    let result = AnalysisResult::Failed(super::fixtures::crash());
    store.apply_result(token, first, &result, at(3)).await.expect("a result works");
    expect_raised("a result").await;
    store.cancel_analysis(world.scope(), second, at(4)).await.expect("cancelling works");
    expect_raised("cancelling").await;
    store.delete_medium(world.scope(), additions.media[0].id, at(5)).await.expect("deleting works");
    expect_raised("deleting a medium").await;
    assert_eq!(before.updated_at, at(60));
    assert_eq!(before.media_changed_at, Some(at(60)));
    assert_eq!(world.analysis(first).await.revision, 4);
}

/// Analyses whose planner saw other media than the folder has at their commit are stale; those that
/// saw them all are not.
pub(crate) async fn analyses_planned_over_other_media_are_stale(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, _) = world.queued(0, &["a"]).await;
    let plan = async |seconds: i64| {
        let seen = world.contents(folder.id).await;
        NewGroup {
            media_seen: seen.folder.media_changed_at,
            ..group(folder.id, seconds, &["a"], &[seen.media.members()[0].id])
        }
    };
    let add = async |media: Vec<Medium>, new: Option<NewGroup>, seconds: i64| {
        let additions = FolderAdditions {
            media,
            group: new,
            now: Some(at(seconds)),
            most_media: None,
            most_analyses: None,
        };
        world
            .store
            .add_to_folder(world.scope(), folder.id, &additions, None)
            .await
            .expect("adding works");
    };
    let is_stale = async || {
        let contents = world.contents(folder.id).await;
        summary::verdict(contents.analyses.members(), contents.folder.media_changed_at).stale
    };
    add(Vec::new(), Some(plan(5).await), 5).await;
    assert!(!is_stale().await);
    let early = plan(20).await;
    add(vec![medium(folder.id, 10)], None, 10).await;
    add(Vec::new(), Some(early), 20).await;
    assert!(is_stale().await, "the medium was added between planning and commit");
    add(Vec::new(), Some(plan(30).await), 30).await;
    assert!(!is_stale().await);
    let early = plan(50).await;
    let deleted = world.contents(folder.id).await.media.members()[1].id;
    world.store.delete_medium(world.scope(), deleted, at(40)).await.expect("deleting works");
    add(Vec::new(), Some(early), 50).await;
    assert!(is_stale().await, "a medium was deleted between planning and commit");
}

/// The key of a folder comes with its run. Erasing the folder deletes it.
pub(crate) async fn folder_key_comes_with_the_run_until_erasure(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, _) = world.queued(0, &["liveness"]).await;
    let key =
        WrappedFolderKey { company_id: world.company.id, wrapped_key: folder.wrapped_key.clone() };
    assert_eq!(world.store.folder_key(folder.id).await.expect("reading works"), Some(key));
    assert_eq!(world.claim(1).await.expect("the run waits").folder_key, folder.wrapped_key);
    assert_eq!(world.store.folder_key(new_id()).await.expect("reading works"), None);
    world.store.erase_folder(world.scope(), folder.id, at(9)).await.expect("erasing works");
    assert_eq!(world.store.folder_key(folder.id).await.expect("reading works"), None);
}

/// Folder ids are listed in order, page by page, each once.
pub(crate) async fn folder_ids_are_listed_in_order(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let mut ids = Vec::new();
    for owner in [&world, &world.neighbour().await, &world] {
        ids.push(owner.queued(0, &[]).await.0.id);
    }
    ids.sort_by_key(ToString::to_string);
    let first = world.store.folder_ids(None, 2).await.expect("reading works");
    assert_eq!(first, ids[..2]);
    assert_eq!(world.store.folder_ids(Some(first[1]), 2).await.expect("reading works"), ids[2..]);
    assert!(world.store.folder_ids(Some(ids[2]), 2).await.expect("reading works").is_empty());
}
