//! How long logins are refused after many failures; the same for names that do not exist, so that
//! the answer tells nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use time::{Duration, OffsetDateTime};

/// Failures before logins are refused for a while.
const FREE_FAILURES: u32 = 10;
/// The first refusal, doubled with each further failure.
const FIRST_LOCK: Duration = Duration::seconds(30);
/// The longest refusal.
const LONGEST_LOCK: Duration = Duration::minutes(15);
/// Names that are remembered; when full, those whose time is over are forgotten, and then all.
const MOST_NAMES: usize = 10_000;

/// For how long logins are refused after this many failures in a row.
pub fn lock_after(failures: u32) -> Option<Duration> {
    let beyond = failures.checked_sub(FREE_FAILURES)?;
    Some((FIRST_LOCK * 2i32.pow(beyond.min(10))).min(LONGEST_LOCK))
}

/// Failures for names without a user.
#[derive(Debug, Default)]
pub struct UnknownNames(Mutex<HashMap<String, (u32, OffsetDateTime)>>);

impl UnknownNames {
    /// Until when logins with this name are refused.
    pub fn locked_until(&self, name: &str) -> Option<OffsetDateTime> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).map(|&(_, until)| until)
    }

    /// Counts a failure.
    pub fn record(&self, name: &str, now: OffsetDateTime) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
    fn logins_are_refused_from_the_tenth_failure_on_and_ever_longer() {
        assert_eq!(lock_after(9), None);
        assert_eq!(lock_after(10), Some(Duration::seconds(30)));
        assert_eq!(lock_after(11), Some(Duration::seconds(60)));
        assert_eq!(lock_after(u32::MAX), Some(LONGEST_LOCK));
    }

    #[test]
    fn a_name_without_a_user_is_locked_like_one_with() {
        let (names, now) = (UnknownNames::default(), OffsetDateTime::UNIX_EPOCH);
        for _ in 0..9 {
            names.record("nobody@example.org", now);
        }
        assert!(names.locked_until("nobody@example.org").unwrap() <= now);
        names.record("nobody@example.org", now);
        assert_eq!(names.locked_until("nobody@example.org"), Some(now + Duration::seconds(30)));
    }
}
