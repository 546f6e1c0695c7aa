//! Locks logins after repeated failures. Unknown names are locked in the same way, so that the
//! answer does not tell which names exist.

use parking_lot::Mutex;
use std::collections::HashMap;
use time::{Duration, OffsetDateTime};

/// Number of failures in a row from which logins are locked.
const FREE_FAILURES: u32 = 10;
/// Duration of the first lock. It doubles with each further failure.
const FIRST_LOCK: Duration = Duration::seconds(30);
/// Maximum duration of a lock.
const LONGEST_LOCK: Duration = Duration::minutes(15);
/// Maximum number of remembered names. If full, expired names are removed, or else all names.
const MOST_NAMES: usize = 10_000;

/// Duration of the lock after this many failures in a row.
pub fn lock_after(failures: u32) -> Option<Duration> {
    let beyond = failures.checked_sub(FREE_FAILURES)?;
    Some((FIRST_LOCK * 2i32.pow(beyond.min(10))).min(LONGEST_LOCK))
}

/// Failed logins with names that have no user.
#[derive(Debug, Default)]
pub struct UnknownNames(Mutex<HashMap<String, (u32, OffsetDateTime)>>);

impl UnknownNames {
    /// The time until which logins with this name are locked.
    pub fn locked_until(&self, name: &str) -> Option<OffsetDateTime> {
        self.0.lock().get(name).map(|&(_, until)| until)
    }

    /// Counts a failed login.
    pub fn record(&self, name: &str, now: OffsetDateTime) {
        let mut names = self.0.lock();
        if names.len() >= MOST_NAMES {
            names.retain(|_, (_, until)| *until > now);
        }
        if names.len() >= MOST_NAMES {
            names.clear();
        }
        let (failures, until) = names.entry(name.to_owned()).or_insert((0, now));
        *failures += 1;
        *until = now + lock_after(*failures).unwrap_or(Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_starts_at_tenth_failure_and_doubles() {
        assert_eq!(lock_after(9), None);
        assert_eq!(lock_after(10), Some(Duration::seconds(30)));
        assert_eq!(lock_after(11), Some(Duration::seconds(60)));
        assert_eq!(lock_after(u32::MAX), Some(LONGEST_LOCK));
    }

    #[test]
    fn unknown_name_is_locked_like_a_known_one() {
        let (names, now) = (UnknownNames::default(), OffsetDateTime::UNIX_EPOCH);
        for _ in 0..9 {
            names.record("unknown@example.org", now);
        }
        assert!(names.locked_until("unknown@example.org").unwrap() <= now);
        names.record("unknown@example.org", now);
        assert_eq!(names.locked_until("unknown@example.org"), Some(now + Duration::seconds(30)));
    }
}
