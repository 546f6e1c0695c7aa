//! The lock file: which third-party plugin files may be used, which of them share a pool, and which
//! restricted features they may request. Pure: parses and writes text.
//!
//! ```toml
//! [plugins."org.example.age"]
//! versions = { "1.0.0" = "<sha256 of the file>", "1.1.0" = "<sha256 of the file>" }
//! pool = "example"                  # shares workers and features with all plugins of this pool
//! grants = ["face_template/1"]      # restricted features that it may request
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// The file's name in the plugin folder.
pub const FILE_NAME: &str = "plugins.lock";

const HEADER: &str = "\
# Plugins that the server may load: id, version, SHA-256 of the file.
# Written by `vultus plugin lock`, which keeps what you add:
#   pool = \"name\"                 plugins of the same pool share worker processes and features
#   grants = [\"face_template/1\"]  restricted features that the plugin may request
# A plugin whose entry is removed is taken out of use.
";

/// A lock file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The plugins, by id.
    #[serde(default)]
    pub plugins: BTreeMap<String, LockedPlugin>,
}

/// The files of a plugin that may be used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPlugin {
    /// SHA-256 of the file, in hexadecimal, by version.
    pub versions: BTreeMap<String, String>,
    /// The pool that the plugin shares with others; none: a separate pool.
    #[serde(default)]
    pub pool: Option<String>,
    /// Restricted features that the plugin may request.
    #[serde(default)]
    pub grants: Vec<String>,
}

/// The entry of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LockEntry<'l> {
    pub(crate) id: &'l str,
    pub(crate) version: &'l str,
    pub(crate) plugin: &'l LockedPlugin,
}

/// Why a lock file is invalid.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It is not TOML or has wrong fields.
    #[error("{0}")]
    Shape(#[from] toml::de::Error),
    /// The name of a pool is invalid.
    #[error(
        "plugins.{id:?}.pool: {pool:?} must be 1 to 64 lower-case letters, digits, _ and -, and \
         must not be \"built-in\" or \"probe\""
    )]
    Pool {
        /// The plugin.
        id: String,
        /// The name.
        pool: String,
    },
    /// A hash is malformed.
    #[error(
        "plugins.{id:?}.versions.{version:?} must be the 64 lower-case hexadecimal digits of a \
         SHA-256"
    )]
    Hash {
        /// The plugin.
        id: String,
        /// The version.
        version: String,
    },
    /// Two plugins name the same file.
    #[error("plugins.{first:?} and plugins.{second:?} name the same file")]
    SameFile {
        /// One plugin.
        first: String,
        /// The other.
        second: String,
    },
}

impl Lock {
    /// Reads a lock file.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        let lock: Self = toml::from_str(text)?;
        let mut files = BTreeMap::new();
        for (id, plugin) in &lock.plugins {
            if let Some(pool) = plugin.pool.as_ref().filter(|pool| !is_pool_name(pool)) {
                return Err(LockError::Pool { id: id.clone(), pool: pool.clone() });
            }
            for (version, sha256) in &plugin.versions {
                if !is_sha256(sha256) {
                    return Err(LockError::Hash { id: id.clone(), version: version.clone() });
                }
                if let Some(first) = files.insert(sha256, id) {
                    return Err(LockError::SameFile { first: first.clone(), second: id.clone() });
                }
            }
        }
        Ok(lock)
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let mut lines = HEADER.to_owned();
        for (id, plugin) in &self.plugins {
            let versions = plugin
                .versions
                .iter()
                .map(|(version, sha256)| format!("{} = {}", quoted(version), quoted(sha256)));
            let versions: Vec<String> = versions.collect();
            lines.push_str(&format!(
                "\n[plugins.{}]\nversions = {{ {} }}\n",
                quoted(id),
                versions.join(", ")
            ));
            if let Some(pool) = &plugin.pool {
                lines.push_str(&format!("pool = {}\n", quoted(pool)));
            }
            if !plugin.grants.is_empty() {
                lines.push_str(&format!("grants = {}\n", toml::Value::from(plugin.grants.clone())));
            }
        }
        lines
    }

    /// The entry of the file with this hash.
    pub(crate) fn entry(&self, sha256: &str) -> Option<LockEntry<'_>> {
        self.plugins.iter().find_map(|(id, plugin)| {
            let (version, _) = plugin.versions.iter().find(|(_, locked)| *locked == sha256)?;
            Some(LockEntry { id, version, plugin })
        })
    }

    /// A lock of the plugins `found`, given as (id, version, sha256), with the pools and grants of
    /// this lock.
    #[must_use]
    pub fn renewed<'p>(
        &self,
        found: impl IntoIterator<Item = (&'p str, &'p str, &'p str)>,
    ) -> Self {
        let mut renewed = Self::default();
        for (id, version, sha256) in found {
            let before = self.plugins.get(id);
            let plugin = renewed.plugins.entry(id.to_owned()).or_insert_with(|| LockedPlugin {
                versions: BTreeMap::new(),
                pool: before.and_then(|plugin| plugin.pool.clone()),
                grants: before.map(|plugin| plugin.grants.clone()).unwrap_or_default(),
            });
            plugin.versions.insert(version.to_owned(), sha256.to_owned());
        }
        renewed
    }

    /// The changes since an older lock, one line each: `+` for a file that may be used now, `-` for
    /// a file that may not be used any more.
    pub fn changes_since(&self, older: &Self) -> Vec<String> {
        let lines = |lock: &Self| -> BTreeSet<String> {
            let of = |(id, plugin): (&String, &LockedPlugin)| -> Vec<String> {
                plugin
                    .versions
                    .iter()
                    .map(|(version, sha256)| format!("{id} {version} {sha256}"))
                    .collect()
            };
            lock.plugins.iter().flat_map(of).collect()
        };
        let (before, now) = (lines(older), lines(self));
        let gone = before.difference(&now).map(|line| format!("- {line}"));
        let new = now.difference(&before).map(|line| format!("+ {line}"));
        gone.chain(new).collect()
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether a third-party pool may have this name.
pub(crate) fn is_pool_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
        && !["built-in", "probe"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    #[test]
    fn renewed_lock_keeps_pools_and_grants_but_no_old_files() {
        let text = format!(
            "[plugins.\"org.a\"]\nversions = {{ \"1.0.0\" = \"{}\" }}\npool = \"both\"\n\
             grants = [\"face_template/1\"]\n\n\
             [plugins.\"org.b\"]\nversions = {{ \"1.0.0\" = \"{}\" }}\n",
            hash('a'),
            hash('b')
        );
        let lock = Lock::parse(&text).unwrap();
        let renewed = lock.renewed([("org.a", "1.1.0", hash('c').as_str())]);
        assert_eq!(renewed.plugins.keys().collect::<Vec<_>>(), ["org.a"]);
        let plugin = &renewed.plugins["org.a"];
        assert_eq!(
            (plugin.pool.as_deref(), plugin.grants.as_slice()),
            (Some("both"), &["face_template/1".to_owned()][..])
        );
        assert_eq!(renewed.entry(&hash('c')).unwrap().version, "1.1.0");
        assert!(renewed.entry(&hash('a')).is_none());
        assert_eq!(Lock::parse(&renewed.to_text()).unwrap(), renewed);
        let changes = renewed.changes_since(&lock);
        assert_eq!(changes.len(), 3);
        assert!(changes[2].starts_with("+ org.a 1.1.0"), "{changes:?}");
    }

    #[test]
    fn lock_with_a_wrong_hash_pool_or_field_is_invalid() {
        let with = |line: &str| {
            Lock::parse(&format!("[plugins.\"org.a\"]\n{line}\n")).unwrap_err().to_string()
        };
        assert!(with("versions = { \"1.0.0\" = \"abc\" }").contains("SHA-256"));
        assert!(with("versions = {}\npool = \"built-in\"").contains("pool"));
        assert!(with("versions = {}\nallow = true").contains("unknown field"));
        let twice = format!("versions = {{ \"1.0.0\" = \"{0}\", \"1.0.1\" = \"{0}\" }}", hash('a'));
        assert!(with(&twice).contains("same file"));
    }
}
