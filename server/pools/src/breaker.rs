//! Crash breaker: decides when a pool stops starting workers that keep dying, when it tries again,
//! and when it gives up. Pure: the caller passes the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::run::PoolHealth;

/// Number of crashes within [`WINDOW`] that open the breaker.
const CRASHES: usize = 3;
/// Time for which a crash counts.
const WINDOW: Duration = Duration::from_secs(60);
/// First pause of an open breaker, doubled whenever a trial fails. Short, so that a burst of kills
/// from outside does not delay healthy work for long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Longest pause of an open breaker.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Number of pauses without a successful job after which a third-party pool is quarantined.
const OPENINGS: u32 = 5;
/// How often callers that wait for the outcome of a trial ask again.
const TRIAL_POLL: Duration = Duration::from_millis(250);

/// Counts the crashes of one pool.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    crashes: VecDeque<Instant>,
    state: State,
    /// Pauses since the last successful job.
    openings: u32,
    /// Whether the pool is given up if all trials fail.
    quarantines: bool,
}

/// Effect of a crash on the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// No effect yet.
    None,
    /// A pause begins.
    Opened,
    /// There is no further trial.
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
    /// One worker is on trial.
    Trial {
        pause: Duration,
    },
    /// The pool is given up.
    Quarantined,
}

/// Whether a worker may be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may start now.
    Go,
    /// Ask again after this time.
    Wait(Duration),
}

impl Breaker {
    /// A breaker that quarantines the pool if all trials fail.
    pub(crate) fn with_quarantine() -> Self {
        Self { quarantines: true, ..Self::default() }
    }

    /// Asks for a start of a worker. After a pause, the first caller's worker is the trial.
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

    /// Counts a worker that died by itself or could not start.
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

    /// Counts a successful job, with which a trial succeeds.
    pub(crate) fn survived(&mut self) {
        self.openings = 0;
        if let State::Trial { .. } = self.state {
            self.crashes.clear();
            self.state = State::Closed;
        }
    }

    /// The worker on trial ended without a result, for example because of a medium or a
    /// cancellation. Another one is tried.
    pub(crate) fn undecided(&mut self, now: Instant) {
        if let State::Trial { pause } = self.state {
            self.state = State::Open { until: now, pause };
        }
    }

    /// Number of crashes that still count.
    pub(crate) fn recent_crashes(&self, now: Instant) -> usize {
        self.crashes.iter().filter(|crash| now.duration_since(**crash) <= WINDOW).count()
    }

    /// Whether the pool takes work.
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
    fn undecided_trial_is_followed_by_another() {
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
    fn three_crashes_within_a_minute_open_the_breaker() {
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
    fn only_a_breaker_with_quarantine_gives_up() {
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
    fn after_the_pause_one_trial_decides() {
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
