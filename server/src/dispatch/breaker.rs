//! When to stop starting workers that keep dying, and when to try again. Pure: the caller brings the clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::run::PoolHealth;

/// So many crashes ...
const CRASHES: usize = 3;
/// ... within this time open the breaker.
const WINDOW: Duration = Duration::from_secs(60);
/// How long it stays open at first; doubled whenever the trial fails. Short, so that a burst of kills from outside
/// does not hold up healthy work for long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often those that wait for the outcome of a trial look again.
const TRIAL_POLL: Duration = Duration::from_millis(250);

/// Counts the crashes of one pool.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    crashes: VecDeque<Instant>,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        until: Instant,
        pause: Duration,
    },
    /// One worker is being tried.
    Trial {
        pause: Duration,
    },
}

/// Whether a worker may be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Now.
    Go,
    /// Ask again after this time.
    Wait(Duration),
}

impl Breaker {
    /// Asked before a worker is started. Once the pause is over, the first to ask becomes the trial.
    pub(crate) fn admit(&mut self, now: Instant) -> Admission {
        match self.state {
            State::Closed => Admission::Go,
            State::Open { until, pause } if now >= until => {
                self.state = State::Trial { pause };
                Admission::Go
            }
            State::Open { until, .. } => Admission::Wait(until - now),
            State::Trial { .. } => Admission::Wait(TRIAL_POLL),
        }
    }

    /// A worker died by itself, or could not start. True when that opened the breaker.
    pub(crate) fn crashed(&mut self, now: Instant) -> bool {
        self.crashes.push_back(now);
        while self.crashes.front().is_some_and(|first| now.duration_since(*first) > WINDOW) {
            self.crashes.pop_front();
        }
        let pause = match self.state {
            State::Closed if self.crashes.len() >= CRASHES => FIRST_PAUSE,
            State::Trial { pause } => (pause * 2).min(LONGEST_PAUSE),
            State::Closed | State::Open { .. } => return false,
        };
        self.state = State::Open { until: now + pause, pause };
        true
    }

    /// A worker did a job and lived: a trial has succeeded.
    pub(crate) fn survived(&mut self) {
        if let State::Trial { .. } = self.state {
            self.crashes.clear();
            self.state = State::Closed;
        }
    }

    /// The worker on trial ended without showing whether it would crash, such as over a medium or a cancellation: another is tried.
    pub(crate) fn undecided(&mut self, now: Instant) {
        if let State::Trial { pause } = self.state {
            self.state = State::Open { until: now, pause };
        }
    }

    /// Crashes that still count.
    pub(crate) fn recent_crashes(&self, now: Instant) -> usize {
        self.crashes.iter().filter(|crash| now.duration_since(**crash) <= WINDOW).count()
    }

    /// Whether work may be given to the pool.
    pub(crate) fn health(&self, now: Instant) -> PoolHealth {
        match self.state {
            State::Closed | State::Trial { .. } => PoolHealth::Available,
            State::Open { until, .. } => {
                PoolHealth::Unavailable { retry_after: until.saturating_duration_since(now).max(Duration::from_secs(1)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_that_decides_nothing_is_followed_by_another() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..CRASHES {
            breaker.crashed(start);
        }
        let later = start + FIRST_PAUSE;
        assert_eq!(breaker.admit(later), Admission::Go);
        assert_ne!(breaker.admit(later), Admission::Go);
        breaker.undecided(later);
        assert_eq!(breaker.admit(later), Admission::Go);
    }

    #[test]
    fn three_crashes_within_a_minute_open_the_breaker_and_slower_ones_do_not() {
        let start = Instant::now();
        let mut slow = Breaker::default();
        for minute in 0..5 {
            assert!(!slow.crashed(start + Duration::from_secs(40 * minute)));
        }
        let mut fast = Breaker::default();
        assert!(!fast.crashed(start) && !fast.crashed(start) && fast.crashed(start));
        assert!(matches!(fast.health(start), PoolHealth::Unavailable { .. }));
        assert_eq!(fast.admit(start), Admission::Wait(FIRST_PAUSE));
    }

    #[test]
    fn after_the_pause_one_worker_is_tried_and_decides() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..CRASHES {
            breaker.crashed(start);
        }
        let after = start + FIRST_PAUSE;
        assert_eq!(breaker.admit(after), Admission::Go);
        assert_eq!(breaker.admit(after), Admission::Wait(TRIAL_POLL));
        assert!(breaker.crashed(after));
        assert_eq!(breaker.admit(after), Admission::Wait(FIRST_PAUSE * 2));
        assert_eq!(breaker.admit(after + FIRST_PAUSE * 2), Admission::Go);
        breaker.survived();
        assert_eq!(breaker.admit(after + FIRST_PAUSE * 2), Admission::Go);
        assert_eq!(breaker.health(after + FIRST_PAUSE * 2), PoolHealth::Available);
    }
}
