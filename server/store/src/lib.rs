//! The interface of the store. A backend is a crate that implements it and passes the suite in the
//! module `contract`, which is behind a feature of that name and only for tests.
//!
//! Each atomic use case is one method of a part of [`Store`]; no transaction and no type of a
//! driver crosses it. The bytes of media are not stored here, but in `vultus-blobs`.

pub mod audit;
mod cases;
#[cfg(feature = "contract")]
pub mod contract;
pub mod credentials;
pub mod events;
pub mod export;
pub mod names;
pub mod records;
mod scope;
mod selection;
pub mod signals;
pub mod space;
pub mod stored;
mod traits;

pub use cases::{Case, CaseCounts, CaseCursor, CaseFilter};
pub use credentials::{ApiKey, PasswordReset, Refresh, Rotation, Session};
pub use events::{Change, ChangeStream, FolderChange};
pub use records::*;
pub use selection::{JsonCount, JsonSelection, ROW_BYTES, Selection, TooMuchJson};
pub use traits::{
    Accounts, Analyses, ApiKeys, Archive, AuditLog, BlobIndex, Cases, Challenges, Directory,
    Events, Folders, Installation, Policies, Queue, Result, Sessions, Store, StoreError,
};
