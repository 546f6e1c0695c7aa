//! What goes wrong inside the backend, on its way to [`StoreError`].

use mongodb::error::{
    Error, ErrorKind, RETRYABLE_WRITE_ERROR, TRANSIENT_TRANSACTION_ERROR,
    UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure,
};
use vultus_store::StoreError;

/// Result of a piece of work in the database.
pub(super) type Answer<T> = std::result::Result<T, Fault>;

/// A value of a unique index that exists already.
const DUPLICATE_KEY: i32 = 11_000;

/// The server gave a command up at the time that it was given.
pub(super) const MAX_TIME_EXPIRED: i32 = 50;

/// Why a piece of work in the database was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// An answer of the contract.
    Known(StoreError),
    /// The driver or the server says so.
    Driver(Error),
    /// The server refused one write of a command, with this code.
    Refused(i32),
    /// Nobody answered in time.
    TimeOut,
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Known(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl From<mongodb::bson::error::Error> for Fault {
    fn from(error: mongodb::bson::error::Error) -> Self {
        Self::Driver(error.into())
    }
}

impl Fault {
    /// As the contract has it; `context` is what was being done.
    pub(super) fn into_store(self, context: &str) -> StoreError {
        match self {
            Self::Known(error) => error,
            Self::TimeOut => StoreError::Unavailable(format!("{context}: no answer in time")),
            Self::Driver(error) if may_pass(&error) => {
                StoreError::Unavailable(format!("{context}: {error}"))
            }
            Self::Driver(error) => {
                StoreError::Internal { context: context.to_owned(), source: Box::new(error) }
            }
            Self::Refused(code) if PASSING.contains(&code) => StoreError::Unavailable(format!(
                "{context}: the server refused a write with code {code}"
            )),
            Self::Refused(code) => StoreError::Internal {
                context: context.to_owned(),
                source: format!("the server refused a write with code {code}").into(),
            },
        }
    }

    /// Whether the same work, done again at once, may succeed: another transaction was in the way.
    /// A value that became a duplicate since the transaction began counts too, because the next
    /// attempt looks for it.
    pub(super) fn is_conflict(&self) -> bool {
        match self {
            Self::Known(_) | Self::TimeOut => false,
            Self::Refused(code) => *code == DUPLICATE_KEY,
            Self::Driver(error) => {
                error.contains_label(TRANSIENT_TRANSACTION_ERROR) || is_duplicate(error)
            }
        }
    }
}

/// Whether a unique index refused a write.
pub(crate) fn is_duplicate(error: &Error) -> bool {
    code(error) == Some(DUPLICATE_KEY)
}

/// The server's code of an error.
pub(super) fn code(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => Some(concern.code),
        ErrorKind::InsertMany(many) => {
            let of_write = many
                .write_errors
                .as_ref()
                .and_then(|errors| errors.first())
                .map(|write| write.code);
            of_write.or(many.write_concern_error.as_ref().map(|concern| concern.code))
        }
        _ => None,
    }
}

/// Codes of a server that is stepping down, shutting down, full, overloaded or too slow.
const PASSING: [i32; 22] = [
    6, 7, 43, 50, 63, 64, 89, 91, 100, 112, 133, 134, 175, 189, 237, 262, 9001, 10_107, 11_600,
    11_602, 13_435, 13_436,
];
/// Disk full.
const OUT_OF_DISK_SPACE: i32 = 14_031;

/// Whether a later attempt may work.
fn may_pass(error: &Error) -> bool {
    let labels =
        [RETRYABLE_WRITE_ERROR, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT];
    if labels.iter().any(|label| error.contains_label(label)) {
        return true;
    }
    match error.kind.as_ref() {
        ErrorKind::ServerSelection { .. }
        | ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::DnsResolve { .. }
        | ErrorKind::Shutdown
        | ErrorKind::Write(WriteFailure::WriteConcernError(_)) => true,
        _ => code(error).is_some_and(|code| PASSING.contains(&code) || code == OUT_OF_DISK_SPACE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_unavailable_and_a_wrong_document_is_not() {
        let io = Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert!(matches!(Fault::from(io).into_store("testing"), StoreError::Unavailable(_)));
        let wrong = mongodb::bson::deserialize_from_document::<u32>(mongodb::bson::Document::new())
            .unwrap_err();
        assert!(matches!(Fault::from(wrong).into_store("testing"), StoreError::Internal { .. }));
        assert!(matches!(Fault::TimeOut.into_store("testing"), StoreError::Unavailable(_)));
    }
}
