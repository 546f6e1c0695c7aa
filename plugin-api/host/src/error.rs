//! Why a plugin cannot be opened, and why plugins do not fit together.

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
        /// What the system said.
        source: io::Error,
    },
    /// The file is no shared library.
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
    /// The dynamic linker refuses it, such as for a missing library.
    #[error("loading {path}")]
    Load {
        /// The file.
        path: PathBuf,
        /// What the dynamic linker said.
        source: libloading::Error,
    },
    /// A shared library that is no plugin.
    #[error("{path} exports no symbol VULTUS_PLUGIN")]
    NoSymbol {
        /// The file.
        path: PathBuf,
    },
    /// The header does not fit; no function of the plugin was called.
    #[error("checking the header of {path}")]
    Header {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: HeaderError,
    },
    /// The plugin failed to give its manifest.
    #[error("asking {path} for its manifest")]
    NoManifest {
        /// The file.
        path: PathBuf,
        /// What the plugin said.
        source: Failure,
    },
    /// The manifest is not JSON, or has not the fields of a manifest.
    #[error("reading the manifest of {path}")]
    ManifestShape {
        /// The file.
        path: PathBuf,
        /// Where it is wrong.
        source: serde_json::Error,
    },
    /// The manifest breaks rules; all that was found.
    #[error("the manifest of {id} in {path} is not valid: {}", problems.join("; "))]
    ManifestRules {
        /// The file.
        path: PathBuf,
        /// The plugin's id, as it says.
        id: String,
        /// One sentence each.
        problems: Vec<String>,
    },
}

/// Why a set of plugins cannot work together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeatureError {
    /// Two plugins with one id.
    #[error("two plugins have the id {id}")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// Two plugins offer one analysis.
    #[error("both {first} and {second} offer the analysis {analysis}")]
    DuplicateAnalysis {
        /// The analysis type.
        analysis: String,
        /// Id of a plugin.
        first: String,
        /// Id of the other.
        second: String,
    },
    /// Two plugins provide one feature.
    #[error("both {first} and {second} provide the feature {feature}")]
    DuplicateFeature {
        /// The feature.
        feature: String,
        /// Id of a plugin.
        first: String,
        /// Id of the other.
        second: String,
    },
    /// Nobody provides what a plugin needs.
    #[error("{plugin} needs the feature {feature}, which no plugin provides")]
    Missing {
        /// Id of the plugin.
        plugin: String,
        /// The feature.
        feature: String,
    },
    /// Features that need each other.
    #[error("features need each other: {}", path.join(" -> "))]
    Cycle {
        /// The features along the circle with their plugins' ids, such as `faces/1
        /// (org.example.a)`; the first stands at the end again.
        path: Vec<String>,
    },
}
