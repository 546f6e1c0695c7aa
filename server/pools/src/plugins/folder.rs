//! The folder with plugins of third parties: which files in it are used, and by which pool. Files
//! are never opened as plugins here; they are hashed while they are copied under the name of their
//! hash, and workers load the copies: what was looked at is what runs, also after the file was
//! replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use vultus_worker_protocol::{PluginFile, PluginOrigin, RefusedPlugin};

use super::lock::{FILE_NAME, Lock, LockError, is_pool_name};
use crate::deployment::{BUILT_IN, plugin_key};

/// Why the folder cannot be used as a whole.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Something cannot be read or written.
    #[error("{doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The lock file is not one.
    #[error("reading the lock file {path}")]
    Lock {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: LockError,
    },
    /// Everybody could write to the lock file.
    #[error("everybody can write to the lock file {path}")]
    OpenLock {
        /// The file.
        path: PathBuf,
    },
    /// The thread that looked ended.
    #[error("looking at the plugin folder: {0}")]
    Ended(String),
    /// There is none, and there must be one.
    #[error(
        "plugins_dir is set and mode is \"production\", but there is no lock file {path}: look at the plugins and run `vultus plugin lock`"
    )]
    NoLock {
        /// Where it should be.
        path: PathBuf,
    },
}

/// A folder with plugins of third parties. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PluginFolder {
    folder: PathBuf,
    lock: PathBuf,
    lock_required: bool,
    settings: BTreeMap<String, Value>,
    copies: Arc<Copies>,
}

#[derive(Debug)]
struct Copies {
    path: PathBuf,
    // It goes with the last clone.
    _temporary: Option<TempDir>,
}

/// What a look at the folder found.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// The pools to have, each with its plugins.
    pub pools: Vec<PoolSpec>,
    /// Files that are not used, with the reason.
    pub refused: Vec<RefusedPlugin>,
    /// Ids that the lock file names; none without a lock file.
    pub locked_ids: Option<BTreeSet<String>>,
}

/// A pool with its plugins.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolSpec {
    /// Its name.
    pub name: String,
    /// The plugins that it runs.
    pub plugins: Vec<FoundPlugin>,
}

/// A plugin file that may be used.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundPlugin {
    /// Where it was found.
    pub source: PathBuf,
    /// What workers load: a copy of it.
    pub file: PluginFile,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Id and version by the lock file.
    pub locked: Option<(String, String)>,
}

impl PluginFolder {
    /// The plugins in `folder`, copied to `copies`, or to a temporary folder. `settings` are by key
    /// (see [`plugin_key`]).
    pub fn new(
        folder: &Path,
        lock_required: bool,
        settings: BTreeMap<String, Value>,
        copies: Option<&Path>,
    ) -> Result<Self, FolderError> {
        let folder =
            fs::canonicalize(folder).map_err(failed("looking at the plugin folder", folder))?;
        let copies = match copies {
            Some(path) => {
                let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
                made.map_err(failed("making the folder", path))?;
                let path = fs::canonicalize(path).map_err(failed("looking at", path))?;
                Copies { path, _temporary: None }
            }
            None => {
                let temporary = tempfile::tempdir()
                    .map_err(failed("making a temporary folder in", &std::env::temp_dir()))?;
                Copies { path: temporary.path().to_owned(), _temporary: Some(temporary) }
            }
        };
        Ok(Self {
            lock: folder.join(FILE_NAME),
            folder,
            lock_required,
            settings,
            copies: Arc::new(copies),
        })
    }

    /// Where the lock file is, or will be.
    pub fn lock_path(&self) -> &Path {
        &self.lock
    }

    /// The lock file, if there is one.
    pub fn read_lock(&self) -> Result<Option<Lock>, FolderError> {
        let mut file = match File::open(&self.lock) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed("opening the lock file", &self.lock)(source)),
        };
        let reading = failed("reading the lock file", &self.lock);
        let mode = file.metadata().map_err(failed("looking at", &self.lock))?.mode();
        if mode & 0o002 != 0 {
            return Err(FolderError::OpenLock { path: self.lock.clone() });
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(reading)?;
        Lock::parse(&text)
            .map(Some)
            .map_err(|source| FolderError::Lock { path: self.lock.clone(), source })
    }

    /// Looks at every file: refuses those that anybody could have written, that lead out of the
    /// folder, or that the lock file does not name; copies the others.
    pub fn scan(&self) -> Result<Scan, FolderError> {
        let lock = self.read_lock()?;
        if lock.is_none() && self.lock_required {
            return Err(FolderError::NoLock { path: self.lock.clone() });
        }
        self.scan_by(lock.as_ref())
    }

    /// The same without a lock file, also where there is one: to write it anew.
    pub fn scan_unlocked(&self) -> Result<Scan, FolderError> {
        self.scan_by(None)
    }

    /// Writes the lock file.
    pub fn write_lock(&self, lock: &Lock) -> Result<(), FolderError> {
        let writing = || failed("writing the lock file", &self.lock);
        let mut file = tempfile::Builder::new()
            .prefix(".plugins-")
            .tempfile_in(&self.folder)
            .map_err(writing())?;
        file.write_all(lock.to_text().as_bytes()).map_err(writing())?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644)).map_err(writing())?;
        file.persist(&self.lock).map_err(|error| writing()(error.error))?;
        Ok(())
    }

    fn scan_by(&self, lock: Option<&Lock>) -> Result<Scan, FolderError> {
        let shared: BTreeSet<&str> = lock
            .iter()
            .flat_map(|lock| lock.plugins.values())
            .filter_map(|p| p.pool.as_deref())
            .collect();
        let mut scan = Scan {
            locked_ids: lock.map(|lock| lock.plugins.keys().cloned().collect()),
            ..Scan::default()
        };
        let mut seen = BTreeMap::new();
        for path in self.files()? {
            let found = self.look_at(&path, lock).and_then(|(pool, found)| {
                match seen.insert(found.sha256.clone(), path.clone()) {
                    Some(first) => Err(format!("it is the same file as {}", first.display())),
                    None => Ok((pool, found)),
                }
            });
            let placed = found.and_then(|(pool, found)| scan.place(pool, found, &shared));
            if let Err(detail) = placed {
                scan.refused.push(RefusedPlugin {
                    path: path.display().to_string(),
                    detail,
                    missing: None,
                });
            }
        }
        Ok(scan)
    }

    /// Something that changes whenever a file in the folder does: names, sizes, times.
    pub(crate) fn signature(&self) -> Result<Vec<(PathBuf, u64, i128, u64)>, FolderError> {
        let mut files = self.files()?;
        files.push(self.lock.clone());
        let of = |path: PathBuf| {
            let metadata = fs::metadata(&path).ok()?;
            let time =
                i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
            Some((path, metadata.size(), time, metadata.ino()))
        };
        Ok(files.into_iter().filter_map(of).collect())
    }

    /// Deletes copies that nobody uses.
    pub(crate) fn prune(&self, used: &BTreeSet<PathBuf>) -> Result<(), FolderError> {
        let path = &self.copies.path;
        for entry in fs::read_dir(path).map_err(failed("looking at", path))? {
            let copy = entry.map_err(failed("looking at", path))?.path();
            if !used.contains(&copy) {
                fs::remove_file(&copy).map_err(failed("deleting", &copy))?;
            }
        }
        Ok(())
    }

    fn files(&self) -> Result<Vec<PathBuf>, FolderError> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed("looking at", &self.folder))? {
            paths.push(entry.map_err(failed("looking at", &self.folder))?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "so"));
        paths.sort();
        Ok(paths)
    }

    /// The pool that the lock file names for a file, if it does, and what is to be loaded. An error
    /// says why it is not used.
    fn look_at(
        &self,
        path: &Path,
        lock: Option<&Lock>,
    ) -> Result<(Option<String>, FoundPlugin), String> {
        let key = plugin_key(path);
        if BUILT_IN.contains(&key.as_str()) || !is_pool_name(&key.to_lowercase()) {
            return Err(format!(
                "the name {key:?} is reserved, or not of letters, digits, _ and -"
            ));
        }
        let file = self.open_trusted(path)?;
        let (sha256, copy) =
            self.copy(file).map_err(|error| format!("copying it failed: {error}"))?;
        let entry = match lock {
            None => None,
            Some(lock) => {
                let absent = || {
                    format!(
                        "the lock file does not name it (SHA-256 {sha256}); `vultus plugin lock` renews that"
                    )
                };
                Some(lock.entry(&sha256).ok_or_else(absent)?)
            }
        };
        let file = PluginFile {
            path: copy.display().to_string(),
            settings: self
                .settings
                .get(&key)
                .cloned()
                .unwrap_or_else(|| Value::Object(serde_json::Map::new())),
            origin: PluginOrigin::ThirdParty,
            grants: entry.map(|entry| entry.plugin.grants.clone()).unwrap_or_default(),
            only_for_features: false,
        };
        let locked = entry.map(|entry| (entry.id.to_owned(), entry.version.to_owned()));
        let pool = entry.and_then(|entry| entry.plugin.pool.clone());
        Ok((pool, FoundPlugin { source: path.to_owned(), file, sha256, locked }))
    }

    fn open_trusted(&self, path: &Path) -> Result<File, String> {
        let real =
            fs::canonicalize(path).map_err(|error| format!("following it failed: {error}"))?;
        if !real.starts_with(&self.folder) {
            return Err("it is a link that leads out of the plugin folder".to_owned());
        }
        let looking = |error: io::Error| format!("looking at it failed: {error}");
        let folders =
            real.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.folder));
        for folder in folders {
            if fs::metadata(folder).map_err(looking)?.mode() & 0o002 != 0 {
                return Err(format!("everybody can write to {}", folder.display()));
            }
        }
        // Not followed: what was a file a moment ago must be one still.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
            .open(&real)
            .map_err(looking)?;
        let metadata = file.metadata().map_err(looking)?;
        if !metadata.is_file() {
            return Err("it is not a file".to_owned());
        }
        if metadata.mode() & 0o002 != 0 {
            return Err(format!("everybody can write to {}", real.display()));
        }
        Ok(file)
    }

    /// Copies what is read, under the name of its hash.
    fn copy(&self, mut file: File) -> io::Result<(String, PathBuf)> {
        let mut incoming =
            tempfile::Builder::new().prefix(".incoming-").tempfile_in(&self.copies.path)?;
        let mut digest = Sha256::new();
        let mut chunk = vec![0; 1 << 16];
        loop {
            match file.read(&mut chunk)? {
                0 => break,
                read => {
                    digest.update(&chunk[..read]);
                    incoming.write_all(&chunk[..read])?;
                }
            }
        }
        let sha256 = hex::encode(digest.finalize());
        let path = self.copies.path.join(format!("{sha256}.so"));
        incoming.persist(&path).map_err(|error| error.error)?;
        Ok((sha256, path))
    }
}

impl Scan {
    /// Puts a plugin into the pool that the lock file names, or into one of its own.
    fn place(
        &mut self,
        pool: Option<String>,
        found: FoundPlugin,
        shared: &BTreeSet<&str>,
    ) -> Result<(), String> {
        if let Some(name) = pool {
            match self.pools.iter_mut().find(|pool| pool.name == name) {
                Some(pool) => pool.plugins.push(found),
                None => self.pools.push(PoolSpec { name, plugins: vec![found] }),
            }
            return Ok(());
        }
        let name = plugin_key(&found.source);
        if shared.contains(name.as_str()) || self.pools.iter().any(|pool| pool.name == name) {
            return Err(format!(
                "another plugin, or a pool of the lock file, has the name {name:?}"
            ));
        }
        self.pools.push(PoolSpec { name, plugins: vec![found] });
        Ok(())
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct Folder(TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn write(&self, name: &str, mode: u32, content: &str) {
            let path = self.0.path().join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }

        fn plugins(&self, lock_required: bool) -> PluginFolder {
            PluginFolder::new(self.0.path(), lock_required, BTreeMap::new(), None).unwrap()
        }
    }

    fn refused(scan: &Scan) -> Vec<String> {
        scan.refused.iter().map(|refused| plugin_key(refused.path.as_ref())).collect()
    }

    fn pools(scan: &Scan) -> Vec<(&str, usize)> {
        scan.pools.iter().map(|pool| (pool.name.as_str(), pool.plugins.len())).collect()
    }

    fn sha256(content: &str) -> String {
        hex::encode(Sha256::digest(content))
    }

    #[test]
    fn files_that_anybody_can_write_or_that_lead_out_are_refused() {
        let folder = Folder::new();
        let outside = tempfile::NamedTempFile::new().unwrap();
        folder.write("libgood.so", 0o644, "good");
        folder.write("libopen.so", 0o666, "open");
        folder.write("libliveness.so", 0o644, "liveness");
        folder.write("libtwin.so", 0o644, "good");
        folder.write("notes.txt", 0o666, "");
        symlink(outside.path(), folder.0.path().join("liblink.so")).unwrap();
        let scan = folder.plugins(false).scan().unwrap();
        assert_eq!(pools(&scan), [("good", 1)]);
        assert_eq!(refused(&scan), ["link", "liveness", "open", "twin"]);
        fs::set_permissions(folder.0.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(
            folder.plugins(false).scan().unwrap().pools.is_empty(),
            "a folder that everybody can write to"
        );
    }

    #[test]
    fn what_is_loaded_is_what_was_hashed_also_after_the_file_was_replaced() {
        let folder = Folder::new();
        folder.write("libone.so", 0o644, "first");
        let plugins = folder.plugins(false);
        let first = plugins.scan().unwrap().pools.remove(0);
        folder.write("libone.so", 0o644, "second");
        let second = plugins.scan().unwrap().pools.remove(0);
        assert_ne!(first, second);
        assert_eq!(fs::read_to_string(&first.plugins[0].file.path).unwrap(), "first");
        assert_eq!(first.plugins[0].sha256, sha256("first"));
        plugins.prune(&BTreeSet::from([PathBuf::from(&second.plugins[0].file.path)])).unwrap();
        assert!(
            !Path::new(&first.plugins[0].file.path).exists()
                && Path::new(&second.plugins[0].file.path).exists()
        );
    }

    #[test]
    fn the_lock_file_decides_what_is_used_in_which_pool_and_must_be_there_in_production() {
        let folder = Folder::new();
        for name in ["a", "b", "c", "d", "shared"] {
            folder.write(&format!("lib{name}.so"), 0o644, name);
        }
        assert!(matches!(folder.plugins(true).scan(), Err(FolderError::NoLock { .. })));
        assert_eq!(
            folder.plugins(false).scan().unwrap().pools.len(),
            5,
            "without one each has its own pool"
        );
        let entry = |name: &str, more: &str| {
            format!(
                "[plugins.\"org.{name}\"]\nversions = {{ \"1.0.0\" = \"{}\" }}\n{more}\n",
                sha256(name)
            )
        };
        let together = "pool = \"shared\"";
        let granted = format!("{together}\ngrants = [\"face_template/1\"]");
        let text =
            [entry("a", together), entry("b", &granted), entry("c", ""), entry("shared", "")]
                .join("");
        folder.write(FILE_NAME, 0o644, &text);
        let scan = folder.plugins(true).scan().unwrap();
        assert_eq!(pools(&scan), [("shared", 2), ("c", 1)]);
        assert_eq!(refused(&scan), ["d", "shared"]);
        let grants: Vec<_> =
            scan.pools[0].plugins.iter().map(|plugin| plugin.file.grants.clone()).collect();
        assert_eq!(grants, [vec![], vec!["face_template/1".to_owned()]]);
        folder.write(FILE_NAME, 0o666, &text);
        assert!(matches!(folder.plugins(true).scan(), Err(FolderError::OpenLock { .. })));
    }
}
