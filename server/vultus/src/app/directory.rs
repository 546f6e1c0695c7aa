//! Companies and users: those that the command line adds and lists, and the first administrator.

use super::ServeError;
use super::data_folder;
use super::open::open_keyring;
use super::options::keys_dir;
use crate::config::Config;
use secrecy::ExposeSecret;
use std::sync::Arc;
use vultus_auth::brakes::LoginKeyring;
use vultus_auth::keys::Keys;
use vultus_auth::passwords::Passwords;
use vultus_blobs::keyring::Keyring;
use vultus_core::clock::Clock;
use vultus_service::{AddedUser, UserDirectory};
use vultus_store::Store;

/// Creates or reads companies and users in the configured store, also while a node serves from it.
pub async fn in_directory<T>(
    config: &Config,
    work: impl AsyncFnOnce(&UserDirectory) -> vultus_core::Result<T>,
) -> Result<T, ServeError> {
    data_folder::make(&config.data_dir)?;
    let store = data_folder::open_store(&config.store.url, &config.data_dir).await?;
    let keyring = open_keyring(config, &config.data_dir, &store).await?;
    let users = UserDirectory::new(store.clone(), keyring, Passwords::new(1)?, Clock::system());
    let done = work(&users).await;
    if let Err(error) = store.close().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "closing the store failed");
    }
    done.map_err(ServeError::Directory)
}

/// Removes the locks after failed logins of a name. Returns whether there were any.
pub async fn unlock(config: &Config, email: &str) -> Result<bool, ServeError> {
    let keys = LoginKeyring::new(&Keys::open(&keys_dir(config, &config.data_dir))?);
    in_directory(config, async |users| users.unlock(email, &keys).await).await
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
    config: &Config,
) -> Result<(), ServeError> {
    let users =
        UserDirectory::new(store.clone(), keyring.clone(), passwords.clone(), Clock::system());
    let added = users.ensure_administrator(&config.admin.email).await;
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
