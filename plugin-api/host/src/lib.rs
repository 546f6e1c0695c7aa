//! Opens, validates and calls plugins: the only user of libloading.
//!
//! A plugin's header is checked before any of its functions runs, its manifest before it is used,
//! and every result before it is returned. Nothing is ever unloaded, because thread-locals and code
//! of a library may be in use after its last call. Only worker processes use this crate; a plugin
//! that crashes ends its process. The rules for plugins are in `ABI.md`.
//!
//! Not here: which files may be loaded (trust), and the storage of instances and features.

mod elf;
mod error;
mod features;
mod instance;
mod manifest_rules;
mod outcome_rules;
mod plugin;

pub use error::{FeatureError, OpenError};
pub use features::{Features, resolve_features};
pub use instance::Instance;
pub use manifest_rules::{compile_schema, manifest_problems};
pub use plugin::Plugin;
pub use vultus_plugin_api::calling::{FrameView, JobHost, JobRequest, Pixels};
pub use vultus_plugin_api::{FeatureRequest, JobMedium};
