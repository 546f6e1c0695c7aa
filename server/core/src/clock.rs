//! The one place that reads the wall clock, so that tests can set it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use time::{Duration, OffsetDateTime};

/// The wall clock, or one that a test moves by hand.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    fixed: Option<Arc<Mutex<OffsetDateTime>>>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self { fixed: None }
    }

    /// A clock that stands still until [`Clock::advance`].
    pub fn fixed(at: OffsetDateTime) -> Self {
        Self { fixed: Some(Arc::new(Mutex::new(at))) }
    }

    /// Now in UTC, in whole microseconds: what the store keeps.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub fn now(&self) -> OffsetDateTime {
        let now = match &self.fixed {
            Some(at) => *at.lock().unwrap_or_else(PoisonError::into_inner),
            None => OffsetDateTime::now_utc(),
        };
        now - Duration::nanoseconds(i64::from(now.nanosecond() % 1_000))
    }

    /// Moves a fixed clock; the machine's clock stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Some(at) = &self.fixed {
            *at.lock().unwrap_or_else(PoisonError::into_inner) += by;
        }
    }
}

/// Difference between the wall clock and the monotonic clock, between two looks, that is a jump.
const JUMP: Duration = Duration::minutes(1);

/// Watches the wall clock for jumps. What is deleted because of its age is gone for good, so that
/// the age has to come from a clock that has been steady for some time.
#[derive(Debug)]
pub struct ClockWatch(Mutex<Looks>);

#[derive(Debug)]
struct Looks {
    begun: Instant,
    last: Option<(OffsetDateTime, Instant)>,
    jumped: Option<Instant>,
}

impl Default for ClockWatch {
    fn default() -> Self {
        Self(Mutex::new(Looks { begun: Instant::now(), last: None, jumped: None }))
    }
}

impl ClockWatch {
    /// Whether the clock, which says `now`, has been watched for this long without a jump.
    pub fn is_steady(&self, now: OffsetDateTime, for_at_least: Duration) -> bool {
        let looks = self.look(now, Instant::now());
        looks.jumped.unwrap_or(looks.begun).elapsed() >= for_at_least
    }

    /// Whether the clock, which says `now`, has jumped lately. The start is no jump.
    pub fn has_jumped(&self, now: OffsetDateTime, within: Duration) -> bool {
        let looks = self.look(now, Instant::now());
        looks.jumped.is_some_and(|jumped| jumped.elapsed() < within)
    }

    fn look(&self, now: OffsetDateTime, at: Instant) -> MutexGuard<'_, Looks> {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((last, last_at)) = looks.last {
            let drift = (now - last) - at.saturating_duration_since(last_at);
            if drift.abs() > JUMP {
                looks.jumped = Some(at);
            }
        }
        looks.last = Some((now, at));
        looks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);

    #[test]
    fn a_jump_in_either_direction_is_noticed() {
        let (watch, begun) = (ClockWatch::default(), Instant::now());
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        assert!(watch.look(now, begun).jumped.is_none());
        assert!(watch.look(now + HOUR, begun + HOUR).jumped.is_none());
        let ahead = now + Duration::days(40) + HOUR;
        assert_eq!(watch.look(ahead, begun + HOUR).jumped, Some(begun + HOUR));
        assert_eq!(watch.look(now + 2 * HOUR, begun + 2 * HOUR).jumped, Some(begun + 2 * HOUR));
        assert_eq!(watch.look(now + 3 * HOUR, begun + 3 * HOUR).jumped, Some(begun + 2 * HOUR));
    }

    #[test]
    fn a_new_watch_is_not_steady_and_has_seen_no_jump() {
        let (watch, now) = (ClockWatch::default(), OffsetDateTime::UNIX_EPOCH);
        assert!(!watch.is_steady(now, Duration::hours(1)));
        assert!(watch.is_steady(now, Duration::ZERO));
        assert!(!watch.has_jumped(now, Duration::hours(1)));
        assert!(watch.has_jumped(now + Duration::days(1), Duration::hours(1)));
    }
}
