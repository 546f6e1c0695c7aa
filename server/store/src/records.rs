//! Arguments and results of the store's use cases: plain values, no types of a driver.

use time::{Duration, OffsetDateTime};
use vultus_core::turns::Turns;
use vultus_core::{
    Analysis, AnalysisFailure, AnalysisGroup, AnalysisId, Artifact, CompanyId, Folder, FolderId,
    GroupId, JsonText, MediaId, Medium, Part, Provenance, Reason, Resolution, RunId, User, UserId,
};

pub use crate::scope::{CompanyScope, Scope, UserChange, UserFilter, UserScope};

/// Version of the stored data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaState {
    /// Version of the data; 0 if there are none.
    pub version: usize,
    /// Newest version that this program knows.
    pub newest: usize,
}

/// A user with the password hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserWithPassword {
    /// The user.
    pub user: User,
    /// Argon2id in PHC string form.
    pub password_hash: String,
    /// When the user was deleted. What is left of it is what its folders refer to.
    pub deleted_at: Option<OffsetDateTime>,
}

/// The `Idempotency-Key` of a request, with a fingerprint of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The user: keys of different users are independent.
    pub user_id: UserId,
    /// The operation, such as `createFolder`.
    pub operation: String,
    /// The client's key.
    pub key: String,
    /// SHA-256 over the operation, its variables and the hashes of its files.
    pub fingerprint: String,
}

/// What an earlier request with the same idempotency key created.
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
    /// The replay of a request that adds this to a folder.
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

/// Result of a request that creates something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It was created now.
    New,
    /// An earlier request with the same key and fingerprint created it.
    Replayed(Replay),
}

/// A run to be queued, with its analyses.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// Id.
    pub id: RunId,
    /// The pool of workers that has its analyzers.
    pub pool: String,
    /// Its turn: waiting runs are claimed in this order.
    pub turn_at: OffsetDateTime,
    /// Its analyses, state QUEUED.
    pub analyses: Vec<Analysis>,
}

/// The analyses of one request: one group, and one run per pool.
#[derive(Debug, Clone, PartialEq)]
pub struct NewGroup {
    /// The group.
    pub group: AnalysisGroup,
    /// Its runs.
    pub runs: Vec<NewRun>,
    /// The time of the last change of the folder's media that the planner read. If the media
    /// changed after that, the analyses are stale from the beginning.
    pub media_seen: Option<OffsetDateTime>,
}

/// Media and analyses to be added to a folder in one commit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FolderAdditions {
    /// Media; their blobs are written already and are referenced from this commit on.
    pub media: Vec<Medium>,
    /// Analyses.
    pub group: Option<NewGroup>,
    /// Time of the request.
    pub now: Option<OffsetDateTime>,
    /// Maximum number of media that the folder holds with these; no limit if absent.
    pub most_media: Option<usize>,
    /// Maximum number of analyses that the folder holds with these; no limit if absent.
    pub most_analyses: Option<usize>,
}

/// Which folders to list; all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderFilter {
    /// Created at or after this time.
    pub created_from: Option<OffsetDateTime>,
    /// Created before this time.
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

/// Order of a listing. Ties are broken by id.
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

/// Position in a listing: the last folder of the page before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderCursor {
    /// Its `created_at` or `updated_at`, depending on the order.
    pub time: OffsetDateTime,
    /// The folder.
    pub id: FolderId,
}

/// A folder with everything that its summary needs.
#[derive(Debug, Clone, PartialEq)]
pub struct FolderContents {
    /// The folder.
    pub folder: Folder,
    /// Its media, oldest first.
    pub media: Part<Vec<Medium>>,
    /// Its analyses, oldest first.
    pub analyses: Part<Vec<Analysis>>,
    /// Their artifacts.
    pub artifacts: Part<Vec<Artifact>>,
}

/// Fencing token of a lease: proves that a node may write to a run. It is stale once another node
/// claims the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseToken {
    /// The run.
    pub run_id: RunId,
    /// Increases with each claim.
    pub fence: u64,
}

/// Which run a node wants to claim.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// The pool of workers.
    pub pool: String,
    /// The node.
    pub node: String,
    /// Time of the claim.
    pub now: OffsetDateTime,
    /// Duration of the lease.
    pub lease: Duration,
    /// The turns of the companies. The claim counts in them.
    pub turns: Turns,
    /// Companies whose runs are not wanted.
    pub except: Vec<CompanyId>,
}

/// A claimed run, with all that a worker needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedRun {
    /// The fencing token.
    pub token: LeaseToken,
    /// The pool of workers.
    pub pool: String,
    /// The company, whose key opens the folder's key.
    pub company_id: CompanyId,
    /// The folder.
    pub folder_id: FolderId,
    /// The wrapped key of the folder: decrypts its media and encrypts its artifacts.
    pub folder_key: Vec<u8>,
    /// Its analyses that are not final, in order, with their parameters.
    pub analyses: Vec<Analysis>,
    /// The media that they use, without their metadata.
    pub media: Vec<Medium>,
    /// Whether the analyses must run one by one, because a worker died in this run before.
    pub one_by_one: bool,
    /// Deaths of workers in this run so far, with or without an active analysis.
    pub deaths: u32,
}

/// Result of an analysis.
#[derive(Debug, Clone, PartialEq)]
pub enum AnalysisResult {
    /// A verdict.
    Finished {
        /// Verdict.
        resolution: Resolution,
        /// Reasons.
        reasons: Vec<Reason>,
        /// The analyzer's result.
        result: JsonText,
        /// Analyzer, weights and parameters that produced it.
        provenance: Provenance,
        /// Artifacts; their blobs are written already.
        artifacts: Vec<Artifact>,
    },
    /// No verdict, and why.
    Failed(AnalysisFailure),
}

/// Whether a write under a lease took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It took effect.
    Yes,
    /// The token is stale: another node has claimed the run, or the folder is erased.
    Stale,
    /// The analysis was final already: cancelled, or its result was written before.
    AlreadyFinal,
}

/// Death of a worker while it processed a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerDeath {
    /// The analysis that was active.
    pub active: Option<AnalysisId>,
}

/// Result of recording a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeathVerdict {
    /// The run is in the queue again; its unfinished analyses are retried one by one.
    Retried,
    /// The active analysis reached the fatal number of deaths and is FAILED; the others are
    /// retried.
    Failed,
    /// The token is stale.
    Stale,
}

/// Result of a cancellation.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelled {
    /// It is CANCELLED now.
    Now(Box<Analysis>),
    /// It was final already and did not change.
    AlreadyFinal(Box<Analysis>),
}

/// Blobs that nothing references any more: the caller deletes them, or else the sweeper does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orphans {
    /// Their tombstones, which belong to the caller's deletion.
    pub tombstones: Vec<Tombstone>,
}

impl Orphans {
    /// The keys of the blobs.
    pub fn keys(&self) -> Vec<String> {
        self.tombstones.iter().map(|tombstone| tombstone.key.clone()).collect()
    }
}

/// The wrapped key of a folder, with the company whose key opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedFolderKey {
    /// The folder's company.
    pub company_id: CompanyId,
    /// The key.
    pub wrapped_key: Vec<u8>,
}

/// Marks a blob that is being deleted or was deleted. While it exists, no commit can reference the
/// key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The blob's key.
    pub key: String,
    /// Whether the deletion is done. Then a caller that has written the blob again may remove the
    /// tombstone.
    pub swept: bool,
    /// Time of the deletion. A later deletion of the same blob has a tombstone of another time.
    pub made_at: OffsetDateTime,
}

/// Numbers of runs, for health and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// Waiting runs.
    pub queued: u64,
    /// Leased runs.
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
    /// Time of creation.
    pub created_at: OffsetDateTime,
    /// Since when its users can do nothing.
    pub suspended_at: Option<OffsetDateTime>,
    /// Since when it is being erased. It is suspended since then at the latest.
    pub deleting_at: Option<OffsetDateTime>,
}
