//! Folders and media.

use crate::{SqliteStore, additions, erasing, folders, listing};
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{AnalysisGroup, CompanyId, Folder, FolderId, JsonText, MediaId, Medium};
use vultus_store::{
    Created, FolderAdditions, FolderContents, FolderCursor, FolderFilter, FolderOrder, Folders,
    IdempotencyKey, Orphans, Replay, Result, Scope, Selection, WrappedFolderKey,
};

#[async_trait]
impl Folders for SqliteStore {
    async fn create_folder(
        &self,
        folder: &Folder,
        additions: &FolderAdditions,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created> {
        let (folder, additions, key) = (folder.clone(), additions.clone(), key.cloned());
        self.write_new("creating a folder", move |c, e| {
            additions::create_folder(c, e, &folder, &additions, key.as_ref())
        })
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
        self.write_new("adding to a folder", move |c, e| {
            additions::add_to_folder(c, e, scope, id, &additions, key.as_ref())
        })
        .await
    }

    async fn stored_bytes(&self, company: CompanyId) -> Result<u64> {
        self.read("reading what a company stores", move |c| folders::stored_bytes(c, company)).await
    }

    async fn replay(&self, key: &IdempotencyKey) -> Result<Option<Replay>> {
        let key = key.clone();
        self.read("reading an idempotency key", move |c| additions::replay(c, &key)).await
    }

    async fn update_folder(
        &self,
        scope: Scope,
        id: FolderId,
        metadata: Option<&JsonText>,
        external_id: Option<Option<&str>>,
        now: OffsetDateTime,
    ) -> Result<Folder> {
        let metadata = metadata.cloned();
        let external_id = external_id.map(|external_id| external_id.map(str::to_owned));
        self.write("changing a folder", move |c, e| {
            let external_id = external_id.as_ref().map(Option::as_deref);
            folders::update_folder(c, e, scope, id, metadata.as_ref(), external_id, now)
        })
        .await
    }

    async fn delete_medium(
        &self,
        scope: Scope,
        id: MediaId,
        now: OffsetDateTime,
    ) -> Result<(Folder, Orphans)> {
        let delete = move |c: &_, e: &mut _| erasing::delete_medium(c, e, scope, id, now);
        let deleted = self.write_freeing("deleting a medium", delete).await?;
        self.forget_deleted().await;
        Ok(deleted)
    }

    async fn erase_folder(
        &self,
        scope: Scope,
        id: FolderId,
        now: OffsetDateTime,
    ) -> Result<Orphans> {
        let erase = move |c: &_, e: &mut _| erasing::erase_folder(c, e, scope, id, now);
        let orphans = self.write_freeing("erasing a folder", erase).await?;
        self.forget_deleted().await;
        Ok(orphans)
    }

    async fn folders(
        &self,
        scope: Scope,
        ids: &[FolderId],
        selection: Selection,
    ) -> Result<Vec<FolderContents>> {
        let ids = ids.to_vec();
        self.read("reading folders", move |c| folders::folders(c, scope, &ids, selection)).await
    }

    async fn folder_by_external_id(
        &self,
        scope: Scope,
        company: CompanyId,
        external_id: &str,
    ) -> Result<Option<FolderId>> {
        let external_id = external_id.to_owned();
        let work = move |c: &_| folders::folder_by_external_id(c, scope, company, &external_id);
        self.read("searching an external id", work).await
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
        self.read("listing folders", move |c| {
            listing::list_folders(c, scope, &filter, order, after, limit)
        })
        .await
    }

    async fn contents(
        &self,
        folders: Vec<Folder>,
        selection: Selection,
    ) -> Result<Vec<FolderContents>> {
        self.read("reading the contents of folders", move |c| {
            folders::contents(c, folders, selection)
        })
        .await
    }

    async fn folder_ids(&self, after: Option<FolderId>, limit: u32) -> Result<Vec<FolderId>> {
        self.read("reading ids of folders", move |c| folders::folder_ids(c, after, limit)).await
    }

    async fn folder_key(&self, id: FolderId) -> Result<Option<WrappedFolderKey>> {
        self.read("reading a folder's key", move |c| folders::folder_key(c, id)).await
    }

    async fn media(
        &self,
        scope: Scope,
        ids: &[MediaId],
        selection: Selection,
    ) -> Result<Vec<Medium>> {
        let ids = ids.to_vec();
        self.read("reading media", move |c| folders::media(c, scope, &ids, selection)).await
    }

    async fn groups(&self, scope: Scope, id: FolderId) -> Result<Vec<AnalysisGroup>> {
        self.read("reading groups of analyses", move |c| folders::groups(c, scope, id)).await
    }
}
