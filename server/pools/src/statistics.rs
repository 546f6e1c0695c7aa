//! How the analyses of a pool went, by type: what operators want to know of somebody else's plugin.
//! Counted since the node started; kept nowhere.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::run::Judged;

/// Durations that the percentiles are taken from: the newest ones.
const KEPT: usize = 1_000;
/// The newest ends by which a plugin counts as failing.
const NEWEST: usize = 20;
/// Of those, so many have to be there, and more than half of them failures.
const FEWEST: usize = 5;

/// What is known of the analyses of one type.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AnalysisStatistics {
    /// How many ended, cancelled ones left out.
    pub runs: u64,
    /// How many of them failed: without a verdict.
    pub failures: u64,
    /// Half of the newest ones took at most this long, by the clock; none before the first.
    pub p50: Option<Duration>,
    /// Nineteen in twenty of them did.
    pub p95: Option<Duration>,
}

/// Counts by analysis type.
#[derive(Debug, Default)]
pub(crate) struct StatisticsCounter(Mutex<BTreeMap<String, Counted>>);

#[derive(Debug, Default)]
struct Counted {
    runs: u64,
    failures: u64,
    took: VecDeque<Duration>,
    newest_failed: VecDeque<bool>,
}

impl StatisticsCounter {
    /// Counts the end of an analysis; `took` where it was entered.
    pub(crate) fn judged(&self, kind: &str, judged: &Judged, took: Option<Duration>) {
        match &judged.result {
            Ok(_) => self.count(kind, false, took),
            Err(failure) if failure.code == "CANCELLED" => {}
            Err(_) => self.count(kind, true, took),
        }
    }

    /// Counts an analysis in which the worker died.
    pub(crate) fn died(&self, kind: &str) {
        self.count(kind, true, None);
    }

    /// Begins anew: what a self-test did is nobody's analysis.
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    fn count(&self, kind: &str, failed: bool, took: Option<Duration>) {
        let mut all = self.lock();
        let counted = all.entry(kind.to_owned()).or_default();
        counted.runs += 1;
        counted.failures += u64::from(failed);
        counted.newest_failed.push_back(failed);
        counted.newest_failed.drain(..counted.newest_failed.len().saturating_sub(NEWEST));
        counted.took.extend(took);
        counted.took.drain(..counted.took.len().saturating_sub(KEPT));
    }

    /// The statistics of a type; all zero before its first end.
    pub(crate) fn of(&self, kind: &str) -> AnalysisStatistics {
        let all = self.lock();
        let Some(counted) = all.get(kind) else {
            return AnalysisStatistics::default();
        };
        let mut took: Vec<Duration> = counted.took.iter().copied().collect();
        took.sort_unstable();
        let at =
            |share: usize| took.get((took.len() * share).div_ceil(100).saturating_sub(1)).copied();
        AnalysisStatistics { runs: counted.runs, failures: counted.failures, p50: at(50), p95: at(95) }
    }

    /// The first type of which more than half of the newest ended in failure, with how many of how
    /// many.
    pub(crate) fn failing(&self) -> Option<(String, usize, usize)> {
        let all = self.lock();
        all.iter().find_map(|(kind, counted)| {
            let (count, failed) = (
                counted.newest_failed.len(),
                counted.newest_failed.iter().filter(|failed| **failed).count(),
            );
            (count >= FEWEST && failed * 2 > count).then(|| (kind.clone(), failed, count))
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Counted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_newest_and_failures_are_counted() {
        let counter = StatisticsCounter::default();
        assert_eq!(counter.of("a"), AnalysisStatistics::default());
        (1..=100).for_each(|ms| counter.count("a", false, Some(Duration::from_millis(ms))));
        let statistics = counter.of("a");
        assert_eq!(
            (statistics.p50, statistics.p95),
            (Some(Duration::from_millis(50)), Some(Duration::from_millis(95)))
        );
        (0..KEPT).for_each(|_| counter.count("a", false, Some(Duration::from_secs(1))));
        counter.died("a");
        let statistics = counter.of("a");
        assert_eq!(
            (statistics.runs, statistics.failures, statistics.p50),
            (1_101, 1, Some(Duration::from_secs(1)))
        );
        assert_eq!(counter.of("b").runs, 0);
    }

    #[test]
    fn a_type_is_failing_while_more_than_half_of_the_newest_fail() {
        let counter = StatisticsCounter::default();
        (0..4).for_each(|_| counter.died("a"));
        assert_eq!(counter.failing(), None, "four tell little");
        counter.died("a");
        assert_eq!(counter.failing(), Some(("a".to_owned(), 5, 5)));
        (0..5).for_each(|_| counter.count("a", false, None));
        assert_eq!(counter.failing(), None, "five of ten");
    }
}
