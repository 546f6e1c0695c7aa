//! Folders: made with media and analyses in one step, added to, changed, erased, read.

use super::Services;
use super::errors::{of_keyring, stored};
use super::intake::{self, ExaminedMedium, blob_keys};
use super::plan::{self, CheckedRequest, PlanMedium, PlannedAnalysis};
use super::request::{checked_external_id, checked_key, checked_metadata};
use super::types::{
    AnalysisRequest, ClientKey, FolderChanged, FolderContents, FolderCursor, FolderFilter,
    FolderOrder, FolderUpdate, NewFolder, NewMedium, Urgency,
};
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;
use vultus_auth::policy::{self, Action};
use vultus_blobs::keys::FolderKey;
use vultus_core::slots::Candidate;
use vultus_core::{AnalysisGroup, Error, Folder, FolderId, MediaId, Principal, Result};
use vultus_store::{Created, FolderAdditions, IdempotencyKey, NewGroup, Replay, Scope, StoreError};

/// Times that blobs are written again because a deletion took them in between.
const WRITE_ATTEMPTS: u32 = 5;

/// Where additions go.
enum Target {
    New(Folder),
    Existing(Scope, Folder),
}

impl Target {
    fn folder(&self) -> &Folder {
        match self {
            Self::New(folder) | Self::Existing(_, folder) => folder,
        }
    }
}

/// What is to be added, all checked.
struct Additions {
    examined: Vec<ExaminedMedium>,
    folder_key: Arc<FolderKey>,
    ids: Vec<MediaId>,
    group: Option<NewGroup>,
    now: OffsetDateTime,
}

impl Services {
    /// Makes a folder with its first media and analyses: all of it or nothing.
    pub async fn create_folder(
        &self,
        caller: &Principal,
        request: NewFolder,
        key: Option<ClientKey>,
    ) -> Result<FolderChanged> {
        policy::authorize(caller, Action::CreateFolder)?;
        if !request.media.is_empty() {
            policy::authorize(caller, Action::AddMedia)?;
        }
        if !request.analyses.is_empty() {
            policy::authorize(caller, Action::RequestAnalysis)?;
        }
        let key = checked_key(key, caller.user_id)?;
        let _turn = self.inner.turns.wait(key.as_ref()).await;
        if let Some(replayed) = self.replayed(key.as_ref()).await? {
            return Ok(replayed);
        }
        if let Some(id) = &request.external_id {
            checked_external_id(id, "input.externalId")?;
        }
        let metadata = checked_metadata(
            &request.metadata,
            self.inner.checker.limits.metadata_bytes,
            "input.metadata",
        )?;
        let requests = (self.inner.checker.checked_requests(request.analyses)?, request.urgency);
        let id = FolderId(Uuid::now_v7());
        let wrapped_key =
            self.inner.keyring.make_folder_key(caller.company_id, id).await.map_err(of_keyring)?;
        let folder_key = self
            .inner
            .keyring
            .folder(caller.company_id, id, &wrapped_key)
            .await
            .map_err(of_keyring)?;
        let examined = self
            .inner
            .checker
            .examine(
                self.inner.checker.ready(request.media)?,
                Some((&self.inner.blobs, &folder_key)),
            )
            .await?;
        let now = self.inner.clock.now();
        let folder = Folder {
            id,
            company_id: caller.company_id,
            owner_id: caller.user_id,
            external_id: request.external_id,
            metadata,
            created_at: now,
            updated_at: now,
            media_changed_at: (!examined.is_empty()).then_some(now),
            revision: 1,
            wrapped_key,
        };
        let additions = planned(&folder, Vec::new(), examined, folder_key, requests, now)?;
        self.commit(Target::New(folder), additions, key).await
    }

    /// Adds media to a folder.
    pub async fn add_media(
        &self,
        caller: &Principal,
        folder: FolderId,
        media: Vec<NewMedium>,
        key: Option<ClientKey>,
    ) -> Result<FolderChanged> {
        let scope = policy::authorize(caller, Action::AddMedia)?;
        self.add(caller, scope, folder, media, (Vec::new(), Urgency::Later), key).await
    }

    /// Asks for analyses on a folder.
    pub async fn request_analyses(
        &self,
        caller: &Principal,
        folder: FolderId,
        requests: Vec<AnalysisRequest>,
        urgency: Urgency,
        key: Option<ClientKey>,
    ) -> Result<FolderChanged> {
        let scope = policy::authorize(caller, Action::RequestAnalysis)?;
        self.add(caller, scope, folder, Vec::new(), (requests, urgency), key).await
    }

    async fn add(
        &self,
        caller: &Principal,
        scope: Scope,
        id: FolderId,
        media: Vec<NewMedium>,
        (requests, urgency): (Vec<AnalysisRequest>, Urgency),
        key: Option<ClientKey>,
    ) -> Result<FolderChanged> {
        let key = checked_key(key, caller.user_id)?;
        let _turn = self.inner.turns.wait(key.as_ref()).await;
        if let Some(replayed) = self.replayed(key.as_ref()).await? {
            return Ok(replayed);
        }
        let contents = self.contents_of(scope, id).await?;
        self.room_for(contents.media.len(), media.len())?;
        let requests = (self.inner.checker.checked_requests(requests)?, urgency);
        let folder = &contents.folder;
        let folder_key = self
            .inner
            .keyring
            .folder(folder.company_id, id, &folder.wrapped_key)
            .await
            .map_err(of_keyring)?;
        let examined = self
            .inner
            .checker
            .examine(self.inner.checker.ready(media)?, Some((&self.inner.blobs, &folder_key)))
            .await?;
        let now = self.inner.clock.now();
        let existing = plan::candidates(&contents.media);
        let additions = planned(&contents.folder, existing, examined, folder_key, requests, now)?;
        self.commit(Target::Existing(scope, contents.folder), additions, key).await
    }

    fn room_for(&self, present: usize, more: usize) -> Result<()> {
        let most = self.inner.checker.limits.media_per_folder;
        if present + more <= most || more == 0 {
            return Ok(());
        }
        Err(Error::LimitExceeded {
            argument: Some("input.media".to_owned()),
            message: format!("at most {most} media in one folder; it has {present}"),
            reason: Some("TOO_MANY_MEDIA".to_owned()),
        })
    }

    /// Writes the blobs, then everything else in one step of the store; whole or not at all, though
    /// the client leaves meanwhile.
    async fn commit(
        &self,
        target: Target,
        mut new: Additions,
        key: Option<IdempotencyKey>,
    ) -> Result<FolderChanged> {
        let id = target.folder().id;
        let ids = new.ids.clone();
        let group = new.group.as_ref().map(|new| new.group.clone());
        // Before the commit: the run that it makes may be claimed at once.
        for (medium, &id) in new.examined.iter_mut().zip(&ids) {
            if let Some(frame) = medium.take_frame() {
                self.inner.checker.pools.frames().keep(id, frame);
            }
        }
        let services = self.clone();
        match self
            .to_the_end(async move { services.write(&target, &new, key.as_ref()).await })
            .await?
        {
            Created::New => {
                let analyses =
                    group.as_ref().map(|group| group.analyses.clone()).unwrap_or_default();
                let group = group.map(|group| group.id);
                Ok(FolderChanged { folder_id: id, media: ids, group, analyses, replayed: false })
            }
            Created::Replayed(replay) => replay_of(replay),
        }
    }

    /// The blobs of a commit that is refused are deleted again, unless something else references
    /// them.
    async fn write(
        &self,
        target: &Target,
        new: &Additions,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created> {
        let store = self.inner.store.as_ref();
        let (mut attempt, mut swept) = (0, Vec::new());
        loop {
            attempt += 1;
            let media = self
                .write_media(&new.examined, &new.ids, target.folder().id, &new.folder_key, new.now)
                .await?;
            let keys: Vec<String> = media.iter().flat_map(blob_keys).collect();
            if !swept.is_empty() {
                stored(store.revive(&swept).await)?;
            }
            let additions = FolderAdditions { media, group: new.group.clone(), now: Some(new.now) };
            let result = match target {
                Target::New(folder) => store.create_folder(folder, &additions, key).await,
                Target::Existing(scope, folder) => {
                    store.add_to_folder(*scope, folder.id, &additions, key).await
                }
            };
            match result {
                Ok(Created::New) => return Ok(Created::New),
                Err(StoreError::BlobSwept { .. }) if attempt < WRITE_ATTEMPTS => {
                    swept = stored(self.inner.blobs.await_deletions(store, &keys).await)?;
                }
                refused_or_replayed => {
                    self.delete_blobs(&keys).await;
                    return stored(refused_or_replayed);
                }
            }
        }
    }

    /// What an earlier request with this key made, as it is now: so that the edge need not take its
    /// files a second time.
    pub async fn replay(
        &self,
        caller: &Principal,
        key: &ClientKey,
    ) -> Result<Option<FolderChanged>> {
        let key = checked_key(Some(key.clone()), caller.user_id)?;
        self.replayed(key.as_ref()).await
    }

    async fn replayed(&self, key: Option<&IdempotencyKey>) -> Result<Option<FolderChanged>> {
        let Some(key) = key else { return Ok(None) };
        match stored(self.inner.store.replay(key).await)? {
            Some(replay) => replay_of(replay).map(Some),
            None => Ok(None),
        }
    }

    /// A folder with all that is in it.
    pub async fn contents(&self, caller: &Principal, id: FolderId) -> Result<FolderContents> {
        self.contents_of(policy::authorize(caller, Action::ViewFolder)?, id).await
    }

    pub(super) async fn contents_of(&self, scope: Scope, id: FolderId) -> Result<FolderContents> {
        let found = stored(self.inner.store.folders(scope, &[id]).await)?.pop();
        found.ok_or(Error::NotFound { what: "folder", argument: None })
    }

    /// Changes a folder's metadata and external id.
    pub async fn update_folder(
        &self,
        caller: &Principal,
        id: FolderId,
        update: FolderUpdate,
    ) -> Result<FolderContents> {
        let scope = policy::authorize(caller, Action::ChangeFolder)?;
        if let Some(Some(external_id)) = &update.external_id {
            checked_external_id(external_id, "input.externalId")?;
        }
        let most = self.inner.checker.limits.metadata_bytes;
        let metadata = update
            .metadata
            .map(|metadata| checked_metadata(&metadata, most, "input.metadata"))
            .transpose()?;
        let external_id = update.external_id.as_ref().map(Option::as_deref);
        let now = self.inner.clock.now();
        stored(
            self.inner.store.update_folder(scope, id, metadata.as_ref(), external_id, now).await,
        )?;
        self.contents_of(scope, id).await
    }

    /// Erases a folder with all that is in it, also when the client leaves meanwhile.
    pub async fn delete_folder(&self, caller: &Principal, id: FolderId) -> Result<()> {
        let scope = policy::authorize(caller, Action::DeleteFolder)?;
        let services = self.clone();
        self.to_the_end(async move {
            let orphans = stored(
                services.inner.store.erase_folder(scope, id, services.inner.clock.now()).await,
            )?;
            services.inner.running.look_again(id);
            services.delete_tombstoned(&orphans.keys).await;
            Ok(())
        })
        .await
    }

    /// Deletes those of the blobs that nothing references. What cannot be deleted now is left to
    /// the sweeper.
    pub(super) async fn delete_blobs(&self, keys: &[String]) {
        let (store, now) = (self.inner.store.as_ref(), self.inner.clock.now());
        if let Err(error) = self.inner.blobs.delete_unreferenced(store, keys, now).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "files of deleted media are left to the sweeper"
            );
        }
    }

    /// Deletes the blobs of what was erased. What cannot be deleted now is left to the sweeper.
    pub(super) async fn delete_tombstoned(&self, keys: &[String]) {
        if let Err(error) =
            self.inner.blobs.delete_tombstoned(self.inner.store.as_ref(), keys).await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "files of erased media are left to the sweeper"
            );
        }
    }

    /// A folder with all that its summary needs.
    pub async fn folder(&self, caller: &Principal, id: FolderId) -> Result<Option<FolderContents>> {
        Ok(self.folders_by_ids(caller, &[id]).await?.pop())
    }

    /// Those of the folders that the caller may see, in the order of the ids.
    pub async fn folders_by_ids(
        &self,
        caller: &Principal,
        ids: &[FolderId],
    ) -> Result<Vec<FolderContents>> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        stored(self.inner.store.folders(scope, ids).await)
    }

    /// A folder of the caller's company by the client's own key.
    pub async fn folder_by_external_id(
        &self,
        caller: &Principal,
        external_id: &str,
    ) -> Result<Option<FolderContents>> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        match stored(
            self.inner.store.folder_by_external_id(scope, caller.company_id, external_id).await,
        )? {
            Some(id) => self.folder(caller, id).await,
            None => Ok(None),
        }
    }

    /// A page of folders, and whether there are more.
    pub async fn list_folders(
        &self,
        caller: &Principal,
        filter: &FolderFilter,
        order: FolderOrder,
        after: Option<FolderCursor>,
        limit: u32,
    ) -> Result<(Vec<FolderContents>, bool)> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        let (folders, more) =
            stored(self.inner.store.list_folders(scope, filter, order, after, limit).await)?;
        Ok((stored(self.inner.store.contents(folders).await)?, more))
    }

    /// The groups of a folder, oldest first.
    pub async fn groups(&self, caller: &Principal, id: FolderId) -> Result<Vec<AnalysisGroup>> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        stored(self.inner.store.groups(scope, id).await)
    }
}

/// Gives the new media their ids and the analyses their media, those of the folder and the new
/// ones.
fn planned(
    folder: &Folder,
    mut existing: Vec<PlanMedium<'_>>,
    examined: Vec<ExaminedMedium>,
    folder_key: Arc<FolderKey>,
    (requests, urgency): (Vec<CheckedRequest>, Urgency),
    now: OffsetDateTime,
) -> Result<Additions> {
    let ids = intake::new_ids(examined.len());
    let new = examined.iter().zip(&ids).map(|(medium, &id)| PlanMedium {
        candidate: Candidate { id, kind: medium.known.kind, tags: &medium.known.tags },
        key: medium.known.key.as_deref(),
    });
    let all: Vec<PlanMedium<'_>> = existing.drain(..).chain(new).collect();
    let analyses: Vec<PlannedAnalysis> =
        requests.into_iter().map(|request| request.assign(&all)).collect::<Result<_>>()?;
    let group = plan::group(folder, analyses, urgency, now);
    Ok(Additions { examined, folder_key, ids, group, now })
}

fn replay_of(replay: Replay) -> Result<FolderChanged> {
    let Replay { folder_id, media, group_id, analyses } = replay;
    let folder_id =
        folder_id.ok_or_else(|| Error::broken("an idempotent request without a folder"))?;
    Ok(FolderChanged { folder_id, media, group: group_id, analyses, replayed: true })
}
