//! Errors inside the backend, and how they become a [`StoreError`].

use mongodb::error::{
    Error, ErrorKind, RETRYABLE_WRITE_ERROR, TRANSIENT_TRANSACTION_ERROR,
    UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure,
};
use vultus_store::StoreError;

/// Result of work in the database.
pub(super) type Answer<T> = std::result::Result<T, Fault>;

/// Code of the server: the value of a unique index exists already.
const DUPLICATE_KEY: i32 = 11_000;

/// Code of the server: the command exceeded its time limit.
pub(super) const MAX_TIME_EXPIRED: i32 = 50;

/// Why work in the database failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// An error of the contract.
    Known(StoreError),
    /// An error of the driver or the server.
    Driver(Error),
    /// The server rejected one write of a command with this code.
    Refused(i32),
    /// The server did not answer in time.
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
    /// Converts it into an error of the contract; `context` is what was being done.
    pub(super) fn into_store(self, context: &str) -> StoreError {
        match self {
            Self::Known(error) => error,
            Self::TimeOut => StoreError::Unavailable(format!("{context}: no answer in time")),
            Self::Driver(error) if is_transient(&error) => {
                StoreError::Unavailable(format!("{context}: {error}"))
            }
            Self::Driver(error) => {
                StoreError::Internal { context: context.to_owned(), source: Box::new(error) }
            }
            Self::Refused(code) if TRANSIENT.contains(&code) => StoreError::Unavailable(format!(
                "{context}: the server rejected a write with code {code}"
            )),
            Self::Refused(code) => StoreError::Internal {
                context: context.to_owned(),
                source: format!("the server rejected a write with code {code}").into(),
            },
        }
    }

    /// Whether an immediate retry may succeed, because the work conflicted with another
    /// transaction. A value that became a duplicate after the transaction began counts too, because
    /// the next attempt checks for it.
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

/// Maps an error of the driver; `context` is what was being done.
pub(crate) fn into_store_error(context: &str, error: mongodb::error::Error) -> StoreError {
    Fault::from(error).into_store(context)
}

/// Whether a unique index rejected a write.
pub(crate) fn is_duplicate(error: &Error) -> bool {
    code(error) == Some(DUPLICATE_KEY)
}

/// The code of the server in an error.
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
const TRANSIENT: [i32; 22] = [
    6, 7, 43, 50, 63, 64, 89, 91, 100, 112, 133, 134, 175, 189, 237, 262, 9001, 10_107, 11_600,
    11_602, 13_435, 13_436,
];
/// Disk full.
const OUT_OF_DISK_SPACE: i32 = 14_031;

/// Whether a later attempt may succeed.
fn is_transient(error: &Error) -> bool {
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
        _ => code(error).is_some_and(|code| TRANSIENT.contains(&code) || code == OUT_OF_DISK_SPACE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_connection_is_unavailable_and_wrong_document_is_not() {
        let io = Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        assert!(matches!(Fault::from(io).into_store("testing"), StoreError::Unavailable(_)));
        let wrong = mongodb::bson::deserialize_from_document::<u32>(mongodb::bson::Document::new())
            .unwrap_err();
        assert!(matches!(Fault::from(wrong).into_store("testing"), StoreError::Internal { .. }));
        assert!(matches!(Fault::TimeOut.into_store("testing"), StoreError::Unavailable(_)));
    }
}
