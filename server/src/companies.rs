//! Companies by id, read once: they never change, and every blob needs its company's key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use vultus_core::CompanyId;
use vultus_store::{Company, Store, StoreError};

/// The companies seen so far.
#[derive(Clone)]
pub struct Companies {
    store: Arc<dyn Store>,
    known: Arc<Mutex<HashMap<CompanyId, Arc<Company>>>>,
}

impl Companies {
    /// Over a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, known: Arc::default() }
    }

    /// A company.
    pub async fn get(&self, id: CompanyId) -> Result<Arc<Company>, StoreError> {
        if let Some(company) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(company.clone());
        }
        let company = Arc::new(self.store.company(id).await?);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(id, company.clone());
        Ok(company)
    }
}
