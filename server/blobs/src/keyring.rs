//! The keys of companies and folders, opened. Companies' keys are opened once and kept: they never
//! change, only how they are wrapped does. Folders' keys are opened for each use and never kept, so
//! that no copy outlives the folder.

use crate::keys::{CompanyKey, FolderKey, KeyError, MasterKey};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use vultus_core::{CompanyId, FolderId};
use vultus_store::{Store, StoreError};

/// Opens keys. Cheap to clone.
#[derive(Clone)]
pub struct Keyring {
    store: Arc<dyn Store>,
    master: Arc<MasterKey>,
    known: Arc<Mutex<HashMap<CompanyId, Arc<CompanyKey>>>>,
}

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The company cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It does not open.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Keyring {
    /// Over the store with the wrapped keys, and the key that opens them.
    pub fn new(store: Arc<dyn Store>, master: Arc<MasterKey>) -> Self {
        Self { store, master, known: Arc::default() }
    }

    /// Makes a key for a new company; gives it wrapped.
    pub fn make_company_key(&self, id: CompanyId) -> Vec<u8> {
        self.master.make_company_key(id)
    }

    /// Makes a key for a new folder; gives it wrapped.
    pub async fn make_folder_key(
        &self,
        company: CompanyId,
        id: FolderId,
    ) -> Result<Vec<u8>, KeyringError> {
        Ok(self.company(company).await?.make_folder_key(id))
    }

    /// Opens a folder's key.
    pub async fn folder(
        &self,
        company: CompanyId,
        id: FolderId,
        wrapped: &[u8],
    ) -> Result<Arc<FolderKey>, KeyringError> {
        Ok(Arc::new(self.company(company).await?.open(id, wrapped)?))
    }

    /// Opens the keys of all companies there are, so that a node with the wrong master key does not
    /// start.
    pub async fn check(&self) -> Result<(), KeyringError> {
        for company in self.store.companies().await? {
            self.master.open(company.id, &company.wrapped_key)?;
        }
        Ok(())
    }

    async fn company(&self, id: CompanyId) -> Result<Arc<CompanyKey>, KeyringError> {
        if let Some(key) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(key.clone());
        }
        let key = Arc::new(self.master.open(id, &self.store.company(id).await?.wrapped_key)?);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(id, key.clone());
        Ok(key)
    }
}
