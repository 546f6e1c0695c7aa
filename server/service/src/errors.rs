//! Maps the errors of the store, the blobs and the probes to the domain's error.

use std::time::Duration;
use vultus_blobs::BlobError;
use vultus_blobs::keyring::KeyringError;
use vultus_core::{Error, Result};
use vultus_pools::ProbeError;
use vultus_store::StoreError;

/// Time after which a client should retry when the store or the file storage is unavailable.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The store's result with the domain's error.
pub(crate) fn stored<T>(result: vultus_store::Result<T>) -> Result<T> {
    result.map_err(of_store)
}

pub(crate) fn of_store(error: StoreError) -> Error {
    match error {
        StoreError::NotFound(what) => Error::NotFound { what, argument: None },
        StoreError::Duplicate { what, existing } => Error::Conflict {
            argument: Some(format!("input.{what}")),
            message: format!("this {what} is already used"),
            existing: Some(existing),
            reason: None,
        },
        StoreError::TooManyMedia { most, present } => too_many_media(most, present),
        StoreError::TooManyAnalyses { most, present } => Error::LimitExceeded {
            argument: Some("input.analyses".to_owned()),
            message: format!("a folder holds at most {most} analyses; this one has {present}"),
            reason: Some("TOO_MANY_ANALYSES".to_owned()),
        },
        StoreError::IdempotencyMismatch => Error::Conflict {
            argument: Some("Idempotency-Key".to_owned()),
            message: "this key was already used for a different request".to_owned(),
            existing: None,
            reason: None,
        },
        StoreError::TooLarge(_) => Error::LimitExceeded {
            argument: Some("query".to_owned()),
            message: "the answer would have too many media and analyses, or too much JSON \
                      (metadata, parameters, results): request shorter pages, or fewer of these \
                      fields"
                .to_owned(),
            reason: Some("ANSWER_TOO_LARGE".to_owned()),
        },
        StoreError::LastAdministrator => Error::Conflict {
            argument: Some("input.userId".to_owned()),
            message: "this is the last administrator that can act".to_owned(),
            existing: None,
            reason: None,
        },
        StoreError::BeingErased => Error::Conflict {
            argument: Some("input.companyId".to_owned()),
            message: "the company is being deleted".to_owned(),
            existing: None,
            reason: None,
        },
        StoreError::PolicyChanged { version } => Error::Conflict {
            argument: Some("input.expectedVersion".to_owned()),
            message: format!("the policy has changed: its version is {version}"),
            existing: None,
            reason: Some("STALE_VERSION".to_owned()),
        },
        StoreError::Decision(refusal) => Error::Conflict {
            argument: None,
            message: refusal.to_string(),
            existing: None,
            reason: Some(refusal.code().to_owned()),
        },
        StoreError::Unavailable(_) => unavailable("the store is unavailable; try again"),
        StoreError::BlobSwept { .. } => unavailable("the same file is being deleted; try again"),
        internal @ StoreError::Internal { .. } => Error::internal("using the store", internal),
    }
}

/// The error of a request whose media have no room in their folder.
pub(crate) fn too_many_media(most: usize, present: usize) -> Error {
    Error::LimitExceeded {
        argument: Some("input.media".to_owned()),
        message: format!("a folder holds at most {most} media; this one has {present}"),
        reason: Some("TOO_MANY_MEDIA".to_owned()),
    }
}

pub(crate) fn of_blob(error: BlobError) -> Error {
    match error {
        BlobError::TooLarge { limit } => Error::LimitExceeded {
            argument: None,
            message: format!("the file is larger than {limit} bytes"),
            reason: Some("TOO_MANY_BYTES".to_owned()),
        },
        BlobError::Unavailable(_) => {
            unavailable("the file storage is unavailable; try again later")
        }
        internal @ (BlobError::NotFound | BlobError::Damaged(_) | BlobError::Internal { .. }) => {
            Error::internal("using the files of media", internal)
        }
    }
}

pub(crate) fn of_keyring(error: KeyringError) -> Error {
    match error {
        KeyringError::Store(error) => of_store(error),
        KeyringError::Key(error) => Error::internal("opening a key", error),
    }
}

/// The probe's error for the file at `argument`.
pub(crate) fn of_probe(error: ProbeError, argument: String) -> Error {
    match error {
        ProbeError::Refused(refusal) if refusal.is_limit => Error::LimitExceeded {
            argument: Some(argument),
            message: refusal.message,
            reason: Some(refusal.code),
        },
        ProbeError::Refused(refusal) => Error::InvalidInput {
            argument: Some(argument),
            message: refusal.message,
            reason: Some(refusal.code),
        },
        ProbeError::Unavailable { retry_after } => Error::Unavailable {
            message: "no worker is available to examine the file; try again".to_owned(),
            retry_after,
        },
    }
}

fn unavailable(message: &str) -> Error {
    Error::Unavailable { message: message.to_owned(), retry_after: RETRY_AFTER }
}
