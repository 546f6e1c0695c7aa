//! `make soak`: the kill suite in its long forms.

use std::time::{Duration, Instant};
use vultus_tests::kill_suite::{Outcome, Pause, Plan, run};

/// Writes under a stale token that the full form must have seen refused.
const STALE_WRITES: usize = 10;
/// Nothing waits longer for a node once its lease is over.
const STUCK: Duration = Duration::from_secs(5);
/// Twice a lease.
const PAUSE: Pause = Pause::For(Duration::from_secs(20));

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    if std::env::var("SOAK").is_ok_and(|form| form == "full") {
        let outcome = runtime.block_on(run(Plan { runs: 1000, points: 100, pause: PAUSE }));
        judge(&outcome);
        assert!(outcome.stale_writes >= STALE_WRITES, "too few writes under a stale token to tell: {}", outcome.stale_writes);
        return;
    }
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3600) {
        judge(&runtime.block_on(run(Plan { runs: 200, points: 30, pause: PAUSE })));
    }
}

fn judge(outcome: &Outcome) {
    println!("{outcome:#?}");
    assert!(outcome.longest_stuck <= STUCK, "a run waited {:?} for a node after its lease", outcome.longest_stuck);
}
