//! Opens the store, the blobs and the master key that the configuration names, for the commands
//! `vultus store …`.

use super::ServeError;
use super::audit::of_command;
use super::data_folder::{self, DataError, DataFolder};
use super::open::open_blobs;
use super::options::master_key_source;
use crate::config::{BlobsPlace, Config, StoreUrl};
use secrecy::ExposeSecret;
use std::path::Path;
use std::sync::Arc;
use vultus_auth::keys::MasterKeySource;
use vultus_blobs::BlobStore;
use vultus_blobs::keyring::KeyringError;
use vultus_blobs::keys::MasterKey;
use vultus_maintenance::MaintenanceError;
use vultus_maintenance::copy::Blobs;
use vultus_maintenance::encrypt::{self, Encrypted};
use vultus_store::audit::{AuditAction, Facts};
use vultus_store::{Accounts, SchemaState, Store};
use vultus_store_mongo::MongoStore;
use vultus_store_sqlite::SqliteStore;

/// An installation, open for a command.
pub struct Installation {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The blobs.
    pub blobs: Arc<BlobStore>,
    /// The master key of the blobs.
    pub master: MasterKey,
    // While it is held, no node can use the data folder.
    _alone: Option<DataFolder>,
}

impl Installation {
    /// Opens it; its nodes may be running.
    pub async fn open(config: &Config) -> Result<Self, ServeError> {
        data_folder::make(&config.data_dir)?;
        Self::open_in(config, None).await
    }

    /// Opens an empty one, to fill it. The master key must exist: it is the one that the data were
    /// encrypted with.
    pub async fn open_to_fill(config: &Config) -> Result<Self, ServeError> {
        let alone = DataFolder::lock(&config.data_dir)?;
        Self::open_empty(config, Some(alone)).await
    }

    /// Opens the installation to copy, and the empty one to copy it into. Both may have the same
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
        let store = data_folder::open_store(&config.store.url, &config.data_dir).await?;
        Ok(Self {
            blobs: open_blobs(config, &config.data_dir).await?,
            store,
            master,
            _alone: alone,
        })
    }

    async fn open_in(config: &Config, alone: Option<DataFolder>) -> Result<Self, ServeError> {
        let store = data_folder::open_store(&config.store.url, &config.data_dir).await?;
        let is_new = store.companies().await.map_err(KeyringError::from)?.is_empty();
        let master = master_key_source(config, &config.data_dir).open(is_new)?;
        Ok(Self {
            blobs: open_blobs(config, &config.data_dir).await?,
            store,
            master,
            _alone: alone,
        })
    }

    /// Writes to the audit log that the keys of companies were wrapped under another master key.
    pub async fn record_rekey(&self, companies: u64) -> vultus_store::Result<()> {
        let facts = Facts::new().number("companies", companies);
        let entry = of_command(AuditAction::MasterKeyChanged, Facts::new(), facts);
        self.store.record(&[entry]).await
    }

    /// Closes the store.
    pub async fn close(self) {
        if let Err(error) = self.store.close().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "closing the store failed");
        }
    }
}

/// Writes the master key into a new file, readable by its owner only.
pub fn copy_master_key(config: &Config, to: &Path) -> Result<(), ServeError> {
    Ok(master_key_source(config, &config.data_dir).copy_to(to)?)
}

/// What a copy between two installations does with the blobs.
pub fn blobs_to_copy(one: &Config, other: &Config) -> Blobs {
    let same = match (one.blobs_place(), other.blobs_place()) {
        // Nodes of a cluster may share a folder of files.
        (BlobsPlace::File, BlobsPlace::File) => {
            same_folder(&one.data_dir.join("blobs"), &other.data_dir.join("blobs"))
        }
        (BlobsPlace::Bucket(one), BlobsPlace::Bucket(other)) => one == other,
        (BlobsPlace::GridFs(one), BlobsPlace::GridFs(other)) => {
            one.expose_secret() == other.expose_secret()
        }
        (
            BlobsPlace::File | BlobsPlace::Bucket(_) | BlobsPlace::GridFs(_),
            BlobsPlace::File | BlobsPlace::Bucket(_) | BlobsPlace::GridFs(_),
        ) => false,
    };
    if same { Blobs::Share } else { Blobs::Copy }
}

fn same_store(one: &Config, other: &Config, one_folder: bool) -> bool {
    match (&one.store.url, &other.store.url) {
        (StoreUrl::Sqlite, StoreUrl::Sqlite) => one_folder,
        (StoreUrl::Mongo(one), StoreUrl::Mongo(other)) => {
            one.expose_secret() == other.expose_secret()
        }
        (StoreUrl::Sqlite, StoreUrl::Mongo(_)) | (StoreUrl::Mongo(_), StoreUrl::Sqlite) => false,
    }
}

/// Whether two paths lead to the same, existing folder.
fn same_folder(one: &Path, other: &Path) -> bool {
    std::fs::canonicalize(one)
        .is_ok_and(|one| std::fs::canonicalize(other).is_ok_and(|other| one == other))
}

/// Reads a master key from a file; creates the file if it does not exist.
pub fn key_file(path: &Path) -> Result<MasterKey, ServeError> {
    Ok(MasterKeySource::File(path.to_owned()).open(true)?)
}

/// What a migration has to do.
#[derive(Debug, Clone, Copy)]
pub struct Pending {
    /// The schema.
    pub schema: SchemaState,
    /// Folders whose media are not encrypted.
    pub plain_folders: u64,
}

/// Inspects what is to be migrated; changes nothing.
pub async fn pending(config: &Config) -> Result<Pending, ServeError> {
    match &config.store.url {
        StoreUrl::Sqlite => {
            let inspected = SqliteStore::inspect(&data_folder::sqlite_file(&config.data_dir));
            let (schema, plain_folders) =
                inspected.map_err(|error| data_folder::store_error(&config.data_dir, error))?;
            Ok(Pending { schema, plain_folders })
        }
        StoreUrl::Mongo(uri) => {
            let inspected = MongoStore::inspect(uri.expose_secret()).await;
            let schema = inspected.map_err(|source| DataError::Database { source })?;
            Ok(Pending { schema, plain_folders: 0 })
        }
    }
}

/// Why a migration stopped.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The installation could not be opened.
    #[error(transparent)]
    Open(#[from] ServeError),
    /// Encrypting failed.
    #[error("encrypting the media; run this command again to continue")]
    Encrypt(#[from] MaintenanceError),
}

/// Migrates the store to the newest schema. In a data folder, which no node may use meanwhile, it
/// also encrypts unencrypted media; with MongoDB, media were always encrypted.
pub async fn migrate(
    config: &Config,
    progress: impl FnMut(Encrypted),
) -> Result<Encrypted, MigrateError> {
    if let StoreUrl::Mongo(_) = &config.store.url {
        let store = data_folder::open_store(&config.store.url, &config.data_dir)
            .await
            .map_err(ServeError::from)?;
        store.close().await.map_err(MaintenanceError::from)?;
        return Ok(Encrypted::default());
    }
    let folder = DataFolder::lock(&config.data_dir).map_err(ServeError::from)?;
    let store = data_folder::open_sqlite(folder.path()).await.map_err(ServeError::from)?;
    let companies = store.companies().await.map_err(KeyringError::from);
    let companies = companies.map_err(ServeError::from)?;
    let may_create = companies.iter().all(|company| company.wrapped_key.is_empty());
    let master = master_key_source(config, folder.path()).open(may_create);
    let master = master.map_err(ServeError::from)?;
    let blobs = BlobStore::local(folder.path()).map_err(ServeError::from)?;
    blobs.clear_spool().map_err(ServeError::from)?;
    let done =
        encrypt::encrypt(&store, &blobs, &folder.path().join("blobs"), &master, progress).await?;
    store.close().await.map_err(MaintenanceError::from)?;
    Ok(done)
}
