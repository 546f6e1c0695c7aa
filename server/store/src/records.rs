//! What goes into and comes out of the store's use cases: plain values, no driver types.

use time::OffsetDateTime;
use vultus_core::{
    Analysis, AnalysisFailure, AnalysisGroup, AnalysisId, Artifact, CompanyId, Folder, FolderId,
    GroupId, MediaId, Medium, Provenance, Reason, Resolution, RunId, SessionId, User, UserId,
};

/// How new the form of the stored data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaState {
    /// The data's version; 0: there are none.
    pub version: usize,
    /// The newest that this program knows.
    pub newest: usize,
}

/// A user together with what proves the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserWithPassword {
    /// The user.
    pub user: User,
    /// Argon2id in PHC string form.
    pub password_hash: String,
    /// Failed logins since the last success.
    pub failed_logins: u32,
    /// No login before this time.
    pub locked_until: Option<OffsetDateTime>,
}

/// A login: the family of all refresh tokens that descend from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Id.
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// When it began.
    pub created_at: OffsetDateTime,
    /// When its newest refresh token expires.
    pub expires_at: OffsetDateTime,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// Answer to the rotation of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The token was current; the new one is in its place.
    Rotated(Session, User),
    /// The token was used before: the whole session is now revoked.
    Reused,
    /// Unknown, expired or revoked.
    Unknown,
}

/// Who sees what: the part of the principal that queries filter by. Made by the server's
/// `auth::policy` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All companies.
    Everything,
    /// One company.
    Company(CompanyId),
    /// What one user of one company owns.
    Owner(CompanyId, UserId),
}

/// The `Idempotency-Key` of a request, with what the request was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Whose: keys of different principals never meet.
    pub user_id: UserId,
    /// The operation, such as `createFolder`.
    pub operation: String,
    /// The client's key.
    pub key: String,
    /// SHA-256 over operation, variables and the files' hashes.
    pub fingerprint: String,
}

/// What an earlier request with the same idempotency key made.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Replay {
    /// The folder.
    pub folder_id: Option<FolderId>,
    /// The media, in the order of the request.
    pub media: Vec<MediaId>,
    /// The group of analyses.
    pub group_id: Option<GroupId>,
    /// The analyses, in the order of the request.
    pub analyses: Vec<AnalysisId>,
}

impl Replay {
    /// Of what a request puts into a folder.
    pub fn of(folder: FolderId, additions: &FolderAdditions) -> Self {
        let group = additions.group.as_ref().map(|new| &new.group);
        Self {
            folder_id: Some(folder),
            media: additions.media.iter().map(|medium| medium.id).collect(),
            group_id: group.map(|group| group.id),
            analyses: group.map(|group| group.analyses.clone()).unwrap_or_default(),
        }
    }
}

/// Answer to a request that makes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It was made now.
    New,
    /// An earlier request with the same key and fingerprint made it.
    Replayed(Replay),
}

/// A run to be queued, with its analyses.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// Id.
    pub id: RunId,
    /// The pool of workers that has its analyzers.
    pub pool: String,
    /// When its turn begins: waiting runs are claimed in this order.
    pub turn_at: OffsetDateTime,
    /// Its analyses, state QUEUED.
    pub analyses: Vec<Analysis>,
}

/// Analyses asked for in one request: one group, one run per pool.
#[derive(Debug, Clone, PartialEq)]
pub struct NewGroup {
    /// The group.
    pub group: AnalysisGroup,
    /// Its runs.
    pub runs: Vec<NewRun>,
    /// When the folder's media last changed, as who planned the analyses saw it. Analyses that are
    /// added to a folder whose media changed since are stale from the beginning.
    pub media_seen: Option<OffsetDateTime>,
}

/// A change of one folder that makes things: media, analyses or both. Applied whole or not at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FolderAdditions {
    /// Media; their blobs are written already, and are referenced from this commit on.
    pub media: Vec<Medium>,
    /// Analyses.
    pub group: Option<NewGroup>,
    /// When.
    pub now: Option<OffsetDateTime>,
}

/// Which folders to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderFilter {
    /// Made at or after.
    pub created_from: Option<OffsetDateTime>,
    /// Made before.
    pub created_before: Option<OffsetDateTime>,
    /// With this external id.
    pub external_id: Option<String>,
    /// With an analysis of this type.
    pub analysis_type: Option<String>,
    /// With at least one analysis that is not final.
    pub processing: Option<bool>,
    /// With this string value at this top-level key of the metadata.
    pub metadata_equals: Vec<(String, String)>,
}

/// Order of a listing; ties are broken by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FolderOrder {
    /// Newest first.
    #[default]
    CreatedDescending,
    /// Oldest first.
    CreatedAscending,
    /// Last changed first.
    UpdatedDescending,
    /// Longest unchanged first.
    UpdatedAscending,
}

/// Position in a listing: the order's time and the id of the last folder seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderCursor {
    /// `created_at` or `updated_at`, by the order.
    pub time: OffsetDateTime,
    /// The folder.
    pub id: FolderId,
}

/// A folder with all that its summary needs.
#[derive(Debug, Clone, PartialEq)]
pub struct FolderContents {
    /// The folder.
    pub folder: Folder,
    /// Its media, oldest first.
    pub media: Vec<Medium>,
    /// Its analyses, oldest first.
    pub analyses: Vec<Analysis>,
    /// Their artifacts.
    pub artifacts: Vec<Artifact>,
}

/// Proof that a node may write a run's results: current until the lease is taken by somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseToken {
    /// The run.
    pub run_id: RunId,
    /// Raised with each claim.
    pub fence: u64,
}

/// A run that was claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedRun {
    /// The proof.
    pub token: LeaseToken,
    /// The pool it is for.
    pub pool: String,
    /// The company, whose blob keys are used.
    pub company_id: CompanyId,
    /// The folder.
    pub folder_id: FolderId,
    /// The folder's wrapped key, which opens the media and seals the artifacts.
    pub folder_key: Vec<u8>,
    /// Its analyses that are not final, in order.
    pub analyses: Vec<Analysis>,
    /// The media that they take.
    pub media: Vec<Medium>,
    /// Whether analyses must be judged one by one, because a worker died in this run before.
    pub one_by_one: bool,
    /// Worker deaths in this run so far, with or without an active analysis.
    pub deaths: u32,
}

/// A result to be written for one analysis.
#[derive(Debug, Clone, PartialEq)]
pub enum AnalysisResult {
    /// A verdict.
    Finished {
        /// Verdict.
        resolution: Resolution,
        /// Reasons.
        reasons: Vec<Reason>,
        /// The analyzer's result.
        result: serde_json::Value,
        /// What judged.
        provenance: Provenance,
        /// Artifacts; their blobs are written already.
        artifacts: Vec<Artifact>,
    },
    /// None.
    Failed(AnalysisFailure),
}

/// Whether a write under a lease took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It did.
    Yes,
    /// The token is not current any more: somebody else has the run, or the folder is gone.
    Stale,
    /// The analysis was final already (cancelled, or applied before).
    AlreadyFinal,
}

/// How a worker's death in a run is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerDeath {
    /// The analysis that was active, if one was.
    pub active: Option<AnalysisId>,
}

/// Answer to a recorded death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeathVerdict {
    /// The run goes back to the queue; unfinished analyses are retried one by one.
    Retried,
    /// The active analysis died the second time and is now FAILED with `ANALYZER_CRASHED`; the
    /// others are retried.
    Failed,
    /// The token is not current any more.
    Stale,
}

/// Answer to a cancellation.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelled {
    /// It is CANCELLED now.
    Now(Box<Analysis>),
    /// It was final already, and stays as it is.
    AlreadyFinal(Box<Analysis>),
}

/// Blob keys that nothing references any more, to be deleted at once (erasure) or by the sweeper.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orphans {
    /// Keys.
    pub keys: Vec<String>,
}

/// A folder's wrapped key, with whose key opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedFolderKey {
    /// The folder's company.
    pub company_id: CompanyId,
    /// The key.
    pub wrapped_key: Vec<u8>,
}

/// Says that a blob is being deleted, or was: until it goes, no commit may reference the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The blob's key.
    pub key: String,
    /// Whether the deletion is done: then whoever has written the blob again may take the tombstone
    /// away.
    pub swept: bool,
    /// When it was made. A later deletion of the same blob has a tombstone of another time.
    pub made_at: OffsetDateTime,
}

/// Numbers for health and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// Runs waiting.
    pub queued: u64,
    /// Runs under a lease.
    pub leased: u64,
}

/// A company with its key, which wraps the keys of its folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Company {
    /// Id.
    pub id: CompanyId,
    /// Name.
    pub name: String,
    /// Its key, wrapped under the installation's master key (see `vultus_blobs::keys`).
    pub wrapped_key: Vec<u8>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}
