//! The contract of a backend. Every method is one atomic use case; times come from the caller.

mod accounts;
mod analyses;
mod api_keys;
mod archive;
mod audit_log;
mod blob_index;
mod cases;
mod challenges;
mod directory;
mod error;
mod events;
mod folders;
mod installation;
mod policies;
mod queue;
mod sessions;

pub use accounts::Accounts;
pub use analyses::Analyses;
pub use api_keys::ApiKeys;
pub use archive::Archive;
pub use audit_log::AuditLog;
pub use blob_index::BlobIndex;
pub use cases::Cases;
pub use challenges::Challenges;
pub use directory::Directory;
pub use error::{Result, StoreError};
pub use events::Events;
pub use folders::Folders;
pub use installation::Installation;
pub use policies::Policies;
pub use queue::Queue;
pub use sessions::Sessions;

use crate::audit::NewEntry;
use async_trait::async_trait;
use std::sync::Arc;

/// A backend: all parts of the contract over one database.
#[async_trait]
pub trait Store:
    Accounts
    + Directory
    + Policies
    + Sessions
    + ApiKeys
    + Folders
    + Analyses
    + Cases
    + Queue
    + BlobIndex
    + Archive
    + AuditLog
    + Installation
    + Challenges
    + Events
{
    /// The same store for one use case: its write also writes this entry of the audit log, in the
    /// same transaction. The entry is left out if the use case changes nothing, because an earlier
    /// request did so or because it fails.
    fn recording(self: Arc<Self>, entry: NewEntry) -> Arc<dyn Store>;
    /// Returns an error if the database does not answer.
    async fn ping(&self) -> Result<()>;
    /// Ends background work and closes files and connections. Later calls fail.
    async fn close(&self) -> Result<()>;
}
