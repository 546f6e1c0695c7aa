//! Operations on a whole installation: verifying it, changing its master key, encrypting the data
//! of older versions, backing it up, restoring it, and copying it from one kind of store to
//! another. Uses the interfaces of `vultus-store` and `vultus-blobs`; only [`encrypt`] needs
//! SQLite.

pub mod archive;
pub mod audit;
pub mod copy;
pub mod encrypt;
mod error;
mod fill;
pub mod rekey;
pub mod totals;
pub mod verify;

pub use error::{MaintenanceError, Result};
