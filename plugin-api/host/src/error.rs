//! Why a plugin cannot be opened, and why plugins cannot work together.

use std::io;
use std::path::PathBuf;

use vultus_plugin_api::Failure;
use vultus_plugin_api::calling::HeaderError;

/// Why a file cannot be used as a plugin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The file is not a shared library.
    #[error("{path} is not an ELF shared library")]
    NotElf {
        /// The file.
        path: PathBuf,
    },
    /// A shared library for another processor.
    #[error("{path} is built for another machine (ELF machine {found}, here {expected})")]
    OtherMachine {
        /// The file.
        path: PathBuf,
        /// `e_machine` of the file.
        found: u16,
        /// `e_machine` of this process.
        expected: u16,
    },
    /// The dynamic linker rejects the file, for example because of a missing library.
    #[error("loading {path}")]
    Load {
        /// The file.
        path: PathBuf,
        /// Error of the dynamic linker.
        source: libloading::Error,
    },
    /// A shared library that is not a plugin.
    #[error("{path} exports no symbol VULTUS_PLUGIN")]
    NoSymbol {
        /// The file.
        path: PathBuf,
    },
    /// The header is invalid; no function of the plugin was called.
    #[error("checking the header of {path}")]
    Header {
        /// The file.
        path: PathBuf,
        /// What is invalid.
        source: HeaderError,
    },
    /// The plugin failed to return its manifest.
    #[error("requesting the manifest of {path}")]
    NoManifest {
        /// The file.
        path: PathBuf,
        /// The plugin's failure.
        source: Failure,
    },
    /// The manifest is not JSON, or lacks the fields of a manifest.
    #[error("reading the manifest of {path}")]
    ManifestShape {
        /// The file.
        path: PathBuf,
        /// Position and cause of the error.
        source: serde_json::Error,
    },
    /// The manifest breaks rules. All of them are listed.
    #[error("the manifest of {id} in {path} is not valid: {}", problems.join("; "))]
    ManifestRules {
        /// The file.
        path: PathBuf,
        /// The plugin's id according to the manifest.
        id: String,
        /// One sentence each.
        problems: Vec<String>,
    },
}

/// Why a set of plugins cannot work together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeatureError {
    /// Two plugins have the same id.
    #[error("two plugins have the id {id}")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// Two plugins offer the same analysis.
    #[error("both {first} and {second} offer the analysis {analysis}")]
    DuplicateAnalysis {
        /// The analysis type.
        analysis: String,
        /// Id of a plugin.
        first: String,
        /// Id of the other.
        second: String,
    },
    /// Two plugins provide the same feature.
    #[error("both {first} and {second} provide the feature {feature}")]
    DuplicateFeature {
        /// The feature.
        feature: String,
        /// Id of a plugin.
        first: String,
        /// Id of the other.
        second: String,
    },
    /// No plugin provides a feature that a plugin needs.
    #[error("{plugin} needs the feature {feature}, which no plugin provides")]
    Missing {
        /// Id of the plugin.
        plugin: String,
        /// The feature.
        feature: String,
    },
    /// Features need each other in a cycle.
    #[error("features need each other: {}", path.join(" -> "))]
    Cycle {
        /// The features of the cycle with their plugins' ids, such as `faces/1 (org.example.a)`;
        /// the first one is repeated at the end.
        path: Vec<String>,
    },
}
