//! `make soak`: runs the long forms of the kill suite.

use std::time::{Duration, Instant};
use vultus_tests::kill_suite::{Outcome, Pause, Plan, run, run_on_sqlite};

/// Minimum number of rejected writes with a stale fencing token in the full form.
const STALE_WRITES: usize = 10;
/// Number of clusters that the full form starts, one after the other.
const PARTS: usize = 4;
/// Maximum time that a run waits for a node after its lease has expired.
const STUCK: Duration = Duration::from_secs(5);
/// Twice a lease.
const PAUSE: Pause = Pause::For(Duration::from_secs(20));

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    let single = Plan { runs: 1000, points: 100, pause: PAUSE };
    println!("{:#?}", runtime.block_on(run_on_sqlite(single)));
    if std::env::var("SOAK").is_ok_and(|form| form == "full") {
        // A shared machine may be quiet for minutes only, so the form can be run in parts.
        let parts =
            std::env::var("SOAK_PARTS").ok().and_then(|text| text.parse().ok()).unwrap_or(PARTS);
        let mut stale_writes = 0;
        for _ in 0..parts {
            let outcome = runtime.block_on(run(Plan {
                runs: 1000 / PARTS,
                points: 100 / PARTS,
                pause: PAUSE,
            }));
            judge(&outcome);
            stale_writes += outcome.stale_writes;
        }
        let enough = STALE_WRITES * parts / PARTS;
        assert!(
            stale_writes >= enough,
            "too few writes with a stale fencing token: {stale_writes}"
        );
        return;
    }
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3600) {
        judge(&runtime.block_on(run(Plan { runs: 200, points: 30, pause: PAUSE })));
    }
}

fn judge(outcome: &Outcome) {
    println!("{outcome:#?}");
    assert!(
        outcome.longest_stuck <= STUCK,
        "a run waited {:?} for a node after its lease had expired",
        outcome.longest_stuck
    );
}
