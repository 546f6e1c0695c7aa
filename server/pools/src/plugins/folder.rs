//! The folder of third-party plugins: which files in it are used, and by which pool. Files are
//! never opened as plugins here. They are hashed and copied, and workers load the copies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use vultus_worker_protocol::{PluginFile, PluginOrigin, RefusedPlugin};

use super::copies::Copies;
use super::folder_error::{FolderError, failed};
use super::lock::{FILE_NAME, Lock, is_pool_name};
use super::scan::{FoundPlugin, Scan};
use crate::plugin_key::{BUILT_IN, plugin_key};

/// Permission bits with which every user of the machine can write a file or folder.
const WORLD_WRITABLE: u32 = 0o002;
/// Permission bits with which users other than the owner can write a file or folder.
const OTHERS_WRITABLE: u32 = 0o022;

/// A folder with third-party plugins. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PluginFolder {
    folder: PathBuf,
    lock: PathBuf,
    lock_required: bool,
    settings: BTreeMap<String, Value>,
    copies: Arc<Copies>,
}

impl PluginFolder {
    /// The plugins in `folder`, copied to the folder `copies` or, without one, to a temporary
    /// folder. `settings` are by [`plugin_key`].
    pub fn new(
        folder: &Path,
        lock_required: bool,
        settings: BTreeMap<String, Value>,
        copies: Option<&Path>,
    ) -> Result<Self, FolderError> {
        let folder =
            fs::canonicalize(folder).map_err(failed("reading the plugin folder", folder))?;
        let copies = match copies {
            Some(path) => Copies::in_folder(path)?,
            None => Copies::temporary()?,
        };
        Ok(Self {
            lock: folder.join(FILE_NAME),
            folder,
            lock_required,
            settings,
            copies: Arc::new(copies),
        })
    }

    /// The permission bits that a trusted file or folder does not have. Where the lock file is
    /// required (in production), a group is not trusted either.
    fn untrusted_bits(&self) -> u32 {
        if self.lock_required { OTHERS_WRITABLE } else { WORLD_WRITABLE }
    }

    /// The path of the lock file, which may not exist.
    pub fn lock_path(&self) -> &Path {
        &self.lock
    }

    /// The lock file, if it exists.
    pub fn read_lock(&self) -> Result<Option<Lock>, FolderError> {
        let mut file = match File::open(&self.lock) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed("opening the lock file", &self.lock)(source)),
        };
        let reading = failed("reading the lock file", &self.lock);
        let mode = file.metadata().map_err(failed("reading the metadata of", &self.lock))?.mode();
        if mode & self.untrusted_bits() != 0 {
            return Err(FolderError::OpenLock { path: self.lock.clone() });
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(reading)?;
        Lock::parse(&text)
            .map(Some)
            .map_err(|source| FolderError::Lock { path: self.lock.clone(), source })
    }

    /// Reads the folder: refuses files that other users can write, that are links out of the
    /// folder, or that the lock file does not name; copies the others.
    pub fn scan(&self) -> Result<Scan, FolderError> {
        let lock = self.read_lock()?;
        if lock.is_none() && self.lock_required {
            return Err(FolderError::NoLock { path: self.lock.clone() });
        }
        self.scan_with(lock.as_ref())
    }

    /// The same, but ignores the lock file, in order to write a new one.
    pub fn scan_unlocked(&self) -> Result<Scan, FolderError> {
        self.scan_with(None)
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

    fn scan_with(&self, lock: Option<&Lock>) -> Result<Scan, FolderError> {
        let named_pools: BTreeSet<&str> = lock
            .iter()
            .flat_map(|lock| lock.plugins.values())
            .filter_map(|plugin| plugin.pool.as_deref())
            .collect();
        let mut scan = Scan {
            locked_ids: lock.map(|lock| lock.plugins.keys().cloned().collect()),
            ..Scan::default()
        };
        let mut seen = BTreeMap::new();
        for path in self.files()? {
            let found = self.examine(&path, lock).and_then(|(pool, found)| {
                match seen.insert(found.sha256.clone(), path.clone()) {
                    Some(first) => Err(format!("the file is identical to {}", first.display())),
                    None => Ok((pool, found)),
                }
            });
            let placed = found.and_then(|(pool, found)| scan.place(pool, found, &named_pools));
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

    /// Names, sizes and times of the files. Changes whenever a file in the folder changes.
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

    /// Deletes all copies that are not in `used`.
    pub(crate) fn prune(&self, used: &BTreeSet<PathBuf>) -> Result<(), FolderError> {
        self.copies.prune(used)
    }

    fn files(&self) -> Result<Vec<PathBuf>, FolderError> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed("reading", &self.folder))? {
            paths.push(entry.map_err(failed("reading", &self.folder))?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "so"));
        paths.sort();
        Ok(paths)
    }

    /// The pool that the lock file names for a file, if any, and what workers load. An error says
    /// why the file is not used.
    fn examine(
        &self,
        path: &Path,
        lock: Option<&Lock>,
    ) -> Result<(Option<String>, FoundPlugin), String> {
        let key = plugin_key(path);
        if BUILT_IN.contains(&key.as_str()) || !is_pool_name(&key.to_lowercase()) {
            return Err(format!(
                "the name {key:?} is reserved, or has other characters than letters, digits, _ \
                 and -"
            ));
        }
        let file = self.open_trusted(path)?;
        let (sha256, copy) =
            self.copies.add(file).map_err(|error| format!("copying the file failed: {error}"))?;
        let entry = match lock {
            None => None,
            Some(lock) => {
                let absent = || {
                    format!(
                        "the lock file does not name it (SHA-256 {sha256}); \
                         `vultus plugin lock` renews the lock file"
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
        let real = fs::canonicalize(path)
            .map_err(|error| format!("resolving the path failed: {error}"))?;
        if !real.starts_with(&self.folder) {
            return Err("the file is a link out of the plugin folder".to_owned());
        }
        let opening = |error: io::Error| format!("opening the file failed: {error}");
        let folders =
            real.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.folder));
        for folder in folders {
            if fs::metadata(folder).map_err(opening)?.mode() & self.untrusted_bits() != 0 {
                return Err(format!("other users can write the folder {}", folder.display()));
            }
        }
        // Links are not followed: the path was resolved above and may have been replaced since.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
            .open(&real)
            .map_err(opening)?;
        let metadata = file.metadata().map_err(opening)?;
        if !metadata.is_file() {
            return Err("it is not a regular file".to_owned());
        }
        if metadata.mode() & self.untrusted_bits() != 0 {
            return Err(format!("other users can write the file {}", real.display()));
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

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
    fn world_writable_files_and_links_out_are_refused() {
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
        assert!(folder.plugins(false).scan().unwrap().pools.is_empty(), "a world-writable folder");
    }

    #[test]
    fn group_writable_files_are_refused_where_a_lock_is_required() {
        let folder = Folder::new();
        folder.write("libgood.so", 0o664, "good");
        let good = format!("[plugins.good]\nversions = {{ \"1\" = \"{}\" }}", sha256("good"));
        folder.write(FILE_NAME, 0o644, &good);
        assert_eq!(pools(&folder.plugins(false).scan().unwrap()), [("good", 1)]);
        assert_eq!(refused(&folder.plugins(true).scan().unwrap()), ["good"]);
        folder.write("libgood.so", 0o644, "good");
        assert_eq!(pools(&folder.plugins(true).scan().unwrap()), [("good", 1)]);
        folder.write(FILE_NAME, 0o664, &good);
        assert!(matches!(folder.plugins(true).scan(), Err(FolderError::OpenLock { .. })));
        folder.write(FILE_NAME, 0o644, &good);
        fs::set_permissions(folder.0.path(), fs::Permissions::from_mode(0o770)).unwrap();
        assert!(folder.plugins(true).scan().unwrap().pools.is_empty(), "a group-writable folder");
    }

    #[test]
    fn loaded_copy_is_the_hashed_file_after_a_replacement() {
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
    fn lock_file_decides_use_and_pool_of_each_file() {
        let folder = Folder::new();
        for name in ["a", "b", "c", "d", "shared"] {
            folder.write(&format!("lib{name}.so"), 0o644, name);
        }
        assert!(matches!(folder.plugins(true).scan(), Err(FolderError::NoLock { .. })));
        assert_eq!(
            folder.plugins(false).scan().unwrap().pools.len(),
            5,
            "without a lock file each plugin has a separate pool"
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
