//! Statistics of the analyses of a pool, by analysis type, so that operators can judge a plugin.
//! Counted since the node started and not stored.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;

use super::run::Judged;

/// Number of the newest durations that the percentiles are computed from.
const KEPT: usize = 1_000;
/// Number of the newest ends that decide whether a plugin is failing.
const NEWEST: usize = 20;
/// Minimum number of ends before a plugin can count as failing.
const FEWEST: usize = 5;

/// Statistics of the analyses of one type.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AnalysisStatistics {
    /// Number of analyses that ended, without cancelled ones.
    pub runs: u64,
    /// Number of them that failed, that is, ended without a verdict.
    pub failures: u64,
    /// Median wall time of the newest ones; none before the first.
    pub p50: Option<Duration>,
    /// 95th percentile of their wall time.
    pub p95: Option<Duration>,
}

/// Counts by analysis type.
#[derive(Debug, Default)]
pub(crate) struct StatisticsCounter(Mutex<BTreeMap<String, TypeCounts>>);

#[derive(Debug, Default)]
struct TypeCounts {
    runs: u64,
    failures: u64,
    took: VecDeque<Duration>,
    newest_failed: VecDeque<bool>,
}

impl StatisticsCounter {
    /// Counts the end of an analysis; `took` is its duration, if it was entered.
    pub(crate) fn judged(&self, analysis_type: &str, judged: &Judged, took: Option<Duration>) {
        match &judged.result {
            Ok(_) => self.count(analysis_type, false, took),
            Err(failure) if failure.code == "CANCELLED" => {}
            Err(_) => self.count(analysis_type, true, took),
        }
    }

    /// Counts an analysis in which the worker died.
    pub(crate) fn died(&self, analysis_type: &str) {
        self.count(analysis_type, true, None);
    }

    /// Resets all counts, so that a self-test does not count.
    pub(crate) fn forget(&self) {
        self.0.lock().clear();
    }

    fn count(&self, analysis_type: &str, failed: bool, took: Option<Duration>) {
        let mut all = self.0.lock();
        let counted = all.entry(analysis_type.to_owned()).or_default();
        counted.runs += 1;
        counted.failures += u64::from(failed);
        counted.newest_failed.push_back(failed);
        counted.newest_failed.drain(..counted.newest_failed.len().saturating_sub(NEWEST));
        counted.took.extend(took);
        counted.took.drain(..counted.took.len().saturating_sub(KEPT));
    }

    /// The statistics of a type; all zero before the first analysis ends.
    pub(crate) fn of(&self, analysis_type: &str) -> AnalysisStatistics {
        let all = self.0.lock();
        let Some(counted) = all.get(analysis_type) else {
            return AnalysisStatistics::default();
        };
        let mut took: Vec<Duration> = counted.took.iter().copied().collect();
        took.sort_unstable();
        let at =
            |share: usize| took.get((took.len() * share).div_ceil(100).saturating_sub(1)).copied();
        AnalysisStatistics {
            runs: counted.runs,
            failures: counted.failures,
            p50: at(50),
            p95: at(95),
        }
    }

    /// The first type of which more than half of the newest analyses failed, as (type, failed,
    /// count).
    pub(crate) fn failing(&self) -> Option<(String, usize, usize)> {
        let all = self.0.lock();
        all.iter().find_map(|(analysis_type, counted)| {
            let (count, failed) = (
                counted.newest_failed.len(),
                counted.newest_failed.iter().filter(|failed| **failed).count(),
            );
            (count >= FEWEST && failed * 2 > count).then(|| (analysis_type.clone(), failed, count))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_cover_the_newest_analyses_only() {
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
    fn type_fails_while_over_half_of_the_newest_fail() {
        let counter = StatisticsCounter::default();
        (0..4).for_each(|_| counter.died("a"));
        assert_eq!(counter.failing(), None, "too few to decide");
        counter.died("a");
        assert_eq!(counter.failing(), Some(("a".to_owned(), 5, 5)));
        (0..5).for_each(|_| counter.count("a", false, None));
        assert_eq!(counter.failing(), None, "five of ten");
    }
}
