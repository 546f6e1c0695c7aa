//! Bytes of media and artifacts, encrypted under the key of their folder, outside the database.
//!
//! The path of a blob: [`BlobStore::spool`] → [`Spool::write`] … → [`Spool::finish`] →
//! (probe, and [`SpooledBlob::write_ahead`]) → [`BlobStore::commit`] → the row that references
//! it. A [`backend`] stores the bytes, [`sealed`] defines their format, [`keys`] their keys. Not in
//! this crate: which blobs are referenced (see [`vultus_store::BlobIndex`]), and who may read them.
//!
//! No lock protects a blob between its writing and the commit that references it. If it is deleted
//! in between, on this or another node, a tombstone makes the commit fail, and the caller writes
//! the blob again (see [`BlobStore::await_deletions`]).

pub mod backend;
mod blob_store;
mod bucket;
mod error;
mod files;
pub mod keyring;
pub mod keys;
mod local;
mod open;
mod plain;
mod reserve;
mod sealed;
mod spool;
mod sweeper;

pub use blob_store::{BlobStore, StoredBlob};
pub use bucket::BucketOptions;
pub use error::{BlobError, Deleted, DeletionError, Result};
pub use files::pieces_of;
pub use keys::checked;
pub use open::OpenBlob;
pub use plain::{MemoryBudget, Plain, Reserved};
pub use reserve::DiskReserve;
pub use spool::{Spool, SpooledBlob};
pub use sweeper::{MIN_AGE, Sweeper};
