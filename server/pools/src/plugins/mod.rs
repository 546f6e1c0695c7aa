//! Plugins of third parties: where they come from, what the lock file says of them, and how they
//! come into use and leave it while the node works. Nothing of a plugin is ever loaded into the
//! node.

mod describe;
mod folder;
pub mod lock;
mod reload;
mod self_test;
mod watch;

pub use describe::describe;
pub use folder::{FolderError, FoundPlugin, PluginFolder, PoolSpec, Scan};
pub use reload::{Accept, Reloaded, accept_all};
pub(crate) use reload::{Opener, ThirdParty};
pub use watch::watch;
