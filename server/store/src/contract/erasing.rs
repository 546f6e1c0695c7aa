//! Rules of deleting media and of their number in a folder.

use super::fixtures::{World, at, crash, group, medium, provenance, verdict};
use crate::records::*;
use crate::{Store, StoreError};
use std::sync::Arc;
use vultus_core::analysis::DETAILS_ERASED;
use vultus_core::{Analysis, AnalysisState, Medium, Provenance, Resolution};

/// Deleting a medium cancels the unfinished analyses that use it, and returns only the blobs that
/// nothing else references.
pub(crate) async fn deleting_a_medium_cancels_its_unfinished_analyses(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let folder = world.folder(0);
    let kept = medium(folder.id, 0);
    let deleted = Medium { thumbnail_key: kept.thumbnail_key.clone(), ..medium(folder.id, 0) };
    let [taking, other] = ["taking", "other"].map(|kind| {
        group(folder.id, 0, &[kind], &[if kind == "taking" { deleted.id } else { kept.id }])
    });
    let additions = FolderAdditions {
        media: vec![kept.clone(), deleted.clone()],
        group: Some(taking.clone()),
        now: Some(at(0)),
        most_media: None,
        most_analyses: None,
    };
    world.store.create_folder(&folder, &additions, None).await.expect("making works");
    let additions = FolderAdditions {
        media: vec![],
        group: Some(other.clone()),
        now: Some(at(0)),
        most_media: None,
        most_analyses: None,
    };
    world
        .store
        .add_to_folder(world.scope(), folder.id, &additions, None)
        .await
        .expect("adding works");

    let (after, orphans) =
        world.store.delete_medium(world.scope(), deleted.id, at(9)).await.expect("deleting works");
    assert_eq!(after.media_changed_at, Some(at(9)));
    assert_eq!(orphans.keys(), vec![deleted.blob_key], "another medium has the same thumbnail");
    let marked = world.store.tombstones_before(at(10), 10).await.expect("reading works");
    assert_eq!(marked, orphans.tombstones, "the tombstones are part of the same commit");
    assert_eq!(world.contents(folder.id).await.media.members(), [kept]);
    assert_eq!(world.analysis(taking.group.analyses[0]).await.state, AnalysisState::Cancelled);
    assert_eq!(world.analysis(other.group.analyses[0]).await.state, AnalysisState::Queued);
    let claimed = world.claim(10).await;
    assert_eq!(claimed.expect("the other run waits").token.run_id, other.runs[0].id);
}

/// Deleting a medium erases what the analyses that took it say about it: reasons, result,
/// artifacts, provenance and the message of a failure. State, verdict and code stay. Analyses of
/// other media do not change.
pub(crate) async fn deleting_a_medium_erases_what_came_from_it(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let folder = world.folder(0);
    let [deleted, kept] = [medium(folder.id, 0), medium(folder.id, 0)];
    let with_both = group(folder.id, 0, &["finished", "failed"], &[kept.id, deleted.id]);
    let of_kept = group(folder.id, 0, &["other"], &[kept.id]);
    let additions = FolderAdditions {
        media: vec![kept.clone(), deleted.clone()],
        group: Some(with_both.clone()),
        now: Some(at(0)),
        most_media: None,
        most_analyses: None,
    };
    world.store.create_folder(&folder, &additions, None).await.expect("making works");
    let additions = FolderAdditions { group: Some(of_kept.clone()), ..FolderAdditions::default() };
    let added = world.store.add_to_folder(world.scope(), folder.id, &additions, None).await;
    added.expect("adding works");
    let finished = verdict(Resolution::Declined, deleted.id);
    let write = async |token, id, result: &AnalysisResult| {
        let applied = world.store.apply_result(token, id, result, at(2)).await;
        assert_eq!(applied.expect("writing works"), Applied::Yes);
    };
    for _ in 0..2 {
        let run = world.claim(1).await.expect("a run waits");
        for analysis in &run.analyses {
            match analysis.kind.as_str() {
                "failed" => {
                    write(run.token, analysis.id, &AnalysisResult::Failed(crash())).await;
                }
                "finished" => write(run.token, analysis.id, &finished).await,
                _ => write(run.token, analysis.id, &verdict(Resolution::Success, kept.id)).await,
            }
        }
    }
    let before = world.contents(folder.id).await.analyses;

    let deletion = world.store.delete_medium(world.scope(), deleted.id, at(9)).await;
    let mut orphans = deletion.expect("deleting works").1.keys();
    orphans.sort();
    let of_deleted = format!("artifact-of-{}", deleted.id);
    let thumbnail = deleted.thumbnail_key.expect("it has one");
    assert_eq!(orphans, [of_deleted, deleted.blob_key, thumbnail]);
    let after = world.contents(folder.id).await;
    assert_eq!(after.artifacts.members().len(), 1, "that of the other medium");
    let after = after.analyses.members().iter().cloned();
    for (was, is) in before.members().iter().cloned().zip(after) {
        if was.kind == "other" {
            assert_eq!(is, was);
            continue;
        }
        let failure = was.failure.clone().map(|failure| vultus_core::AnalysisFailure {
            message: DETAILS_ERASED.to_owned(),
            ..failure
        });
        let left = Analysis {
            reasons: Vec::new(),
            result: None.into(),
            failure,
            provenance: Provenance::default(),
            revision: was.revision + 1,
            details_erased_at: Some(at(9)),
            ..was
        };
        assert_eq!(is, left);
    }
    assert_ne!(provenance(), Provenance::default(), "there was something to erase");
}

/// Concurrent additions never exceed the limit on the media of a folder.
pub(crate) async fn concurrent_additions_keep_the_limit_on_media(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let folder = world.folder(0);
    let nothing = FolderAdditions::default();
    world.store.create_folder(&folder, &nothing, None).await.expect("making works");
    let most = 5;
    let additions = (0..8).map(|_| {
        let (world, folder) = (world.clone(), folder.id);
        tokio::spawn(async move {
            let additions = FolderAdditions {
                media: vec![medium(folder, 1), medium(folder, 1)],
                group: None,
                now: Some(at(1)),
                most_media: Some(most),
                most_analyses: None,
            };
            world.store.add_to_folder(world.scope(), folder, &additions, None).await
        })
    });
    let mut added = 0;
    for addition in additions.collect::<Vec<_>>() {
        match addition.await.expect("none panics") {
            Ok(_) => added += 1,
            Err(StoreError::TooManyMedia { most: 5, present: 4 }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(added, 2);
    assert_eq!(world.contents(folder.id).await.media.members().len(), 4);
    let one = FolderAdditions {
        media: vec![medium(folder.id, 2)],
        group: None,
        now: Some(at(2)),
        most_media: Some(most),
        most_analyses: None,
    };
    let fits = world.store.add_to_folder(world.scope(), folder.id, &one, None).await;
    fits.expect("the fifth has room");
    let other = world.folder(3);
    let refused = FolderAdditions { most_media: Some(0), ..one };
    let refused = world.store.create_folder(&other, &refused, None).await;
    let Err(StoreError::TooManyMedia { most: 0, present: 0 }) = refused else {
        panic!("{refused:?}")
    };
}

/// Concurrent additions never exceed the limit on the analyses of a folder.
pub(crate) async fn concurrent_additions_keep_the_limit_on_analyses(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, _) = world.queued(0, &["a"]).await;
    let medium = world.contents(folder.id).await.media.members()[0].id;
    let additions = (0..6).map(|_| {
        let (world, folder) = (world.clone(), folder.id);
        tokio::spawn(async move {
            let additions = FolderAdditions {
                group: Some(group(folder, 1, &["a", "b"], &[medium])),
                most_analyses: Some(5),
                ..FolderAdditions::default()
            };
            world.store.add_to_folder(world.scope(), folder, &additions, None).await
        })
    });
    let mut added = 0;
    for addition in additions.collect::<Vec<_>>() {
        match addition.await.expect("none panics") {
            Ok(_) => added += 1,
            Err(StoreError::TooManyAnalyses { most: 5, present: 5 }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(added, 2);
    assert_eq!(world.contents(folder.id).await.analyses.members().len(), 5);
    let media = FolderAdditions {
        media: vec![self::medium(folder.id, 2)],
        most_analyses: Some(5),
        ..FolderAdditions::default()
    };
    let added = world.store.add_to_folder(world.scope(), folder.id, &media, None).await;
    added.expect("media have room");
}
