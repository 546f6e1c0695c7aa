//! Third-party plugins: their folder, the lock file, and how they come into use and are taken out
//! of use during operation. The node itself never loads a plugin.

mod copies;
mod describe;
pub(crate) mod folder;
pub(crate) mod folder_error;
pub mod lock;
pub(crate) mod reload;
pub(crate) mod scan;
mod self_test;
mod watch;

pub use describe::describe;
pub use folder::PluginFolder;
pub use folder_error::FolderError;
pub use reload::{Accept, QuarantinedPools, Reloaded, accept_all};
pub use scan::{FoundPlugin, PoolSpec, Scan};
pub use watch::watch;
