//! The data folder: readable by the server's user only, used by one node at a time.

use crate::config::StoreUrl;
use secrecy::ExposeSecret;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vultus_store::space::Space;
use vultus_store::{Store, StoreError};
use vultus_store_mongo::MongoStore;
use vultus_store_sqlite::{Options, SqliteStore};

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// It cannot be created or opened.
    #[error("using the data folder {path}")]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another node uses it.
    #[error(
        "the data folder {path} is in use by another node; stop it first, or set another data_dir"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// An older version left media unencrypted.
    #[error(
        "{folders} folders in {path} have unencrypted media from an older version: \
         `vultus store migrate` encrypts them"
    )]
    NotEncrypted {
        /// The folder.
        path: PathBuf,
        /// How many folders.
        folders: u64,
    },
    /// The store in it cannot be opened.
    #[error("opening the store in {path}")]
    Store {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: StoreError,
    },
    /// The store of the cluster cannot be used.
    #[error("opening the store")]
    Database {
        /// The cause.
        #[source]
        source: StoreError,
    },
}

/// A data folder, locked for this node until it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    // The lock is released when the file is closed.
    _lock: File,
}

impl DataFolder {
    /// Creates the folder if necessary, and locks it for this node.
    pub fn lock(path: &Path) -> Result<Self, DataError> {
        make(path)?;
        let unusable = |source| DataError::Unusable { path: path.to_owned(), source };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match fs4::FileExt::try_lock(&file) {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: file }),
            Err(fs4::TryLockError::WouldBlock) => Err(DataError::InUse { path: path.to_owned() }),
            Err(fs4::TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Creates the folder if necessary, readable by the server's user only.
pub(super) fn make(path: &Path) -> Result<(), DataError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| DataError::Unusable { path: path.to_owned(), source })
}

/// Opens the configured store for a command. A node may be using it.
pub(super) async fn open_store(url: &StoreUrl, folder: &Path) -> Result<Arc<dyn Store>, DataError> {
    open_store_in(url, folder, None).await
}

/// Opens the configured store in this disk space.
pub(super) async fn open_store_in(
    url: &StoreUrl,
    folder: &Path,
    space: Option<Arc<dyn Space>>,
) -> Result<Arc<dyn Store>, DataError> {
    match url {
        StoreUrl::Sqlite => {
            let store = open_sqlite_in(folder, space).await?;
            let plain =
                store.count_plain_folders().await.map_err(|error| store_error(folder, error))?;
            if plain > 0 {
                return Err(DataError::NotEncrypted { path: folder.to_owned(), folders: plain });
            }
            Ok(store)
        }
        StoreUrl::Mongo(uri) => match MongoStore::open(uri.expose_secret()).await {
            Ok(store) => Ok(store),
            Err(source) => Err(DataError::Database { source }),
        },
    }
}

/// Opens SQLite's file in a data folder.
pub(super) async fn open_sqlite(folder: &Path) -> Result<Arc<SqliteStore>, DataError> {
    open_sqlite_in(folder, None).await
}

async fn open_sqlite_in(
    folder: &Path,
    space: Option<Arc<dyn Space>>,
) -> Result<Arc<SqliteStore>, DataError> {
    let path = sqlite_file(folder);
    let open = move || SqliteStore::open_in(&path, Options::default(), space);
    match tokio::task::spawn_blocking(open).await {
        Ok(opened) => opened.map_err(|error| store_error(folder, error)),
        Err(error) => {
            Err(DataError::Unusable { path: folder.to_owned(), source: io::Error::other(error) })
        }
    }
}

/// Path of SQLite's file in a data folder.
pub(super) fn sqlite_file(folder: &Path) -> PathBuf {
    folder.join("vultus.db")
}

pub(super) fn store_error(folder: &Path, source: StoreError) -> DataError {
    DataError::Store { path: folder.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_node_cannot_lock_a_data_folder() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = DataFolder::lock(&path).unwrap();
        assert!(matches!(DataFolder::lock(&path), Err(DataError::InUse { .. })));
        drop(first);
        DataFolder::lock(&path).unwrap();
    }
}
