//! Folders and media.

use crate::transaction::without_transaction;
use crate::{Cases, additions, erasing, folders, listing, reading};
use async_trait::async_trait;
use futures::FutureExt;
use time::OffsetDateTime;
use vultus_core::{AnalysisGroup, CompanyId, Folder, FolderId, JsonText, MediaId, Medium};
use vultus_store::{
    Created, FolderAdditions, FolderContents, FolderCursor, FolderFilter, FolderOrder, Folders,
    IdempotencyKey, Orphans, Replay, Result, Scope, Selection, WrappedFolderKey,
};

#[async_trait]
impl Folders for Cases {
    async fn create_folder(
        &self,
        folder: &Folder,
        additions: &FolderAdditions,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created> {
        let done = self
            .attempts("creating a folder")
            .run(move |t| additions::create_folder(t, folder, additions, key).boxed())
            .await?;
        self.queue_heads.observe_new_runs(folder.company_id, additions.group.as_ref());
        Ok(done)
    }

    async fn add_to_folder(
        &self,
        scope: Scope,
        id: FolderId,
        additions: &FolderAdditions,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created> {
        let done = self
            .attempts("adding to a folder")
            .run(move |t| additions::add_to_folder(t, scope, id, additions, key).boxed())
            .await?;
        match scope {
            Scope::Company(company) | Scope::Owner(company, _) => {
                self.queue_heads.observe_new_runs(company, additions.group.as_ref());
            }
            Scope::Everything => self.queue_heads.forget(),
        }
        Ok(done)
    }

    async fn replay(&self, key: &IdempotencyKey) -> Result<Option<Replay>> {
        without_transaction("reading an idempotency key", additions::replay(&self.collections, key))
            .await
    }

    async fn update_folder(
        &self,
        scope: Scope,
        id: FolderId,
        metadata: Option<&JsonText>,
        external_id: Option<Option<&str>>,
        now: OffsetDateTime,
    ) -> Result<Folder> {
        self.attempts("changing a folder")
            .run(move |t| folders::update_folder(t, scope, id, metadata, external_id, now).boxed())
            .await
    }

    async fn delete_medium(
        &self,
        scope: Scope,
        id: MediaId,
        now: OffsetDateTime,
    ) -> Result<(Folder, Orphans)> {
        self.attempts("deleting a medium")
            .run(move |t| erasing::delete_medium(t, scope, id, now).boxed())
            .await
    }

    async fn erase_folder(
        &self,
        scope: Scope,
        id: FolderId,
        now: OffsetDateTime,
    ) -> Result<Orphans> {
        self.attempts("erasing a folder")
            .run(move |t| erasing::erase_folder(t, scope, id, now).boxed())
            .await
    }

    async fn folders(
        &self,
        scope: Scope,
        ids: &[FolderId],
        selection: Selection,
    ) -> Result<Vec<FolderContents>> {
        without_transaction(
            "reading folders",
            reading::folders(&self.collections, scope, ids, selection),
        )
        .await
    }

    async fn folder_by_external_id(
        &self,
        scope: Scope,
        company: CompanyId,
        external_id: &str,
    ) -> Result<Option<FolderId>> {
        without_transaction(
            "searching an external id",
            reading::folder_by_external_id(&self.collections, scope, company, external_id),
        )
        .await
    }

    async fn list_folders(
        &self,
        scope: Scope,
        filter: &FolderFilter,
        order: FolderOrder,
        after: Option<FolderCursor>,
        limit: u32,
    ) -> Result<(Vec<Folder>, bool)> {
        without_transaction(
            "listing folders",
            listing::list_folders(&self.collections, scope, filter, order, after, limit),
        )
        .await
    }

    async fn contents(
        &self,
        folders: Vec<Folder>,
        selection: Selection,
    ) -> Result<Vec<FolderContents>> {
        without_transaction(
            "reading the contents of folders",
            reading::contents(&self.collections, folders, selection),
        )
        .await
    }

    async fn folder_ids(&self, after: Option<FolderId>, limit: u32) -> Result<Vec<FolderId>> {
        without_transaction(
            "reading ids of folders",
            reading::folder_ids(&self.collections, after, limit),
        )
        .await
    }

    async fn folder_key(&self, id: FolderId) -> Result<Option<WrappedFolderKey>> {
        without_transaction("reading a folder's key", reading::folder_key(&self.collections, id))
            .await
    }

    async fn media(
        &self,
        scope: Scope,
        ids: &[MediaId],
        selection: Selection,
    ) -> Result<Vec<Medium>> {
        without_transaction(
            "reading media",
            reading::media(&self.collections, scope, ids, selection),
        )
        .await
    }

    async fn groups(&self, scope: Scope, id: FolderId) -> Result<Vec<AnalysisGroup>> {
        without_transaction(
            "reading groups of analyses",
            reading::groups(&self.collections, scope, id),
        )
        .await
    }
}
