//! A plugin that the workers of a pool have opened, for callers and operators.

use std::collections::BTreeMap;
use std::path::PathBuf;

use vultus_plugin_api::Manifest;

use super::run::PoolName;
use super::statistics::AnalysisStatistics;

/// A plugin as the workers of a pool opened it.
#[derive(Debug, Clone)]
pub struct LoadedPlugin {
    /// The manifest that the plugin returned.
    pub manifest: Manifest,
    /// Path of the plugin file.
    pub path: PathBuf,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub file_sha256: String,
    /// SHA-256 of each weight file that the manifest names and that exists: (file, sha256).
    pub weights: Vec<(String, String)>,
    /// The pool that runs the plugin.
    pub pool: PoolName,
    /// How the plugin is doing.
    pub condition: Condition,
    /// Statistics of its analyses, by analysis type.
    pub statistics: BTreeMap<String, AnalysisStatistics>,
}

/// How a plugin is doing, for operators. Whether it gets work is decided by
/// [`PoolHealth`](super::run::PoolHealth).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// No problem is known.
    Ready,
    /// It takes work despite a problem, which one sentence describes.
    Degraded(String),
    /// It takes no work for a while. One sentence says why.
    Unavailable(String),
    /// It takes no work until the operator acts. One sentence says why and how.
    Quarantined(String),
}
