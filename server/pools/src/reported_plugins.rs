//! The plugins of a pool as its workers report them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vultus_plugin_api::Manifest;
use vultus_worker_protocol::{PluginReport, RefusedPlugin, WorkerReady};

use super::analyzer::Analyzer;

/// Plugin files that belong to a pool, as (loaded file, source). A pool may load further plugins
/// for their features.
pub(crate) type OwnFiles = BTreeMap<PathBuf, PathBuf>;

/// The report of the first ready worker of a pool. Later workers must report the same files.
#[derive(Debug, Clone)]
pub(crate) struct ReportedPlugins {
    ready: WorkerReady,
    plugins: Vec<(Manifest, PluginReport)>,
    /// The analyzers of the plugins that belong to the pool, by analysis type.
    analyzers: HashMap<String, Arc<Analyzer>>,
}

impl ReportedPlugins {
    /// Reads the report of a worker. An error says which manifest or schema is invalid.
    pub(crate) fn read(ready: WorkerReady, own: &OwnFiles) -> Result<Self, String> {
        let mut plugins = Vec::with_capacity(ready.plugins.len());
        for report in &ready.plugins {
            let manifest: Manifest =
                serde::Deserialize::deserialize(&report.manifest).map_err(|error| {
                    format!("the manifest of {} is malformed: {error}", report.path)
                })?;
            plugins.push((manifest, report.clone()));
        }
        let weights: Vec<_> =
            ready.plugins.iter().flat_map(|report| report.weights.iter().cloned()).collect();
        let mut analyzers = HashMap::new();
        for (manifest, report) in &plugins {
            if own.contains_key(Path::new(&report.path)) {
                let of_plugin = Analyzer::of_plugin(manifest, report, &weights)?;
                let shared = |(analysis_type, analyzer)| (analysis_type, Arc::new(analyzer));
                analyzers.extend(of_plugin.into_iter().map(shared));
            }
        }
        Ok(Self { ready, plugins, analyzers })
    }

    /// Whether another worker has opened the same plugin and weight files.
    pub(crate) fn has_same_files(&self, ready: &WorkerReady) -> bool {
        let files = |ready: &WorkerReady| -> Vec<(String, Vec<(String, String)>)> {
            let of_plugin =
                |report: &PluginReport| (report.file_sha256.clone(), report.weights.clone());
            ready.plugins.iter().map(of_plugin).collect()
        };
        files(&self.ready) == files(ready)
    }

    /// The plugins that belong to the pool, as (manifest, report, source).
    pub(crate) fn own<'a>(
        &'a self,
        own: &'a OwnFiles,
    ) -> impl Iterator<Item = (&'a Manifest, &'a PluginReport, &'a PathBuf)> {
        self.plugins.iter().filter_map(|(manifest, report)| {
            Some((manifest, report, own.get(Path::new(&report.path))?))
        })
    }

    /// The plugin files of the pool that the worker refused, by their source.
    pub(crate) fn refused(&self, own: &OwnFiles) -> Vec<RefusedPlugin> {
        let with_source = |refused: &RefusedPlugin| {
            let source = own.get(Path::new(&refused.path))?;
            Some(RefusedPlugin { path: source.display().to_string(), ..refused.clone() })
        };
        self.ready.refused.iter().filter_map(with_source).collect()
    }

    /// What the sandbox of the worker could not enforce.
    pub(crate) fn sandbox_gaps(&self) -> &[String] {
        &self.ready.sandbox_gaps
    }

    /// The analyzer of an analysis type.
    pub(crate) fn analyzer(&self, analysis_type: &str) -> Option<Arc<Analyzer>> {
        self.analyzers.get(analysis_type).cloned()
    }
}
