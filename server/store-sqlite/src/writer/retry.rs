//! When a truncation of the log is tried again.

use std::time::{Duration, Instant};

/// Pause before the first further attempt. It doubles, because writes wait for each attempt.
const FIRST: Duration = Duration::from_millis(500);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(8);

/// The next attempt at a truncation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    pub(super) at: Instant,
    pause: Duration,
}

impl Retry {
    /// The attempt after one that ended now; `None` if that was successful.
    pub(super) fn after(last: Option<Self>, truncated: bool) -> Option<Self> {
        if truncated {
            return None;
        }
        let pause = last.map_or(FIRST, |last| (2 * last.pause).min(LONGEST));
        Some(Self { at: Instant::now() + pause, pause })
    }
}
