//! The store: one contract, several backends.
//!
//! Each atomic use case is one method of [`Store`]; no transaction and no driver type crosses it.
//! A backend is a crate that implements it, and passes the suite in `contract` (a feature, for
//! tests alone). Bytes lie in `vultus-blobs`, outside of the database.

#[cfg(feature = "contract")]
pub mod contract;
pub mod events;
pub mod export;
pub mod names;
pub mod records;
pub mod signals;
pub mod stored;
mod traits;

pub use events::{Change, ChangeStream, FolderChange};
pub use records::*;
pub use traits::{Result, Store, StoreError};
