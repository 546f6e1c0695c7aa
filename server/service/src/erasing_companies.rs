//! Erasing companies with everything that belongs to them.
//!
//! The first step suspends the company and keeps new folders out; then its folders are erased one
//! by one, and at last its users and its key. Each step may be repeated: a node that dies leaves
//! the rest to [`CompanyEraser::complete`], which every node calls from time to time.

use crate::audit::{Audit, Caller, of_optional_company};
use crate::detached::DetachedWork;
use crate::directory::of_write;
use crate::errors::stored;
use crate::media_files::MediaFiles;
use vultus_auth::audit_heads::HeadKey;
use vultus_auth::policy::{self, Action};
use vultus_blobs::BlobStore;
use vultus_blobs::keyring::Keyring;
use vultus_core::clock::Clock;
use vultus_core::{CompanyId, Principal, Result};
use vultus_pools::RunningRuns;
use vultus_store::audit::{Actor, AuditAction, AuditObject, Chain, Facts, NewEntry};
use vultus_store::{Scope, Store, StoreError};

use std::sync::Arc;

/// Folders that are listed at a time.
const BATCH: u32 = 100;
/// Entries of the audit log that get their places at a time.
const CHAINED_AT_ONCE: u32 = 500;

/// Erases companies. Cheap to clone.
#[derive(Clone)]
pub struct CompanyEraser {
    files: MediaFiles,
    running: RunningRuns,
    detached: DetachedWork,
    audit: Audit,
    key: Arc<HeadKey>,
}

impl CompanyEraser {
    /// An eraser over this store and its blobs, for a process that runs no analyses.
    pub fn new(
        store: Arc<dyn Store>,
        blobs: Arc<BlobStore>,
        keyring: Keyring,
        key: HeadKey,
        clock: Clock,
    ) -> Self {
        let audit = Audit::new(store.clone(), clock.clone());
        let files = MediaFiles { store, blobs, keyring, clock };
        let (running, detached) = (RunningRuns::default(), DetachedWork::default());
        Self { files, running, detached, audit, key: Arc::new(key) }
    }

    pub(crate) fn within(
        files: MediaFiles,
        running: RunningRuns,
        detached: DetachedWork,
        audit: Audit,
        key: HeadKey,
    ) -> Self {
        Self { files, running, detached, audit, key: Arc::new(key) }
    }

    /// Erases a company. Completes although the client disconnects.
    pub async fn erase(&self, caller: &Principal, id: CompanyId) -> Result<()> {
        self.erase_for(&Caller::new(caller, None), id).await
    }

    pub(crate) async fn erase_for(&self, caller: &Caller, id: CompanyId) -> Result<()> {
        policy::authorize_companies(caller, Action::DeleteCompany)?;
        let entry = NewEntry {
            object: Some(AuditObject::Company(id)),
            ..self.audit.entry(caller, AuditAction::CompanyErasureBegun, of_optional_company(None))
        };
        let recording = self.audit.recording(entry);
        let begun = recording.begin_company_erasure(id, self.files.clock.now()).await;
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

    /// What stays of the chain of a company: its signed head, in the chain of the installation.
    async fn tombstone(&self, id: CompanyId) -> Result<NewEntry> {
        let MediaFiles { store, clock, .. } = &self.files;
        while stored(store.chain_waiting(None, CHAINED_AT_ONCE).await)? > 0 {}
        let mut after = Facts::new();
        if let Some(head) = stored(store.chain_head(Chain::Company(id)).await)? {
            after = after.number("entries", head.number);
            after = after.head("head", &self.key.sign(&head, clock.now()));
        }
        let (action, chain) = (AuditAction::CompanyErased, of_optional_company(None));
        Ok(NewEntry {
            object: Some(AuditObject::Company(id)),
            after,
            ..self.audit.entry_by(Actor::Node, None, action, chain)
        })
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
            let recording = self.audit.recording(self.tombstone(id).await?);
            if stored(recording.erase_company(id, clock.now()).await)? {
                self.files.keyring.forget(id);
                return Ok(());
            }
        }
    }
}
