//! Copies of plugin files, named by their hash. Workers load the copies, so that the file that was
//! checked is the file that runs, even if the original is replaced.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::folder_error::{FolderError, failed};

/// The folder of the copies.
#[derive(Debug)]
pub(super) struct Copies {
    path: PathBuf,
    // Deleted on drop.
    _temporary: Option<TempDir>,
}

impl Copies {
    /// Copies in the folder `path`, which is created if it does not exist.
    pub(super) fn in_folder(path: &Path) -> Result<Self, FolderError> {
        let created = DirBuilder::new().recursive(true).mode(0o700).create(path);
        created.map_err(failed("creating the folder", path))?;
        let path = fs::canonicalize(path).map_err(failed("resolving the path", path))?;
        Ok(Self { path, _temporary: None })
    }

    /// Copies in a temporary folder, which is deleted on drop.
    pub(super) fn temporary() -> Result<Self, FolderError> {
        let temporary = tempfile::tempdir()
            .map_err(failed("creating a temporary folder in", &std::env::temp_dir()))?;
        Ok(Self { path: temporary.path().to_owned(), _temporary: Some(temporary) })
    }

    /// Copies a file; returns its SHA-256 and the path of the copy.
    pub(super) fn add(&self, mut file: File) -> io::Result<(String, PathBuf)> {
        let mut incoming = tempfile::Builder::new().prefix(".incoming-").tempfile_in(&self.path)?;
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
        let path = self.path.join(format!("{sha256}.so"));
        incoming.persist(&path).map_err(|error| error.error)?;
        Ok((sha256, path))
    }

    /// Deletes all copies that are not in `used`.
    pub(super) fn prune(&self, used: &BTreeSet<PathBuf>) -> Result<(), FolderError> {
        for entry in fs::read_dir(&self.path).map_err(failed("reading", &self.path))? {
            let copy = entry.map_err(failed("reading", &self.path))?.path();
            if !used.contains(&copy) {
                fs::remove_file(&copy).map_err(failed("deleting", &copy))?;
            }
        }
        Ok(())
    }
}
