//! The refusal of a document that exceeds a limit.

use vultus_core::Error;

/// The refusal of a document that has more than `limit` of `what`.
pub(super) fn exceeded(reason: &str, what: &str, limit: usize) -> Error {
    Error::LimitExceeded {
        argument: Some("query".to_owned()),
        message: format!("the query has more than {limit} {what}"),
        reason: Some(reason.to_owned()),
    }
}
