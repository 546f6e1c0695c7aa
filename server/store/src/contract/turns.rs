//! Rules of the queue: how companies share it.

use super::fixtures::{World, claim_request};
use crate::Store;
use crate::records::*;
use std::sync::Arc;

/// Companies take turns, however many runs each has queued, also one that comes later.
pub(crate) async fn companies_take_turns_however_much_each_queued(store: Arc<dyn Store>) {
    let many = World::new(store).await;
    let few = many.neighbour().await;
    for seconds in 0..8 {
        many.queued(seconds, &["a"]).await;
    }
    for seconds in 0..2 {
        many.claim(20 + seconds).await.expect("a run waits");
    }
    for seconds in 22..25 {
        few.queued(seconds, &["a"]).await;
    }
    let mut order = Vec::new();
    // Before a lease expires.
    while let Some(run) = many.claim(26).await {
        order.push(run.company_id);
    }
    let (a, b) = (few.company.id, many.company.id);
    assert_eq!(order[0], a, "the later company waits for no run but those in progress");
    assert_eq!(order.iter().take(6).filter(|company| **company == a).count(), 3, "{order:?}");
    assert_eq!(order[6..], [b, b, b]);
}

/// A company that is excepted is not claimed for, and waits for its turn.
pub(crate) async fn excepted_company_keeps_its_runs(store: Arc<dyn Store>) {
    let here = World::new(store).await;
    let other = here.neighbour().await;
    here.queued(0, &["a"]).await;
    let without = async |except: &[&World]| {
        let except = except.iter().map(|world| world.company.id).collect();
        let request = ClaimRequest { except, ..claim_request(10) };
        here.store.claim_run(&request).await.expect("claiming works")
    };
    assert_eq!(without(&[&here]).await, None);
    other.queued(5, &["a"]).await;
    assert_eq!(without(&[&here]).await.expect("it waits").company_id, other.company.id);
    assert_eq!(without(&[&here, &other]).await, None);
    assert_eq!(without(&[&other]).await.expect("it waits").company_id, here.company.id);
}

/// The unfinished runs of a company are counted in each pool, up to the limit.
pub(crate) async fn unfinished_runs_are_counted_per_company(store: Arc<dyn Store>) {
    let here = World::new(store).await;
    let other = here.neighbour().await;
    for seconds in 0..5 {
        here.queued(seconds, &["a"]).await;
    }
    other.queued(0, &["a"]).await;
    let count = async |world: &World, pool: &str, at_most: u64| {
        let counted = world.store.unfinished_runs(world.company.id, pool, at_most).await;
        counted.expect("counting works")
    };
    assert_eq!(count(&here, "built-in", 100).await, 5);
    assert_eq!(count(&here, "built-in", 3).await, 3);
    assert_eq!(count(&here, "plugin", 100).await, 0);
    assert_eq!(count(&other, "built-in", 100).await, 1);
    let run = here.claim(10).await.expect("a run waits");
    let world = if run.company_id == here.company.id { &here } else { &other };
    let before = count(world, "built-in", 100).await;
    for analysis in &run.analyses {
        let cancelled =
            world.store.cancel_analysis(world.scope(), analysis.id, super::at(11)).await;
        cancelled.expect("cancelling works");
    }
    world.store.release_run(run.token, None, super::at(12)).await.expect("releasing works");
    assert_eq!(count(world, "built-in", 100).await, before - 1);
}
