//! The store: one contract, several backends.
//!
//! Each atomic use case is one method of [`Store`]; no transaction and no driver type crosses it.
//! The backends are [`sqlite`] and [`mongo`]; [`contract`] holds the suite that every backend
//! passes. Bytes lie in [`blobs`], outside of the database.

pub mod blobs;
pub mod contract;
pub mod events;
pub mod export;
pub mod maintenance;
pub mod mongo;
mod names;
pub mod records;
mod signals;
pub mod sqlite;
mod stored;
mod traits;

pub use events::{Change, ChangeStream, FolderChange};
pub use records::*;
pub use traits::{Result, Store, StoreError};
