//! Rules of results, progress, blame and cancellation.

use super::fixtures::{World, at, crash, group, medium, provenance, verdict};
use crate::records::*;
use crate::{Selection, Store, StoreError};
use futures::future::join_all;
use std::sync::Arc;
use time::Duration;
use vultus_core::{Analysis, AnalysisState, Part, Resolution};

/// A result is applied once and read back with its artifacts. A second one changes nothing.
pub(crate) async fn result_is_applied_once(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, new) = world.queued(0, &["liveness"]).await;
    let id = new.group.analyses[0];
    let run = world.claim(1).await.expect("the run waits");
    let media = run.media[0].id;
    world.store.enter_analysis(run.token, id, at(2)).await.expect("entering works");
    let result = verdict(Resolution::Declined, media);
    assert_eq!(
        world.store.apply_result(run.token, id, &result, at(5)).await.expect("writing works"),
        Applied::Yes
    );
    let other = verdict(Resolution::Success, media);
    assert_eq!(
        world.store.apply_result(run.token, id, &other, at(6)).await.expect("asking works"),
        Applied::AlreadyFinal
    );
    assert_eq!(
        world.store.enter_analysis(run.token, id, at(6)).await.expect("asking works"),
        Applied::AlreadyFinal
    );

    let (analysis, artifacts) = world
        .store
        .analyses(world.scope(), &[id], Selection::ALL)
        .await
        .expect("reading works")
        .remove(0);
    assert_eq!(
        (analysis.state, analysis.resolution),
        (AnalysisState::Finished, Some(Resolution::Declined))
    );
    assert_eq!(
        (analysis.started_at, analysis.finished_at, analysis.attempts),
        (Some(at(2)), Some(at(5)), 1)
    );
    let AnalysisResult::Finished { reasons, result, artifacts: given, .. } = result else {
        unreachable!("it is a verdict")
    };
    assert_eq!(
        (analysis.reasons, analysis.result, analysis.provenance),
        (reasons, Part::Read(Some(result)), provenance())
    );
    assert!((analysis.progress - 1.0).abs() < f32::EPSILON);
    assert_eq!(artifacts.len(), 1);
    assert_eq!(
        (artifacts[0].analysis_id, &artifacts[0].blob_key, artifacts[0].byte_size),
        (id, &given[0].blob_key, 12_345)
    );
    assert_eq!(world.contents(folder.id).await.artifacts.members(), artifacts);
}

/// A failure is stored with its reason, and keeps the provenance of the analysis.
pub(crate) async fn failure_keeps_its_reason_and_provenance(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (_, new) = world.queued(0, &["liveness"]).await;
    let run = world.claim(1).await.expect("the run waits");
    let result = AnalysisResult::Failed(crash());
    let applied = world.store.apply_result(run.token, new.group.analyses[0], &result, at(5)).await;
    assert_eq!(applied.expect("writing works"), Applied::Yes);
    let analysis = world.analysis(new.group.analyses[0]).await;
    let params = new.runs[0].analyses[0].params.clone();
    assert_eq!(
        (analysis.state, analysis.failure, analysis.resolution),
        (AnalysisState::Failed, Some(crash()), None)
    );
    assert_eq!((analysis.provenance, analysis.params), (provenance(), params));
}

/// Progress never goes back, and stays within 0–1.
pub(crate) async fn progress_never_goes_back(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (_, new) = world.queued(0, &["liveness"]).await;
    let id = new.group.analyses[0];
    let run = world.claim(1).await.expect("the run waits");
    world.store.enter_analysis(run.token, id, at(2)).await.expect("entering works");
    for (fraction, expected) in [(0.5, 0.5), (0.25, 0.5), (f32::NAN, 0.5), (0.75, 0.75), (7.0, 1.0)]
    {
        let applied = world.store.record_progress(run.token, id, fraction).await;
        assert_eq!(applied.expect("writing works"), Applied::Yes);
        assert!((world.analysis(id).await.progress - expected).abs() < f32::EPSILON, "{fraction}");
    }
}

/// Progress that is not higher than before raises no revision, neither of the analysis nor of the
/// folder.
pub(crate) async fn progress_that_is_not_higher_changes_nothing(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, new) = world.queued(0, &["liveness"]).await;
    let id = new.group.analyses[0];
    let run = world.claim(1).await.expect("the run waits");
    world.store.enter_analysis(run.token, id, at(2)).await.expect("entering works");
    world.store.record_progress(run.token, id, 0.5).await.expect("writing works");
    let revisions = async || {
        let contents = world.contents(folder.id).await;
        (contents.folder.revision, contents.analyses.members()[0].revision)
    };
    let before = revisions().await;
    for fraction in [0.5, 0.25, -1.0, f32::NAN] {
        let applied = world.store.record_progress(run.token, id, fraction).await;
        assert_eq!(applied.expect("writing works"), Applied::Yes);
        assert_eq!(revisions().await, before, "{fraction}");
    }
    world.store.record_progress(run.token, id, 0.75).await.expect("writing works");
    assert_eq!(revisions().await, (before.0 + 1, before.1 + 1));
}

/// The first death puts the run back to be processed one by one. The second death while the same
/// analysis is active fails that analysis only. A death while none is active counts for none.
pub(crate) async fn second_death_while_active_fails_the_analysis(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (_, new) = world.queued(0, &["innocent", "killer", "waiting"]).await;
    let [innocent, killer, waiting] = [0, 1, 2].map(|at| new.group.analyses[at]);
    let deaths = [
        (Some(innocent), DeathVerdict::Retried),
        (Some(killer), DeathVerdict::Retried),
        (None, DeathVerdict::Retried),
        (Some(killer), DeathVerdict::Failed),
    ];
    for (round, (active, expected)) in (0..).zip(deaths) {
        let run = world.claim(round).await.expect("the run waits again right after a death");
        assert_eq!((run.one_by_one, run.deaths), (round > 0, u32::try_from(round).expect("few")));
        if let Some(active) = active {
            world.store.enter_analysis(run.token, active, at(round)).await.expect("entering works");
        }
        let verdict =
            world.store.record_death(run.token, WorkerDeath { active }, &crash(), at(round)).await;
        assert_eq!(verdict.expect("recording works"), expected, "round {round}");
        let late = world.store.heartbeat(run.token, at(round), super::fixtures::LEASE).await;
        assert!(!late.expect("asking works"), "the token ends with the death");
    }
    let failed = world.analysis(killer).await;
    assert_eq!(
        (failed.state, failed.failure, failed.deaths, failed.attempts),
        (AnalysisState::Failed, Some(crash()), 2, 2)
    );
    let run = world.claim(10).await.expect("the others are retried");
    let left: Vec<_> = run
        .analyses
        .iter()
        .map(|analysis| (analysis.id, analysis.state, analysis.deaths))
        .collect();
    assert_eq!(
        left,
        vec![(innocent, AnalysisState::Queued, 1), (waiting, AnalysisState::Queued, 0)]
    );
    assert!(run.one_by_one);
}

/// A cancelled analysis stays cancelled, whatever its worker writes. Others of its run continue.
pub(crate) async fn cancelled_analysis_stays_cancelled(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (_, new) = world.queued(0, &["a", "b"]).await;
    let [a, b] = [new.group.analyses[0], new.group.analyses[1]];
    let run = world.claim(1).await.expect("the run waits");
    let media = run.media[0].id;
    world.store.enter_analysis(run.token, a, at(2)).await.expect("entering works");
    let cancelled =
        world.store.cancel_analysis(world.scope(), a, at(3)).await.expect("cancelling works");
    let Cancelled::Now(analysis) = cancelled else { panic!("{cancelled:?}") };
    assert_eq!((analysis.state, analysis.finished_at), (AnalysisState::Cancelled, Some(at(3))));
    let again = world.store.cancel_analysis(world.scope(), a, at(4)).await.expect("asking works");
    assert_eq!(again, Cancelled::AlreadyFinal(analysis.clone()));
    let late =
        world.store.apply_result(run.token, a, &verdict(Resolution::Success, media), at(5)).await;
    assert_eq!(late.expect("asking works"), Applied::AlreadyFinal);
    assert_eq!(
        world.store.record_progress(run.token, a, 0.9).await.expect("asking works"),
        Applied::AlreadyFinal
    );
    let death =
        world.store.record_death(run.token, WorkerDeath { active: Some(a) }, &crash(), at(6)).await;
    assert_eq!(death.expect("recording works"), DeathVerdict::Retried);
    // Cancelling returns no JSON.
    let kept = world.analysis(a).await;
    let kept = Analysis { params: Part::LeftOut, result: Part::LeftOut, ..kept };
    assert_eq!(kept, *analysis);
    let next = world.claim(7).await.expect("the other is retried");
    assert_eq!(next.analyses.iter().map(|analysis| analysis.id).collect::<Vec<_>>(), vec![b]);
}

/// Concurrent writes to one run count once each. A rejected one does not affect the others.
pub(crate) async fn concurrent_writes_to_one_run_count_once_each(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, new) = world.queued(0, &["a", "b", "c", "d"]).await;
    let run = world.claim(1).await.expect("the run waits");
    let ids = &new.group.analyses;
    let entering = ids.iter().map(|id| world.store.enter_analysis(run.token, *id, at(2)));
    for entered in join_all(entering).await {
        assert_eq!(entered.expect("entering works"), Applied::Yes);
    }
    let of = |n: usize| {
        let mut result = verdict(Resolution::Success, run.media[0].id);
        if let AnalysisResult::Finished { artifacts, .. } = &mut result {
            artifacts[0].blob_key = format!("artifact-{n}");
        }
        result
    };
    let results = [0, 1, 2, 3].map(of);
    let deleted = world
        .store
        .tombstone_unreferenced(&["artifact-1".to_owned()], at(2), Duration::MINUTE)
        .await;
    assert_eq!(deleted.expect("marking works").len(), 1);
    let twice = ids.iter().zip(&results).flat_map(|pair| [pair; 2]);
    let writing = twice.map(|(id, result)| world.store.apply_result(run.token, *id, result, at(3)));
    let mut written = join_all(writing).await.into_iter();
    for n in 0..ids.len() {
        let both = [written.next(), written.next()].map(|one| one.expect("each has an answer"));
        if n == 1 {
            assert!(
                both.iter().all(|one| matches!(one, Err(StoreError::BlobSwept { .. }))),
                "{both:?}"
            );
            continue;
        }
        let both = both.map(|one| one.expect("writing works"));
        assert!(both.contains(&Applied::Yes) && both.contains(&Applied::AlreadyFinal), "{both:?}");
    }
    let contents = world.contents(folder.id).await;
    let finished = contents
        .analyses
        .members()
        .iter()
        .filter(|analysis| analysis.state == AnalysisState::Finished)
        .count();
    assert_eq!((finished, contents.artifacts.members().len()), (3, 3));
    assert!(contents.analyses.members().iter().all(|analysis| analysis.attempts == 1));
    assert_eq!(
        world.store.release_run(run.token, None, at(4)).await.expect("releasing works"),
        Applied::Yes
    );
    let next = world.claim(5).await.expect("one is left");
    assert_eq!(next.analyses.iter().map(|analysis| analysis.id).collect::<Vec<_>>(), vec![ids[1]]);
}

/// Of concurrent writes to many runs, those under a stale token are rejected and all others are
/// kept, also when several are in one folder.
pub(crate) async fn concurrent_writes_to_many_runs_get_separate_answers(store: Arc<dyn Store>) {
    const RUNS: i64 = 24;
    let world = World::new(store).await;
    let mut runs = Vec::new();
    for second in (0..RUNS).step_by(2) {
        let (folder, _) = world.queued(second, &["a"]).await;
        let medium = medium(folder.id, second);
        let group = group(folder.id, second + 1, &["b"], &[medium.id]);
        let more = FolderAdditions {
            media: vec![medium],
            group: Some(group),
            now: Some(at(second + 1)),
            most_media: None,
            most_analyses: None,
        };
        world
            .store
            .add_to_folder(world.scope(), folder.id, &more, None)
            .await
            .expect("a second run is added");
        for _ in 0..2 {
            runs.push(world.claim(RUNS).await.expect("the run waits"));
        }
    }
    // The leases of some expire, and they are claimed again.
    let lost = runs.iter().step_by(5);
    for run in lost.clone() {
        world
            .store
            .heartbeat(run.token, at(0), Duration::SECOND)
            .await
            .expect("the lease is shortened");
    }
    let again: Vec<_> =
        join_all(lost.clone().map(|_| world.claim(RUNS))).await.into_iter().flatten().collect();
    assert_eq!(again.len(), lost.count());
    let write = async |run: &ClaimedRun| {
        let entered = world.store.enter_analysis(run.token, run.analyses[0].id, at(RUNS + 1)).await;
        let result = verdict(Resolution::Success, run.media[0].id);
        let applied =
            world.store.apply_result(run.token, run.analyses[0].id, &result, at(RUNS + 2)).await;
        (entered.expect("entering works"), applied.expect("writing works"))
    };
    let written = join_all(runs.iter().map(write)).await;
    for (n, run) in runs.iter().enumerate() {
        let contents = world.contents(run.folder_id).await;
        let analysis = contents
            .analyses
            .members()
            .iter()
            .find(|analysis| analysis.id == run.analyses[0].id)
            .expect("it is there");
        let (expected, state) = if n % 5 == 0 {
            (Applied::Stale, AnalysisState::Queued)
        } else {
            (Applied::Yes, AnalysisState::Finished)
        };
        assert_eq!((written[n], analysis.state), ((expected, expected), state), "run {n}");
    }
    for (entered, applied) in join_all(again.iter().map(write)).await {
        assert_eq!((entered, applied), (Applied::Yes, Applied::Yes));
    }
    // The folders' counts agree with their analyses.
    let open = FolderFilter { processing: Some(true), ..FolderFilter::default() };
    let listed =
        world.store.list_folders(world.scope(), &open, FolderOrder::default(), None, 50).await;
    assert!(listed.expect("listing works").0.is_empty());
}
