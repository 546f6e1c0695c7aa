//! Opens the audit log for the commands `vultus audit …`, and writes entries about commands.

use super::ServeError;
use super::data_folder;
use super::options::keys_dir;
use crate::config::{Config, StoreUrl};
use std::sync::Arc;
use uuid::Uuid;
use vultus_auth::audit_heads::HeadKey;
use vultus_auth::keys::Keys;
use vultus_core::AuditEntryId;
use vultus_core::clock::Clock;
use vultus_store::Store;
use vultus_store::audit::{Actor, AuditAction, Chain, ChainOf, Facts, NewEntry};

/// The audit log of an installation, open for a command. Nodes may be running.
pub struct AuditAccess {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Signs and verifies heads.
    pub key: HeadKey,
}

impl AuditAccess {
    /// Opens it.
    pub async fn open(config: &Config) -> Result<Self, ServeError> {
        data_folder::make(&config.data_dir)?;
        let key = HeadKey::new(&Keys::open(&keys_dir(config, &config.data_dir))?);
        let store = data_folder::open_store(&config.store.url, &config.data_dir).await?;
        Ok(Self { store, key })
    }

    /// Closes the store.
    pub async fn close(self) {
        close(self.store).await;
    }
}

/// Writes that a command changed something of the installation. An installation without a store,
/// such as one that is being set up, has no audit log yet.
pub async fn record_command(
    config: &Config,
    action: AuditAction,
    before: Facts,
    after: Facts,
) -> Result<(), ServeError> {
    let has_store = match &config.store.url {
        StoreUrl::Sqlite => data_folder::sqlite_file(&config.data_dir).exists(),
        StoreUrl::Mongo(_) => true,
    };
    if !has_store {
        return Ok(());
    }
    let store = data_folder::open_store(&config.store.url, &config.data_dir).await?;
    let recorded = store.record(&[of_command(action, before, after)]).await;
    close(store).await;
    recorded.map_err(ServeError::Audit)
}

/// An entry of the installation's chain about a command.
pub(super) fn of_command(action: AuditAction, before: Facts, after: Facts) -> NewEntry {
    NewEntry {
        id: AuditEntryId(Uuid::now_v7()),
        chain: ChainOf::Known(Chain::Installation),
        at: Clock::system().now(),
        actor: Actor::CommandLine,
        origin: None,
        action,
        object: None,
        before,
        after,
    }
}

async fn close(store: Arc<dyn Store>) {
    if let Err(error) = store.close().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "closing the store failed");
    }
}
