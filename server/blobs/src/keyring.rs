//! The unwrapped keys of companies and folders. The key of a company is unwrapped once and cached:
//! it never changes, only its wrapping does. The key of a folder is unwrapped for each use and not
//! cached, so that no copy outlives the folder.

use crate::keys::{CompanyKey, FolderKey, KeyError, MasterKey};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use vultus_core::{CompanyId, FolderId};
use vultus_store::{Store, StoreError};

/// Unwraps keys. Cheap to clone.
#[derive(Clone)]
pub struct Keyring {
    store: Arc<dyn Store>,
    master: Arc<MasterKey>,
    companies: Arc<Mutex<HashMap<CompanyId, Arc<CompanyKey>>>>,
}

/// Why a key is not available.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The company cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key cannot be unwrapped.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Keyring {
    /// Creates a keyring for the wrapped keys in a store and the master key that unwraps them.
    pub fn new(store: Arc<dyn Store>, master: Arc<MasterKey>) -> Self {
        Self { store, master, companies: Arc::default() }
    }

    /// Creates a key for a new company and returns it wrapped.
    pub fn make_company_key(&self, id: CompanyId) -> Vec<u8> {
        self.master.make_company_key(id)
    }

    /// Creates a key for a new folder and returns it wrapped.
    pub async fn make_folder_key(
        &self,
        company: CompanyId,
        id: FolderId,
    ) -> Result<Vec<u8>, KeyringError> {
        Ok(self.company(company).await?.make_folder_key(id))
    }

    /// Unwraps the key of a folder.
    pub async fn folder(
        &self,
        company: CompanyId,
        id: FolderId,
        wrapped: &[u8],
    ) -> Result<Arc<FolderKey>, KeyringError> {
        Ok(Arc::new(self.company(company).await?.open(id, wrapped)?))
    }

    /// Unwraps the keys of all companies, so that a node with the wrong master key does not start.
    pub async fn check(&self) -> Result<(), KeyringError> {
        for company in self.store.companies().await? {
            self.master.open(company.id, &company.wrapped_key)?;
        }
        Ok(())
    }

    /// Removes the key of a company that was erased.
    pub fn forget(&self, id: CompanyId) {
        self.companies.lock().remove(&id);
    }

    async fn company(&self, id: CompanyId) -> Result<Arc<CompanyKey>, KeyringError> {
        if let Some(key) = self.companies.lock().get(&id) {
            return Ok(key.clone());
        }
        let key = Arc::new(self.master.open(id, &self.store.company(id).await?.wrapped_key)?);
        self.companies.lock().insert(id, key.clone());
        Ok(key)
    }
}
