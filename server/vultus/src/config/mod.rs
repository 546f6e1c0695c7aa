//! Configuration: one TOML file and the environment, turned into a validated value. Pure: reading
//! the file and the environment is done in [`sources`]; folders that are unset here are searched
//! for by [`vultus_pools::deployment`].

mod analyzers;
mod connections;
mod decisions;
mod example;
mod keys;
mod kinds;
mod oidc;
mod places;
mod problem;
mod queue;
mod read;
mod request;
mod source;
pub mod sources;
mod texts;

pub use analyzers::{AnalyzerConfig, AnalyzersConfig};
pub use connections::{ConnectionsConfig, ShareConfig};
pub use decisions::DecisionsConfig;
pub use example::example;
pub use keys::*;
pub use oidc::OidcConfig;
pub use places::{BlobsPlace, BlobsUrl, BucketUrl, StoreUrl};
pub use problem::Problem;
pub use queue::QueueConfig;
pub use read::effective;
pub use request::{AnswerConfig, QueryConfig, RequestConfig};

#[cfg(test)]
mod oidc_tests;
#[cfg(test)]
mod tests;
