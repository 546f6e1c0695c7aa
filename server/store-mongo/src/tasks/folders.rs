//! Folders and media.

use crate::MongoStore;
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{AnalysisGroup, CompanyId, Folder, FolderId, JsonText, MediaId, Medium};
use vultus_store::{
    Created, FolderAdditions, FolderContents, FolderCursor, FolderFilter, FolderOrder, Folders,
    IdempotencyKey, Orphans, Replay, Result, Scope, Selection, WrappedFolderKey,
};

#[async_trait]
impl Folders for MongoStore {
    async fn create_folder(
        &self,
        folder: &Folder,
        additions: &FolderAdditions,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created> {
        let (folder, additions, key) = (folder.clone(), additions.clone(), key.cloned());
        self.run(
            |cases| async move { cases.create_folder(&folder, &additions, key.as_ref()).await },
        )
        .await
    }

    async fn add_to_folder(
        &self,
        scope: Scope,
        id: FolderId,
        additions: &FolderAdditions,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created> {
        let (additions, key) = (additions.clone(), key.cloned());
        self.run(
            |cases| async move { cases.add_to_folder(scope, id, &additions, key.as_ref()).await },
        )
        .await
    }

    async fn stored_bytes(&self, company: CompanyId) -> Result<u64> {
        self.run(|cases| async move { cases.stored_bytes(company).await }).await
    }

    async fn replay(&self, key: &IdempotencyKey) -> Result<Option<Replay>> {
        let key = key.clone();
        self.run(|cases| async move { cases.replay(&key).await }).await
    }

    async fn update_folder(
        &self,
        scope: Scope,
        id: FolderId,
        metadata: Option<&JsonText>,
        external_id: Option<Option<&str>>,
        now: OffsetDateTime,
    ) -> Result<Folder> {
        let (metadata, external_id) =
            (metadata.cloned(), external_id.map(|inner| inner.map(str::to_owned)));
        self.run(|cases| async move {
            cases
                .update_folder(
                    scope,
                    id,
                    metadata.as_ref(),
                    external_id.as_ref().map(Option::as_deref),
                    now,
                )
                .await
        })
        .await
    }

    async fn delete_medium(
        &self,
        scope: Scope,
        id: MediaId,
        now: OffsetDateTime,
    ) -> Result<(Folder, Orphans)> {
        self.run(|cases| async move { cases.delete_medium(scope, id, now).await }).await
    }

    async fn erase_folder(
        &self,
        scope: Scope,
        id: FolderId,
        now: OffsetDateTime,
    ) -> Result<Orphans> {
        self.run(|cases| async move { cases.erase_folder(scope, id, now).await }).await
    }

    async fn folders(
        &self,
        scope: Scope,
        ids: &[FolderId],
        selection: Selection,
    ) -> Result<Vec<FolderContents>> {
        let ids = ids.to_vec();
        self.run(|cases| async move { cases.folders(scope, &ids, selection).await }).await
    }

    async fn folder_by_external_id(
        &self,
        scope: Scope,
        company: CompanyId,
        external_id: &str,
    ) -> Result<Option<FolderId>> {
        let external_id = external_id.to_owned();
        self.run(
            |cases| async move { cases.folder_by_external_id(scope, company, &external_id).await },
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
        let filter = filter.clone();
        self.run(
            |cases| async move { cases.list_folders(scope, &filter, order, after, limit).await },
        )
        .await
    }

    async fn contents(
        &self,
        folders: Vec<Folder>,
        selection: Selection,
    ) -> Result<Vec<FolderContents>> {
        self.run(|cases| async move { cases.contents(folders, selection).await }).await
    }

    async fn folder_ids(&self, after: Option<FolderId>, limit: u32) -> Result<Vec<FolderId>> {
        self.run(|cases| async move { cases.folder_ids(after, limit).await }).await
    }

    async fn folder_key(&self, id: FolderId) -> Result<Option<WrappedFolderKey>> {
        self.run(|cases| async move { cases.folder_key(id).await }).await
    }

    async fn media(
        &self,
        scope: Scope,
        ids: &[MediaId],
        selection: Selection,
    ) -> Result<Vec<Medium>> {
        let ids = ids.to_vec();
        self.run(|cases| async move { cases.media(scope, &ids, selection).await }).await
    }

    async fn groups(&self, scope: Scope, id: FolderId) -> Result<Vec<AnalysisGroup>> {
        self.run(|cases| async move { cases.groups(scope, id).await }).await
    }
}
