//! Opens what the configuration names: the keys of the companies, and the storage of blobs.

use super::ServeError;
use super::options::{bucket_options, master_key_source};
use crate::config::{BlobsPlace, Config};
use secrecy::ExposeSecret;
use std::path::Path;
use std::sync::Arc;
use vultus_blobs::BlobStore;
use vultus_blobs::keyring::{Keyring, KeyringError};
use vultus_store::Store;

/// Number of stored blobs of which a node must find one to use the right place.
const STORED_BLOBS: u32 = 8;

/// The keys of the store's companies. Opens each once, to check that the master key is the right
/// one.
pub(super) async fn open_keyring(
    config: &Config,
    folder: &Path,
    store: &Arc<dyn Store>,
) -> Result<Keyring, ServeError> {
    let is_new = store.companies().await.map_err(KeyringError::from)?.is_empty();
    let master = master_key_source(config, folder).open(is_new)?;
    let keyring = Keyring::new(store.clone(), Arc::new(master));
    keyring.check().await?;
    Ok(keyring)
}

/// The storage of blobs that the configuration names, with the spool in the data folder.
pub(super) async fn open_blobs(
    config: &Config,
    folder: &Path,
) -> Result<Arc<BlobStore>, ServeError> {
    Ok(match config.blobs_place() {
        BlobsPlace::File => BlobStore::local(folder)?,
        BlobsPlace::GridFs(uri) => {
            vultus_store_mongo::gridfs_blobs(folder, uri.expose_secret()).await?
        }
        BlobsPlace::Bucket(bucket) => {
            BlobStore::bucket(folder, &bucket_options(bucket, &config.blobs))?
        }
    })
}

/// Refuses a storage of blobs that is not the one which the other nodes use, or used before.
pub(super) async fn check_place(store: &dyn Store, blobs: &BlobStore) -> Result<(), ServeError> {
    // Twice, as blobs may be erased between listing them and looking for them.
    let finds_stored = finds_stored(store, blobs).await? || finds_stored(store, blobs).await?;
    let identity = blobs.identity().await?;
    if finds_stored
        && store.register_blobs_place(&identity).await.map_err(ServeError::CompareBlobs)?
    {
        return Ok(());
    }
    Err(ServeError::OtherBlobs)
}

async fn finds_stored(store: &dyn Store, blobs: &BlobStore) -> Result<bool, ServeError> {
    let stored = store.some_blobs(STORED_BLOBS).await.map_err(ServeError::CompareBlobs)?;
    Ok(stored.is_empty() || blobs.has_any(&stored).await?)
}
