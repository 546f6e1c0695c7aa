//! Rules that every backend of the store applies, written once.

use time::{Duration, OffsetDateTime};

/// Deaths of a worker while an analysis was active that fail the analysis.
pub const FATAL_DEATHS: u32 = 2;

/// Minimum time that an idempotency key is kept.
pub const KEEP_IDEMPOTENCY_KEYS: Duration = Duration::hours(48);

/// How long a session is kept after it expired, so that a late use of its tokens is recognized.
pub const KEEP_SESSIONS: Duration = Duration::days(1);

/// The expiry of a session that is extended to `wanted`: it ends at the latest `longest` after its
/// beginning, however often it is extended.
pub fn session_expiry(
    began: OffsetDateTime,
    wanted: OffsetDateTime,
    longest: Duration,
) -> OffsetDateTime {
    wanted.min(began.saturating_add(longest))
}

/// When the media of a folder count as changed after media were added to it.
///
/// `before` is the folder's value so far, `newest_medium` the creation time of the newest added
/// medium, and `others_requested_at` the newest creation time of the analyses of other requests.
/// The result is later than those analyses: the new media were still being written when they were
/// planned, so none of them could use these media.
pub fn media_changed_by_addition(
    before: Option<OffsetDateTime>,
    newest_medium: Option<OffsetDateTime>,
    others_requested_at: Option<OffsetDateTime>,
) -> Option<OffsetDateTime> {
    match newest_medium {
        Some(newest) if before.is_none_or(|before| before < newest) => {
            Some(newest.max(just_after(others_requested_at)))
        }
        _ => before,
    }
}

/// When the media of a folder count as changed after analyses were added whose planner saw
/// `seen` as that time: `changed_at` is the value so far, `stored` the value that the planner
/// should have seen, `requested_at` the newest creation time of all analyses of the folder.
///
/// If a medium was added or deleted after the planner looked, the result is later than every
/// analysis, so that the verdict is stale.
pub fn media_changed_by_plan(
    changed_at: Option<OffsetDateTime>,
    stored: Option<OffsetDateTime>,
    seen: Option<OffsetDateTime>,
    requested_at: Option<OffsetDateTime>,
) -> Option<OffsetDateTime> {
    if seen == stored { changed_at } else { changed_at.max(Some(just_after(requested_at))) }
}

/// When the media of a folder count as changed after one was deleted: later than every analysis.
pub fn media_changed_by_deletion(
    before: Option<OffsetDateTime>,
    now: OffsetDateTime,
    requested_at: Option<OffsetDateTime>,
) -> OffsetDateTime {
    before.unwrap_or(now).max(now).max(just_after(requested_at))
}

/// The moment after a time, in the resolution of the stores; the beginning of time without one.
fn just_after(time: Option<OffsetDateTime>) -> OffsetDateTime {
    time.map_or(OffsetDateTime::UNIX_EPOCH, |time| time.saturating_add(Duration::NANOSECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    const NANOSECOND: Duration = Duration::NANOSECOND;

    #[test]
    fn added_media_change_the_folder_after_earlier_analyses() {
        for (before, newest, others, expected) in [
            (None, None, Some(at(9)), None),
            (None, Some(at(5)), None, Some(at(5))),
            (Some(at(6)), Some(at(5)), Some(at(9)), Some(at(6))),
            (Some(at(4)), Some(at(5)), Some(at(9)), Some(at(9) + NANOSECOND)),
            (Some(at(4)), Some(at(5)), Some(at(3)), Some(at(5))),
        ] {
            assert_eq!(media_changed_by_addition(before, newest, others), expected);
        }
    }

    #[test]
    fn a_plan_over_other_media_is_stale() {
        let requested = Some(at(9));
        let stale = Some(at(9) + NANOSECOND);
        for (changed, stored, seen, expected) in [
            (Some(at(1)), Some(at(1)), Some(at(1)), Some(at(1))),
            (None, None, None, None),
            (Some(at(1)), Some(at(1)), None, stale),
            (Some(at(1)), Some(at(1)), Some(at(0)), stale),
            (Some(at(10)), Some(at(1)), None, Some(at(10))),
        ] {
            assert_eq!(media_changed_by_plan(changed, stored, seen, requested), expected);
        }
    }

    #[test]
    fn a_deletion_changes_the_folder_after_every_analysis() {
        assert_eq!(media_changed_by_deletion(None, at(3), None), at(3));
        assert_eq!(media_changed_by_deletion(Some(at(4)), at(3), None), at(4));
        assert_eq!(media_changed_by_deletion(None, at(3), Some(at(8))), at(8) + NANOSECOND);
    }
}
