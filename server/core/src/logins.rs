//! The brakes on failed logins: rules that both stores apply, written once.
//!
//! Attempts are counted for each name with each origin (the address of the client), and for each
//! name as a whole. Many failures of one origin lock that origin out, and not the user elsewhere.
//! Failures from many origins lock the name for origins at which the user has never logged in.
//! Counts fade with time, so that a rare failure locks no one out for good.

use time::{Duration, OffsetDateTime};

/// Which attempts a count is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Those with one name from one origin.
    Origin,
    /// Those with one name.
    Name,
}

/// The keys of a name and an origin: keyed hashes, so that the store learns neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginKeys {
    /// Of the name.
    pub name: String,
    /// Of the origin, different for each name.
    pub origin: String,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginOutcome {
    /// Wrong name or password.
    Failed,
    /// A session began.
    Succeeded,
}

/// The counts that an attempt depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoginAttempts {
    /// Of the name as a whole.
    pub name: Attempts,
    /// Of the name with the origin.
    pub origin: Attempts,
}

/// A count of attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Failures, faded at [`Attempts::failed_at`].
    pub failures: u32,
    /// Time of the newest failure.
    pub failed_at: Option<OffsetDateTime>,
    /// Attempts before this time are refused.
    pub locked_until: Option<OffsetDateTime>,
    /// Time of the newest success.
    pub succeeded_at: Option<OffsetDateTime>,
}

/// A count halves in this time.
const FADES: Duration = Duration::minutes(15);
/// Duration of the first lock; it doubles with each further failure.
const FIRST_LOCK: Duration = Duration::seconds(30);
/// How long an origin stays one that the user is known at.
const FAMILIAR: Duration = Duration::days(90);
/// How long failures are remembered: after that they have faded.
const REMEMBERED: Duration = Duration::hours(3);

impl Counted {
    /// Failures from which attempts are locked.
    const fn free_failures(self) -> u32 {
        match self {
            Self::Origin => 10,
            Self::Name => 100,
        }
    }

    const fn longest_lock(self) -> Duration {
        match self {
            Self::Origin => Duration::minutes(15),
            Self::Name => Duration::minutes(5),
        }
    }
}

impl LoginAttempts {
    /// The rest of the lock that refuses an attempt at `now`, if there is one.
    pub fn locked_for(&self, now: OffsetDateTime) -> Option<Duration> {
        let name = match self.is_familiar(now) {
            true => None,
            false => self.name.locked_for(Counted::Name, now),
        };
        self.origin.locked_for(Counted::Origin, now).max(name)
    }

    /// Whether the user has logged in at this origin lately. Such an origin is not affected by what
    /// strangers do elsewhere.
    pub fn is_familiar(&self, now: OffsetDateTime) -> bool {
        self.origin.succeeded_at.is_some_and(|at| now - at < FAMILIAR)
    }
}

impl Attempts {
    /// The count after an attempt.
    #[must_use]
    pub fn after(self, outcome: LoginOutcome, counted: Counted, now: OffsetDateTime) -> Self {
        match outcome {
            LoginOutcome::Failed => self.after_failure(counted, now),
            LoginOutcome::Succeeded => Self {
                failures: 0,
                locked_until: None,
                // Of a name as a whole only its origins tell something.
                succeeded_at: (counted == Counted::Origin).then_some(now),
                ..self
            },
        }
    }

    fn after_failure(self, counted: Counted, now: OffsetDateTime) -> Self {
        let since = self.failed_at.map_or(Duration::ZERO, |at| (now - at).max(Duration::ZERO));
        let halvings = u32::try_from(since.whole_seconds() / FADES.whole_seconds());
        let faded = self.failures.checked_shr(halvings.unwrap_or(u32::MAX)).unwrap_or(0);
        let failures = faded.saturating_add(1);
        let lock = failures
            .checked_sub(counted.free_failures())
            .map(|beyond| (FIRST_LOCK * 2_i32.pow(beyond.min(10))).min(counted.longest_lock()));
        Self {
            failures,
            failed_at: Some(now),
            locked_until: self.locked_until.max(lock.map(|lock| now + lock)),
            ..self
        }
    }

    /// The rest of the lock. A lock that is longer than any comes from a clock that was ahead, and
    /// does not count.
    fn locked_for(&self, counted: Counted, now: OffsetDateTime) -> Option<Duration> {
        let left = self.locked_until? - now;
        (left > Duration::ZERO && left <= counted.longest_lock()).then_some(left)
    }

    /// When the count can be deleted.
    pub fn forget_at(&self) -> OffsetDateTime {
        let after = |at: Option<OffsetDateTime>, kept| {
            at.map_or(OffsetDateTime::UNIX_EPOCH, |at| at.saturating_add(kept))
        };
        after(self.failed_at, REMEMBERED).max(after(self.succeeded_at, FAMILIAR))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LoginOutcome::{Failed, Succeeded};

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    /// Fails at `moments` whenever no lock forbids it; returns the count and the number of tries.
    fn tried(moments: impl Iterator<Item = i64>) -> (Attempts, usize) {
        let (mut attempts, mut tries) = (Attempts::default(), 0);
        for now in moments.map(at) {
            if attempts.locked_for(Counted::Origin, now).is_none() {
                attempts = attempts.after(Failed, Counted::Origin, now);
                tries += 1;
            }
        }
        (attempts, tries)
    }

    #[test]
    fn tenth_failure_locks_and_the_lock_doubles_to_15_minutes() {
        let (attempts, tries) = tried(0..10);
        assert_eq!((tries, attempts.locked_until), (10, Some(at(9 + 30))));
        let next = attempts.after(Failed, Counted::Origin, at(39));
        assert_eq!(next.locked_until, Some(at(39 + 60)));
        let (_, tries) = tried(0..86_400);
        assert!((100..600).contains(&tries), "{tries} tries in a day");
    }

    #[test]
    fn one_failure_in_15_minutes_keeps_nobody_out() {
        let (attempts, tries) = tried((0..10).chain((900..864_000).step_by(900)));
        assert_eq!(tries, 10 + 959);
        assert!(
            attempts.failures < 3 && attempts.locked_for(Counted::Origin, at(864_001)).is_none()
        );
    }

    #[test]
    fn failures_elsewhere_lock_only_unfamiliar_origins() {
        let mut name = Attempts::default();
        for second in 0..100 {
            name = name.after(Failed, Counted::Name, at(second));
        }
        let stranger = LoginAttempts { name, ..LoginAttempts::default() };
        assert_eq!(stranger.locked_for(at(99)), Some(Duration::seconds(30)));
        let origin = Attempts::default().after(Succeeded, Counted::Origin, at(0));
        let known = LoginAttempts { name, origin };
        assert_eq!(known.locked_for(at(99)), None);
        let later = at(0) + FAMILIAR;
        let name = Attempts { locked_until: Some(later + FIRST_LOCK), ..name };
        assert!(LoginAttempts { name, origin }.locked_for(later).is_some());
    }

    #[test]
    fn success_ends_the_count_of_its_origin() {
        let (attempts, _) = tried(0..10);
        let attempts = attempts.after(Succeeded, Counted::Origin, at(60));
        assert_eq!((attempts.failures, attempts.locked_until), (0, None));
        assert_eq!(attempts.forget_at(), at(60) + FAMILIAR);
    }

    #[test]
    fn lock_of_a_clock_that_was_ahead_does_not_count() {
        let (attempts, _) = tried((0..10).map(|second| 40 * 86_400 + second));
        assert!(attempts.locked_for(Counted::Origin, at(0)).is_none());
    }
}
