//! Rules of the queue: leases, fencing, giving back, erasure.

use super::fixtures::{LEASE, World, at, claim_request, crash, group, medium, verdict};
use crate::records::*;
use crate::{Selection, Store, StoreError};
use std::collections::HashSet;
use std::sync::Arc;
use vultus_core::{AnalysisFailure, AnalysisState, FolderId, Resolution};

/// Each run is claimed once by many concurrent claims, the oldest first, and only for its pool.
pub(crate) async fn each_run_is_claimed_once_by_its_pool_oldest_first(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let mut made = Vec::new();
    for seconds in [5, 3, 4, 6, 1, 2, 9, 8, 7, 10] {
        let (folder, group) = world.queued(seconds, &["liveness"]).await;
        made.push((seconds, folder.id, group.runs[0].id));
    }
    made.sort();
    let foreign = ClaimRequest { pool: "plugin".to_owned(), ..claim_request(20) };
    assert_eq!(world.store.claim_run(&foreign).await.expect("claiming works"), None);
    let first = world.claim(20).await.expect("a run waits");
    assert_eq!((first.folder_id, first.token.run_id), (made[0].1, made[0].2));
    assert_eq!((first.company_id, first.one_by_one, first.deaths), (world.company.id, false, 0));
    assert_eq!((first.analyses.len(), first.media.len()), (1, 1));
    assert_eq!(first.analyses[0].media[0].media_id, first.media[0].id);
    let claims = (0..16).map(|_| {
        let world = world.clone();
        tokio::spawn(async move { world.claim(20).await.map(|run| run.token.run_id) })
    });
    let claims = futures::future::join_all(claims)
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .expect("none panics");
    let claims: Vec<_> = claims.into_iter().flatten().collect();
    let depth = world.store.queue_depth().await.expect("counting works");
    let all = (9, 9, QueueDepth { queued: 0, leased: 10 });
    assert_eq!((claims.len(), claims.iter().collect::<HashSet<_>>().len(), depth), all);
}

/// A run with an expired lease can be claimed again: its RUNNING analyses are processed again,
/// nothing counts as a crash, and no write under the old token takes effect.
pub(crate) async fn expired_lease_is_taken_over_and_its_token_is_stale(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (_, new) = world.queued(0, &["a", "b"]).await;
    let store = &world.store;
    let old = world.claim(1).await.expect("the run waits");
    let [a, b] = [old.analyses[0].id, old.analyses[1].id];
    let media = old.media[0].id;
    store.enter_analysis(old.token, a, at(1)).await.expect("entering works");
    store
        .apply_result(old.token, a, &verdict(Resolution::Success, media), at(2))
        .await
        .expect("writing works");
    store.enter_analysis(old.token, b, at(3)).await.expect("entering works");
    assert_eq!(world.claim(10).await, None, "the lease holds until second 11");

    let taken = world.claim(11).await.expect("the lease expired");
    assert_eq!(taken.token.run_id, new.runs[0].id);
    assert!(taken.token.fence > old.token.fence && !taken.one_by_one && taken.deaths == 0);
    assert_eq!(
        taken.analyses.iter().map(|analysis| analysis.id).collect::<Vec<_>>(),
        vec![b],
        "the verdict on a stays"
    );
    assert_eq!((taken.analyses[0].state, taken.analyses[0].deaths), (AnalysisState::Queued, 0));
    let stale = [
        store.enter_analysis(old.token, b, at(12)).await.expect("asking works"),
        store.record_progress(old.token, b, 0.9).await.expect("asking works"),
        store
            .apply_result(old.token, b, &verdict(Resolution::Success, media), at(12))
            .await
            .expect("asking works"),
        store.release_run(old.token, None, at(12)).await.expect("asking works"),
    ];
    assert_eq!(stale, [Applied::Stale; 4]);
    assert!(!store.heartbeat(old.token, at(12), LEASE).await.expect("asking works"));
    let death =
        store.record_death(old.token, WorkerDeath { active: Some(b) }, &crash(), at(12)).await;
    assert_eq!(death.expect("asking works"), DeathVerdict::Stale);

    assert_eq!(
        store.enter_analysis(taken.token, b, at(13)).await.expect("entering works"),
        Applied::Yes
    );
    let written =
        store.apply_result(taken.token, b, &verdict(Resolution::Declined, media), at(14)).await;
    assert_eq!(written.expect("writing works"), Applied::Yes);
    let after = world.analysis(b).await;
    assert_eq!(
        (after.resolution, after.attempts, after.deaths),
        (Some(Resolution::Declined), 2, 0)
    );
    assert_eq!(after.started_at, Some(at(3)), "when a worker first entered it");
}

/// A folder whose run's turn begins at `turn`.
async fn ask(world: &World, seconds: i64, turn: i64) -> FolderId {
    let folder = world.folder(seconds);
    let medium = medium(folder.id, seconds);
    let mut new = group(folder.id, seconds, &["a"], &[medium.id]);
    new.runs[0].turn_at = at(turn);
    let additions = FolderAdditions {
        media: vec![medium],
        group: Some(new),
        now: Some(at(seconds)),
        most_media: None,
        most_analyses: None,
    };
    world.store.create_folder(&folder, &additions, None).await.expect("creating a folder works");
    folder.id
}

/// A run with a later turn waits for runs with earlier turns, also if these were created after it.
pub(crate) async fn later_turn_waits_for_earlier_ones(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let patient = ask(&world, 0, 5).await;
    let (first, last) = (ask(&world, 1, 1).await, ask(&world, 6, 6).await);
    for expected in [first, patient, last] {
        let run = world.claim(7).await.expect("a run waits");
        assert_eq!(run.folder_id, expected);
    }
    let alone = ask(&world, 8, 20).await;
    assert_eq!(world.claim(8).await.expect("no other run waits").folder_id, alone);
}

/// A run that is created or put back with an earlier turn than a run that was just claimed is
/// claimed before the runs behind that one.
pub(crate) async fn earlier_turn_goes_first_even_after_a_later_claim(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    for turn in [5, 6, 9] {
        ask(&world, 0, turn).await;
    }
    let first = world.claim(10).await.expect("a run waits");
    let earlier = ask(&world, 1, 1).await;
    assert_eq!(world.claim(10).await.expect("a run waits").folder_id, earlier);
    let later = world.claim(10).await.expect("a run waits");
    assert_ne!(later.folder_id, first.folder_id);
    let back = world.store.release_run(first.token, None, at(10)).await;
    assert_eq!(back.expect("releasing works"), Applied::Yes);
    assert_eq!(world.claim(10).await.expect("a run waits").folder_id, first.folder_id);
    let death =
        world.store.record_death(later.token, WorkerDeath { active: None }, &crash(), at(10)).await;
    assert_eq!(death.expect("recording works"), DeathVerdict::Retried);
    assert_eq!(world.claim(10).await.expect("a run waits").folder_id, later.folder_id);
}

/// A heartbeat extends the lease.
pub(crate) async fn heartbeat_extends_the_lease(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    world.queued(0, &["a"]).await;
    let run = world.claim(0).await.expect("the run waits");
    assert!(world.store.heartbeat(run.token, at(9), LEASE).await.expect("asking works"));
    assert_eq!(world.claim(18).await, None);
    let taken = world.claim(19).await.expect("the lease expired");
    assert!(!world.store.heartbeat(run.token, at(19), LEASE).await.expect("asking works"));
    assert!(world.store.heartbeat(taken.token, at(19), LEASE).await.expect("asking works"));
}

/// A released run waits until its retry time, and its RUNNING analyses are QUEUED again.
pub(crate) async fn released_run_waits_until_its_retry_time(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (_, new) = world.queued(0, &["a"]).await;
    let run = world.claim(0).await.expect("the run waits");
    world
        .store
        .enter_analysis(run.token, new.group.analyses[0], at(1))
        .await
        .expect("entering works");
    let released = world.store.release_run(run.token, Some(at(30)), at(2)).await;
    assert_eq!(released.expect("releasing works"), Applied::Yes);
    assert_eq!(world.analysis(new.group.analyses[0]).await.state, AnalysisState::Queued);
    let twice = world.store.release_run(run.token, None, at(2)).await;
    assert_eq!(twice.expect("asking works"), Applied::Stale);
    assert_eq!(world.claim(29).await, None);
    let again = world.claim(30).await.expect("its retry time is reached");
    assert!(again.token.fence > run.token.fence);
}

/// A run with nothing left to do leaves the queue: when it is released, when its node died before
/// the release, and when all its analyses are cancelled.
pub(crate) async fn run_with_nothing_left_leaves_the_queue(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let failed = AnalysisResult::Failed(crash());
    for release in [true, false] {
        let (_, new) = world.queued(0, &["a"]).await;
        let run = world.claim(0).await.expect("the run waits");
        world
            .store
            .apply_result(run.token, new.group.analyses[0], &failed, at(1))
            .await
            .expect("writing works");
        if release {
            world.store.release_run(run.token, None, at(1)).await.expect("releasing works");
        }
        assert_eq!(world.claim(100).await, None);
        assert_eq!(world.store.queue_depth().await.expect("counting works"), QueueDepth::default());
    }
    let (_, new) = world.queued(0, &["a"]).await;
    world
        .store
        .cancel_analysis(world.scope(), new.group.analyses[0], at(1))
        .await
        .expect("cancelling works");
    assert_eq!(world.store.queue_depth().await.expect("counting works"), QueueDepth::default());
    assert_eq!(world.claim(100).await, None);
}

/// Erasing a folder with a leased run makes all writes of the run stale, and returns the blobs that
/// nothing else references.
pub(crate) async fn erasing_a_running_folder_makes_its_writes_stale(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, new) = world.queued(0, &["a", "b"]).await;
    let (other, _) = world.queued(1, &["a"]).await;
    let mut shared = medium(folder.id, 0);
    shared.blob_key = world.contents(other.id).await.media.members()[0].blob_key.clone();
    let shared_thumbnail = shared.thumbnail_key.clone().expect("it has one");
    let additions = FolderAdditions {
        media: vec![shared],
        group: None,
        now: Some(at(0)),
        most_media: None,
        most_analyses: None,
    };
    world
        .store
        .add_to_folder(world.scope(), folder.id, &additions, None)
        .await
        .expect("adding works");
    let [a, b] = [new.group.analyses[0], new.group.analyses[1]];
    let run = world.claim(1).await.expect("the run waits");
    let own = run.media[0].clone();
    world.store.enter_analysis(run.token, a, at(1)).await.expect("entering works");
    world
        .store
        .apply_result(run.token, a, &verdict(Resolution::Success, own.id), at(2))
        .await
        .expect("writing works");
    world.store.enter_analysis(run.token, b, at(2)).await.expect("entering works");

    let orphans =
        world.store.erase_folder(world.scope(), folder.id, at(3)).await.expect("erasing works");
    let expected = [
        own.blob_key.clone(),
        own.thumbnail_key.expect("it has one"),
        shared_thumbnail,
        format!("artifact-of-{}", own.id),
    ];
    let expected = HashSet::from(expected);
    assert_eq!(orphans.keys().into_iter().collect::<HashSet<_>>(), expected);
    let marked = world.store.tombstones_before(at(4), 10).await.expect("reading works");
    let marked: HashSet<_> =
        marked.into_iter().filter(|marked| !marked.swept).map(|marked| marked.key).collect();
    assert_eq!(marked, expected, "the tombstones are part of the same commit");
    let late =
        world.store.apply_result(run.token, b, &verdict(Resolution::Success, own.id), at(3)).await;
    assert_eq!(late.expect("asking works"), Applied::Stale);
    assert_eq!(
        world.store.record_progress(run.token, b, 0.5).await.expect("asking works"),
        Applied::Stale
    );
    assert_eq!(
        world.store.release_run(run.token, None, at(3)).await.expect("asking works"),
        Applied::Stale
    );
    assert!(!world.store.heartbeat(run.token, at(3), LEASE).await.expect("asking works"));
    assert!(
        world
            .store
            .folders(Scope::Everything, &[folder.id], Selection::ALL)
            .await
            .expect("reading works")
            .is_empty()
    );
    assert!(
        world
            .store
            .analyses(Scope::Everything, &[a, b], Selection::ALL)
            .await
            .expect("reading works")
            .is_empty()
    );
    let again = world.store.erase_folder(world.scope(), folder.id, at(4)).await;
    assert!(matches!(again, Err(StoreError::NotFound("folder"))), "{again:?}");
    assert_eq!(world.contents(other.id).await.media.members().len(), 1);
}

/// Waiting runs of pools that no node serves fail with the given reason once they are old enough.
/// Runs of served pools, newer runs and leased runs stay.
pub(crate) async fn runs_of_unserved_pools_fail(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let store = &world.store;
    let ask = async |seconds: i64, pool: &str| {
        let folder = world.folder(seconds);
        let medium = medium(folder.id, seconds);
        let mut new = group(folder.id, seconds, &["a", "b"], &[medium.id]);
        new.runs[0].pool = pool.to_owned();
        let additions = FolderAdditions {
            media: vec![medium],
            group: Some(new.clone()),
            now: Some(at(seconds)),
            most_media: None,
            most_analyses: None,
        };
        store.create_folder(&folder, &additions, None).await.expect("creating a folder works");
        (folder.id, new.group.analyses)
    };
    let (gone_folder, gone) = ask(0, "gone").await;
    let (_, served) = ask(0, "served").await;
    let (_, newer) = ask(60, "gone").await;
    let (_, leased) = ask(1, "elsewhere").await;
    let request = ClaimRequest { pool: "elsewhere".to_owned(), ..claim_request(95) };
    let run = store.claim_run(&request).await.expect("claiming works");
    let token = run.expect("it waits").token;
    let before = world.contents(gone_folder).await.folder.revision;
    store.cancel_analysis(world.scope(), gone[1], at(2)).await.expect("cancelling works");

    let failure = AnalysisFailure {
        code: "ANALYZER_REMOVED".to_owned(),
        message: "No node serves it.".to_owned(),
    };
    let fail = async |now: i64| {
        store
            .fail_unserved(&["served".to_owned()], at(60), &failure, at(now))
            .await
            .expect("failing works")
    };
    assert_eq!(fail(100).await, 1);
    let failed = world.analysis(gone[0]).await;
    assert_eq!(
        (failed.state, failed.failure, failed.finished_at),
        (AnalysisState::Failed, Some(failure.clone()), Some(at(100)))
    );
    assert_eq!(
        world.analysis(gone[1]).await.state,
        AnalysisState::Cancelled,
        "a final analysis stays final"
    );
    assert!(world.contents(gone_folder).await.folder.revision > before + 1);
    for other in [&served, &newer, &leased] {
        assert_eq!(world.analysis(other[0]).await.state, AnalysisState::Queued);
    }
    assert_eq!(fail(100).await, 0);
    assert_eq!(fail(105).await, 2, "its lease expired");
    let late = store.enter_analysis(token, leased[0], at(106)).await.expect("asking works");
    assert_eq!(late, Applied::Stale);
    assert_eq!(
        store.queue_depth().await.expect("counting works"),
        QueueDepth { queued: 2, leased: 0 }
    );
}
