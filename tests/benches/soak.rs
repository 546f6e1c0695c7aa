//! `make soak`: the kill suite in its long forms.

use std::time::{Duration, Instant};
use vultus_tests::kill_suite::{Outcome, Plan, run};

/// Writes under a stale token that the full form must have seen refused.
const STALE_WRITES: usize = 10;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    // Longer than a lease (10 s), as the processor may keep a paused node waiting.
    let pause = Duration::from_secs(20);
    if std::env::var("SOAK").is_ok_and(|form| form == "full") {
        let outcome = runtime.block_on(run(Plan { runs: 1000, points: 100, pause }));
        say(&outcome);
        assert!(outcome.stale_writes >= STALE_WRITES, "too few writes under a stale token to tell: {}", outcome.stale_writes);
        return;
    }
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3600) {
        say(&runtime.block_on(run(Plan { runs: 200, points: 30, pause })));
    }
}

fn say(outcome: &Outcome) {
    println!("{outcome:?}");
}
