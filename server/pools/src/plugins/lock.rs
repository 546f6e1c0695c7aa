//! The lock file: which plugin files of third parties may be used, which of them share a pool, and
//! which restricted features they are granted. Pure: from text and back.
//!
//! ```toml
//! [plugins."org.example.age"]
//! versions = { "1.0.0" = "<sha256 of the file>", "1.1.0" = "<sha256 of the file>" }
//! pool = "example"                  # with all others that name it: they share workers, and may use each other's features
//! grants = ["face_template/1"]      # restricted features that it may ask for
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// The file's name in the plugin folder.
pub const FILE_NAME: &str = "plugins.lock";

const HEADER: &str = "\
# Which plugins the server may load: id, version, SHA-256 of the file. Written by `vultus plugin lock`, which keeps what you add:
#   pool = \"name\"                 all plugins that name the same pool share worker processes, and may use each other's features
#   grants = [\"face_template/1\"]  restricted features that the plugin may ask for
# A plugin whose entry is removed is taken out of use.
";

/// A lock file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// By id.
    #[serde(default)]
    pub plugins: BTreeMap<String, LockedPlugin>,
}

/// What may be used of one plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPlugin {
    /// SHA-256 of the file, in hexadecimal, by version.
    pub versions: BTreeMap<String, String>,
    /// The pool that it shares with others; absent: one of its own.
    #[serde(default)]
    pub pool: Option<String>,
    /// Restricted features that it may ask for.
    #[serde(default)]
    pub grants: Vec<String>,
}

/// The entry of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'l> {
    pub(crate) id: &'l str,
    pub(crate) version: &'l str,
    pub(crate) plugin: &'l LockedPlugin,
}

/// What is wrong with a lock file.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It is not TOML, or has not the fields of a lock file.
    #[error("{0}")]
    Shape(#[from] toml::de::Error),
    /// A pool's name that cannot be.
    #[error(
        "plugins.{id:?}.pool: {pool:?} must be 1 to 64 lower-case letters, digits, _ and -, and not one of the server's own"
    )]
    Pool {
        /// The plugin.
        id: String,
        /// The name.
        pool: String,
    },
    /// A hash that is none.
    #[error(
        "plugins.{id:?}.versions.{version:?} must be the 64 lower-case hexadecimal digits of a SHA-256"
    )]
    Hash {
        /// The plugin.
        id: String,
        /// The version.
        version: String,
    },
    /// One file that is two plugins.
    #[error("plugins.{first:?} and plugins.{second:?} name the same file")]
    SameFile {
        /// A plugin.
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

    /// The entry of the file with a hash.
    pub(crate) fn entry(&self, sha256: &str) -> Option<Entry<'_>> {
        self.plugins.iter().find_map(|(id, plugin)| {
            let (version, _) = plugin.versions.iter().find(|(_, locked)| *locked == sha256)?;
            Some(Entry { id, version, plugin })
        })
    }

    /// The lock for the plugins that are there now, (id, version, sha256), with the pools and
    /// grants of this one.
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

    /// What changed against an older one, a line each: `+` what may be used now, `-` what may not
    /// any more.
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

/// Whether a pool of third parties may have the name.
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
    fn a_renewed_lock_keeps_pools_and_grants_and_forgets_files_that_are_gone() {
        let text = format!(
            "[plugins.\"org.a\"]\nversions = {{ \"1.0.0\" = \"{}\" }}\npool = \"both\"\ngrants = [\"face_template/1\"]\n\n\
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
    fn a_lock_with_a_wrong_hash_pool_or_field_is_refused() {
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
