//! The contract of a backend. Every method is one atomic use case; times come from the caller.

use crate::events::ChangeStream;
use crate::export::Record;
use crate::records::*;
use async_trait::async_trait;
use futures::stream::BoxStream;
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use vultus_core::{
    Analysis, AnalysisGroup, AnalysisId, Artifact, CompanyId, Folder, FolderId, MediaId, Medium,
    SessionId, User, UserId,
};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not exist within the scope.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// A unique value is taken: an e-mail, a folder's external id, or a company's id.
    #[error("{what} is taken")]
    Duplicate {
        /// `externalId`, `email` or `company`.
        what: &'static str,
        /// Id of the thing that has it.
        existing: String,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for a different request")]
    IdempotencyMismatch,
    /// A blob that is being referenced was swept in the meantime: write it again.
    #[error("blob was swept before it was referenced")]
    BlobSwept {
        /// The key.
        key: String,
    },
    /// The store cannot be reached, or is full; a later attempt may work.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A fault.
    #[error("store: {context}")]
    Internal {
        /// What was being done.
        context: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Result of a use case.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A backend.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // -- companies, users, sessions ------------------------------------------------------------

    /// Makes a company; one with a taken id is `Duplicate`.
    async fn create_company(&self, company: &Company) -> Result<()>;
    /// A company.
    async fn company(&self, id: CompanyId) -> Result<Company>;
    /// All companies, in the order of their ids.
    async fn companies(&self) -> Result<Vec<Company>>;
    /// Puts a company's key, wrapped anew, in the place of `old`. False: `old` is not what is
    /// stored.
    async fn replace_company_key(&self, id: CompanyId, old: &[u8], new: &[u8]) -> Result<bool>;
    /// Makes a user; a taken e-mail is `Duplicate`.
    async fn create_user(&self, user: &User, password_hash: &str) -> Result<()>;
    /// How many users there are.
    async fn count_users(&self) -> Result<u64>;
    /// By e-mail (lower case).
    async fn user_by_email(&self, email: &str) -> Result<Option<UserWithPassword>>;
    /// By id.
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>>;
    /// Counts a failed login and sets the time before which the next is refused.
    async fn record_failed_login(
        &self,
        id: UserId,
        locked_until: Option<OffsetDateTime>,
    ) -> Result<()>;
    /// Begins a session with its first refresh token (by its SHA-256), and clears the failed
    /// logins.
    async fn create_session(&self, session: &Session, refresh_sha256: &str) -> Result<()>;
    /// Puts a new refresh token in the place of an old one; a second use of the old one revokes the
    /// session.
    async fn rotate_refresh(
        &self,
        old: &str,
        new: &str,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<Rotation>;
    /// A session, if it exists.
    async fn session(&self, id: SessionId) -> Result<Option<Session>>;
    /// Revokes a session.
    async fn revoke_session(&self, id: SessionId) -> Result<()>;

    // -- folders, media ------------------------------------------------------------------------

    /// Makes a folder with its first media and analyses, all at once.
    async fn create_folder(
        &self,
        folder: &Folder,
        additions: &FolderAdditions,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created>;
    /// Adds media or analyses, or both, to a folder.
    async fn add_to_folder(
        &self,
        scope: Scope,
        id: FolderId,
        additions: &FolderAdditions,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created>;
    /// What an earlier request with this key made, so that a replay need not read its files again.
    async fn replay(&self, key: &IdempotencyKey) -> Result<Option<Replay>>;
    /// Changes metadata and external id; `None` leaves as it is, `Some(None)` clears.
    async fn update_folder(
        &self,
        scope: Scope,
        id: FolderId,
        metadata: Option<&Value>,
        external_id: Option<Option<&str>>,
        now: OffsetDateTime,
    ) -> Result<Folder>;
    /// Deletes a medium that no unfinished analysis takes (those are cancelled first); its blobs
    /// are returned if nothing else references them, each with a tombstone set in the same step.
    async fn delete_medium(
        &self,
        scope: Scope,
        id: MediaId,
        now: OffsetDateTime,
    ) -> Result<(Folder, Orphans)>;
    /// Fences the folder's runs, deletes all of it and makes the store forget its pages. The blobs
    /// that nothing references any more get tombstones in the same step, so that a node that dies
    /// before it deleted them does not forget them; who erases deletes them, and then calls
    /// [`Store::mark_swept`].
    async fn erase_folder(
        &self,
        scope: Scope,
        id: FolderId,
        now: OffsetDateTime,
    ) -> Result<Orphans>;
    /// Whole folders, in the order of the ids; those outside of the scope are missing.
    async fn folders(&self, scope: Scope, ids: &[FolderId]) -> Result<Vec<FolderContents>>;
    /// By external id within a company.
    async fn folder_by_external_id(
        &self,
        scope: Scope,
        company: CompanyId,
        external_id: &str,
    ) -> Result<Option<FolderId>>;
    /// A page of folders: at most `limit` after the cursor, and whether there are more.
    async fn list_folders(
        &self,
        scope: Scope,
        filter: &FolderFilter,
        order: FolderOrder,
        after: Option<FolderCursor>,
        limit: u32,
    ) -> Result<(Vec<Folder>, bool)>;
    /// Contents (media, analyses, artifacts) of many folders in a fixed number of round trips.
    async fn contents(&self, folders: Vec<Folder>) -> Result<Vec<FolderContents>>;
    /// Ids of folders after this one, in the order of the ids: to walk over all folders of an
    /// installation.
    async fn folder_ids(&self, after: Option<FolderId>, limit: u32) -> Result<Vec<FolderId>>;
    /// A folder's wrapped key.
    async fn folder_key(&self, id: FolderId) -> Result<Option<WrappedFolderKey>>;
    /// A medium.
    async fn medium(&self, scope: Scope, id: MediaId) -> Result<Option<Medium>>;
    /// The groups of a folder, oldest first.
    async fn groups(&self, scope: Scope, id: FolderId) -> Result<Vec<AnalysisGroup>>;

    // -- analyses and the queue ----------------------------------------------------------------

    /// Analyses by id, with their artifacts.
    async fn analyses(
        &self,
        scope: Scope,
        ids: &[AnalysisId],
    ) -> Result<Vec<(Analysis, Vec<Artifact>)>>;
    /// Cancels an analysis that is not final.
    async fn cancel_analysis(
        &self,
        scope: Scope,
        id: AnalysisId,
        now: OffsetDateTime,
    ) -> Result<Cancelled>;
    /// Takes the waiting run of one of the pools whose turn begins first (or one whose lease ran
    /// out) under a new token. Its QUEUED analyses stay so until entered.
    async fn claim_run(
        &self,
        pools: &[String],
        node: &str,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<Option<ClaimedRun>>;
    /// Extends the lease. False: the token is not current any more.
    async fn heartbeat(
        &self,
        token: LeaseToken,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<bool>;
    /// The worker entered an analysis: RUNNING, one attempt more. A store may keep this and
    /// progress back for a second, to write them with a result.
    async fn enter_analysis(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        now: OffsetDateTime,
    ) -> Result<Applied>;
    /// Progress, 0–1; never goes back.
    async fn record_progress(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        fraction: f32,
    ) -> Result<Applied>;
    /// Writes a result, once.
    async fn apply_result(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        result: &AnalysisResult,
        now: OffsetDateTime,
    ) -> Result<Applied>;
    /// Records a worker's death, by the rule of blame: two deaths while active fail an analysis
    /// with `ANALYZER_CRASHED` (`failure` is what it then gets); the run is released for another
    /// attempt.
    async fn record_death(
        &self,
        token: LeaseToken,
        death: WorkerDeath,
        failure: &vultus_core::AnalysisFailure,
        now: OffsetDateTime,
    ) -> Result<DeathVerdict>;
    /// No result of a run is to come: what is kept back of it is written now.
    fn hurry(&self, _token: LeaseToken) {}
    /// Ends a run whose analyses are all final, or gives it back to the queue (not before
    /// `retry_at`) with the rest QUEUED.
    async fn release_run(
        &self,
        token: LeaseToken,
        retry_at: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Result<Applied>;
    /// Fails what waits for a pool other than these in runs asked for before `asked_before`,
    /// because nobody will judge it: each analysis gets `failure`. Returns how many that were.
    async fn fail_unserved(
        &self,
        pools: &[String],
        asked_before: OffsetDateTime,
        failure: &vultus_core::AnalysisFailure,
        now: OffsetDateTime,
    ) -> Result<u64>;
    /// Numbers.
    async fn queue_depth(&self) -> Result<QueueDepth>;

    // -- blobs ---------------------------------------------------------------------------------

    // A deletion is: tombstone_unreferenced, the deletion of the bytes, mark_swept. A commit that
    // references a key with a tombstone is refused with `BlobSwept`, also long after the deletion:
    // its bytes may have been written before it. Who is refused waits until the deletion is done,
    // writes the bytes again, and then takes away the tombstone that was waited for, and no later
    // one. So no commit ever references bytes that are gone, on however many nodes this goes on.
    /// Of these keys, those that nothing references and nobody else is deleting; each is given a
    /// new tombstone. One whose deletion is not done and which is older than `abandoned` is of a
    /// deletion that was killed, and counts as none.
    async fn tombstone_unreferenced(
        &self,
        keys: &[String],
        now: OffsetDateTime,
        abandoned: Duration,
    ) -> Result<Vec<String>>;
    /// The bytes are deleted: marks the tombstones.
    async fn mark_swept(&self, keys: &[String]) -> Result<()>;
    /// Which of these keys have tombstones.
    async fn tombstones(&self, keys: &[String]) -> Result<Vec<Tombstone>>;
    /// The bytes were written again after these deletions: takes away those of their tombstones
    /// that are done. One that a later deletion made stays: it may have taken the bytes that were
    /// written again.
    async fn revive(&self, tombstones: &[Tombstone]) -> Result<()>;
    /// Tombstones from before a time, at most `limit`: those that are not swept were left by a
    /// deletion that was killed.
    async fn tombstones_before(&self, before: OffsetDateTime, limit: u32)
    -> Result<Vec<Tombstone>>;

    // -- as a whole ----------------------------------------------------------------------------

    /// All records as of one moment, in the order that [`Record`] says.
    async fn export(&self) -> Result<BoxStream<'static, Result<Record>>>;
    /// Writes records as they were, all of them or none; what is there already makes it fail. For a
    /// store that nobody uses yet: nothing is announced, and no run is waited for.
    async fn import(&self, records: Vec<Record>) -> Result<()>;

    /// Whether the installation's secret keys have this fingerprint. The first node that asks
    /// decides. An embedded store has one node, whose keys are right.
    async fn has_keys(&self, fingerprint: &str) -> Result<bool> {
        let _ = fingerprint;
        Ok(true)
    }

    /// Whether the installation's blobs lie where this says
    /// (`vultus_blobs::BlobStore::identity`). The first node that asks decides. Of an embedded
    /// store they lie where its one node looks.
    async fn has_blobs(&self, identity: &str) -> Result<bool> {
        let _ = identity;
        Ok(true)
    }

    /// Keys of some media's blobs, the newest, at most `limit`. None of an embedded store.
    async fn some_blobs(&self, limit: u32) -> Result<Vec<String>> {
        let _ = limit;
        Ok(Vec::new())
    }

    // -- events and health ---------------------------------------------------------------------

    /// Changes of folders from now on. A slow reader is told that it missed some, never blocks a
    /// writer.
    fn changes(&self) -> ChangeStream;
    /// Wakes when a run may be waiting (also a hint from other processes on the same data).
    async fn run_waiting(&self);
    /// Whether the store answers.
    async fn ping(&self) -> Result<()>;
    /// Ends background work and closes files.
    async fn close(&self) -> Result<()>;
}
