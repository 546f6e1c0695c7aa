//! Additions to folders: a folder with its first media and analyses, and more of both later. Each
//! is committed whole or not at all.

use crate::acting_company::acting_company;
use crate::audit::{Audit, Caller, added, of_company};
use crate::challenges::{self, ChallengeVerifier, Challenges};
use crate::checker::Checker;
use crate::detached::DetachedWork;
use crate::errors::{stored, too_many_media};
use crate::folders::{folder_contents, of_folder_write};
use crate::idempotency::IdempotencyLocks;
use crate::intake::{self, ExaminedMedium, SpoolFor, blob_keys};
use crate::media_files::MediaFiles;
use crate::plan::{self, CheckedRequest, PlanMedium, PlannedAnalysis};
use crate::queue_room::QueueRoom;
use crate::request::{checked_external_id, checked_key, checked_object};
use crate::storage_room::{StorageRoom, bytes_of};
use crate::types::{AnalysisRequest, ClientKey, FolderChanged, NewFolder, NewMedium, Urgency};
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;
use vultus_auth::policy::{self, Action};
use vultus_blobs::keys::FolderKey;
use vultus_core::clock::Clock;
use vultus_core::fair::Owner;
use vultus_core::slots::Candidate;
use vultus_core::{CompanyId, Error, Folder, FolderId, MediaId, Principal, Result, UserId};
use vultus_store::audit::{AuditAction, AuditObject, NewEntry};
use vultus_store::{
    Created, FolderAdditions, FolderContents, IdempotencyKey, NewGroup, Replay, Scope, Selection,
    Store, StoreError,
};

/// Attempts to write blobs that a concurrent deletion removes before they are referenced.
const WRITE_ATTEMPTS: u32 = 5;

/// The part that creates folders and adds to them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Additions {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) audit: Audit,
    pub(crate) files: MediaFiles,
    pub(crate) checker: Checker,
    pub(crate) room: QueueRoom,
    pub(crate) storage: StorageRoom,
    pub(crate) challenges: Challenges,
    pub(crate) locks: IdempotencyLocks,
    pub(crate) detached: DetachedWork,
    pub(crate) clock: Clock,
}

/// The folder that is added to.
enum TargetFolder {
    New(Folder),
    Existing(Scope, Folder),
}

impl TargetFolder {
    fn folder(&self) -> &Folder {
        match self {
            Self::New(folder) | Self::Existing(_, folder) => folder,
        }
    }
}

/// What is added, validated and examined.
struct PlannedAdditions {
    examined: Vec<ExaminedMedium>,
    folder_key: Arc<FolderKey>,
    ids: Vec<MediaId>,
    group: Option<NewGroup>,
    now: OffsetDateTime,
}

/// What a request asks to add to an existing folder.
struct RequestedAdditions {
    action: AuditAction,
    media: Vec<NewMedium>,
    analyses: Vec<AnalysisRequest>,
    urgency: Urgency,
}

impl Additions {
    pub(crate) async fn create_folder(
        &self,
        caller: &Caller,
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
        authorize_types(caller, &request.analyses)?;
        let owner_id = user_of(caller)?;
        let key = checked_key(key, owner_id)?;
        let _lock = self.locks.lock(key.as_ref()).await;
        if let Some(replayed) = self.replayed(key.as_ref()).await? {
            return Ok(replayed);
        }
        if let Some(id) = &request.external_id {
            checked_external_id(id, "input.externalId")?;
        }
        let limits = &self.checker.limits.json;
        let metadata = checked_object(request.metadata.as_ref(), limits, "input.metadata")?;
        let argument = "input.companyId";
        let wanted = request.company_id;
        let company = acting_company(self.store.as_ref(), caller, wanted, argument).await?;
        let verifier = self.challenges.verifier(company);
        let requests = self.checked_requests(company, request.analyses, verifier).await?;
        let answered = challenges::answered(&requests);
        let requests = (requests, request.urgency);
        self.check_room(0, request.media.len())?;
        let bytes = metadata.as_str().len() as u64 + bytes_of(&request.media);
        self.storage.admit(company, bytes, "input").await?;
        let id = FolderId(Uuid::now_v7());
        let wrapped_key = self.files.make_folder_key(company, id).await?;
        let folder_key = self.files.folder_key(company, id, &wrapped_key).await?;
        let owner = Owner { company, user: owner_id };
        let examined = self.examine(owner, request.media, &folder_key).await?;
        let now = self.clock.now();
        let folder = Folder {
            id,
            company_id: company,
            owner_id,
            external_id: request.external_id,
            metadata: metadata.into(),
            created_at: now,
            updated_at: now,
            media_changed_at: (!examined.is_empty()).then_some(now),
            revision: 1,
            wrapped_key,
        };
        let additions = planned(&folder, Vec::new(), examined, folder_key, requests, now)?;
        self.challenges.use_all(&answered).await?;
        let target = TargetFolder::New(folder);
        self.commit(caller, AuditAction::FolderCreated, target, additions, key).await
    }

    pub(crate) async fn add_media(
        &self,
        caller: &Caller,
        folder: FolderId,
        media: Vec<NewMedium>,
        key: Option<ClientKey>,
    ) -> Result<FolderChanged> {
        let scope = policy::authorize(caller, Action::AddMedia)?;
        let requested = RequestedAdditions {
            action: AuditAction::MediaAdded,
            media,
            analyses: Vec::new(),
            urgency: Urgency::Later,
        };
        self.add(caller, scope, folder, requested, key).await
    }

    pub(crate) async fn request_analyses(
        &self,
        caller: &Caller,
        folder: FolderId,
        analyses: Vec<AnalysisRequest>,
        urgency: Urgency,
        key: Option<ClientKey>,
    ) -> Result<FolderChanged> {
        let scope = policy::authorize(caller, Action::RequestAnalysis)?;
        authorize_types(caller, &analyses)?;
        let requested = RequestedAdditions {
            action: AuditAction::AnalysesRequested,
            media: Vec::new(),
            analyses,
            urgency,
        };
        self.add(caller, scope, folder, requested, key).await
    }

    async fn add(
        &self,
        caller: &Caller,
        scope: Scope,
        id: FolderId,
        requested: RequestedAdditions,
        key: Option<ClientKey>,
    ) -> Result<FolderChanged> {
        let user = user_of(caller)?;
        let key = checked_key(key, user)?;
        let _lock = self.locks.lock(key.as_ref()).await;
        if let Some(replayed) = self.replayed(key.as_ref()).await? {
            return Ok(replayed);
        }
        let FolderContents { folder, media: existing, .. } =
            folder_contents(self.store.as_ref(), scope, id, Selection::MEDIA).await?;
        let existing = existing.members();
        self.check_room(existing.len(), requested.media.len())?;
        let bytes = bytes_of(&requested.media);
        self.storage.admit(folder.company_id, bytes, "input.media").await?;
        let verifier = self.challenges.verifier(folder.company_id);
        let company = folder.company_id;
        let requests = self.checked_requests(company, requested.analyses, verifier).await?;
        let answered = challenges::answered(&requests);
        let requests = (requests, requested.urgency);
        let folder_key = self.files.folder_key(folder.company_id, id, &folder.wrapped_key).await?;
        let owner = Owner { company, user };
        let examined = self.examine(owner, requested.media, &folder_key).await?;
        let now = self.clock.now();
        let candidates = plan::candidates(existing);
        let additions = planned(&folder, candidates, examined, folder_key, requests, now)?;
        self.challenges.use_all(&answered).await?;
        let target = TargetFolder::Existing(scope, folder);
        self.commit(caller, requested.action, target, additions, key).await
    }

    /// Checks the requested analyses, and that the company may add them to the queue.
    async fn checked_requests(
        &self,
        company: CompanyId,
        requests: Vec<AnalysisRequest>,
        verifier: ChallengeVerifier<'_>,
    ) -> Result<Vec<CheckedRequest>> {
        let requests = self.checker.checked_requests(requests, Some(verifier))?;
        self.room.admit(company, plan::pools(&requests)).await?;
        Ok(requests)
    }

    async fn examine(
        &self,
        owner: Owner,
        media: Vec<NewMedium>,
        key: &Arc<FolderKey>,
    ) -> Result<Vec<ExaminedMedium>> {
        let media = self.checker.validated_media(media)?;
        let folder = SpoolFor { blobs: &self.files.blobs, key };
        self.checker.examine(owner, media, Some(folder)).await
    }

    /// Refuses early, before files are examined and written. The commit decides.
    fn check_room(&self, present: usize, more: usize) -> Result<()> {
        let most = self.checker.limits.media_per_folder;
        if present + more <= most || more == 0 {
            Ok(())
        } else {
            Err(too_many_media(most, present))
        }
    }

    /// Writes the blobs, then commits everything else in one step of the store. Completes although
    /// the client disconnects.
    async fn commit(
        &self,
        caller: &Caller,
        action: AuditAction,
        target: TargetFolder,
        mut new: PlannedAdditions,
        key: Option<IdempotencyKey>,
    ) -> Result<FolderChanged> {
        let (id, company) = (target.folder().id, target.folder().company_id);
        let ids = new.ids.clone();
        let group = new.group.as_ref().map(|new| new.group.clone());
        // Before the commit: the run that it queues may be claimed at once.
        for (medium, &id) in new.examined.iter_mut().zip(&ids) {
            if let Some(frame) = medium.take_frame() {
                self.checker.pools.frames().keep(company, id, frame);
            }
        }
        let entry = self.entry(caller, action, &target, &new);
        let (additions, caller) = (self.clone(), caller.clone());
        let write =
            async move { additions.write(&caller, entry, &target, &new, key.as_ref()).await };
        match self.detached.run_detached(write).await? {
            Created::New => {
                let (group, analyses) = match group {
                    Some(group) => (Some(group.id), group.analyses),
                    None => (None, Vec::new()),
                };
                Ok(FolderChanged { folder_id: id, media: ids, group, analyses, replayed: false })
            }
            Created::Replayed(replay) => folder_changed(replay),
        }
    }

    /// The entry of the audit log about a commit.
    fn entry(
        &self,
        caller: &Caller,
        action: AuditAction,
        target: &TargetFolder,
        new: &PlannedAdditions,
    ) -> NewEntry {
        let folder = target.folder();
        NewEntry {
            object: Some(AuditObject::Folder(folder.id)),
            after: added(&new.ids, new.group.as_ref()),
            ..self.audit.entry(caller, action, of_company(folder.company_id))
        }
    }

    /// Writes blobs and commits. If the commit fails, deletes the blobs again unless something else
    /// references them.
    async fn write(
        &self,
        caller: &Caller,
        entry: NewEntry,
        target: &TargetFolder,
        new: &PlannedAdditions,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created> {
        let store = self.store.as_ref();
        let (mut attempt, mut swept) = (0, Vec::new());
        loop {
            attempt += 1;
            let media = self
                .files
                .write(&new.examined, &new.ids, target.folder().id, &new.folder_key, new.now)
                .await?;
            let keys: Vec<String> = media.iter().flat_map(blob_keys).collect();
            if !swept.is_empty() {
                stored(store.revive(&swept).await)?;
            }
            let additions = FolderAdditions {
                media,
                group: new.group.clone(),
                now: Some(new.now),
                most_media: Some(self.checker.limits.media_per_folder),
                most_analyses: Some(self.checker.limits.analyses_per_folder),
            };
            let recording = self.audit.recording(entry.clone());
            let result = match target {
                TargetFolder::New(folder) => recording.create_folder(folder, &additions, key).await,
                TargetFolder::Existing(scope, folder) => {
                    recording.add_to_folder(*scope, folder.id, &additions, key).await
                }
            };
            match result {
                Ok(Created::New) => return Ok(Created::New),
                Err(StoreError::BlobSwept { .. }) if attempt < WRITE_ATTEMPTS => {
                    swept = self.files.await_deletions(&keys).await?;
                }
                failed_or_replayed => {
                    self.files.delete_unreferenced(&keys).await;
                    return match failed_or_replayed {
                        Ok(replayed) => Ok(replayed),
                        Err(error) => Err(of_folder_write(store, caller, error).await),
                    };
                }
            }
        }
    }

    /// What an earlier request with this key made.
    async fn replayed(&self, key: Option<&IdempotencyKey>) -> Result<Option<FolderChanged>> {
        let Some(key) = key else { return Ok(None) };
        match stored(self.store.replay(key).await)? {
            Some(replay) => folder_changed(replay).map(Some),
            None => Ok(None),
        }
    }
}

/// The user of a caller that may own folders.
fn user_of(caller: &Principal) -> Result<UserId> {
    caller.user_id().ok_or_else(|| Error::broken("a request for folders has no user"))
}

/// Refuses analyses of types that the caller may not start.
pub(crate) fn authorize_types(caller: &Principal, requests: &[AnalysisRequest]) -> Result<()> {
    for request in requests {
        policy::authorize_type(caller, &request.kind, &request.argument)?;
    }
    Ok(())
}

/// Assigns ids to the new media, and to the analyses media of the folder and new ones.
fn planned(
    folder: &Folder,
    mut existing: Vec<PlanMedium<'_>>,
    examined: Vec<ExaminedMedium>,
    folder_key: Arc<FolderKey>,
    (requests, urgency): (Vec<CheckedRequest>, Urgency),
    now: OffsetDateTime,
) -> Result<PlannedAdditions> {
    let ids = intake::new_ids(examined.len());
    let new = examined.iter().zip(&ids).map(|(medium, &id)| PlanMedium {
        candidate: Candidate { id, kind: medium.identified.kind, tags: &medium.identified.tags },
        key: medium.identified.key.as_deref(),
    });
    let all: Vec<PlanMedium<'_>> = existing.drain(..).chain(new).collect();
    let analyses: Vec<PlannedAnalysis> =
        requests.into_iter().map(|request| request.assign(&all)).collect::<Result<_>>()?;
    let group = plan::group(folder, analyses, urgency, now);
    Ok(PlannedAdditions { examined, folder_key, ids, group, now })
}

fn folder_changed(replay: Replay) -> Result<FolderChanged> {
    let Replay { folder_id, media, group_id, analyses } = replay;
    let folder_id =
        folder_id.ok_or_else(|| Error::broken("a stored idempotent request names no folder"))?;
    Ok(FolderChanged { folder_id, media, group: group_id, analyses, replayed: true })
}
