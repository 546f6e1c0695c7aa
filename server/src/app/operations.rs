//! What the commands `vultus store …` work on, as the configuration says: store, blobs and master key.

use super::{ServeError, data_folder, master_key_source};
use crate::app::DataFolder;
use crate::auth::keys::MasterKeySource;
use crate::config::{Config, StoreConfig};
use crate::keyring::KeyringError;
use std::path::Path;
use std::sync::Arc;
use vultus_store::Store;
use vultus_store::blobs::BlobStore;
use vultus_store::blobs::keys::MasterKey;
use vultus_store::maintenance::MaintenanceError;
use vultus_store::maintenance::encrypt::{self, Encrypted};
use vultus_store::sqlite::{SchemaState, SqliteStore};

/// An installation that is operated on, beside its nodes.
pub struct Installation {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The blobs.
    pub blobs: Arc<BlobStore>,
    /// The key that opens them.
    pub master: MasterKey,
}

impl Installation {
    /// Opens what is there; nothing is made but an empty data folder.
    pub async fn open(config: &Config) -> Result<Self, ServeError> {
        data_folder::make(&config.data_dir)?;
        let store = data_folder::open_store(&config.store, &config.data_dir).await?;
        let is_new = store.companies().await.map_err(KeyringError::from)?.is_empty();
        let master = master_key_source(config, &config.data_dir).open(is_new)?;
        Ok(Self { blobs: BlobStore::local(&config.data_dir)?, store, master })
    }

    /// Closes the store.
    pub async fn close(self) {
        if let Err(error) = self.store.close().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "closing the store failed");
        }
    }
}

/// Reads a key of the operator's from a file, and makes it if it is not there.
pub fn key_file(path: &Path) -> Result<MasterKey, ServeError> {
    Ok(MasterKeySource::File(path.to_owned()).open(true)?)
}

/// What a migration would have to do.
#[derive(Debug, Clone, Copy)]
pub struct Pending {
    /// The schema.
    pub schema: SchemaState,
    /// Folders whose media are not encrypted.
    pub plain_folders: u64,
}

/// What is to be migrated; nothing is changed.
pub async fn pending(config: &Config) -> Result<Pending, ServeError> {
    let StoreConfig::Sqlite = config.store;
    let inspected = SqliteStore::inspect(&data_folder::sqlite_file(&config.data_dir));
    let (schema, plain_folders) = inspected.map_err(|error| data_folder::store_error(&config.data_dir, error))?;
    Ok(Pending { schema, plain_folders })
}

/// Why a migration stopped.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// It could not begin.
    #[error(transparent)]
    Open(#[from] ServeError),
    /// While it encrypted.
    #[error("encrypting the media; run this again to go on")]
    Encrypt(#[from] MaintenanceError),
}

/// Brings a data folder, which no node may use meanwhile, to the newest schema, and encrypts what is plain.
pub async fn migrate(config: &Config, progress: impl FnMut(Encrypted)) -> Result<Encrypted, MigrateError> {
    let StoreConfig::Sqlite = config.store;
    let folder = DataFolder::lock(&config.data_dir).map_err(ServeError::from)?;
    let store = data_folder::open_sqlite(folder.path()).await.map_err(ServeError::from)?;
    let may_make =
        store.companies().await.map_err(KeyringError::from).map_err(ServeError::from)?.iter().all(|c| c.wrapped_key.is_empty());
    let master = master_key_source(config, folder.path()).open(may_make).map_err(ServeError::from)?;
    let blobs = BlobStore::local(folder.path()).map_err(ServeError::from)?;
    blobs.clear_spool().map_err(ServeError::from)?;
    let done = encrypt::encrypt(&store, &blobs, &folder.path().join("blobs"), &master, progress).await?;
    store.close().await.map_err(MaintenanceError::from)?;
    Ok(done)
}
