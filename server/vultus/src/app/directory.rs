//! Companies and users: those that the command line changes, and the first administrator.

use super::ServeError;
use super::data_folder;
use super::open::{open_blobs, open_keyring};
use super::options::{decision_options, keys_dir};
use crate::config::Config;
use secrecy::ExposeSecret;
use std::sync::Arc;
use vultus_auth::audit_heads::HeadKey;
use vultus_auth::brakes::LoginKeyring;
use vultus_auth::keys::Keys;
use vultus_auth::passwords::Passwords;
use vultus_auth::signing_keys::SigningKeys;
use vultus_blobs::keyring::Keyring;
use vultus_core::clock::Clock;
use vultus_core::{CompanyId, Principal};
use vultus_service::{AddedUser, CompanyEraser, CredentialDirectory, DecisionDesk, Directory};
use vultus_store::Store;

/// Creates, reads or changes companies and users in the configured store, also while a node serves
/// from it.
pub async fn in_directory<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Directory) -> vultus_core::Result<T>,
) -> Result<T, ServeError> {
    data_folder::make(&config.data_dir)?;
    let login_keys = LoginKeyring::new(&Keys::open(&keys_dir(config, &config.data_dir))?);
    let passwords = Passwords::new(1)?;
    with_store(config, async |store, keyring| {
        work(&Directory::new(store, keyring, passwords, login_keys, Clock::system())).await
    })
    .await
}

/// Erases a company with everything that belongs to it, also while a node serves from the store.
pub async fn erase_company(config: &Config, id: CompanyId) -> Result<(), ServeError> {
    data_folder::make(&config.data_dir)?;
    let key = HeadKey::new(&Keys::open(&keys_dir(config, &config.data_dir))?);
    let blobs = open_blobs(config, &config.data_dir).await?;
    with_store(config, async |store, keyring| {
        let eraser = CompanyEraser::new(store, blobs, keyring, key, Clock::system());
        eraser.erase(&Principal::Local, id).await
    })
    .await
}

async fn with_store<T>(
    config: &Config,
    work: impl AsyncFnOnce(Arc<dyn Store>, Keyring) -> vultus_core::Result<T>,
) -> Result<T, ServeError> {
    let store = data_folder::open_store(&config.store.url, &config.data_dir).await?;
    let keyring = open_keyring(config, &config.data_dir, &store).await?;
    let done = work(store.clone(), keyring).await;
    if let Err(error) = store.close().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "closing the store failed");
    }
    done.map_err(ServeError::Directory)
}

/// Manages sessions, API keys and tokens that reset passwords, also while a node serves from the
/// store.
pub async fn in_credentials<T>(
    config: &Config,
    work: impl AsyncFnOnce(&CredentialDirectory) -> vultus_core::Result<T>,
) -> Result<T, ServeError> {
    with_store(config, async |store, _| {
        work(&CredentialDirectory::new(store, Clock::system())).await
    })
    .await
}

/// Lists, releases and undoes decisions, also while a node serves from the store.
pub async fn in_decisions<T>(
    config: &Config,
    work: impl AsyncFnOnce(&DecisionDesk) -> vultus_core::Result<T>,
) -> Result<T, ServeError> {
    let options = decision_options(config);
    with_store(config, async |store, _| {
        work(&DecisionDesk::new(store, Clock::system(), options)).await
    })
    .await
}

/// The keys that sign access tokens.
pub fn signing_keys(config: &Config) -> Result<SigningKeys, ServeError> {
    data_folder::make(&config.data_dir)?;
    let folder = keys_dir(config, &config.data_dir);
    Ok(SigningKeys::open(&Keys::open(&folder)?, &folder)?)
}

/// Creates the first administrator if there are no users.
#[expect(
    clippy::print_stdout,
    reason = "the person who starts the node reads the first password here; no log contains it"
)]
pub(super) async fn ensure_administrator(
    store: &Arc<dyn Store>,
    keyring: &Keyring,
    passwords: &Passwords,
    keys: &Keys,
    config: &Config,
) -> Result<(), ServeError> {
    let directory = Directory::new(
        store.clone(),
        keyring.clone(),
        passwords.clone(),
        LoginKeyring::new(keys),
        Clock::system(),
    );
    let added = directory.ensure_administrator(&config.admin.email).await;
    if let Some(AddedUser { user, password: Some(password) }) =
        added.map_err(ServeError::Directory)?
    {
        println!(
            "First administrator: {}  password: {}  (shown this once)",
            user.email,
            password.expose_secret()
        );
    }
    Ok(())
}
