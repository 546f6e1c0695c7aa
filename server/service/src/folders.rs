//! Folders and single media: read, changed, erased.

use crate::acting_company::acting_company;
use crate::audit::{Audit, Caller};
use crate::detached::DetachedWork;
use crate::errors::{of_store, stored};
use crate::media_files::MediaFiles;
use crate::request::{checked_external_id, checked_object};
use crate::storage_room::StorageRoom;
use crate::types::FolderUpdate;
use std::sync::Arc;
use vultus_auth::policy::{self, Action};
use vultus_core::clock::Clock;
use vultus_core::{
    CompanyId, Error, Folder, FolderId, JsonLimits, JsonText, MediaId, Medium, Principal, Result,
};
use vultus_pools::{ProbedFrames, RunningRuns};
use vultus_store::audit::{AuditAction, AuditObject, ChainOf, Facts, NewEntry};
use vultus_store::{
    FolderContents, FolderCursor, FolderFilter, FolderOrder, JsonSelection, Scope, Selection,
    StoreError,
};

/// The part that reads, changes and erases folders. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Folders {
    pub(crate) store: Arc<dyn vultus_store::Folders>,
    pub(crate) audit: Audit,
    pub(crate) files: MediaFiles,
    pub(crate) running: RunningRuns,
    pub(crate) frames: ProbedFrames,
    pub(crate) json: JsonLimits,
    pub(crate) storage: StorageRoom,
    pub(crate) detached: DetachedWork,
    pub(crate) clock: Clock,
}

/// A folder within the scope, with its contents; NOT_FOUND if it does not exist.
pub(crate) async fn folder_contents(
    store: &(impl vultus_store::Folders + ?Sized),
    scope: Scope,
    id: FolderId,
    selection: Selection,
) -> Result<FolderContents> {
    let found = stored(store.folders(scope, &[id], selection).await)?.pop();
    found.ok_or(Error::NotFound { what: "folder", argument: None })
}

/// The domain's error of a write of a folder. A conflict names the folder that has the external id
/// only to a caller who can read it.
pub(crate) async fn of_folder_write(
    store: &(impl vultus_store::Folders + ?Sized),
    caller: &Principal,
    error: StoreError,
) -> Error {
    let StoreError::Duplicate { existing, .. } = &error else { return of_store(error) };
    let is_visible = match (policy::authorize(caller, Action::ViewFolder), existing.parse()) {
        (Ok(scope), Ok(id)) => {
            let found = store.folders(scope, &[id], Selection::ENTITIES).await;
            found.is_ok_and(|found| !found.is_empty())
        }
        _ => false,
    };
    match of_store(error) {
        Error::Conflict { argument, message, reason, .. } if !is_visible => {
            Error::Conflict { argument, message, existing: None, reason }
        }
        other => other,
    }
}

impl Folders {
    pub(crate) async fn contents(
        &self,
        caller: &Principal,
        id: FolderId,
        selection: Selection,
    ) -> Result<FolderContents> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        folder_contents(self.store.as_ref(), scope, id, selection).await
    }

    pub(crate) async fn folders_by_ids(
        &self,
        caller: &Principal,
        ids: &[FolderId],
        selection: Selection,
    ) -> Result<Vec<FolderContents>> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        stored(self.store.folders(scope, ids, selection).await)
    }

    pub(crate) async fn folder_by_external_id(
        &self,
        caller: &Principal,
        company: Option<CompanyId>,
        external_id: &str,
        selection: Selection,
    ) -> Result<Option<FolderContents>> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        let company = acting_company(self.files.store.as_ref(), caller, company, "companyId").await;
        let company = match company {
            // A folder of a company that the caller cannot see does not exist.
            Err(Error::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        match stored(self.store.folder_by_external_id(scope, company, external_id).await)? {
            Some(id) => Ok(stored(self.store.folders(scope, &[id], selection).await)?.pop()),
            None => Ok(None),
        }
    }

    pub(crate) async fn list_folders(
        &self,
        caller: &Principal,
        filter: &FolderFilter,
        order: FolderOrder,
        after: Option<FolderCursor>,
        limit: u32,
        selection: Selection,
    ) -> Result<(Vec<FolderContents>, bool)> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        let (folders, has_more) =
            stored(self.store.list_folders(scope, filter, order, after, limit).await)?;
        Ok((stored(self.store.contents(folders, selection).await)?, has_more))
    }

    pub(crate) async fn update_folder(
        &self,
        caller: &Caller,
        id: FolderId,
        update: FolderUpdate,
        selection: Selection,
    ) -> Result<FolderContents> {
        let scope = policy::authorize(caller, Action::ChangeFolder)?;
        if let Some(Some(external_id)) = &update.external_id {
            checked_external_id(external_id, "input.externalId")?;
        }
        let metadata = match &update.metadata {
            Some(metadata) => Some(checked_object(Some(metadata), &self.json, "input.metadata")?),
            None => None,
        };
        if let Some(metadata) = &metadata {
            self.admit_metadata(scope, id, metadata).await?;
        }
        let external_id = update.external_id.as_ref().map(Option::as_deref);
        let now = self.clock.now();
        let store = self.store.as_ref();
        let changed = [("metadata", metadata.is_some()), ("externalId", external_id.is_some())];
        let changed = changed.into_iter().filter(|(_, is_changed)| *is_changed);
        let entry = NewEntry {
            object: Some(AuditObject::Folder(id)),
            after: Facts::new().codes("changed", changed.map(|(name, _)| name)),
            ..self.audit.entry(caller, AuditAction::FolderChanged, ChainOf::Folder(id))
        };
        let recording = self.audit.recording(entry);
        let updated = recording.update_folder(scope, id, metadata.as_ref(), external_id, now).await;
        if let Err(error) = updated {
            return Err(of_folder_write(store, caller, error).await);
        }
        folder_contents(self.store.as_ref(), scope, id, selection).await
    }

    /// Admits metadata that replaces a folder's, by its growth.
    async fn admit_metadata(&self, scope: Scope, id: FolderId, metadata: &JsonText) -> Result<()> {
        if !self.storage.is_limited() {
            return Ok(());
        }
        let selection = Selection::json(JsonSelection::METADATA, usize::MAX);
        let folder = folder_contents(self.store.as_ref(), scope, id, selection).await?.folder;
        let before = folder.metadata.read()?.as_str().len();
        let growth = metadata.as_str().len().saturating_sub(before);
        self.storage.admit(folder.company_id, growth as u64, "input.metadata").await
    }

    pub(crate) async fn delete_folder(&self, caller: &Caller, id: FolderId) -> Result<()> {
        let scope = policy::authorize(caller, Action::DeleteFolder)?;
        let folders = self.clone();
        let entry = NewEntry {
            object: Some(AuditObject::Folder(id)),
            ..self.audit.entry(caller, AuditAction::FolderErased, ChainOf::Folder(id))
        };
        let recording = self.audit.recording(entry);
        let delete = async move {
            let now = folders.clock.now();
            let orphans = stored(recording.erase_folder(scope, id, now).await)?;
            folders.running.look_again(id);
            folders.files.delete_orphans(&orphans).await;
            Ok(())
        };
        self.detached.run_detached(delete).await
    }

    pub(crate) async fn medium(&self, caller: &Principal, id: MediaId) -> Result<Option<Medium>> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        Ok(stored(self.store.media(scope, &[id], Selection::ENTITIES).await)?.pop())
    }

    /// Folders with their metadata alone, at most `bytes` of it.
    pub(crate) async fn folders_metadata(
        &self,
        caller: &Principal,
        ids: &[FolderId],
        bytes: usize,
    ) -> Result<Vec<Folder>> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        let selection = Selection::json(JsonSelection::METADATA, bytes);
        let found = stored(self.store.folders(scope, ids, selection).await)?;
        Ok(found.into_iter().map(|contents| contents.folder).collect())
    }

    /// Media with their metadata, at most `bytes` of it.
    pub(crate) async fn media_metadata(
        &self,
        caller: &Principal,
        ids: &[MediaId],
        bytes: usize,
    ) -> Result<Vec<Medium>> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        let selection = Selection::json(JsonSelection::METADATA, bytes);
        stored(self.store.media(scope, ids, selection).await)
    }

    pub(crate) async fn delete_medium(
        &self,
        caller: &Caller,
        id: MediaId,
        selection: Selection,
    ) -> Result<FolderContents> {
        let scope = policy::authorize(caller, Action::DeleteMedia)?;
        let folders = self.clone();
        let entry = NewEntry {
            object: Some(AuditObject::Medium(id)),
            ..self.audit.entry(caller, AuditAction::MediumDeleted, ChainOf::Medium(id))
        };
        let recording = self.audit.recording(entry);
        let delete = async move {
            let now = folders.clock.now();
            let (folder, orphans) = stored(recording.delete_medium(scope, id, now).await)?;
            folders.running.look_again(folder.id);
            drop(folders.frames.take(id));
            folders.files.delete_orphans(&orphans).await;
            Ok(folder.id)
        };
        let folder = self.detached.run_detached(delete).await?;
        folder_contents(self.store.as_ref(), scope, folder, selection).await
    }
}
