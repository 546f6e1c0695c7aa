//! The result of reading the plugin folder: pools with their plugins, and files that are not used.

use std::collections::BTreeSet;
use std::path::PathBuf;

use vultus_worker_protocol::{PluginFile, RefusedPlugin};

use crate::plugin_key::plugin_key;

/// The result of reading the plugin folder.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// The pools, each with its plugins.
    pub pools: Vec<PoolSpec>,
    /// Files that are not used, with the reason.
    pub refused: Vec<RefusedPlugin>,
    /// Plugin ids that the lock file names; none without a lock file.
    pub locked_ids: Option<BTreeSet<String>>,
}

/// A pool with its plugins.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolSpec {
    /// Name of the pool.
    pub name: String,
    /// The plugins that the pool runs.
    pub plugins: Vec<FoundPlugin>,
}

/// A plugin file that may be used.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundPlugin {
    /// Path of the file in the plugin folder.
    pub source: PathBuf,
    /// The copy that workers load.
    pub file: PluginFile,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Id and version according to the lock file.
    pub locked: Option<(String, String)>,
}

impl Scan {
    /// Puts a plugin into the pool that the lock file names, or into a separate pool.
    /// `named_pools` are the names of all pools in the lock file.
    pub(super) fn place(
        &mut self,
        pool: Option<String>,
        found: FoundPlugin,
        named_pools: &BTreeSet<&str>,
    ) -> Result<(), String> {
        if let Some(name) = pool {
            match self.pools.iter_mut().find(|pool| pool.name == name) {
                Some(pool) => pool.plugins.push(found),
                None => self.pools.push(PoolSpec { name, plugins: vec![found] }),
            }
            return Ok(());
        }
        let name = plugin_key(&found.source);
        if named_pools.contains(name.as_str()) || self.pools.iter().any(|pool| pool.name == name) {
            return Err(format!(
                "another plugin, or a pool of the lock file, has the name {name:?}"
            ));
        }
        self.pools.push(PoolSpec { name, plugins: vec![found] });
        Ok(())
    }
}
