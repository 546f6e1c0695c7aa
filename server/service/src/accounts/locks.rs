//! Refusals of logins after failures.

use time::OffsetDateTime;
use vultus_core::logins::LoginAttempts;
use vultus_core::{Error, Result};

/// Locks do not depend on whether the name has a user, so that they tell nothing.
pub(super) fn refuse_locked(attempts: &LoginAttempts, now: OffsetDateTime) -> Result<()> {
    match attempts.locked_for(now) {
        Some(left) => Err(too_many_failures(left.unsigned_abs())),
        None => Ok(()),
    }
}

pub(super) fn too_many_failures(retry_after: std::time::Duration) -> Error {
    let message = "too many failed logins; try again later".to_owned();
    Error::Unavailable { message, retry_after }
}
