//! Folders and their media.

use super::Result;
use crate::records::{
    Created, FolderAdditions, FolderContents, FolderCursor, FolderFilter, FolderOrder,
    IdempotencyKey, Orphans, Replay, Scope, WrappedFolderKey,
};
use crate::selection::Selection;
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{AnalysisGroup, CompanyId, Folder, FolderId, JsonText, MediaId, Medium};

/// Folders, their media, and which analyses were requested together.
#[async_trait]
pub trait Folders: Send + Sync + 'static {
    /// Creates a folder with its first media and analyses, in one commit.
    async fn create_folder(
        &self,
        folder: &Folder,
        additions: &FolderAdditions,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created>;
    /// Adds media or analyses, or both, to a folder, in one commit.
    async fn add_to_folder(
        &self,
        scope: Scope,
        id: FolderId,
        additions: &FolderAdditions,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created>;
    /// What an earlier request with this key created, so that a replayed request need not read its
    /// files again.
    async fn replay(&self, key: &IdempotencyKey) -> Result<Option<Replay>>;
    /// Changes metadata and external id; `None` keeps the value, `Some(None)` clears it. Returns
    /// the folder without its metadata.
    async fn update_folder(
        &self,
        scope: Scope,
        id: FolderId,
        metadata: Option<&JsonText>,
        external_id: Option<Option<&str>>,
        now: OffsetDateTime,
    ) -> Result<Folder>;
    /// Deletes a medium and cancels the unfinished analyses that use it. Returns the folder without
    /// its metadata, and those of the medium's blobs that nothing else references; each gets a
    /// tombstone in the same commit.
    async fn delete_medium(
        &self,
        scope: Scope,
        id: MediaId,
        now: OffsetDateTime,
    ) -> Result<(Folder, Orphans)>;
    /// Deletes a folder with everything in it, fences its runs and removes it from the raw files.
    /// The blobs that nothing references any more get tombstones in the same commit, so that a node
    /// that dies before it deleted them does not lose track of them. The caller deletes the blobs
    /// and then calls [`super::BlobIndex::mark_swept`].
    async fn erase_folder(
        &self,
        scope: Scope,
        id: FolderId,
        now: OffsetDateTime,
    ) -> Result<Orphans>;
    /// Folders with their contents, in the order of `ids`; those outside the scope are left out.
    async fn folders(
        &self,
        scope: Scope,
        ids: &[FolderId],
        selection: Selection,
    ) -> Result<Vec<FolderContents>>;
    /// Finds a folder of a company by its external id.
    async fn folder_by_external_id(
        &self,
        scope: Scope,
        company: CompanyId,
        external_id: &str,
    ) -> Result<Option<FolderId>>;
    /// A page of folders without their metadata: at most `limit` after the cursor, and whether more
    /// follow.
    async fn list_folders(
        &self,
        scope: Scope,
        filter: &FolderFilter,
        order: FolderOrder,
        after: Option<FolderCursor>,
        limit: u32,
    ) -> Result<(Vec<Folder>, bool)>;
    /// Contents (media, analyses, artifacts) of many folders in a fixed number of round trips. The
    /// folders themselves are not read again.
    async fn contents(
        &self,
        folders: Vec<Folder>,
        selection: Selection,
    ) -> Result<Vec<FolderContents>>;
    /// Ids of the folders after `after`, ordered by id, to read all folders of an installation.
    async fn folder_ids(&self, after: Option<FolderId>, limit: u32) -> Result<Vec<FolderId>>;
    /// The wrapped key of a folder.
    async fn folder_key(&self, id: FolderId) -> Result<Option<WrappedFolderKey>>;
    /// Bytes that a company stores: files of media, and metadata of media and folders.
    async fn stored_bytes(&self, company: CompanyId) -> Result<u64>;
    /// Media by id; those outside the scope are left out.
    async fn media(
        &self,
        scope: Scope,
        ids: &[MediaId],
        selection: Selection,
    ) -> Result<Vec<Medium>>;
    /// The analysis groups of a folder, oldest first.
    async fn groups(&self, scope: Scope, id: FolderId) -> Result<Vec<AnalysisGroup>>;
}
