//! Erasing companies with everything that belongs to them.
//!
//! The first step suspends the company and keeps new folders out; then its folders are erased one
//! by one, and at last its users and its key. Each step may be repeated: a node that dies leaves
//! the rest to [`CompanyEraser::complete`], which every node calls from time to time.

use crate::detached::DetachedWork;
use crate::directory::of_write;
use crate::errors::stored;
use crate::media_files::MediaFiles;
use vultus_auth::policy::{self, Action};
use vultus_blobs::BlobStore;
use vultus_blobs::keyring::Keyring;
use vultus_core::clock::Clock;
use vultus_core::{CompanyId, Principal, Result};
use vultus_pools::RunningRuns;
use vultus_store::{Scope, Store, StoreError};

use std::sync::Arc;

/// Folders that are listed at a time.
const BATCH: u32 = 100;

/// Erases companies. Cheap to clone.
#[derive(Clone)]
pub struct CompanyEraser {
    files: MediaFiles,
    running: RunningRuns,
    detached: DetachedWork,
}

impl CompanyEraser {
    /// An eraser over this store and its blobs, for a process that runs no analyses.
    pub fn new(
        store: Arc<dyn Store>,
        blobs: Arc<BlobStore>,
        keyring: Keyring,
        clock: Clock,
    ) -> Self {
        let files = MediaFiles { store, blobs, keyring, clock };
        Self { files, running: RunningRuns::default(), detached: DetachedWork::default() }
    }

    pub(crate) fn within(files: MediaFiles, running: RunningRuns, detached: DetachedWork) -> Self {
        Self { files, running, detached }
    }

    /// Erases a company. Completes although the client disconnects.
    pub async fn erase(&self, caller: &Principal, id: CompanyId) -> Result<()> {
        policy::authorize_companies(caller, Action::DeleteCompany)?;
        let begun = self.files.store.begin_company_erasure(id, self.files.clock.now()).await;
        begun.map_err(|error| of_write(error, "input.companyId"))?;
        let eraser = self.clone();
        self.detached.run_detached(async move { eraser.erase_all_of(id).await }).await
    }

    /// Completes erasures that another process began, and removes their traces.
    pub async fn complete(&self) -> Result<()> {
        for id in stored(self.files.store.erasures().await)? {
            self.erase_all_of(id).await?;
        }
        Ok(())
    }

    async fn erase_all_of(&self, id: CompanyId) -> Result<()> {
        let MediaFiles { store, clock, .. } = &self.files;
        loop {
            for folder in stored(store.folders_of_company(id, BATCH).await)? {
                match store.erase_folder(Scope::Company(id), folder, clock.now()).await {
                    Ok(orphans) => {
                        self.running.look_again(folder);
                        self.files.delete_orphans(&orphans).await;
                    }
                    // Erased by another process at the same time.
                    Err(StoreError::NotFound(_)) => {}
                    Err(error) => return Err(crate::errors::of_store(error)),
                }
            }
            if stored(store.erase_company(id, clock.now()).await)? {
                self.files.keyring.forget(id);
                return Ok(());
            }
        }
    }
}
