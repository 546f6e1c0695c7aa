//! Errors inside the backend, and how they become a [`StoreError`].

use rusqlite::ErrorCode;
use vultus_store::StoreError;

/// Result of work on a connection.
pub(super) type Answer<T> = std::result::Result<T, Fault>;

/// Why work on a connection failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// An error of the contract.
    Known(StoreError),
    /// An error of SQLite.
    Sqlite(rusqlite::Error),
    /// A stored document cannot be read or written.
    Document(serde_json::Error),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Known(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Document(error)
    }
}

impl Fault {
    /// Converts it into an error of the contract; `context` is what was being done.
    pub(super) fn into_store(self, context: &str) -> StoreError {
        match self {
            Self::Known(error) => error,
            Self::Sqlite(error) if is_transient(&error) => {
                StoreError::Unavailable(format!("{context}: {error}"))
            }
            Self::Sqlite(error) => {
                StoreError::Internal { context: context.to_owned(), source: Box::new(error) }
            }
            Self::Document(error) => {
                StoreError::Internal { context: context.to_owned(), source: Box::new(error) }
            }
        }
    }
}

/// Whether a later attempt may succeed: the disk is full, another process writes, the disk does
/// not answer, or the read took too long.
fn is_transient(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                // A reader could not begin, because another process holds the locks for long.
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn transient_faults_are_unavailable_and_a_broken_file_is_not() {
        let fault = |code| {
            Fault::Sqlite(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
                .into_store("testing")
        };
        for code in
            [ffi::SQLITE_FULL, ffi::SQLITE_BUSY, ffi::SQLITE_PROTOCOL, ffi::SQLITE_IOERR_FSYNC]
        {
            assert!(matches!(fault(code), StoreError::Unavailable(_)), "{code}");
        }
        assert!(matches!(fault(ffi::SQLITE_CORRUPT), StoreError::Internal { .. }));
    }
}
