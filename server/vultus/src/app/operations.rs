//! What the commands `vultus store …` work on, as the configuration says: store, blobs and master
//! key.

use super::{DataError, ServeError, data_folder, master_key_source, open_blobs};
use crate::app::DataFolder;
use crate::config::{BlobsPlace, Config, StoreConfig};
use secrecy::ExposeSecret;
use std::path::Path;
use std::sync::Arc;
use vultus_auth::keys::MasterKeySource;
use vultus_blobs::BlobStore;
use vultus_blobs::keyring::KeyringError;
use vultus_blobs::keys::MasterKey;
use vultus_maintenance::MaintenanceError;
use vultus_maintenance::encrypt::{self, Encrypted};
use vultus_store::{Accounts, SchemaState, Store};
use vultus_store_mongo::MongoStore;
use vultus_store_sqlite::SqliteStore;

/// An installation that is operated on.
pub struct Installation {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The blobs.
    pub blobs: Arc<BlobStore>,
    /// The key that opens them.
    pub master: MasterKey,
    // While it is held no node works on the data folder.
    _alone: Option<DataFolder>,
}

impl Installation {
    /// Beside its nodes.
    pub async fn open(config: &Config) -> Result<Self, ServeError> {
        data_folder::make(&config.data_dir)?;
        Self::open_in(config, None).await
    }

    /// One that is empty. The master key is the one that its data were encrypted with: none is made
    /// here.
    pub async fn open_to_fill(config: &Config) -> Result<Self, ServeError> {
        let alone = DataFolder::lock(&config.data_dir)?;
        Self::open_empty(config, Some(alone)).await
    }

    /// One that is to be copied, and the empty one that it is copied into; both may have the same
    /// data folder.
    pub async fn open_to_copy(from: &Config, to: &Config) -> Result<(Self, Self), ServeError> {
        let from_alone = DataFolder::lock(&from.data_dir)?;
        let one_folder = same_folder(&from.data_dir, &to.data_dir);
        if same_store(from, to, one_folder) {
            return Err(ServeError::SameStore);
        }
        let to_alone = if one_folder { None } else { Some(DataFolder::lock(&to.data_dir)?) };
        let from = Self::open_in(from, Some(from_alone)).await?;
        match Self::open_empty(to, to_alone).await {
            Ok(to) => Ok((from, to)),
            Err(error) => {
                from.close().await;
                Err(error)
            }
        }
    }

    async fn open_empty(config: &Config, alone: Option<DataFolder>) -> Result<Self, ServeError> {
        let master = master_key_source(config, &config.data_dir).open(false)?;
        let store = data_folder::open_store(&config.store, &config.data_dir).await?;
        Ok(Self {
            blobs: open_blobs(config, &config.data_dir).await?,
            store,
            master,
            _alone: alone,
        })
    }

    async fn open_in(config: &Config, alone: Option<DataFolder>) -> Result<Self, ServeError> {
        let store = data_folder::open_store(&config.store, &config.data_dir).await?;
        let is_new = store.companies().await.map_err(KeyringError::from)?.is_empty();
        let master = master_key_source(config, &config.data_dir).open(is_new)?;
        Ok(Self {
            blobs: open_blobs(config, &config.data_dir).await?,
            store,
            master,
            _alone: alone,
        })
    }

    /// Closes the store.
    pub async fn close(self) {
        if let Err(error) = self.store.close().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "closing the store failed");
        }
    }
}

/// Writes the master key into a new file, for its owner alone.
pub fn copy_master_key(config: &Config, to: &Path) -> Result<(), ServeError> {
    Ok(master_key_source(config, &config.data_dir).copy_to(to)?)
}

/// Whether two configurations name the same storage of blobs.
pub fn same_blobs(one: &Config, other: &Config) -> bool {
    match (&one.blobs.place, &other.blobs.place) {
        // Nodes of a cluster may share a folder of files.
        (BlobsPlace::File, BlobsPlace::File) => {
            same_folder(&one.data_dir.join("blobs"), &other.data_dir.join("blobs"))
        }
        (BlobsPlace::Bucket(one), BlobsPlace::Bucket(other)) => one == other,
        (BlobsPlace::GridFs(one), BlobsPlace::GridFs(other)) => {
            one.expose_secret() == other.expose_secret()
        }
        _ => false,
    }
}

fn same_store(one: &Config, other: &Config, one_folder: bool) -> bool {
    match (&one.store, &other.store) {
        (StoreConfig::Sqlite, StoreConfig::Sqlite) => one_folder,
        (StoreConfig::Mongo(one), StoreConfig::Mongo(other)) => {
            one.expose_secret() == other.expose_secret()
        }
        (StoreConfig::Sqlite, StoreConfig::Mongo(_))
        | (StoreConfig::Mongo(_), StoreConfig::Sqlite) => false,
    }
}

/// Whether two paths lead to the same folder, which is there.
fn same_folder(one: &Path, other: &Path) -> bool {
    std::fs::canonicalize(one)
        .is_ok_and(|one| std::fs::canonicalize(other).is_ok_and(|other| one == other))
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
    match &config.store {
        StoreConfig::Sqlite => {
            let inspected = SqliteStore::inspect(&data_folder::sqlite_file(&config.data_dir));
            let (schema, plain_folders) =
                inspected.map_err(|error| data_folder::store_error(&config.data_dir, error))?;
            Ok(Pending { schema, plain_folders })
        }
        StoreConfig::Mongo(uri) => {
            let inspected = MongoStore::inspect(uri.expose_secret()).await;
            let schema = inspected.map_err(|source| DataError::Database { source })?;
            Ok(Pending { schema, plain_folders: 0 })
        }
    }
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

/// Brings the store to the newest schema. In a data folder, which no node may use meanwhile, it
/// encrypts what is plain; in MongoDB nothing ever was.
pub async fn migrate(
    config: &Config,
    progress: impl FnMut(Encrypted),
) -> Result<Encrypted, MigrateError> {
    if let StoreConfig::Mongo(_) = &config.store {
        let store = data_folder::open_store(&config.store, &config.data_dir)
            .await
            .map_err(ServeError::from)?;
        store.close().await.map_err(MaintenanceError::from)?;
        return Ok(Encrypted::default());
    }
    let folder = DataFolder::lock(&config.data_dir).map_err(ServeError::from)?;
    let store = data_folder::open_sqlite(folder.path()).await.map_err(ServeError::from)?;
    let may_make = store
        .companies()
        .await
        .map_err(KeyringError::from)
        .map_err(ServeError::from)?
        .iter()
        .all(|c| c.wrapped_key.is_empty());
    let master =
        master_key_source(config, folder.path()).open(may_make).map_err(ServeError::from)?;
    let blobs = BlobStore::local(folder.path()).map_err(ServeError::from)?;
    blobs.clear_spool().map_err(ServeError::from)?;
    let done =
        encrypt::encrypt(&store, &blobs, &folder.path().join("blobs"), &master, progress).await?;
    store.close().await.map_err(MaintenanceError::from)?;
    Ok(done)
}
