//! Rules of the cases that wait for a decision.

use super::decisions::{decision, refusal};
use super::fixtures::{World, at, new_id};
use crate::export::Record;
use crate::{Case, CaseCounts, CaseCursor, CaseFilter, Change, Scope, Store};
use futures::TryStreamExt;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use vultus_core::{
    Analysis, AnalysisId, Choice, Claim, DecisionRefusal, Released, Resolution, UserId,
};

/// Maximum wait for a change.
const DEADLINE: Duration = Duration::from_secs(20);

impl World {
    async fn cases(&self, scope: Scope, filter: &CaseFilter) -> Vec<AnalysisId> {
        let listed = self.store.list_cases(scope, filter, None, 100).await;
        listed.expect("listing works").0.iter().map(|case| case.analysis_id).collect()
    }

    async fn doubtful(&self, seconds: i64) -> Analysis {
        self.finished(seconds, Resolution::OperatorRequired).await.1
    }
}

fn claim(by: UserId, since: i64, until: i64) -> Claim {
    Claim { by, since: at(since), until: at(until) }
}

/// Pages neither repeat nor miss cases. A case leaves the list with the decision, and is back when
/// it is undone or its folder is not erased.
pub(crate) async fn cases_that_wait_are_listed_oldest_first(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let neighbour = world.neighbour().await;
    let mut doubtful = Vec::new();
    for seconds in [50, 10, 30, 30, 20] {
        doubtful.push(world.doubtful(seconds).await);
        world.finished(seconds, Resolution::Success).await;
        neighbour.doubtful(seconds).await;
    }
    doubtful.sort_by_key(|one| (one.finished_at, one.id));
    let expected: Vec<_> = doubtful.iter().map(|one| one.id).collect();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let filter = CaseFilter::default();
        let listed = world.store.list_cases(world.scope(), &filter, after, 2).await;
        let (page, more) = listed.expect("listing works");
        let cursor =
            |case: &Case| CaseCursor { waits_since: case.waits_since, id: case.analysis_id };
        after = page.last().map(cursor);
        found.extend(page.iter().map(|case| case.analysis_id));
        if !more {
            break;
        }
    }
    assert_eq!(found, expected);
    let all = CaseFilter::default();
    assert_eq!(world.cases(Scope::Everything, &all).await.len(), 10);
    assert_eq!(world.cases(world.owner_scope(), &all).await, expected);
    let stranger = Scope::Owner(world.company.id, new_id());
    assert_eq!(world.cases(stranger, &all).await, []);
    let new = decision(new_id(), Choice::Accept, &doubtful[0], 60);
    world.store.decide(world.scope(), doubtful[0].id, &new).await.expect("deciding works");
    let erased = doubtful[1].folder_id;
    world.store.erase_folder(world.scope(), erased, at(61)).await.expect("erasing works");
    assert_eq!(world.cases(world.scope(), &all).await, expected[2..]);
    let counts = world.store.count_cases(world.scope(), &all, at(70)).await;
    let expected = CaseCounts {
        waiting: 3,
        oldest: doubtful[2].finished_at,
        newest: doubtful[4].finished_at,
        ..CaseCounts::default()
    };
    assert_eq!(counts.expect("counting works"), expected);
}

/// Each filter alone selects what matches it.
pub(crate) async fn case_filters_select_exactly_what_matches(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let neighbour = world.neighbour().await;
    let (first, second) = (world.doubtful(10).await, world.doubtful(20).await);
    let other = neighbour.doubtful(30).await;
    let any = CaseFilter::default;
    let person: UserId = new_id();
    let claimed = world.store.claim_case(world.scope(), first.id, claim(person, 40, 50)).await;
    claimed.expect("claiming works");
    for (filter, expected) in [
        (any(), vec![&first, &second, &other]),
        (CaseFilter { company_id: Some(neighbour.company.id), ..any() }, vec![&other]),
        (CaseFilter { kind: Some("liveness".to_owned()), ..any() }, vec![&first, &second, &other]),
        (CaseFilter { kind: Some("quality".to_owned()), ..any() }, vec![]),
        (
            CaseFilter { reason_code: Some("SPOOF".to_owned()), ..any() },
            vec![&first, &second, &other],
        ),
        (CaseFilter { reason_code: Some("SPOO".to_owned()), ..any() }, vec![]),
        (CaseFilter { waits_before: second.finished_at, ..any() }, vec![&first]),
        (CaseFilter { free_for: Some((person, at(45))), ..any() }, vec![&second, &other]),
        (CaseFilter { free_for: Some((new_id(), at(45))), ..any() }, vec![&second, &other]),
        (CaseFilter { free_for: Some((new_id(), at(50))), ..any() }, vec![&first, &second, &other]),
        (CaseFilter { free_for: Some((world.owner.id, at(50))), ..any() }, vec![&other]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|one| one.id).collect();
        assert_eq!(world.cases(Scope::Everything, &filter).await, expected, "{filter:?}");
        let counts = world.store.count_cases(Scope::Everything, &filter, at(45)).await;
        let counts = counts.expect("counting works");
        let claimed = u64::from(expected.contains(&first.id));
        assert_eq!((counts.waiting, counts.claimed), (expected.len() as u64, claimed));
        assert_eq!(counts.next_end, (claimed == 1).then(|| at(50)), "{filter:?}");
    }
}

/// A hundred people claim at once: each case is claimed by one of them.
pub(crate) async fn a_hundred_people_claim_no_case_twice(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let mut ids = Vec::new();
    for seconds in 0..20 {
        ids.push(world.doubtful(seconds).await.id);
    }
    let claiming = (0..100).map(|number: usize| {
        let (world, mut ids) = (world.clone(), ids.clone());
        ids.rotate_left(number % 20);
        tokio::spawn(async move {
            for id in ids {
                let wanted = claim(new_id(), 40, 50);
                match world.store.claim_case(world.scope(), id, wanted).await {
                    Ok(case) => return Some(case.analysis_id),
                    refused => assert_eq!(refusal(refused), DecisionRefusal::Claimed),
                }
            }
            None
        })
    });
    let mut claimed = Vec::new();
    for one in claiming.collect::<Vec<_>>() {
        claimed.extend(one.await.expect("none panics"));
    }
    let different: BTreeSet<_> = claimed.iter().copied().collect();
    assert_eq!((claimed.len(), different.len()), (20, 20));
}

/// A claim is renewed by its person, ended by its person or an administrator, and taken over after
/// its end. A decision ends it and says how long it took.
pub(crate) async fn claim_is_renewed_released_and_taken_over(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let one = world.doubtful(0).await;
    let (first, second): (UserId, UserId) = (new_id(), new_id());
    let take = async |wanted| world.store.claim_case(world.scope(), one.id, wanted).await;
    let release = async |whose| world.store.release_case(world.scope(), one.id, whose).await;
    let nothing = refusal(release(Released::Any).await);
    assert_eq!(nothing, DecisionRefusal::NotClaimed);
    take(claim(first, 10, 20)).await.expect("it is free");
    assert_eq!(refusal(take(claim(second, 19, 29)).await), DecisionRefusal::Claimed);
    let renewed = take(claim(first, 15, 25)).await.expect("it is the own one");
    assert_eq!(renewed.claim, Some(claim(first, 10, 25)));
    assert_eq!(refusal(release(Released::Of(second)).await), DecisionRefusal::Claimed);
    let taken = take(claim(second, 25, 35)).await.expect("the claim has ended");
    assert_eq!(taken.claim, Some(claim(second, 25, 35)));
    release(Released::Any).await.expect("an administrator may");
    take(claim(first, 26, 36)).await.expect("it is free");
    release(Released::Of(first)).await.expect("it is the own one");
    take(claim(first, 27, 37)).await.expect("it is free");
    let new = decision(second, Choice::Accept, &one, 28);
    let refused = world.store.decide(world.scope(), one.id, &new).await;
    assert_eq!(refusal(refused), DecisionRefusal::Claimed);
    let new = decision(first, Choice::Accept, &one, 30);
    world.store.decide(world.scope(), one.id, &new).await.expect("deciding works");
    let after = world.analysis(one.id).await;
    assert_eq!((after.decisions.taken[0].took_ms, after.revision), (Some(3000), one.revision + 1));
    assert_eq!(refusal(take(claim(first, 31, 41)).await), DecisionRefusal::NotWaiting);
    assert_eq!(refusal(release(Released::Any).await), DecisionRefusal::NotWaiting);
}

/// A new case, claims, releases and decisions are announced.
pub(crate) async fn changes_of_cases_are_announced(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let mut changes = world.store.changes();
    let mut announced = async |what: &str| {
        loop {
            let next = tokio::time::timeout(DEADLINE, changes.next()).await;
            match next.unwrap_or_else(|_| panic!("{what} is announced")) {
                Some(Change::Cases) => return,
                Some(Change::Folder(_) | Change::Missed) => {}
                None => panic!("the stream ended"),
            }
        }
    };
    let one = world.doubtful(0).await;
    announced("a new case").await;
    let person: UserId = new_id();
    let claimed = world.store.claim_case(world.scope(), one.id, claim(person, 10, 20)).await;
    claimed.expect("claiming works");
    announced("a claim").await;
    let released = world.store.release_case(world.scope(), one.id, Released::Any).await;
    released.expect("releasing works");
    announced("a release").await;
    let new = decision(person, Choice::Accept, &one, 12);
    world.store.decide(world.scope(), one.id, &new).await.expect("deciding works");
    announced("a decision").await;
}

/// Decisions are found by the time of the newest one and by company.
pub(crate) async fn decisions_of_a_period_are_found(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let neighbour = world.neighbour().await;
    for (world, seconds) in [(&world, 10), (&world, 20), (&neighbour, 30)] {
        let one = world.doubtful(0).await;
        let new = decision(new_id(), Choice::Accept, &one, seconds);
        world.store.decide(world.scope(), one.id, &new).await.expect("deciding works");
    }
    for (scope, since, limit, expected) in [
        (Scope::Everything, 0, 9, 3),
        (Scope::Everything, 20, 9, 2),
        (Scope::Everything, 0, 2, 2),
        (world.scope(), 0, 9, 2),
        (world.scope(), 21, 9, 0),
    ] {
        let found = world.store.decided_since(scope, at(since), limit).await;
        let found = found.expect("reading works");
        assert_eq!(found.len(), expected, "{scope:?} {since} {limit}");
        let machine = Some(Resolution::OperatorRequired);
        assert!(found.iter().all(|one| one.system_resolution == machine));
        assert!(found.iter().all(|one| one.decisions.taken.len() == 1));
    }
}

/// Imported analyses that need a person wait.
pub(crate) async fn imported_cases_wait(store: Arc<dyn Store>) {
    let world = World::new(Arc::clone(&store)).await;
    let one = world.doubtful(0).await;
    let records = store.export().await.expect("exporting works");
    let mut records: Vec<Record> = records.try_collect().await.expect("exporting works");
    records.retain(|record| matches!(record, Record::Folder(_)));
    world.store.erase_folder(world.scope(), one.folder_id, at(9)).await.expect("erasing works");
    assert_eq!(world.cases(world.scope(), &CaseFilter::default()).await, []);
    for record in &mut records {
        // The blobs of the erased folder have tombstones.
        let Record::Folder(folder) = record else { continue };
        folder.artifacts.clear();
        for medium in &mut folder.media {
            medium.0.blob_key.push_str("-again");
            medium.0.thumbnail_key = None;
        }
    }
    store.import(records).await.expect("importing works");
    assert_eq!(world.cases(world.scope(), &CaseFilter::default()).await, [one.id]);
}
