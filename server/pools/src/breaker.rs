//! When to stop starting workers that keep dying, when to try again, and when to give up. Pure: the
//! caller brings the clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::run::PoolHealth;

/// So many crashes ...
const CRASHES: usize = 3;
/// ... within this time open the breaker.
const WINDOW: Duration = Duration::from_secs(60);
/// How long it stays open at first; doubled whenever the trial fails. Short, so that a burst of
/// kills from outside does not hold up healthy work for long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// After so many pauses without a job that ended well, a pool that may be given up is.
const OPENINGS: u32 = 5;
/// How often those that wait for the outcome of a trial look again.
const TRIAL_POLL: Duration = Duration::from_millis(250);

/// Counts the crashes of one pool.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    crashes: VecDeque<Instant>,
    state: State,
    /// Pauses since the last job that ended well.
    openings: u32,
    quarantines: bool,
}

/// What a crash led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Nothing yet.
    None,
    /// A pause.
    Opened,
    /// No further trial.
    Quarantined,
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
    /// Given up.
    Quarantined,
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
    /// One that gives a pool up whose trials all fail.
    pub(crate) fn with_quarantine() -> Self {
        Self { quarantines: true, ..Self::default() }
    }

    /// Asked before a worker is started. Once the pause is over, the first to ask becomes the
    /// trial.
    pub(crate) fn admit(&mut self, now: Instant) -> Admission {
        match self.state {
            State::Closed => Admission::Go,
            State::Open { until, pause } if now >= until => {
                self.state = State::Trial { pause };
                Admission::Go
            }
            State::Open { until, .. } => Admission::Wait(until - now),
            State::Trial { .. } => Admission::Wait(TRIAL_POLL),
            State::Quarantined => Admission::Wait(LONGEST_PAUSE),
        }
    }

    /// A worker died by itself, or could not start.
    pub(crate) fn crashed(&mut self, now: Instant) -> Reaction {
        self.crashes.push_back(now);
        while self.crashes.front().is_some_and(|first| now.duration_since(*first) > WINDOW) {
            self.crashes.pop_front();
        }
        let pause = match self.state {
            State::Closed if self.crashes.len() >= CRASHES => FIRST_PAUSE,
            State::Trial { pause } => (pause * 2).min(LONGEST_PAUSE),
            State::Closed | State::Open { .. } | State::Quarantined => return Reaction::None,
        };
        self.openings += 1;
        if self.quarantines && self.openings >= OPENINGS {
            self.state = State::Quarantined;
            return Reaction::Quarantined;
        }
        self.state = State::Open { until: now + pause, pause };
        Reaction::Opened
    }

    /// A worker did a job and lived: a trial has succeeded.
    pub(crate) fn survived(&mut self) {
        self.openings = 0;
        if let State::Trial { .. } = self.state {
            self.crashes.clear();
            self.state = State::Closed;
        }
    }

    /// The worker on trial ended without showing whether it would crash, such as over a medium or a
    /// cancellation: another is tried.
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
            State::Open { until, .. } => PoolHealth::Unavailable {
                retry_after: until.saturating_duration_since(now).max(Duration::from_secs(1)),
            },
            State::Quarantined => PoolHealth::Quarantined,
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
            assert_eq!(slow.crashed(start + Duration::from_secs(40 * minute)), Reaction::None);
        }
        let mut fast = Breaker::default();
        assert_eq!(
            [(); 3].map(|()| fast.crashed(start)),
            [Reaction::None, Reaction::None, Reaction::Opened]
        );
        assert!(matches!(fast.health(start), PoolHealth::Unavailable { .. }));
        assert_eq!(fast.admit(start), Admission::Wait(FIRST_PAUSE));
    }

    #[test]
    fn a_pool_whose_trials_all_fail_is_given_up_unless_the_node_needs_it() {
        for (mut breaker, end) in [
            (Breaker::with_quarantine(), Reaction::Quarantined),
            (Breaker::default(), Reaction::Opened),
        ] {
            let mut now = Instant::now();
            let mut reactions = [(); CRASHES].map(|()| breaker.crashed(now)).to_vec();
            while reactions.iter().filter(|reaction| **reaction != Reaction::None).count()
                < OPENINGS as usize
            {
                now += LONGEST_PAUSE;
                assert_eq!(breaker.admit(now), Admission::Go);
                reactions.push(breaker.crashed(now));
            }
            assert_eq!(reactions.last(), Some(&end));
            let is_given_up = breaker.health(now + LONGEST_PAUSE) == PoolHealth::Quarantined;
            assert_eq!(is_given_up, end == Reaction::Quarantined);
        }
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
        assert_eq!(breaker.crashed(after), Reaction::Opened);
        assert_eq!(breaker.admit(after), Admission::Wait(FIRST_PAUSE * 2));
        assert_eq!(breaker.admit(after + FIRST_PAUSE * 2), Admission::Go);
        breaker.survived();
        assert_eq!(breaker.admit(after + FIRST_PAUSE * 2), Admission::Go);
        assert_eq!(breaker.health(after + FIRST_PAUSE * 2), PoolHealth::Available);
    }
}
