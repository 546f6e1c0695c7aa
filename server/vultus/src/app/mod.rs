//! The one place that wires a node together. It contains no rules of the domain.

mod audit;
mod background;
mod data_folder;
mod directory;
mod error;
mod http;
mod limits;
mod node;
mod open;
pub mod operations;
mod options;
mod process;
mod signals;

pub use audit::{AuditAccess, record_command};
pub use data_folder::{DataError, DataFolder};
pub use directory::{erase_company, in_credentials, in_decisions, in_directory, signing_keys};
pub use error::ServeError;
pub use node::{NodeRole, serve};
pub use options::{checker_options, pools_config, unlocked_plugins};
pub use process::prepare;
pub use signals::stop_signal;
